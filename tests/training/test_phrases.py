"""Scores of phrases against loops over their tokens."""

import numpy as np
import pytest
import torch
from scipy.special import log_softmax, logsumexp

from fewshot.core.errors import InputError
from fewshot.training.phrases import PhraseScores

SPELLINGS = [
    [((0, 3),), ((3, 7), (4, 1))],  # one token in the first prompt, two in the second
    [((1, 2), (2, 5)), ((3, 0), (4, 0))],
    [((0, 6),), ((3, 4), (4, 5))],
]
GROUPS = [1, 0, 1]


@pytest.fixture
def logits():
    """Logits at five masks of two examples."""
    return torch.from_numpy(np.random.default_rng(0).normal(size=(2, 5, 8), scale=3).astype(np.float32))


@pytest.mark.parametrize("aggregate", ["mean_log", "log_mean"])
def test_scores_by_hand(logits, aggregate):
    """Prevents sums instead of means, a softmax over candidates alone, and words in another class's score."""
    scores = PhraseScores(SPELLINGS, GROUPS, aggregate=aggregate)
    baseline = np.array([-3.0, -1.0, -2.0])
    scores.baseline.copy_(torch.from_numpy(baseline))
    logs = log_softmax(logits.numpy().astype(np.float64), axis=2)
    for row in range(2):
        phrases = [
            np.mean([np.mean([logs[row, slot, token] for slot, token in spelling]) for spelling in prompts])
            for prompts in SPELLINGS
        ]
        np.testing.assert_allclose(scores.of_phrases(logits)[row], phrases, rtol=1e-5)
        above = np.array(phrases) - baseline
        together = np.mean(above[[0, 2]]) if aggregate == "mean_log" else logsumexp(above[[0, 2]]) - np.log(2)
        np.testing.assert_allclose(scores(logits)[row], [above[1], together], rtol=1e-5)


def test_gradients_are_finite(logits):
    """Prevents NaN from the classes that a phrase does not belong to."""
    logits.requires_grad_()
    PhraseScores(SPELLINGS, GROUPS, aggregate="log_mean")(logits).sum().backward()
    assert torch.isfinite(logits.grad).all()
    assert logits.grad.abs().sum() > 0


def test_the_fingerprint_knows_what_decides():
    """Prevents a training from being resumed with other words, classes or baselines."""

    def made(spellings=SPELLINGS, groups=GROUPS, aggregate="mean_log", baseline=0.0):
        scores = PhraseScores(spellings, groups, aggregate=aggregate)
        scores.baseline += baseline
        return scores.fingerprint

    others = [made(SPELLINGS[::-1]), made(groups=[0, 1, 1]), made(aggregate="log_mean"), made(baseline=0.1)]
    assert len({made(), *others}) == 5
    assert made() == made()


def test_unknown_aggregates_are_refused():
    """Prevents a misspelt one from being taken for another."""
    with pytest.raises(InputError, match="Did you mean 'mean_log'"):
        PhraseScores(SPELLINGS, GROUPS, aggregate="meanlog")
