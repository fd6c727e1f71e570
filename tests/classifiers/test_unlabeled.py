"""The door for unlabelled texts."""

import numpy as np
import pytest

from fewshot.classifiers.unlabeled import check_unlabeled, without_texts
from fewshot.core.errors import InputError


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (None, "give unlabeled=, a sequence of texts, to fit; got none"),
        ([], "give unlabeled=, a sequence of texts, to fit; got an empty one"),
        ("one text", "unlabeled must be a sequence of strings, got one string"),
        ("", "unlabeled must be a sequence of strings, got one string"),
        (["a", None], r"unlabeled\[1\] must be a string, got None"),
    ],
)
def test_what_is_no_pool_is_refused(given, message):
    """Prevents a training without a pool, or on the letters of a text."""
    with pytest.raises(InputError, match=message):
        check_unlabeled(given)


def test_each_text_comes_once_in_its_order():
    """Prevents a text that was sent a thousand times from being most of what is learnt."""
    assert check_unlabeled(("b", "a", " B", "c", "a", "")) == ["b", "a", "c", ""]
    texts = check_unlabeled(np.array(["b", "a", "b"]))
    assert (texts, type(texts[0])) == (["b", "a"], str)


def test_others_are_left_out():
    """Prevents validation texts from being learnt from because they were written otherwise."""
    assert without_texts(["a b", "c", "d"], ["A  b", "d", "e"]) == ["c"]
    assert without_texts(["a"], []) == ["a"]
