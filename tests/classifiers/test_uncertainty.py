"""Uncertainty over passes: figures by hand, and what holds for any passes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from fewshot.classifiers.uncertainty import bald_scores, entropies, uncertainty_of

CERTAIN = [[1.0, 0.0]] * 3
UNDECIDED = [[0.5, 0.5]] * 3
DISAGREEING = [[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]]


def passes(*texts):
    """Return ``(passes, n, n_classes)`` from what is said of each text, pass by pass."""
    return np.array(texts).transpose(1, 0, 2)


@pytest.mark.parametrize("multi_label", [False, True])
def test_disagreement_is_told_from_indecision(multi_label):
    """Prevents texts that no pass can decide from being taken for those on which passes differ."""
    found = uncertainty_of(passes(CERTAIN, UNDECIDED, DISAGREEING), multi_label=multi_label)
    # the mean of the last is undecided: ln 2; one of its three passes is so, too: ln 2 / 3
    np.testing.assert_allclose(found.bald, [0.0, 0.0, np.log(2) * 2 / 3], atol=1e-12)
    np.testing.assert_allclose(found.mean, [[1, 0], [0.5, 0.5], [0.5, 0.5]])
    np.testing.assert_allclose(found.variance, [[0, 0], [0, 0], [1 / 6, 1 / 6]])


def test_figures_by_hand():
    """Prevents bits for nats, and entropies of the mean for means of entropies."""
    given_ = np.array([[[0.9, 0.1]], [[0.6, 0.4]]])

    def entropy(p):
        return -p * np.log(p) - (1 - p) * np.log(1 - p)

    expected = entropy(0.75) - (entropy(0.9) + entropy(0.6)) / 2
    assert bald_scores(given_)[0] == pytest.approx(expected)
    labels = np.array([[[0.9, 0.5]], [[0.6, 0.5]]])
    assert bald_scores(labels, multi_label=True)[0] == pytest.approx(expected / 2)


probabilities = arrays(
    np.float64, array_shapes(min_dims=3, max_dims=3, max_side=5), elements=st.floats(0.0, 1.0, allow_nan=False)
)


@given(probabilities)
def test_bald_is_part_of_the_entropy(raw):
    """Prevents scores below 0, or above what there is to know."""
    rows = (raw + 1e-9) / (raw + 1e-9).sum(axis=-1, keepdims=True)
    for p, multi_label in ((rows, False), (raw, True)):
        bald = bald_scores(p, multi_label=multi_label)
        assert bald.shape == p.shape[1:2]
        assert (bald >= 0).all()
        assert (bald <= entropies(p.mean(axis=0), multi_label=multi_label) + 1e-12).all()


@given(probabilities, st.randoms(use_true_random=False))
def test_the_order_of_passes_says_nothing(raw, random):
    """Prevents an axis of texts from being taken for that of passes."""
    order = list(range(len(raw)))
    random.shuffle(order)
    np.testing.assert_allclose(
        bald_scores(raw[order], multi_label=True), bald_scores(raw, multi_label=True), atol=1e-12
    )
