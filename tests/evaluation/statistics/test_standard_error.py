"""How sure a mean is: against what is known of its variance."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fewshot.evaluation.statistics.resampling import draw_counts
from fewshot.evaluation.statistics.standard_error import Estimate, estimate_mean

SEEDS, TEXTS = 4, 120


def estimates(seed_sd, text_sd, answer_sd, *, repeats=300, seeds=SEEDS):
    """Estimate the mean of made-up scores, each the sum of a seed's, a text's and an answer's chance; truly 0."""
    found = []
    for repeat in range(repeats):
        rng = np.random.default_rng(repeat)
        table = rng.normal(0, seed_sd, (seeds, 1)) + rng.normal(0, text_sd, TEXTS)
        table = table + rng.normal(0, answer_sd, (seeds, TEXTS))
        drawn = np.hstack([np.ones((TEXTS, 1)), draw_counts(rng, TEXTS, 200)])
        found.append(estimate_mean(table @ drawn / TEXTS, TEXTS))
    return found


@pytest.mark.parametrize("sds", [(0.3, 0.1, 0.1), (0.0, 1.0, 0.3), (0.1, 1.0, 1.0), (0.0, 0.0, 1.0)])
def test_the_standard_error_is_that_of_seeds_crossed_with_texts(sds):
    """Prevents bands that forget the seeds, forget the texts, or count the chance of an answer twice."""
    seed_sd, text_sd, answer_sd = sds
    true = seed_sd**2 / SEEDS + text_sd**2 / TEXTS + answer_sd**2 / SEEDS / TEXTS
    found = np.mean([estimate.error**2 for estimate in estimates(*sds)])
    assert 0.85 < found / true < (1.7 if sds == (0.0, 0.0, 1.0) else 1.25)  # never below its larger part, so above here


@pytest.mark.parametrize("seeds", [2, 4])
def test_the_interval_holds_the_truth_as_often_as_it_says(seeds):
    """Prevents intervals of few seeds that are too narrow, as percentiles of resamples are."""
    found = estimates(0.3, 1.0, 1.0, repeats=400, seeds=seeds)
    held = np.mean([abs(estimate.value) <= estimate.reach(0.95) for estimate in found])
    assert 0.915 <= held <= 0.985


def test_one_seed_has_the_error_of_the_texts_alone():
    """Prevents a division by 0, and an error other than the binomial one that everybody knows."""
    right = np.random.default_rng(0).random(400) < 0.7
    drawn = np.hstack([np.ones((400, 1)), draw_counts(np.random.default_rng(1), 400, 4000)])
    found = estimate_mean((right @ drawn / 400)[None], 400)
    assert found.error == pytest.approx(np.sqrt(right.mean() * (1 - right.mean()) / 400), rel=0.03)
    assert found.freedom == pytest.approx(399)


@settings(deadline=None)
@given(st.integers(1, 4), st.integers(1, 5), st.floats(0, 1))
def test_what_never_varies_is_still_not_certain(seeds, texts, score):
    """Prevents a band of no width, p = 0 or 'nan' from a handful of texts that all went the same way."""
    found = estimate_mean(np.full((seeds, 101), score), texts)
    assert found.value == pytest.approx(score)
    assert found.error == pytest.approx(1 / texts)
    assert found.reach(0.95) > found.error
    assert found.p_value > 0


def test_p_and_interval_say_the_same():
    """Prevents a difference whose interval holds 0 from being called real, or the other way."""
    for value in np.linspace(-0.2, 0.2, 21):
        made = Estimate(float(value), 0.05, 7.5)
        assert (made.p_value < 0.05) == (abs(value) > made.reach(0.95))
