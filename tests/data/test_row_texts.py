"""The texts in blocks of rows."""

import pyarrow as pa
import pytest

from fewshot.core.errors import InputError
from fewshot.data import row_texts
from fewshot.data.row_blocks import RowBlock
from fewshot.data.row_texts import TextReader


def test_rows_without_a_text_say_why(monkeypatch):
    """Prevents a row that crashes a tokenizer after hours, and one that is predicted from nothing."""
    monkeypatch.setattr(row_texts, "MAX_RECORD", 5)
    cells = ["good", None, "  ", "\udce9", ["x"], 7, "too long", "cut", float("nan")]
    texts, reasons = TextReader(["text"], ["text"], "memory").read(RowBlock(0, 0, {"text": cells}, {7: "2 fields"}))
    assert (texts[0], texts[5]) == ("good", "7")
    assert reasons == {
        1: "missing text",
        2: "empty text",
        3: "bytes that are no text",
        4: "a text must be a string, got list",
        6: row_texts.TOO_LONG,
        7: "2 fields",
        8: "missing text",
    }


def test_bytes_in_parquet_that_are_no_text():
    """Prevents one bad cell of a Parquet file from ending the run."""
    cells = pa.array([b"good", b"caf\xe9"]).cast(pa.string(), safe=False)
    texts, reasons = TextReader(["text"], ["text"], "memory").read(RowBlock(0, 0, {"text": cells}, {}))
    assert texts[0] == "good"
    assert reasons == {1: "bytes that are no text"}


def test_text_is_joined_as_elsewhere():
    """Prevents predictions on another text than the model was trained on."""
    columns = {"title": ["a", "b", None], "body": ["x", None, None], "pull_request": [None, None, {"url": "u"}]}
    texts, reasons = TextReader(list(columns), ["text"], "memory").read(RowBlock(0, 0, columns, {}))
    assert texts[:2] == ["a\n\nx", "b"]
    assert reasons == {2: "pull request"}
    texts, _ = TextReader(list(columns), ["body", "title"], "memory").read(RowBlock(0, 0, columns, {}))
    assert texts[0] == "x\n\na"


def test_a_missing_column_names_those_that_are_there():
    """Prevents a run that predicts nothing, and a search for what the column is called."""
    with pytest.raises(InputError, match=r"memory has no column 'txt'; columns there: 'id', 'text'.*Did you mean 'te"):
        TextReader(["id", "text"], ["txt"], "memory")
