"""Texts in a mapped file, against the list of them."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fewshot.core.errors import InputError
from fewshot.data import text_file
from fewshot.data.text_file import TextFile, write_text_file

TEXTS = st.lists(st.text(st.characters(codec="utf-8"), max_size=6), max_size=30)


@given(TEXTS, st.integers(1, 7), st.data())
@settings(max_examples=30, deadline=None)
def test_it_is_the_sequence_that_was_written(tmp_path_factory, texts, size, data):
    """Prevents rows that change places or signs where chunks and batches meet."""
    path = tmp_path_factory.mktemp("texts") / "a.arrow"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_file, "BATCH_ROWS", 4)
        patch.setattr(text_file, "BATCH_CHARACTERS", 12)
        n = write_text_file(path, (texts[start : start + size] for start in range(0, len(texts), size)))
    written = TextFile(path)
    assert (n, len(written), list(written), written[:]) == (len(texts), len(texts), texts, texts)
    assert written[::-2] == texts[::-2]
    if texts:
        rows = data.draw(st.lists(st.integers(-len(texts), len(texts) - 1)))
        assert written.take(np.array(rows, dtype=int)) == [texts[row] for row in rows]
        assert [written[np.int64(row)] for row in rows] == [texts[row] for row in rows]


def test_a_row_that_is_not_there(tmp_path):
    """Prevents the text of another row, and an endless loop over the sequence."""
    write_text_file(tmp_path / "a.arrow", [["a", "b"]])
    texts = TextFile(tmp_path / "a.arrow")
    for row in (2, -3):
        with pytest.raises(IndexError, match="of 2 texts"):
            texts[row]
        with pytest.raises(IndexError):
            texts.take([0, row])


def test_a_batch_ends_before_long_texts_fill_the_memory(tmp_path, monkeypatch):
    """Prevents a batch of thousands of books."""
    monkeypatch.setattr(text_file, "BATCH_CHARACTERS", 100)
    write_text_file(tmp_path / "a.arrow", [["x" * 60] * 6])
    with pa.memory_map(str(tmp_path / "a.arrow")) as source:
        assert pa.ipc.open_file(source).num_record_batches == 3


def arrow(path, arrays, names):
    """Write another Arrow file."""
    batch = pa.record_batch(arrays, names=names)
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, batch.schema) as writer:
        writer.write_batch(batch)


def test_other_and_damaged_files_are_refused(tmp_path):
    """Prevents reading beyond a file whose offsets lie, and nulls that crash a tokenizer."""
    path = tmp_path / "a.arrow"
    with pytest.raises(InputError, match="not a whole file of texts"):
        TextFile(path)
    write_text_file(path, [["some text", "another"]])
    whole = path.read_bytes()
    path.write_bytes(whole[:-30])
    with pytest.raises(InputError, match="not a whole file of texts"):
        TextFile(path)
    offsets = np.array([0, 9, 16], dtype="<i8").tobytes()
    assert whole.count(offsets) == 1
    path.write_bytes(whole.replace(offsets, np.array([0, 2**40, 16], dtype="<i8").tobytes()))
    with pytest.raises(InputError, match="not a whole file of texts"):
        TextFile(path)
    path.write_bytes(whole.replace(b"another", b"\xffnother"))
    with pytest.raises(InputError, match="not a whole file of texts"):
        TextFile(path)
    arrow(path, [pa.array([1])], ["text"])
    with pytest.raises(InputError, match="not one column 'text'"):
        TextFile(path)
    arrow(path, [pa.array(["a", None], pa.large_string())], ["text"])
    with pytest.raises(InputError, match="holds nulls"):
        TextFile(path)
