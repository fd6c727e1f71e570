"""Pieces of the page: that text stays text."""

from hypothesis import given, settings
from hypothesis import strategies as st

from fewshot.evaluation.reports.page import (
    LONGEST_TEXT,
    MOST_ROWS,
    definitions,
    escaped,
    figure,
    html_table,
    page,
)


@settings(deadline=None)
@given(st.text())
def test_no_text_becomes_markup(text):
    """Prevents a label or text from running as code in the reader's browser."""
    for made in (escaped(text), html_table([{"a": text}], ["a"]).split("<tbody>")[1].split("<td")[1]):
        assert "<script" not in made
        assert '"' not in escaped(text)
        made.encode("utf-8")


def test_half_a_surrogate_pair_does_not_stop_the_report():
    """Prevents a crash on the last step by a text from a broken file."""
    assert page("a\udcffb", []).encode("utf-8")


def test_a_dollar_in_the_text_is_no_placeholder():
    """Prevents the page template from substituting what users wrote."""
    assert "$title" in page("T", ["<p>$title $5</p>"])


def test_lists_and_lines_of_provenance_keep_their_form():
    """Prevents a command of two lines from being run together, or a dict shown as Python."""
    made = definitions({"command": ["fewshot compare a.csv", "fewshot train"], "versions": {"numpy": "2.4"}, "n": 3})
    assert "<pre>fewshot compare a.csv\nfewshot train</pre>" in made
    assert "<pre>numpy: 2.4</pre>" in made
    assert "<dd>3</dd>" in made


def test_sorting_goes_by_the_number_not_by_its_text():
    """Prevents 12,346 from standing before 9, and a flag from breaking the table."""
    made = html_table([{"n": 12345.6, "flag": True}, {"n": 9, "flag": False}], ["n", "flag"])
    assert 'data-v="12345.6">12,346<' in made
    assert "<td>True</td>" in made


def test_marks_say_which_is_best_and_which_is_near():
    """Prevents a star on every cell that stands out."""
    made = html_table([{"n": 2}, {"n": 1}, {"n": 0}], ["n"], marked={(0, "n"): "best", (1, "n"): "near"})
    assert 'class="number best" data-v="2"' in made
    assert 'class="number near" data-v="1"' in made
    assert 'class="number" data-v="0"' in made


def test_long_tables_and_long_texts_are_cut_and_say_so():
    """Prevents a page of a hundred megabytes."""
    made = html_table([{"a": "x" * 10_000}] * (MOST_ROWS + 7), ["a"])
    assert made.count("<tr>") == MOST_ROWS + 1
    assert "7 more rows" in made
    assert "x" * (LONGEST_TEXT + 1) not in made


def test_long_texts_keep_their_room_and_wide_pictures_their_size():
    """Prevents a sentence set one word a line, and a picture of two panels as wide as a thumb."""
    made = html_table([{"a": "x" * 30, "b": "short"}], ["a", "b"])
    assert f'<td class="long">{"x" * 30}</td><td>short</td>' in made
    for width, broad in ((1380, True), (830, False)):
        png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + width.to_bytes(4, "big")
        assert ('class="broad"' in figure("a picture", png)) == broad


def test_a_table_is_named_and_can_be_reached_by_key():
    """Prevents a table that only a finger can scroll, and columns set apart from their headings."""
    made = html_table([{"n": 1, "text": "a"}], ["n", "text"], name='the "costs"')
    assert '<div class="scroll" tabindex="0" role="region" aria-label="the &quot;costs&quot;">' in made
    assert '<th scope="col" class="number"><button type="button">n</button></th>' in made
    assert '<th scope="col"><button type="button">text</button></th>' in made
