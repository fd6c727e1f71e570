"""Raw tables."""

import numpy as np
import pandas as pd
import pytest

from fewshot.core.errors import InputError
from fewshot.data.tables import Table, is_missing, is_null


def test_columns_are_the_union_in_order():
    """Prevents losing a column that the first JSON row lacks."""
    table = Table.of_records([{"b": 1}, {"a": 2, "b": 3}], source="s")
    assert table.columns == ("b", "a")


def test_selection_keeps_numbers_and_rejections():
    """Prevents messages that name the wrong row after a split was chosen."""
    table = Table(("t",), [{"t": i} for i in range(4)], [0, 1, 2, 3], "s", {1: "bad", 3: "bad"})
    chosen = table.select([3, 2])
    assert (chosen.numbers, chosen.rejected) == ([3, 2], {3: "bad"})


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (
            lambda: Table.of_records([{"a": 1}, 5], source="s"),
            r"s, row 1: expected an object of columns, got 5 \(int\)",
        ),
        (lambda: Table.of_columns({"a": 1}, source="s"), "column 'a' must be a list"),
        (lambda: Table.of_columns({"a": [1], "b": []}, source="s"), "same length"),
    ],
)
def test_what_is_no_table_is_refused(build, message):
    """Prevents an AttributeError for JSON that is not rows."""
    with pytest.raises(InputError, match=message):
        build()


@pytest.mark.parametrize("value", [None, float("nan"), np.nan, np.float32("nan"), pd.NA, pd.NaT])
def test_every_kind_of_null_is_known(value):
    """Prevents a class called "nan"."""
    assert is_null(value)
    assert is_missing(value)


@pytest.mark.parametrize("value", [0, "", " ", [], (), False, "nan"])
def test_what_is_empty_is_not_null(value):
    """Prevents the class 0 and the empty list from counting as missing."""
    assert not is_null(value)
    assert is_missing(value) == (isinstance(value, str) and not value.strip())
