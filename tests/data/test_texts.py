"""The table of texts: selection keeps what belongs together."""

import pytest

from fewshot.core.errors import InputError
from fewshot.data.texts import TextData, check_lengths


def test_select_keeps_rows_and_labels_together():
    """Prevents labels that slide against their texts after a selection."""
    data = TextData(["a", "b", "c"], [1, None, 3], multi_label=False, rows=[4, 5, 9], source="s", rejected=[(6, "x")])
    chosen = data.select([2, 0])
    assert (chosen.texts, chosen.labels, chosen.rows) == (["c", "a"], [3, 1], [9, 4])
    assert (chosen.source, chosen.rejected) == ("s", [(6, "x")])


def test_a_row_to_which_no_label_applies_is_labeled():
    """Prevents treating "none applies" as "unlabeled", which would lose every negative of multi-label data."""
    data = TextData(["a", "b"], [(), None], multi_label=True, rows=[0, 1])
    assert data.labeled.texts == ["a"]
    assert data.unlabeled.texts == ["b"]


def test_lengths_that_differ_are_refused():
    """Prevents a silent zip of too few labels."""
    with pytest.raises(InputError, match="2 texts and 1 labels"):
        check_lengths(["a", "b"], ["x"])
