"""Copies of unlabelled texts."""

import numpy as np
import pytest

from fewshot.classifiers.unlabeled_copies import check_augment, pack_pairs, pair_with_copies, unpack_pairs
from fewshot.core.errors import InputError
from fewshot.data.augmentation import TokenAugmentation


def test_copies_are_of_their_text_alone(pool):
    """Prevents words of a text of another class, whatever that is, from coming into a copy; and one that is a text."""
    pairs = pair_with_copies(pool[:30], ["tokens", "insert"], n_most=30, random_state=0)
    assert pairs.originals == [text for text in pool[:30] if text in pairs.texts]
    assert len(pairs.originals) > 20
    for text, copy in pairs:
        assert set(copy.split()) <= set(text.split())
        assert copy not in pool[:30]
    assert max(pairs.n_copies) > 4


def test_no_more_are_copied_than_a_training_gets_to(pool):
    """Prevents an hour of copies, nearly all of which nobody reads; and those of the first texts of a file alone."""
    pairs = pair_with_copies(pool, "swap", n_most=10, random_state=0)
    assert len(pairs.originals) <= 10
    assert max(map(pool.index, pairs.originals)) >= 20
    assert pair_with_copies(pool, "swap", n_most=10, random_state=0) == pairs
    assert pair_with_copies(pool, "swap", n_most=10, random_state=1) != pairs


def test_a_text_without_copies_is_left_out():
    """Prevents a text that stands beside itself, from which nothing can be learnt but certainty."""
    assert pair_with_copies(["one", "two words", ""], "swap", n_most=9, random_state=0).originals == ["two words"]
    with pytest.raises(InputError, match="could make no copy of any of the 2 unlabelled texts"):
        pair_with_copies(["one", ""], "swap", n_most=9, random_state=0)


@pytest.mark.parametrize(
    ("augment", "message"),
    [
        (None, "unlabeled_augment must say how copies of unlabelled texts are made"),
        ("token", "Did you mean 'tokens'"),
        ("mix", "unlabeled_augment='mix' joins texts with the same labels"),
        (["swap", "mix"], "unlabeled_augment='mix' joins texts with the same labels"),
        (3, "augment must be one of"),
    ],
)
def test_what_makes_no_copies_without_labels_is_refused(augment, message):
    """Prevents a pool that is silently not learnt from."""
    with pytest.raises(InputError, match=message):
        check_augment(augment)


def test_an_object_may_make_them():
    """Prevents the number of copies, and their strength, from being nobody's choice."""
    pairs = pair_with_copies(["a b c d e f"], TokenAugmentation(("swap",), n_copies=7), n_most=1, random_state=0)
    assert pairs.n_copies == [7]
    check_augment(TokenAugmentation())


def test_pairs_outlast_a_break():
    """Prevents texts of odd characters from coming back as others."""
    pairs = pair_with_copies(["a b é", "\ud800 x y", "你好吗"], "swap", n_most=3, random_state=0)
    arrays = pack_pairs(pairs)
    assert all(isinstance(array, np.ndarray) for array in arrays.values())
    assert unpack_pairs(arrays) == pairs
