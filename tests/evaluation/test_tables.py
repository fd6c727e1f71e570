"""Tables as people read them."""

import csv
import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fewshot.evaluation.statistics.summary import summarize
from fewshot.evaluation.tables import (
    csv_line,
    format_score,
    format_value,
    looks_numeric,
    markdown_table,
    readable_summary,
    write_csv,
)


@settings(deadline=None)
@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\x00")), min_size=2, max_size=4))
def test_any_text_survives_a_csv_line(values):
    """Prevents a comma, quote or line break in an error message from shifting columns."""
    assert list(csv.reader(io.StringIO(csv_line(values) * 2, newline=""), strict=True)) == [values] * 2


def test_line_breaks_survive_a_csv_file(tmp_path):
    """Prevents a text of two lines from becoming two rows."""
    write_csv(tmp_path / "a.csv", [{"text": "one\ntwo", "n": None, "ignored": 1}], ["text", "n", "absent"])
    with (tmp_path / "a.csv").open(newline="", encoding="utf-8") as handle:
        assert list(csv.DictReader(handle)) == [{"text": "one\ntwo", "n": "", "absent": ""}]


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0.0, "0"), (99.5, "99.5"), (123.4, "123"), (-0.25, "-0.25"), (np.float32(0.5), "0.5"), (True, "True"), (7, "7")],
)
def test_numbers_have_as_many_digits_as_they_deserve(value, expected):
    """Prevents seventeen digits, or exponents, in a table for people."""
    assert format_value(value) == expected


def test_scores_are_in_percent_with_their_deviation():
    """Prevents a deviation of 0.004 from being shown as certainty by a share with one digit."""
    assert format_score(0.8767, 0.0044) == "87.7 ± 0.4"
    assert format_score(1.0, 0.0) == "100.0 ± 0.0"
    assert format_score(-0.05) == "-5.0"


def test_a_readable_summary_has_a_column_a_score(make_row, failed_row):
    """Prevents eight score columns on a phone, and columns that are empty in every row."""
    rows = [make_row(0.5, mcc=None), make_row(0.7, seed=1, mcc=None), failed_row | {"method": "broken"}]
    table = readable_summary(summarize(rows))
    assert table[0]["accuracy"] == "60.0 ± 14.1"
    assert list(table[0]) == list(table[1])
    assert not {"mcc", "pool", "accuracy_sd", "mcc_mean"} & set(table[0])
    assert table[1]["accuracy"] == ""


def test_a_markdown_table_holds_its_form_whatever_is_in_it():
    """Prevents a pipe or line break in a name from tearing a README table."""
    text = markdown_table([{"name": "a|b\nc", "score": "83.3 ± 1.2"}, {"name": "d", "score": None}])
    lines = text.splitlines()
    assert len(lines) == 4
    assert len({len(line) for line in lines}) == 1
    assert lines[1] == "| ------ | ---------: |"
    assert r"a\|b c" in lines[2]


def test_bands_and_verdicts_are_no_columns_of_the_readable_summary(make_row):
    """Prevents a summary of nine more columns on a phone."""
    contrast = {"method": "knn", "encoder": "bundled", "pool": None, "slice": 8, "metric": "accuracy"}
    [row] = readable_summary(summarize([make_row(0.5)], [contrast | {"low": 0.4, "high": 0.6, "verdict": "best"}]))
    assert not [name for name in row if name.endswith(("_low", "_high", "_verdict"))]
    assert row["accuracy"] == "50.0"


def test_a_table_without_rows_still_has_its_heads():
    """Prevents a crash of the README generator on an empty result."""
    assert markdown_table([], ["a"]).splitlines()[0].split() == ["|", "a", "|"]


def test_names_are_no_numbers():
    """Prevents a column of methods from being set like figures, or a flag from being sorted as one."""
    assert [looks_numeric(value) for value in ("layers:3", True, "1.5", -2, "", None)] == [False, False, *[True] * 4]
