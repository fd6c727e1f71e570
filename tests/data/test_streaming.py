"""Chunks of texts, from files and from memory."""

import datasets
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fewshot.core.errors import InputError, SourceNotFoundError
from fewshot.data import streaming
from fewshot.data.row_streams import Broken
from fewshot.data.streaming import TextStream, stream_source, stream_texts
from fewshot.data.tables import Table
from fewshot.data.texts import TextData
from fewshot.data.writers import write_rows

TEXTS = st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8), min_size=1, max_size=12)


@given(
    TEXTS, st.sampled_from(["csv", "tsv", "jsonl", "json", "parquet"]), st.sampled_from(["", ".gz"]), st.integers(1, 5)
)
@settings(max_examples=60, deadline=None)
def test_what_goes_in_comes_out_once_in_order(tmp_path_factory, texts, form, packed, chunk_rows):
    """Prevents rows lost, doubled or moved at the ends of chunks, in any format."""
    path = tmp_path_factory.mktemp("stream") / f"a.{form}{packed}"
    write_rows(path, [{"n": i, "text": text} for i, text in enumerate(texts)])
    stream = stream_texts(path, chunk_rows=chunk_rows)
    for _ in range(2):  # each iteration begins anew
        chunks = list(stream)
        assert [text for chunk in chunks for text in chunk] == texts
        assert all(len(chunk) == chunk_rows for chunk in chunks[:-1])
        assert (stream.n_rows, stream.n_broken, stream.broken) == (len(texts), 0, [])


def test_broken_rows_are_counted_and_the_first_named(tmp_path):
    """Prevents a list of millions of reasons, and counts that do not add up."""
    path = tmp_path / "a.csv"
    path.write_text("n,text\n1,a\n" + "2\n" * 30 + "3,b\n")
    stream = stream_texts(path, chunk_rows=1)
    assert list(stream) == [["a"], ["b"]]
    assert (stream.n_rows, stream.n_broken, len(stream.broken)) == (32, 30, 20)
    assert stream.broken[0] == "line 3: 1 fields where the header has 2"


def test_a_chunk_of_long_texts_ends_early(monkeypatch):
    """Prevents 10,000 books in memory."""
    monkeypatch.setattr(streaming, "MAX_CHUNK_CHARACTERS", 10)
    assert [len(chunk) for chunk in stream_source(["x" * 6] * 5)] == [2, 2, 1]


def test_cells_become_texts_or_reasons():
    """Prevents 'nan' and 'None' as texts, lists written as Python shows them, and subclasses of ``str``."""
    given_cells = ["a", 7, 1.5, None, float("nan"), pd.NA, np.str_("b"), ["c"], b"d", {"e": 1}, Broken("torn"), True]
    stream = TextStream(lambda: enumerate(given_cells, start=1), "memory")
    (texts,) = stream
    assert texts == ["a", "7", "1.5", "", "", "", "b", "True"]
    assert {type(text) for text in texts} == {str}
    assert stream.n_broken == 4
    assert stream.broken[-1] == "row 11: torn"


def sources():
    """Return the same three texts as everything that holds texts."""
    texts = ["a", "b", "c"]
    records = [{"n": i, "text": text} for i, text in enumerate(texts)]
    return {
        "list": texts,
        "tuple": tuple(texts),
        "records": records,
        "generator": (text for text in texts),
        "array": np.array(texts),
        "series": pd.Series(texts),
        "frame": pd.DataFrame(records, index=[5, 5, 6]),
        "dataset": datasets.Dataset.from_list(records),
        "shuffled": datasets.Dataset.from_list(records[::-1]).select([2, 1, 0]),
        "iterable": datasets.Dataset.from_list(records).to_iterable_dataset(),
        "data": TextData(texts, [None] * 3, multi_label=False, rows=[0, 1, 2]),
        "table": Table.of_records(records, source="memory"),
    }


@pytest.mark.parametrize("kind", sources())
def test_sources_in_memory(kind):
    """Prevents a source that is taken for another, or read by its index."""
    stream = stream_source(sources()[kind])
    assert (list(stream), stream.n_rows) == ([["a", "b", "c"]], 3)


def test_files_splits_and_names(tmp_path):
    """Prevents a split of a file from bringing the test rows along."""
    rows = [{"text": "a", "split": "train"}, {"text": "b", "split": "test"}]
    write_rows(tmp_path / "a.csv", rows)
    assert list(stream_source(tmp_path / "a.csv")) == [["a", "b"]]
    assert list(stream_source(f"{tmp_path}/a.csv:train")) == [["a"]]
    with pytest.raises(SourceNotFoundError, match=r"Did you mean 'a\.csv'"):
        stream_source(f"{tmp_path}/aa.csv")
    with pytest.raises(SourceNotFoundError):
        stream_source(tmp_path / "aa.csv")


@pytest.mark.parametrize("kind", ["records", "frame", "dataset", "table"])
def test_a_missing_column(kind):
    """Prevents a KeyError of pandas or datasets."""
    with pytest.raises(InputError, match=r"no column 'txt'; columns there: 'n', 'text'; .*Did you mean 'text'"):
        list(stream_source(sources()[kind], "txt"))


def test_a_frame_with_two_columns_of_one_name():
    """Prevents a data frame where a column was meant."""
    with pytest.raises(InputError, match="'text' twice"):
        list(stream_source(pd.DataFrame([["a", "b"]], columns=["text", "text"])))


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"a", "b"}, r"got set, which has no order; pass sorted\(source\)"),
        ({"text": ["a"]}, "got dict; pass the list of its texts"),
        (b"a", "got bytes"),
        (7, "got int"),
        (None, "got NoneType"),
        (
            datasets.DatasetDict({"train": datasets.Dataset.from_dict({"text": ["a"]})}),
            "choose one of its splits: 'train'",
        ),
    ],
)
def test_other_sources_are_refused(source, message):
    """Prevents an order that changes from run to run, and a pool of column names."""
    with pytest.raises(InputError, match=message):
        stream_source(source)


@pytest.mark.parametrize("chunk_rows", [0, -1, 1.5, True, None])
def test_bad_chunk_rows(tmp_path, chunk_rows):
    """Prevents chunks that never end."""
    write_rows(tmp_path / "a.csv", [{"text": "a"}])
    with pytest.raises(InputError, match="chunk_rows must be a positive integer"):
        stream_texts(tmp_path / "a.csv", chunk_rows=chunk_rows)
