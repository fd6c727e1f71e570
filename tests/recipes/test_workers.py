"""A comparison in several processes leaves what it leaves in one."""

import re
import sys
import threading
import warnings
from pathlib import Path

import pytest

from fewshot import compare_methods
from fewshot.core.errors import InputError, MissingExtraError
from fewshot.data.readers import read_rows
from fewshot.data.texts import TextData
from fewshot.recipes.workers import Workers

FAST = {"methods": "naive-bayes,knn,linear-probe,zero-shot-embedding", "seeds": 2, "device": "cpu"}


@pytest.fixture(scope="module")
def static_folder(tiny_static, tmp_path_factory):
    """A tiny encoder by its name."""
    folder = tmp_path_factory.mktemp("static") / "tiny"
    tiny_static.save(folder)
    return str(folder)


def as_data(toy):
    """Return labelled texts and test texts of toy data."""
    return [
        TextData(texts, labels, toy.multi_label, list(range(len(texts))), "toy")
        for texts, labels in ((toy.texts, toy.labels), (toy.test_texts, toy.test_labels))
    ]


def left(folder: Path) -> dict[str, bytes]:
    """Return the files of cells, and the tables; times are blanked."""
    cells = {path.name: path.read_bytes() for path in (folder / "cells").iterdir()}
    blanked = {name: re.sub(rb'(_seconds": )[0-9.e-]+', rb"\1", content) for name, content in cells.items()}
    rows = read_rows(folder / "results.csv").rows
    timeless = [{name: value for name, value in row.items() if "seconds" not in name} for row in rows]
    return blanked | {"results": repr(timeless).encode(), "contrasts": (folder / "contrasts.csv").read_bytes()}


@pytest.mark.parametrize("kind", ["single", pytest.param("multi", marks=pytest.mark.long)])
def test_two_workers_leave_what_one_leaves(kind, static_folder, tmp_path, request):
    """Prevents figures that depend on how many processes made them."""
    data = as_data(request.getfixturevalue(kind))
    options = FAST | {"encoder": static_folder, "slices": (0, 4) if kind == "multi" else (0, 2)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        compare_methods(*data, out=tmp_path / "one", **options)
        compare_methods(*data, out=tmp_path / "two", workers=2, **options)
    assert left(tmp_path / "two") == left(tmp_path / "one")
    assert len(left(tmp_path / "two")) == 2 + 10


def test_an_interrupted_run_goes_on_with_workers(single, static_folder, tmp_path):
    """Prevents a comparison of hours from beginning afresh, on as many processes as somebody takes the next time."""

    def stop(cell, row):
        if cell.method == "knn":
            raise KeyboardInterrupt

    data, options = as_data(single), FAST | {"encoder": static_folder, "slices": (0, 2)}
    with pytest.raises(KeyboardInterrupt):
        compare_methods(*data, out=tmp_path / "two", workers=2, on_result=stop, **options)
    before = {path.name: path.read_bytes() for path in (tmp_path / "two" / "cells").iterdir()}
    assert 0 < len(before) < 10
    new = []
    compare_methods(*data, out=tmp_path / "two", workers=2, on_result=lambda cell, row: new.append(cell), **options)
    assert len(new) == 10 - len(before)
    assert {name: (tmp_path / "two" / "cells" / name).read_bytes() for name in before} == before
    compare_methods(*data, out=tmp_path / "one", **options)
    assert left(tmp_path / "two") == left(tmp_path / "one")


def test_an_encoder_in_memory_is_sent_where_it_can_be(single, tiny_static, toy_encoder, tmp_path):
    """Prevents an error of the depths of pickle where the reader wants to know what to do."""
    data, options = as_data(single), FAST | {"slices": (0, 1), "seeds": 1}
    compare_methods(*data, out=tmp_path / "one", encoder=tiny_static, **options)
    compare_methods(*data, out=tmp_path / "two", encoder=tiny_static, workers=2, **options)
    assert left(tmp_path / "two") == left(tmp_path / "one")
    toy_encoder.lock = threading.Lock()
    with pytest.raises(InputError, match=r"'toy' in memory cannot be sent .*; save it and name its folder, or take w"):
        compare_methods(*data, out=tmp_path / "three", encoder=toy_encoder, workers=2, **options)
    assert not (tmp_path / "three").exists()
    compare_methods(*data, out=tmp_path / "three", encoder=toy_encoder, **options | {"slices": (1,), "methods": "knn"})


@pytest.mark.slow
@pytest.mark.long
def test_trained_and_adapted_encoders_are_the_same_in_workers(single, tiny_folder, pool, tmp_path):
    """Prevents an adaptation in each worker, and a method that trains on something else than in one process."""
    texts = [f"also {text}" for text in pool]
    unlabeled = TextData(texts, [None] * len(pool), False, list(range(len(pool))), "pool")
    options = {"methods": "adapt+fine-tune,setfit,prompt:nowhere", "slices": (2,), "seeds": 2, "device": "cpu"}
    options |= {"encoder": str(tiny_folder)}
    compare_methods(*as_data(single), unlabeled, out=tmp_path / "one", **options)
    done = compare_methods(*as_data(single), unlabeled, out=tmp_path / "two", workers=2, **options)
    assert left(tmp_path / "two") == left(tmp_path / "one")
    assert {(row["method"], row["status"]) for row in done.rows} == {
        ("adapt+fine-tune", "ok"),
        ("setfit", "ok"),
        ("prompt:nowhere", "failed"),
    }
    assert len(list((tmp_path / "two" / "adapted").iterdir())) == 1


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"workers": 0}, "workers must be a whole number of at least 1, got 0"),
        ({"workers": 1.5}, "workers must be a whole number"),
        ({"engine": "rey"}, r"engine must be one of joblib, ray, got 'rey'\. Did you mean 'ray'\?"),
    ],
)
def test_what_cannot_be_asked_for_is_refused_at_the_door(tmp_path, asked, told):
    """Prevents an hour of embedding before a typing error is found."""
    with pytest.raises(InputError, match=told):
        compare_methods("no such file", out=tmp_path / "out", **asked)
    assert not (tmp_path / "out").exists()


def test_without_ray_it_is_said_how_to_install_it(monkeypatch):
    """Prevents a bare ImportError; and asking for it where one process was asked for needs none."""
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtraError, match=re.escape("pip install 'fewshot[ray]'")):
        Workers(2, "ray")
    assert Workers(1, "ray").n == 1
