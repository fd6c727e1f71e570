"""Texts to arrays and back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fewshot.classifiers.kept_texts import pack_texts, unpack_texts
from fewshot.core.errors import ModelFormatError


@given(st.lists(st.text(st.characters()), min_size=1))
def test_what_goes_in_comes_out(texts):
    """Prevents texts that are cut inside a letter, empty ones that vanish, and lone surrogates that raise."""
    assert unpack_texts(pack_texts(texts)) == texts


@pytest.mark.parametrize(
    "changes",
    [
        {"text_ends": np.array([1, 99])},
        {"text_ends": np.array([3, 1])},
        {"text_ends": np.array([-1, 4])},
        {"text_ends": np.array([], dtype=np.int64)},
        {"texts": np.array([255, 255, 255, 255], dtype=np.uint8)},
    ],
)
def test_damaged_arrays(changes):
    """Prevents texts that belong to other rows."""
    with pytest.raises(ModelFormatError, match="texts in the model are damaged"):
        unpack_texts({**pack_texts(["ab", "cd"]), **changes})
    assert unpack_texts({}) is None
