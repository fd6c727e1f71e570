"""Label cells."""

import json
import warnings

import numpy as np
import pytest

from fewshot.core.errors import DataWarning, InputError, SourceNotFoundError
from fewshot.data.cells import LabelColumn, listed, read_label_map
from fewshot.data.loading import load_texts

NAN = float("nan")


def read(cells, *, multi=False, **settings):
    """Read cells of source rows 10, 11, …"""
    column = LabelColumn("file 'x', column 'label'", multi, **settings)
    return column.read(cells, rows=list(range(10, 10 + len(cells))))


def test_missing_cells_are_unlabeled():
    """Prevents the classes "", " " and nan."""
    assert read(["a", "", "  ", None, NAN]) == ["a", None, None, None, None]
    assert read([["a"], "", "  ", None, NAN], multi=True) == [("a",), None, None, None, None]


def test_integers_survive_the_floats_of_pandas():
    """Prevents the class 1.0 beside the class 1."""
    labels = read([1.0, NAN, 2, np.int64(3), np.float64(4)])
    assert labels == [1, None, 2, 3, 4]
    assert {type(label) for label in labels if label is not None} == {int}


def test_the_class_zero_is_a_label():
    """Prevents taking 0 for missing."""
    assert read([0, 1]) == [0, 1]
    assert read([[0], 0], multi=True) == [(0,), (0,)]


def test_cells_are_split_in_order_and_without_doubles():
    """Prevents blank labels, and labels that count twice."""
    assert read(["b| a |b||", "c", "|"], multi=True) == [("b", "a"), ("c",), ()]
    assert read(["a;b"], multi=True, separator=";") == [("a", "b")]
    assert read(["a|b"], multi=True, separator="") == [("a|b",)]


def test_lists_of_any_kind_are_read():
    """Prevents refusing NumPy arrays (Parquet through pandas), sets, and GitHub's label objects."""
    cells = [["a", None, ""], ("a", "a"), {"b", "a"}, np.array(["c"]), [{"id": 1, "name": "bug"}]]
    assert read(cells, multi=True) == [("a",), ("a",), ("a", "b"), ("c",), ("bug",)]


@pytest.mark.parametrize(
    ("empty_labels", "expected"),
    [
        (None, [(), None, None, None]),
        ("unlabeled", [None, None, None, None]),
        ("none", [(), (), (), None]),
    ],
)
def test_empty_labels_decides_what_nothing_means(empty_labels, expected):
    """Prevents teaching "none applies" where nobody has looked, and the reverse."""
    assert read([[], "", NAN, None], multi=True, empty_labels=empty_labels) == expected


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (
            ["a", "bug|ui"],
            r"row 11: several labels in one cell, 'bug\|ui'; .*multi_label=True.*--multi-label.*--label-sep",
        ),
        ([["a", "b"]], "row 10: several labels .* in single-label data"),
        ([1.5], r"row 10: .* got 1\.5 \(float\)"),
        ([True], r"got True \(bool\)"),
        ([{"name": "a"}], r"got \{'name': 'a'\} \(dict\)"),
        (["a", None, 2], "mixes strings and integers: 'a' in row 10, 2 in row 12"),
    ],
)
def test_bad_cells_name_the_row(cells, message):
    """Prevents a class that nobody meant, such as "bug|ui" or True."""
    with pytest.raises(InputError, match=message):
        read(cells)


def test_an_empty_separator_switches_the_check_off():
    """Prevents refusing class names that contain a bar."""
    assert read(["C|C++"], separator="") == ["C|C++"]


def test_one_label_in_a_list_is_a_single_label():
    """Prevents refusing single-label data that an API wraps in lists."""
    assert read([["a"], []]) == ["a", None]


def test_a_map_renames_and_drops():
    """Prevents raw names beside mapped ones."""
    table = {"type: bug": "bug", "crash": "bug", "1": "one"}
    assert read(["crash", "other", None], label_map=table) == ["bug", None, None]
    assert read([["crash", "type: bug", "ui"], ["ui"], None], multi=True, label_map=table) == [("bug",), (), None]
    assert read([["ui"], []], multi=True, label_map={"ui": "u"}, empty_labels="unlabeled") == [("u",), None]
    assert read([1], label_map=table) == ["one"]
    assert read([["crash", "ui"]], label_map=table) == ["bug"]


def test_a_map_that_names_nothing_is_refused():
    """Prevents a data set that is silently all unlabeled."""
    with pytest.raises(InputError, match=r"names none of the labels .*: 'crash'; label_map knows: 'Crash'"):
        read(["crash"], label_map={"Crash": "bug"})


def test_a_map_can_be_a_file(tmp_path):
    """Prevents a map that only Python can give."""
    (tmp_path / "map.json").write_text(json.dumps({"a": "b"}))
    assert read_label_map(tmp_path / "map.json") == {"a": "b"}
    assert read_label_map(None) is None


@pytest.mark.parametrize("content", ["[1]", "{}", '{"a": null}', '{"a": true}', "{"])
def test_bad_maps_are_refused(tmp_path, content):
    """Prevents classes called null or true."""
    (tmp_path / "map.json").write_text(content)
    with pytest.raises(InputError, match="label_map"):
        read_label_map(tmp_path / "map.json")
    with pytest.raises(SourceNotFoundError):
        read_label_map(tmp_path / "other.json")


@pytest.mark.parametrize("cell", ['["a", "b"]', "['a', 'b']", ' ["a","b"] '])
def test_a_list_in_a_cell_of_text_is_a_list(cell):
    """Prevents a class called '["a", "b"]', which CSV files that were written by pandas would give."""
    data = load_texts([{"text": "x", "label": cell}, {"text": "y", "label": '["b"]'}, {"text": "z", "label": "[]"}])
    assert data.labels == [("a", "b"), ("b",), ()]
    assert listed("[draft] of [a]") == "[draft] of [a]"
    assert listed("[" * 100_000 + "]") == "[" * 100_000 + "]"
    assert listed('[{"name": "a"}]') == '[{"name": "a"}]'


@pytest.mark.parametrize("sign", [";", ",", "/"])
@pytest.mark.parametrize("multi", [False, True])
def test_labels_that_are_made_of_others_are_asked_about(sign, multi):
    """Prevents 16 classes where there are 9, without a word, because a file separates labels by another sign."""
    with pytest.warns(DataWarning, match=rf"'a{sign} ?b' is made of other labels there; .* --label-separator '{sign}'"):
        assert read(["a", f"a{sign}b", "b"], multi=multi)[0] == (("a",) if multi else "a")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read(["a", f"a{sign}c", "b"], multi=multi)
        read(["a", f"a{sign}b", "b"], multi=multi, separator="")
