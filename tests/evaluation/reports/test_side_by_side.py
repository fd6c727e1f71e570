"""Two comparisons side by side."""

import pytest

from fewshot.core.artifacts import write_json
from fewshot.core.errors import InputError
from fewshot.evaluation.reports.side_by_side import Finished, is_comparison, side_by_side
from fewshot.evaluation.runner.contest import COLUMNS
from fewshot.evaluation.tables import write_csv


def write(folder, cells, *, data=None, **settings):
    """Write a comparison's folder: ``cells`` are (method, slice, seed, score or None)."""
    folder.mkdir()
    manifest = {"data": data or {"labeled": "x", "test": "y"}, "settings": {"encoder": "e", **settings}, "versions": {}}
    write_json(folder / "manifest.json", manifest)
    rows = []
    for method, size, seed, score in cells:
        row = dict.fromkeys(COLUMNS) | {"method": method, "slice": size, "n_train": 3 * size, "seed": seed}
        fine = {"status": "ok", "accuracy": score, "micro_f1": score, "macro_f1": score, "fit_seconds": 1.5}
        rows.append(row | (fine if score is not None else {"status": "failed", "error": "ValueError: a, b\nc"}))
    write_csv(folder / "results.csv", rows, COLUMNS)
    return folder


def test_cells_are_paired_by_seed(tmp_path):
    """Prevents a difference that is one of seeds, and a method that only one side has from being dropped."""
    one = write(tmp_path / "a", [("knn", 8, 0, 0.5), ("knn", 8, 1, 0.7), ("knn", 8, 2, None), ("nb", 8, 0, 0.2)])
    other = write(tmp_path / "b", [("knn", 8, 1, 0.8), ("knn", 8, 0, 0.7), ("knn", 8, 2, 0.9), ("probe", 4, 0, 0.6)])
    found = side_by_side(Finished.read(one), Finished.read(other))
    assert found.notes == []
    probe, knn, nb = found.rows
    assert (knn["a"], knn["b"], knn["n_shared"]) == (pytest.approx(0.6), pytest.approx(0.8), 2)
    assert knn["difference"] == pytest.approx(0.15)
    assert knn["sd"] == pytest.approx(0.05 * 2**0.5)
    assert (nb["method"], nb["b"], nb["difference"], nb["n_shared"]) == ("nb", None, None, 0)
    assert (probe["slice"], probe["a"], probe["b"]) == (4, None, 0.6)


def test_what_differs_is_told(tmp_path):
    """Prevents scores on other test texts from being compared without a word."""
    one = write(tmp_path / "a", [("knn", 8, 0, 0.5)], slices=[8, 16])
    other = write(tmp_path / "b", [("knn", 8, 0, 0.5)], data={"labeled": "z", "test": "w"}, slices=[8])
    notes = side_by_side(Finished.read(one), Finished.read(other)).notes
    assert [note.partition(":")[0] for note in notes] == [
        "scored on different test texts",
        "slices were drawn from different labelled texts",
        "slices",
    ]
    assert notes[-1] == "slices: 8, 16 and 8"


def test_variants_are_kept_apart(tmp_path):
    """Prevents one encoder's cell from overwriting another one's."""
    folder = write(tmp_path / "a", [("knn", 8, 0, 0.5), ("knn", 8, 0, 0.7)])
    text = (folder / "results.csv").read_text().replace("knn,,", "knn,first,", 1)
    (folder / "results.csv").write_text(text)
    found = side_by_side(Finished.read(folder), Finished.read(folder), metric="accuracy")
    assert [(row["method"], row["a"], row["difference"]) for row in found.rows] == [
        ("knn (first)", 0.5, 0),
        ("knn", 0.7, 0),
    ]


@pytest.mark.parametrize("damage", ["nothing", "columns", "numbers", "manifest"])
def test_other_folders_are_refused(tmp_path, damage):
    """Prevents a traceback where a folder is something else, or was cut off."""
    folder = write(tmp_path / "a", [("knn", 8, 0, 0.5)])
    assert is_comparison(folder)
    assert not is_comparison(tmp_path)
    if damage == "nothing":
        folder = tmp_path
    elif damage == "columns":
        (folder / "results.csv").write_text("a,b\n1,2\n")
    elif damage == "numbers":
        (folder / "results.csv").write_text((folder / "results.csv").read_text().replace("0.5", "half"))
    else:
        (folder / "manifest.json").write_text("[1")
    with pytest.raises(InputError, match="is no folder of a finished comparison"):
        Finished.read(folder)


def test_an_unknown_metric(tmp_path):
    """Prevents a KeyError."""
    one = Finished.read(write(tmp_path / "a", [("knn", 8, 0, 0.5)]))
    with pytest.raises(InputError, match="metric must be one of accuracy"):
        side_by_side(one, one, metric="f2")
