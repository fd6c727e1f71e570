"""The folder of a comparison: what it trusts, whom it refuses."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from fewshot.core.errors import InputError
from fewshot.evaluation.contest import run_cell
from fewshot.evaluation.store import ResultStore

MANIFEST = {"data": {"train": "3f2a", "test": "77"}, "versions": {"fewshot": "0.1.0"}}


@pytest.fixture
def store(tmp_path):
    """An empty folder, opened."""
    return ResultStore.open(tmp_path / "out", MANIFEST)


@pytest.fixture
def row(make_cell, parrot, train, test_data):
    """The result of a run."""
    return run_cell(make_cell(), parrot, train, test_data)


def test_what_is_put_comes_back(store, make_cell, row):
    """Prevents a score that changes on its way through the file."""
    store.put(make_cell(), row)
    assert store.get(make_cell()) == row
    assert store.get(make_cell(seed=1)) is None


def test_rows_come_in_the_order_asked_for(store, make_cell, row):
    """Prevents tables whose order depends on the file system."""
    cells = [make_cell(seed) for seed in (2, 0, 1)]
    for cell in cells[:2]:
        store.put(cell, row | cell.identity)
    assert [found["seed"] for found in store.rows(reversed(cells))] == [0, 2]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text[: len(text) // 2],
        lambda text: "",
        lambda text: "[1]",
        lambda text: "[" * 50_000,
        lambda text: text.replace('"seed": 0', '"seed": 1'),
        lambda text: text.replace('"accuracy": 0.5', '"accuracy": NaN'),
        lambda text: text.replace('"accuracy": 0.5', '"accuracy": "0.5"'),
        lambda text: text.replace('"accuracy": 0.5', '"accuracy": null'),
        lambda text: text.replace('"status": "ok"', '"status": "failed"'),
        lambda text: text.replace('"status": "ok"', '"status": ["ok"]'),
        lambda text: text.replace('"error": null', '"extra": null'),
        lambda text: text + " " * 100_000,
    ],
)
def test_a_torn_or_foreign_cell_file_counts_as_absent(store, make_cell, row, spoil):
    """Prevents half a file, or that of another cell, from passing for a result."""
    store.put(make_cell(), row)
    [path] = (store.folder / "cells").iterdir()
    whole = path.read_text()
    path.write_text(spoil(whole))
    assert path.read_text() != whole
    assert store.get(make_cell()) is None


def test_a_folder_of_other_data_is_refused_and_left_alone(store):
    """Prevents scores on two test sets from ending in one table."""
    before = (store.folder / "manifest.json").read_bytes()
    with pytest.raises(InputError, match=r"other data.*--out"):
        ResultStore.open(store.folder, MANIFEST | {"data": {"train": "other", "test": "77"}})
    assert (store.folder / "manifest.json").read_bytes() == before


def test_a_newer_version_on_the_same_data_goes_on(store):
    """Prevents an upgrade from locking the user out; keys decide which cells are computed anew."""
    ResultStore.open(store.folder, MANIFEST | {"versions": {"fewshot": "0.2.0"}})
    assert json.loads((store.folder / "manifest.json").read_text())["versions"] == {"fewshot": "0.2.0"}
    with pytest.raises(InputError, match="other data"):
        ResultStore.open(store.folder, MANIFEST | {"versions": {}}, identity_keys=("data", "versions"))


@pytest.mark.parametrize("text", ["{", "[]", "{}"])
def test_a_manifest_that_is_not_ours_is_refused(tmp_path, text):
    """Prevents another program's folder from being taken for ours."""
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(InputError, match="other data"):
        ResultStore.open(tmp_path, MANIFEST)


def test_a_file_in_place_of_the_folder_is_named(tmp_path):
    """Prevents a bare FileExistsError."""
    (tmp_path / "out").write_text("mine")
    for folder in (tmp_path / "out", tmp_path / "out" / "deeper"):
        with pytest.raises(InputError, match="is a file"):
            ResultStore.open(folder, MANIFEST)


def test_two_runs_cannot_share_a_folder(store):
    """Prevents two runs from computing the same cells and writing one results.csv."""
    other = ResultStore(store.folder)
    with store.locked():
        with pytest.raises(InputError, match="another run"), other.locked():
            pass
        with pytest.raises(InputError, match="another run"):
            ResultStore.open(store.folder, MANIFEST)
    with other.locked():
        pass


def test_one_run_may_hold_its_lock_around_several_steps(store):
    """Prevents a recipe that holds the folder from being refused by the runner it calls."""
    other = ResultStore(store.folder)
    with store.locked():
        with store.locked():
            pass
        with pytest.raises(InputError), other.locked():
            pass


def test_the_lock_of_a_process_that_died_is_gone(store):
    """Prevents a killed run from locking its folder for ever."""
    code = (
        "import os; from fewshot.evaluation.store import ResultStore\n"
        f"with ResultStore({str(store.folder)!r}).locked(): os._exit(9)"
    )
    died = subprocess.run([sys.executable, "-c", code], check=False, cwd=Path(__file__).parents[2])
    assert died.returncode == 9
    with store.locked():
        pass


def test_a_platform_without_flock_runs_unlocked(store, monkeypatch):
    """Prevents Windows users from being shut out by a missing module."""
    monkeypatch.setitem(sys.modules, "fcntl", None)
    with store.locked(), ResultStore(store.folder).locked():
        pass
