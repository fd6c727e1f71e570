"""Filters over neighbouring tokens, against torch's convolution."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fewshot.core.errors import ModelFormatError
from fewshot.encoders import convolution
from fewshot.encoders.convolution import Convolution


def make(width=3, dimension=5, n_filters=4, seed=0):
    """Return filters of random numbers."""
    rng = np.random.default_rng(seed)
    return Convolution(
        rng.normal(size=(width, dimension, n_filters)),
        rng.normal(size=n_filters),
        rng.normal(size=(n_filters, dimension)),
    )


def by_torch(filters, table, texts):
    """Return what ``vectors`` should, by torch's own convolution, text by text."""
    kernel, bias, output = map(torch.from_numpy, (filters.kernel, filters.bias, filters.output))
    rows = torch.nn.functional.normalize(torch.from_numpy(table), eps=convolution.SHORTEST)
    half, vectors = filters.width // 2, []
    for ids in texts:
        if not ids:
            vectors.append(torch.zeros(filters.dimension))
            continue
        padded = torch.nn.functional.pad(rows[ids], (0, 0, half, half)).T[None]
        found = torch.nn.functional.conv1d(padded, kernel.permute(2, 1, 0), bias)
        vectors.append(found.relu().amax(dim=2)[0] @ output)
    return torch.stack(vectors).numpy() if vectors else np.zeros((0, filters.dimension), np.float32)


def flat(texts):
    """Return the tokens of texts one after the other, and where each begins."""
    ids = np.array([number for ids in texts for number in ids], dtype=np.int32)
    return ids, np.cumsum([0, *map(len, texts)], dtype=np.int32)


@settings(deadline=None)
@given(
    st.lists(st.lists(st.integers(0, 6), max_size=9), max_size=8),
    st.sampled_from([1, 3, 5]),
    st.sampled_from([1, 2, 3, 2048]),
)
def test_it_is_a_convolution(texts, width, at_once):
    """Prevents filters that look over a text's end into the next, and answers lost where blocks of tokens meet."""
    table = np.random.default_rng(1).normal(size=(7, 5)).astype(np.float32)
    table[3] = 0  # as of a bucket that no word of the pool fell into
    table[4] *= 1e-4
    filters = make(width)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(convolution, "_TOKENS_AT_ONCE", at_once)
        found = filters.vectors(table, *flat(texts))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, by_torch(filters, table, texts), atol=1e-5)


def test_order_counts():
    """Prevents what a sum of rows does already."""
    table = np.eye(5, dtype=np.float32)
    one, other, same = make().vectors(table, *flat([[1, 2, 3], [3, 2, 1], [1, 2, 3]]))
    assert np.abs(one - other).max() > 0.1
    np.testing.assert_array_equal(one, same)


def test_saved_arrays_are_the_filters():
    """Prevents vectors that change by saving: what is there is rounded to what is saved."""
    filters = make()
    again = Convolution.from_arrays(filters.arrays())
    for name, array in filters.arrays().items():
        assert array.dtype == np.float16
        np.testing.assert_array_equal(again.arrays()[name], array)
    np.testing.assert_array_equal(again.kernel, filters.kernel)
    assert filters.size == 3 * 5 * 4 + 4 + 4 * 5


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ((np.ones((2, 5, 4)), np.ones(4), np.ones((4, 5))), "odd width"),
        ((np.ones((3, 5)), np.ones(4), np.ones((4, 5))), "odd width"),
        ((np.ones((3, 5, 4)), np.ones(5), np.ones((4, 5))), r"got \(3, 5, 4\), \(5,\) and \(4, 5\)"),
        ((np.ones((3, 5, 4)), np.ones(4), np.ones((5, 4))), "output of"),
        ((np.ones((3, 0, 4)), np.ones(4), np.ones((4, 0))), "odd width"),
        ((np.ones((3, 5, 4), dtype=int), np.ones(4), np.ones((4, 5))), "floating point numbers, got int64"),
        ((np.full((3, 5, 4), np.nan), np.ones(4), np.ones((4, 5))), "NaN"),
        ((np.full((3, 5, 4), 1e6), np.ones(4), np.ones((4, 5))), "beyond 65,504"),
        ((np.ones((3, 5, 5000)), np.ones(5000), np.ones((5000, 5))), "5000 filters over 3 tokens; at most 4096"),
        ((np.ones((17, 5, 4)), np.ones(4), np.ones((4, 5))), "over 15 are read"),
    ],
    ids=str,
)
def test_what_is_no_convolution(arrays, message):
    """Prevents a damaged or a hostile file from ending in an IndexError at the first text, or in all of the memory."""
    with pytest.raises(ModelFormatError, match=message):
        Convolution(*arrays)
