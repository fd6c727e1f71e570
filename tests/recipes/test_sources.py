"""Pools as the journeys open them."""

import json
import warnings

import pytest

from fewshot.core.errors import DataWarning, InputError
from fewshot.recipes.sources import Reading


def test_issues_are_a_pool_without_settings(tmp_path):
    """The README promises that GitHub's issues need no settings; a pool of them had no column 'text'."""
    issues = [{"title": f"a {i}", "body": "b", "labels": []} for i in range(3)]
    (tmp_path / "issues.jsonl").write_text("\n".join(map(json.dumps, issues)))
    with pytest.warns(DataWarning, match="1 of 3 rows of the pool"):
        pool = Reading().open_pool(tmp_path / "issues.jsonl", exclude=["A 1\n\nB"])
    assert list(pool) == ["a 0\n\nb", "a 2\n\nb"]


def test_columns_that_are_named_are_joined(tmp_path):
    """A pool of titles alone would be another kind of text than titles with bodies."""
    (tmp_path / "two.csv").write_text("head,rest\nx,y\n")
    assert list(Reading(text=("head", "rest")).open_pool(str(tmp_path / "two.csv"))) == ["x\n\ny"]


@pytest.mark.parametrize("reading", [Reading(), Reading(text=("body",))])
def test_a_missing_column_stays_an_error(tmp_path, reading):
    """Only issues have another text than the column that is asked for."""
    (tmp_path / "odd.csv").write_text("title,txt\na,b\n")
    with pytest.raises(InputError, match="has no column"):
        reading.open_pool(tmp_path / "odd.csv")
    with pytest.raises(InputError):
        reading.open_pool(5)


def test_empty_lists_of_labels_are_asked_about(tmp_path):
    """Prevents a tagger that learns from GitHub's export, where most issues are not labelled yet, to give no label."""
    path = tmp_path / "issues.jsonl"
    rows = [{"text": f"text {n}", "labels": ["bug"] if n < 4 else []} for n in range(10)]
    path.write_text("\n".join(map(json.dumps, rows)))
    with pytest.warns(DataWarning, match="6 of 10 texts .* --empty-labels unlabeled"):
        data, _ = Reading().load_clean(path)
    assert len(data.labeled) == 10
    for said, n_labeled in (("none", 10), ("unlabeled", 4)):  # no warning where it was said
        assert len(Reading(empty_labels=said).load_clean(path)[0].labeled) == n_labeled
    path.write_text("\n".join(map(json.dumps, rows[:8])))
    assert len(Reading().load_clean(path)[0].labeled) == 8


def test_rows_that_are_left_out_are_told_of(tmp_path):
    """Prevents long texts, which have commas, from vanishing from a labelled file without a word."""
    (tmp_path / "a.csv").write_text("text,label\na,x\nb, c,x\nd,y\n")
    with pytest.warns(DataWarning, match=r"1 of 3 rows of file .*a.csv' could not be read .*row 1.* 3 fields"):
        data, _ = Reading().load_clean(tmp_path / "a.csv")
    assert data.texts == ["a", "d"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert Reading().load_clean(data)[0].texts == ["a", "d"]
