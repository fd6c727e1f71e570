"""JSON arrays element by element, against ``json.loads``."""

import io
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fewshot.core.errors import InputError
from fewshot.data import json_array
from fewshot.data.json_array import JsonArray

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.sampled_from('a"\\ü日]},{['), max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=8,
)


def read(content):
    """Return all elements."""
    array = JsonArray(io.StringIO(content), "memory")
    assert array.next_sign() == "["
    return list(array.elements())


@given(st.lists(VALUES, max_size=6), st.sampled_from([None, 1]), st.integers(1, 9))
@settings(deadline=None)
def test_elements_are_those_of_json_however_blocks_are_cut(values, indent, block):
    """Prevents a number that ends where a block does, and a string that is cut at an escape."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_array, "_BLOCK", block)
        assert read(json.dumps(values, indent=indent)) == values


@pytest.mark.parametrize("content", ["[1 2]", "[1,]", "[1", "[", '["a', "[{]", "[" * 100_000, "[1,,2]"])
def test_broken_documents(content):
    """Prevents rows that end without a word where the document is broken."""
    with pytest.raises(InputError, match="memory is not valid JSON"):
        read(content)


def test_an_element_without_end_is_given_up(monkeypatch):
    """Prevents a torn string near the start from bringing the whole file into memory."""
    monkeypatch.setattr(json_array, "_BLOCK", 8)
    monkeypatch.setattr(json_array, "MAX_ELEMENT", 64)
    handle = io.StringIO('["' + "x" * 10_000)
    array = JsonArray(handle, "memory")
    array.next_sign()
    with pytest.raises(InputError):
        next(array.elements())
    assert handle.tell() < 500
