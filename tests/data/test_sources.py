"""Sources other than plain files, and the choice of a split."""

import sys

import datasets
import pandas as pd
import pytest

from fewshot.core.errors import InputError, SourceNotFoundError
from fewshot.data.readers import read_rows
from fewshot.data.sources import read_source
from fewshot.data.writers import write_rows

ROWS = [{"text": "a", "split": "train"}, {"text": "b", "split": "test"}, {"text": "c", "split": "train"}]


class ConnectError(Exception):
    """As httpx raises it: no ``ConnectionError`` of Python's."""

    __module__ = "httpx"


def texts(table):
    """Return the texts of a table."""
    return [row["text"] for row in table.rows]


@pytest.fixture
def splits():
    """Two splits of one text each."""
    return datasets.DatasetDict({name: datasets.Dataset.from_dict({"text": [name]}) for name in ("train", "test")})


def test_a_split_column_selects_rows_and_keeps_their_numbers(tmp_path):
    """Prevents training on the test rows of a file that holds both."""
    write_rows(tmp_path / "a.csv", ROWS)
    for table in (
        read_source(ROWS, split="train"),
        read_source(tmp_path / "a.csv", split="train"),
        read_source(f"{tmp_path}/a.csv:train"),
        read_source(f"{tmp_path}/a.csv:train", split="train"),
        read_source(read_rows(tmp_path / "a.csv"), split="train"),
    ):
        assert (texts(table), table.numbers) == (["a", "c"], [0, 2])


def test_max_rows_counts_rows_of_the_split(tmp_path):
    """Prevents an empty split because the first rows belong to another."""
    write_rows(tmp_path / "a.csv", ROWS)
    assert texts(read_source(tmp_path / "a.csv", split="test", max_rows=1)) == ["b"]
    assert texts(read_source(ROWS, max_rows=2)) == ["a", "b"]


def test_a_file_whose_name_ends_like_a_split_wins(tmp_path):
    """Prevents reading another file than the one that was named."""
    write_rows(tmp_path / "a.csv", ROWS)
    odd = tmp_path / "a.csv:train"
    odd.write_text("text\nodd\n")
    with pytest.raises(InputError, match="suffix"):
        read_source(str(odd))


def test_splits_that_are_not_there_are_refused(splits):
    """Prevents an empty training set for a misspelt split."""
    with pytest.raises(InputError, match=r"no split 'trian' in column 'split'; splits there: 'train', 'test'.*'train'"):
        read_source(ROWS, split="trian")
    told = (
        r"no column 'fold', by which .*; columns there: 'text', 'split'. Leave the split out .* split_column= \(from Py"
    )
    with pytest.raises(InputError, match=told):  # no command has an option --split-column
        read_source(ROWS, split="train", split_column="fold")
    with pytest.raises(InputError, match="no split 'dev'; splits there: 'train', 'test'"):
        read_source(splits, split="dev")
    with pytest.raises(InputError, match="has the splits 'train', 'test'; choose one"):
        read_source(splits)
    with pytest.raises(InputError, match=r"asks for the split 'train', split= for 'test'"):
        read_source("a.csv:train", split="test")


def test_data_sets_of_hugging_face(splits):
    """Prevents the need to convert what is already in memory."""
    assert texts(read_source(splits, split="test")) == ["test"]
    assert texts(read_source(datasets.DatasetDict({"only": splits["train"]}))) == ["train"]
    assert texts(read_source(splits["train"])) == ["train"]


def test_class_labels_become_names():
    """Prevents class numbers where the data set knows the names, and -1 as a class."""
    features = datasets.Features(
        {
            "text": datasets.Value("string"),
            "label": datasets.ClassLabel(names=["neg", "pos"]),
            "labels": datasets.Sequence(datasets.ClassLabel(names=["x", "y"])),
        }
    )
    columns = {"text": ["a", "b", "c"], "label": [1, -1, None], "labels": [[0, 1], [], None]}
    rows = read_source(datasets.Dataset.from_dict(columns, features=features)).rows
    assert [row["label"] for row in rows] == ["pos", None, None]
    assert [row["labels"] for row in rows] == [["x", "y"], [], None]


def test_frames_are_read_by_position_and_left_alone():
    """Prevents an index from leaking into row numbers, and the caller's frame from changing."""
    frame = pd.DataFrame({"text": ["a", "b"], "n": [1, 2]}, index=[7, 7])
    before = frame.copy()
    table = read_source(frame)
    assert (table.numbers, [type(row["n"]) for row in table.rows]) == ([0, 1], [int, int])
    pd.testing.assert_frame_equal(frame, before)
    with pytest.raises(InputError, match="two columns 'text'"):
        read_source(pd.DataFrame([["a", "b"]], columns=["text", "text"]))


@pytest.mark.parametrize("source", [[], pd.DataFrame({"text": []}), datasets.Dataset.from_dict({"text": []})])
def test_sources_without_rows_are_refused(source):
    """Prevents a later failure far from its cause."""
    with pytest.raises(InputError, match="is empty"):
        read_source(source)


@pytest.mark.parametrize("source", [5, None, {"text": ["a"]}, ["a", "b"]])
def test_other_things_are_refused(source):
    """Prevents reading the letters of a string as rows."""
    with pytest.raises(InputError, match=r"source must be a path|expected an object of columns"):
        read_source(source)


@pytest.mark.parametrize(("name", "split"), [("hub:me/set", None), ("hub:me/set:train", "train")])
def test_hub_names_are_loaded_by_datasets(monkeypatch, splits, name, split):
    """Prevents the prefix or the split from reaching the Hub as part of the name."""
    asked = []

    def load_dataset(name, split):
        asked.append((name, split))
        return splits[split] if split else datasets.DatasetDict({"train": splits["train"]})

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    table = read_source(name)
    assert (asked, texts(table), table.source) == ([("me/set", split)], ["train"], "hub:me/set")


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (
            ConnectionError("no network"),
            SourceNotFoundError,
            r"'hub:me/set': the .* Hub could not be reached; .* local",
        ),
        (ConnectError("no route"), SourceNotFoundError, "could not be reached"),
        (datasets.exceptions.DatasetNotFoundError("gone"), SourceNotFoundError, "no public data set"),
        (ValueError("Unknown split\n 'x'"), InputError, "cannot be loaded: Unknown split 'x'"),
    ],
)
def test_a_hub_that_fails_gives_one_line(monkeypatch, error, kind, message):
    """Prevents pages of traceback behind a firewall."""

    def load_dataset(name, split):
        raise error

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    with pytest.raises(kind, match=message) as caught:
        read_source("hub:me/set")
    assert "\n" not in str(caught.value)


def test_reading_a_list_needs_neither_pandas_nor_datasets(monkeypatch):
    """Prevents seconds of imports for a type check."""
    for name in ("pandas", "datasets"):
        monkeypatch.delitem(sys.modules, name)
    assert texts(read_source(ROWS, split="test")) == ["b"]
    assert "pandas" not in sys.modules
