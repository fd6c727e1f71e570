"""Logits and probabilities against SciPy."""

import numpy as np
import pytest
from scipy import special

from fewshot.heads.logits import expit, logit, softmax

LOGITS = np.array([[-800.0, -30.0, -1e-9], [0.0, 1e-9, 0.3], [5.0, 40.0, 800.0]])


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_they_are_scipys(dtype):
    """Prevents overflow at large logits, and heads that answer otherwise where SciPy is not installed."""
    given = LOGITS.astype(dtype)
    step = 4 * np.finfo(dtype).eps
    for ours, theirs in ((expit(given), special.expit(given)), (softmax(given), special.softmax(given, axis=1))):
        assert ours.dtype == dtype
        np.testing.assert_allclose(ours, theirs, rtol=step, atol=np.finfo(dtype).tiny)


def test_log_odds_of_numbers_and_of_certainty():
    """Prevents a warning, which is an error here, at probabilities of 0 and 1, and one number taken for an array."""
    probabilities = np.array([0.0, 1e-12, 0.2, 0.5, 1.0])
    np.testing.assert_allclose(logit(probabilities), special.logit(probabilities), rtol=1e-12)
    assert float(expit(logit(0.2))) == pytest.approx(0.2)
