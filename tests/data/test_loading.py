"""Loading: from any source to texts and labels."""

import itertools
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fewshot.core.errors import DataWarning, InputError
from fewshot.data.loading import load_texts
from fewshot.data.readers import read_rows
from fewshot.data.texts import TextData
from fewshot.data.writers import write_rows

SHARED = Path(__file__).resolve().parents[3] / "shared" / "datasets"
FORMATS = [".csv", ".tsv", ".jsonl", ".json", ".parquet"]
PLAIN = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
COUNTER = itertools.count()

ISSUES = [
    {"title": "Crash", "body": "at start", "labels": [{"name": "bug"}, {"name": "ui"}], "pull_request": None},
    {"title": "Add x", "body": None, "labels": [], "pull_request": None},
    {"title": "Fix", "body": "it", "labels": [{"name": "bug"}], "pull_request": {"url": "…"}},
]


@pytest.mark.parametrize("packed", ["", ".gz"])
@pytest.mark.parametrize("suffix", FORMATS)
def test_every_format_round_trips(tmp_path, suffix, packed):
    """Prevents a format that loses a label or an unlabeled row."""
    path = tmp_path / f"data{suffix}{packed}"
    write_rows(path, [{"text": "one, two", "label": "x"}, {"text": "three\nfour", "label": None}])
    data = load_texts(path)
    assert (data.texts, data.labels, data.multi_label) == (["one, two", "three\nfour"], ["x", None], False)
    assert str(path) in data.source


@pytest.mark.parametrize("suffix", FORMATS)
def test_label_sets_round_trip(tmp_path, suffix):
    """Prevents joined labels that are not split again, or lists that are not lists."""
    path = tmp_path / f"data{suffix}"
    write_rows(
        path, [{"text": "a", "labels": ["x", "y"]}, {"text": "b", "labels": None}, {"text": "c", "labels": ["x"]}]
    )
    data = load_texts(path)
    assert data.multi_label
    assert data.labels == [("x", "y"), None, ("x",)]


@pytest.mark.parametrize("suffix", FORMATS)
def test_integers_stay_integers_where_the_format_knows_them(tmp_path, suffix):
    """Prevents predictions of another type than the labels in the user's file."""
    path = tmp_path / f"data{suffix}"
    write_rows(path, [{"text": "a", "label": 1}, {"text": "b", "label": 0}])
    expected = ["1", "0"] if suffix in (".csv", ".tsv") else [1, 0]
    assert load_texts(path).labels == expected


@given(texts=st.lists(PLAIN, min_size=1, max_size=5), suffix=st.sampled_from(FORMATS))
def test_any_text_survives_any_format(tmp_path_factory, texts, suffix):
    """Prevents an escape, quote, control character or line end that changes a text."""
    path = tmp_path_factory.getbasetemp() / f"any{next(COUNTER)}{suffix}"
    write_rows(path, [{"text": text, "n": "1"} for text in texts])
    assert load_texts(path).texts == texts
    path.unlink()


def test_frames_give_integers_and_unlabeled_rows():
    """Prevents the class 1.0, which pandas makes of 1 beside a missing label."""
    frame = pd.DataFrame({"text": ["a", "b", None], "label": [1, None, 2]})
    data = load_texts(frame)
    assert (data.texts, data.labels) == (["a", "b", ""], [1, None, 2])


def test_label_columns_are_found():
    """Prevents labels that are silently not read, or read from where there are none."""
    assert load_texts([{"text": "a", "label": "x", "labels": "y"}]).labels == ["x"]
    assert load_texts([{"text": "a", "labels": "y"}]).labels == [("y",)]
    assert load_texts([{"text": "a", "class": "z"}]).labels == [None]
    assert load_texts([{"text": "a", "class": "z"}], label="class").labels == ["z"]
    assert load_texts([{"text": "a", "class": "z|y"}], label="class", multi_label=True).labels == [("z", "y")]
    assert load_texts([{"text": "a", "label": ["z"]}]).multi_label


def test_text_columns_can_be_joined():
    """Prevents "None" in a text."""
    rows = [{"a": "x", "b": 1, "c": None}, {"a": None, "b": None, "c": "z"}]
    assert load_texts(rows, text=("a", "b", "c")).texts == ["x\n\n1", "z"]
    assert load_texts(rows, text="b").texts == ["1", ""]


