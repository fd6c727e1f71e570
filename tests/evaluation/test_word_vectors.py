"""Vectors of words, by which samples are compared without an encoder."""

import numpy as np
import pytest

from fewshot.evaluation.domain import domain_distance
from fewshot.evaluation.word_vectors import DIMENSION, word_vectors

PARCELS = [
    f"the {thing} is {state} since {i}" for i in range(20) for thing, state in (("parcel", "late"), ("box", "lost"))
]
VERSES = [
    f"a {thing} that {act} at night {i}" for i in range(20) for thing, act in (("raven", "speaks"), ("lamp", "fades"))
]


def test_samples_share_one_space_and_keep_their_order():
    """Vectors of two spaces could not be compared."""
    first, second = word_vectors(PARCELS, VERSES)
    assert first.shape == second.shape
    assert first.shape[0] == 40
    assert first.shape[1] <= DIMENSION
    same, again = word_vectors(PARCELS, PARCELS)
    assert np.allclose(same, again)
    assert np.array_equal(word_vectors(PARCELS, VERSES)[1], second)


def test_few_texts_and_few_words_have_few_columns():
    """A decomposition wants fewer columns than rows and words."""
    (vectors,) = word_vectors(["a b", "a c", "b c"])
    assert vectors.shape == (3, 2)
    assert word_vectors(["a", "a"])[0].shape == (2, 1)
    assert [part.tolist() for part in word_vectors(["?", "!"], ["…"])] == [[[0.0], [0.0]], [[0.0]]]


def test_other_texts_are_far_and_the_same_are_near():
    """The measure must tell verses from parcels, and two halves of one sample not apart."""
    assert domain_distance(*word_vectors(PARCELS, VERSES)).distance > 0.9
    mixed = [PARCELS[i] for i in np.random.default_rng(0).permutation(40)]
    near = domain_distance(*word_vectors(mixed[:20], mixed[20:]))
    assert near.distance - 2 * near.standard_error < 0.5


@pytest.mark.parametrize("sign", ["体", "は"])
def test_signs_count_as_words(sign):
    """In scripts without spaces each sentence would be one word, and no two texts alike."""
    first, second = word_vectors([f"{sign}育新闻", f"{sign}坛", "经济"], [f"{sign}操"])
    assert float(first[0] @ second[0]) > 1e-6
