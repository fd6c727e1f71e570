"""Files of one text a line."""

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fewshot.core.errors import InputError
from fewshot.data import line_rows, loading, row_blocks, row_files, row_sources, text_records
from fewshot.data.readers import read_rows
from fewshot.data.streaming import stream_texts

LINES = st.lists(st.text(st.sampled_from('ab," \tü😀\x0b\u2028'), max_size=6), max_size=12)
ENDS = st.sampled_from(["\n", "\r\n"])


def blocks_of(path, rows_per_shard=1000):
    """Return texts and broken rows as a prediction reads them."""
    source, texts, broken = row_files.open_rows(path), [], {}
    for block in source.blocks(rows_per_shard):
        broken |= {len(texts) + place: reason for place, reason in block.broken.items()}
        texts += block.cells("text")
    assert source.n_read == len(texts) == source.n_rows == source.position
    return texts, broken


@given(LINES, ENDS, st.booleans(), st.integers(1, 5))
def test_every_reader_finds_the_same_texts(tmp_path_factory, lines, end, packed, block):
    """Prevents signs that other programs end lines at, empty lines or quotes from moving, losing or doubling a text."""
    path = tmp_path_factory.mktemp("lines") / f"a.txt{'.gz' if packed else ''}"
    content = end.join(lines).encode()
    path.write_bytes(gzip.compress(content) if packed else content)
    texts = [line for line in lines if line.strip()]
    if not texts:
        with pytest.raises(InputError, match="is empty: it holds no rows"):
            row_files.open_rows(path)
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(row_sources, "BLOCK_ROWS", block)
        patch.setattr(row_blocks, "BLOCK_ROWS", block)
        assert blocks_of(path, 3) == (texts, {})
    assert [row["text"] for row in read_rows(path).rows] == texts
    assert [text for chunk in stream_texts(path) for text in chunk] == texts


def test_whatever_the_column_is_called(tmp_path):
    """Prevents ``--text message``, which the labelled file needs, from refusing a pool that has no columns."""
    (tmp_path / "a.txt").write_text("one\n\ntwo\n")
    assert loading.load_texts(tmp_path / "a.txt", text="message").texts == ["one", "two"]
    assert loading.load_texts(tmp_path / "a.txt", text=("title", "body"), max_rows=1).texts == ["one"]
    assert list(stream_texts(tmp_path / "a.txt", "message")) == [["one", "two"]]
    with pytest.raises(InputError, match="no column 'topic'"):
        loading.load_texts(tmp_path / "a.txt", label="topic")


def test_a_line_that_cannot_be_read_is_passed_over(tmp_path, monkeypatch):
    """Prevents one bad line from ending the work, and a book without line ends from filling memory."""
    (tmp_path / "a.txt").write_bytes(b"one\n" + b"x" * 90 + b"\n\xff\ntwo\n")
    for room in (line_rows, text_records):
        monkeypatch.setattr(room, "MAX_RECORD", 50)
    texts, broken = blocks_of(tmp_path / "a.txt")
    assert texts == ["one", None, "\ufffd", "two"]
    assert broken[1] == "too long: a line of more than 50 characters"
    assert broken[2].startswith("bytes that are not utf-8")
    (tmp_path / "b.txt").write_bytes(b"one\n" + b"x" * 90 + b"\ntwo\n")
    stream = stream_texts(tmp_path / "b.txt")
    assert list(stream) == [["one", "two"]]
    assert stream.broken[0].startswith("line 2: a row of more than 50 characters")