def test_issues_of_github_need_no_settings(tmp_path):
    """Prevents pull requests among the issues, and label objects as labels."""
    path = tmp_path / "issues.json"
    write_rows(path, ISSUES)
    data = load_texts(path)
    assert data.texts == ["Crash\n\nat start", "Add x"]
    assert data.labels == [("bug", "ui"), ()]
    assert (data.rows, data.rejected) == ([0, 1], [(2, "pull request")])
    assert load_texts(path, empty_labels="unlabeled").labels == [("bug", "ui"), None]
    assert load_texts(path, text="title").texts == ["Crash", "Add x"]
    assert load_texts(ISSUES, label_map={"bug": "bug"}, multi_label=False).labels == ["bug", None]


def test_malformed_rows_are_rejected_with_their_number(tmp_path):
    """Prevents a crash at row 60,000 of a pool, and labels that shift."""
    (tmp_path / "a.csv").write_text("text,label\na,x\nb,c,x\nd,y\n")
    data = load_texts(tmp_path / "a.csv")
    assert (data.texts, data.rows) == (["a", "d"], [0, 2])
    assert data.rejected == [(1, "3 fields where the header has 2")]
    (tmp_path / "c.csv").write_text("text,split\na,train\nb,c,train\n")
    assert load_texts(tmp_path / "c.csv", split="train").rejected == [(1, "3 fields where the header has 2")]
    (tmp_path / "b.csv").write_text("text,label\na\n")
    with pytest.raises(InputError, match="no row that can be used; row 0, for one: 1 fields"):
        load_texts(tmp_path / "b.csv")


def test_loaded_texts_and_raw_tables_are_sources(tmp_path):
    """Prevents reading a pool twice only to write its other columns."""
    data = TextData(["a"], [None], multi_label=False, rows=[0])
    assert load_texts(data) is data
    write_rows(tmp_path / "a.csv", [{"text": "a", "id": 7}])
    assert load_texts(read_rows(tmp_path / "a.csv")).texts == ["a"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"text": "txt"}, r"no column 'txt'; columns there: 'text', 'label'; .*--text.*Did you mean 'text'"),
        ({"text": ()}, "text must name at least one column"),
        ({"label": "lable"}, r"no column 'lable'; .*--label.*Did you mean 'label'"),
        ({"empty_labels": "drop"}, "empty_labels must be 'unlabeled', 'none' or None, got 'drop'"),
        ({"max_rows": -1}, "max_rows must be a positive integer"),
        ({"label_map": {"zzz": "y"}}, "label_map names none of the labels"),
        ({"label_map": 5}, "label_map must map raw names"),
    ],
)
def test_bad_settings_say_what_to_do(settings, message):
    """Prevents a KeyError, and data that are silently unlabeled."""
    with pytest.raises(InputError, match=message):
        load_texts([{"text": "a", "label": "x"}], **settings)


def test_texts_must_be_text():
    """Prevents learning from the printed form of a list."""
    with pytest.raises(InputError, match="row 1: a text must be a string, got list"):
        load_texts([{"text": "a"}, {"text": ["b"]}])


def test_labels_that_look_alike_warn():
    """Prevents two classes for one meaning, unnoticed."""
    with pytest.warns(DataWarning, match="'Bug' and 'bug'"):
        load_texts([{"text": "a", "label": "Bug"}, {"text": "b", "label": "bug"}])


def test_the_source_is_left_alone():
    """Prevents a list of dicts that comes back changed."""
    rows = [{"text": " a ", "labels": ["x", "x"]}]
    load_texts(rows)
    assert rows == [{"text": " a ", "labels": ["x", "x"]}]


def test_importing_the_loader_is_fast():
    """Prevents pandas, pyarrow, datasets and scikit-learn from slowing every command."""
    code = "import sys, fewshot.data.loading, fewshot.data.slices, fewshot.data.writers; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"pandas", "pyarrow", "datasets", "sklearn", "skmultilearn", "torch"} & set(done.stdout.split())


@pytest.mark.skipif(not SHARED.is_dir(), reason=f"the shared data sets are not at {SHARED}")
@pytest.mark.parametrize(
    ("name", "n_rows", "n_classes", "multi_label"),
    [
        ("banking77/train.csv.gz", 10_003, 77, False),
        ("clinc150/validation.csv.gz", 3_100, 151, False),
        ("go_emotions/train.csv.gz", 43_410, 28, True),
    ],
)
def test_real_data_sets_load_whole(name, n_rows, n_classes, multi_label):
    """Prevents a row or class lost in files as people publish them."""
    data = load_texts(SHARED / name)
    flat = {label for entry in data.labels for label in (entry if multi_label else (entry,))}
    assert (len(data), len(flat), data.multi_label, data.rejected) == (n_rows, n_classes, multi_label, [])


def test_a_column_is_text_or_label():
    """Prevents a class for each text, where both are read from one column."""
    with pytest.raises(InputError, match="text and label both name the column 'label'"):
        load_texts([{"label": "a"}], text="label", label="label")
