"""Records found by the places of their cells."""

import csv
import io

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fewshot.data.record_spans import RecordSpans, SpanColumn, find_spans, whole_records
from fewshot.data.row_writers import DelimitedWriter, Layout

CELLS = st.text(st.sampled_from('ab,"\n\t üß😀'), max_size=5)
TEXTS = st.text(st.sampled_from('a,"\n\rü'), max_size=14)


def parsed(text, delimiter=","):
    """Return what ``csv`` reads, or ``None`` where it finds an error."""
    try:
        return [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True) if row]
    except csv.Error:
        return None


@given(TEXTS, st.integers(1, 3))
@example('"a""b",c\n', 2)
@example('"",""\n"\n",""""\n', 2)
@example('a\r\n"b\r\nc"\r\n', 1)
@example('a,"b"\r\nc,d\r\n', 2)
@example('a "b",c\n"d"e,f\n', 2)
@example("a\n\nb\n", 1)
@example("a,b,c\nd\n", 2)
@settings(max_examples=400)
def test_what_is_found_is_what_csv_reads(text, width):
    """Prevents a text from being cut where ``csv`` cuts it otherwise: every row behind it would be another one."""
    spans = find_spans(text, ",", width)
    if spans is not None:
        assert list(spans) == parsed(text)
        assert [parsed(f"{line}\n") for line in spans.lines()] == [[row] for row in spans]


@given(
    st.lists(st.lists(CELLS, min_size=2, max_size=2), min_size=1, max_size=8),
    st.sampled_from([",", "\t"]),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    st.sampled_from(["\n", "\r\n"]),
    st.integers(0, 8),
)
def test_what_csv_writes_is_found_and_known_to_be_shortest(rows, delimiter, quoting, line_end, cut):
    """Prevents plain files from being parsed twice, and records with needless quotes from being copied as they are."""
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter, quoting=quoting, lineterminator=line_end).writerows(rows)
    spans = find_spans(out.getvalue(), delimiter, 2)
    assert spans is not None
    pieces = [piece for piece in (spans[:cut], spans[cut:]) if len(piece)]
    for found in (spans, RecordSpans.joined([spans]), RecordSpans.joined(pieces), RecordSpans.joined(pieces[::-1])):
        assert sorted(found) == sorted(rows)
    spans = RecordSpans.joined(pieces)
    columns = {"x": SpanColumn(spans, 0), "y": SpanColumn(spans, 1), "z": ["a,b"] * len(rows)}
    writer = DelimitedWriter(io.BytesIO(), Layout("a.csv", ["x", "y", "z"]))
    plain = {"x": [x for x, _ in rows], "y": [y for _, y in rows], "z": columns["z"]}
    assert writer.body(columns) == writer.body(plain)
    if quoting == csv.QUOTE_MINIMAL:
        assert spans.is_shortest
        assert (whole_records(list(columns.values()), ",") is spans) == (delimiter == ",")


def test_needless_quotes_are_left_out(monkeypatch):
    """Prevents an output whose quotes depend on those of the input."""
    spans = find_spans('"a",b\nc,d\n', ",", 2)
    assert not spans.is_shortest
    columns = {"x": SpanColumn(spans, 0), "y": SpanColumn(spans, 1), "z": [0.0, -0.0]}
    assert DelimitedWriter(io.BytesIO(), Layout("a.csv", list("xyz"))).body(columns) == b"a,b,0.0\nc,d,-0.0\n"


@pytest.mark.parametrize("names", [["y", "x"], ["x"], ["x", "z"], ["z", "x", "y"], ["x", "y"]])
def test_columns_in_another_order_are_no_records(names):
    """Prevents a row copied whole where columns were left out, moved, or stand alone."""
    spans = find_spans("1,a\n2,b\n", ",", 2)
    columns = {"x": SpanColumn(spans, 0), "y": SpanColumn(spans, 1), "z": [True, False]}
    body = DelimitedWriter(io.BytesIO(), Layout("a.csv", names)).body(columns)
    assert parsed(body.decode()) == [[str(columns[name][row]) for name in names] for row in (0, 1)]


def test_a_return_in_a_label_quotes_the_whole_row():
    """Prevents a row that cannot be read again."""
    spans = find_spans("1,a\n", ",", 2)
    columns = {"x": SpanColumn(spans, 0), "y": SpanColumn(spans, 1), "label": ["a\rb"]}
    assert DelimitedWriter(io.BytesIO(), Layout("a.csv", [*columns])).body(columns) == b'"1","a","a\rb"\n'
