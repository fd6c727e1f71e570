"""The folder of a comparison: what it trusts, whom it refuses."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from fewshot.core.errors import InputError
from fewshot.evaluation.runner.contest import run_cell
from fewshot.evaluation.runner.store import LARGEST_CELL, LARGEST_ROW, ResultStore

MANIFEST = {"data": {"train": "3f2a", "test": "77"}, "versions": {"fewshot": "0.1.0"}}


@pytest.fixture
def store(tmp_path):
    """An empty folder, opened."""
    return ResultStore.open(tmp_path / "out", MANIFEST)


@pytest.fixture
def result(make_cell, parrot, train, test_data):
    """What came of a run: row and predictions."""
    return run_cell(make_cell(), parrot, train, test_data)


@pytest.fixture
def row(result):
    """The row of a run."""
    return result.row


def test_what_is_put_comes_back(store, make_cell, result):
    """Prevents a score or an answer that changes on its way through the file."""
    store.put(make_cell(), *result)
    assert store.get(make_cell()) == result.row
    kept = store.predictions(make_cell())
    assert kept.labels == result.predictions.labels == ["pos"] * 4
    assert (kept.space, kept.texts) == (result.predictions.space, result.predictions.texts)
    assert store.get(make_cell(seed=1)) is None
    assert store.predictions(make_cell(seed=1)) is None


def test_the_same_result_gives_the_same_bytes(store, make_cell, result):
    """Prevents cell files that differ from one run to the next in more than their seconds."""
    paths = []
    for number in (0, 1):
        store.put(make_cell(key=f"a{number}"), *result)
        paths.append(store.folder / "cells" / f"a{number}.json")
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_a_row_that_was_kept_without_predictions_is_a_result(store, make_cell, result, monkeypatch):
    """Prevents results of before, or of millions of test texts, from being computed again and again."""
    store.put(make_cell(), result.row)
    path = store.folder / "cells" / "parrot-0.json"
    record = json.loads(path.read_text())
    del record["predictions"]
    path.write_text(json.dumps(record))
    monkeypatch.setattr("fewshot.evaluation.runner.store.LARGEST_CELL", LARGEST_ROW + 50)
    store.put(make_cell(1), result.row | {"seed": 1}, result.predictions)
    for cell in (make_cell(), make_cell(1)):
        assert store.get(cell)["accuracy"] == 0.5
        assert store.predictions(cell) is None


def test_labels_with_half_a_surrogate_pair_are_kept(store, make_cell, train, test_data):
    """Prevents one label from a broken file from ending the comparison when its first cell is written."""
    odd = type("Odd", (), {"fit": lambda *_: None, "predict": lambda *_: ["\udcff", "neg", "pos", "中"]})
    store.put(make_cell(), *run_cell(make_cell(), odd, train, test_data))
    assert store.predictions(make_cell()).labels == ["\udcff", "neg", "pos", "中"]


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
        lambda text: text + " " * LARGEST_CELL,
        lambda text: text.replace('"codes": "AgICAg=="', '"codes": "AgIC"'),
        lambda text: text.replace('"codes": "AgICAg=="', '"codes": "AgICCQ=="'),
        lambda text: text.replace('"codes": "AgICAg=="', '"codes": "no base64!"'),
        lambda text: text.replace('"n": 4', '"n": 10000000000000'),
        lambda text: text.replace('"neg"', '"pos"'),
        lambda text: text.replace('"neg"', "3"),
        lambda text: text.replace('"multi_label": false', '"multi_label": true'),
        lambda text: text.replace('"texts"', '"text"'),
        lambda text: text.replace('"predictions": {', '"predictions": 3, "more": {'),
    ],
)
def test_a_torn_or_foreign_cell_file_counts_as_absent(store, make_cell, result, spoil):
    """Prevents half a file, that of another cell, or codes of other classes, from passing for a result."""
    store.put(make_cell(), *result)
    [path] = (store.folder / "cells").iterdir()
    whole = path.read_text()
    path.write_text(spoil(whole))
    assert path.read_text() != whole
    assert store.get(make_cell()) is None
    assert store.predictions(make_cell()) is None


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
        "import os; from fewshot.evaluation.runner.store import LARGEST_CELL, LARGEST_ROW, ResultStore\n"
        f"with ResultStore({str(store.folder)!r}).locked(): os._exit(9)"
    )
    died = subprocess.run([sys.executable, "-c", code], check=False, cwd=Path(__file__).parents[2])
    assert died.returncode == 9
    with store.locked():
        pass


def test_a_platform_without_flock_runs_unlocked(store, monkeypatch):
    """Prevents Windows users from being shut out by a missing module."""
    monkeypatch.setitem(sys.modules, "fcntl", None)
    opened = 0
    with store.locked(), ResultStore(store.folder).locked():
        opened += 1  # where there is flock, the second is refused
    assert opened


def test_what_a_killed_run_left_half_written_is_removed(tmp_path, make_cell, make_row):
    """Prevents a folder that a hundred kills fill with torn files; finished cells and folders of others stay."""
    store = ResultStore.open(tmp_path, {"data": "3f2a"})
    store.put(make_cell(), make_row(**make_cell().identity))
    torn = [tmp_path / ".results.csv.abc.part", tmp_path / "cells" / ".parrot-0.json.abc.part"]
    for path in torn:
        path.write_text("{")
    (tmp_path / ".adapted.abc.part").mkdir()
    again = ResultStore.open(tmp_path, {"data": "3f2a"})
    assert not any(path.exists() for path in torn)
    assert again.get(make_cell()) is not None
    assert (tmp_path / ".adapted.abc.part").is_dir()
