"""Sums of rows against plain NumPy, and rounding that is done once."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import sparse

from fewshot.core.errors import InputError, ModelFormatError
from fewshot.encoders import rows
from fewshot.encoders.rows import check_table_dtype, from_int8, rounded, sum_rows, to_int8

TABLES = arrays.arrays(
    np.float32,
    st.tuples(st.integers(1, 5), st.integers(1, 6)),
    elements=st.floats(-1e4, 1e4, width=32) | st.floats(-(2.0**-20), 2.0**-20, width=32),
)


@given(st.lists(st.lists(st.integers(0, 8), max_size=7), max_size=6))
def test_sums(texts):
    """Prevents a token that is counted with the neighbouring text, or once where it comes twice."""
    table = np.random.default_rng(0).normal(size=(9, 4)).astype(np.float32)
    ids = np.array([token for text in texts for token in text], dtype=np.int32)
    bounds = np.cumsum([0, *map(len, texts)], dtype=np.int32)
    sums = sum_rows(table, ids, bounds)
    assert sums.dtype == np.float32
    expected = [table[text].sum(axis=0) for text in texts]
    np.testing.assert_allclose(sums, np.reshape(expected, (len(texts), 4)), atol=1e-5)


@given(st.lists(st.integers(0, 40), max_size=6), st.integers(1, 9), st.integers(0, 2**32 - 1))
def test_sums_without_scipy_are_the_same(lengths, dimension, seed):
    """Prevents vectors, and so labels, that depend on whether SciPy is installed or how many texts come at once."""
    rng = np.random.default_rng(seed)
    table = rng.normal(size=(30, dimension)).astype(np.float32)
    ids = rng.integers(30, size=sum(lengths)).astype(np.int32)
    bounds = np.cumsum([0, *lengths], dtype=np.int32)
    one = np.ones(len(ids), dtype=np.float32)
    expected = sparse.csr_array((one, ids, bounds), shape=(len(lengths), 30)) @ table
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rows, "_TOKENS_AT_ONCE", 16)
        np.testing.assert_array_equal(rows._sum_rows_alone(table, ids, bounds), expected)


def test_many_texts_take_the_other_way():
    """Prevents two ways to add of which one is never taken, and one that fails where SciPy is not installed."""
    table, ids = np.eye(3, dtype=np.float32), np.arange(600, dtype=np.int32) % 3
    bounds = np.arange(0, 601, 2, dtype=np.int32)
    many = sum_rows(table, ids, bounds)
    assert rows._scipy_sparse() is sparse
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rows, "_scipy_sparse", lambda: None)
        np.testing.assert_array_equal(sum_rows(table, ids, bounds), many)


@pytest.mark.parametrize("table_dtype", ["float16", "int8"])
@given(table=TABLES)
def test_rounding_twice_is_rounding_once(table_dtype, table):
    """Prevents vectors that change each time an encoder is saved and loaded."""
    once = rounded(table, table_dtype)
    assert once.dtype == np.float32
    np.testing.assert_array_equal(rounded(once, table_dtype), once)


@given(TABLES)
def test_int8_is_within_half_a_step(table):
    """Prevents one large row from taking the precision of all others, and an overflow of the eighth bit."""
    rows, scales = to_int8(table)
    assert rows.dtype == np.int8
    assert rows.min() >= -127
    largest = np.abs(table).max(axis=1, keepdims=True)
    assert (np.abs(from_int8(rows, scales) - table) <= np.maximum(largest / 127 * 0.501, 1e-27)).all()


def test_rows_of_zeros_and_odd_sizes():
    """Prevents division by zero, and numbers too small to have a scale."""
    for table in (np.zeros((2, 3)), np.zeros((0, 3)), np.full((2, 3), 1e-300), np.full((1, 2), 1e-38)):
        for table_dtype in ("float16", "int8"):
            np.testing.assert_allclose(rounded(table, table_dtype), table, atol=1e-27)


@pytest.mark.parametrize("table_dtype", ["float16", "int8"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300])
def test_numbers_that_no_table_can_hold(table_dtype, value):
    """Prevents a table that turns every text with one token into NaN, and a RuntimeWarning in place of an error."""
    table = np.ones((3, 2))
    table[1, 1] = value
    with pytest.raises(ModelFormatError, match="NaN or numbers too large"):
        rounded(table, table_dtype)


def test_misspelt_dtype():
    """Prevents a table in full precision in silence."""
    with pytest.raises(InputError, match="table_dtype must be one of 'float16', 'int8', got 'int4'"):
        check_table_dtype("int4")
