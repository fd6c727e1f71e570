"""How unlike two samples are, where the answer is known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from fewshot.core.errors import InputError
from fewshot.evaluation import domain
from fewshot.evaluation.domain import DomainDistance, domain_distance, domain_note


def sample(n, dimension=16, shift=0.0, seed=0):
    """Return unit vectors around a random direction, moved along another."""
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(n, dimension))
    vectors[:, 0] += shift
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def letters(n, alphabet, seed):
    """Return how often each letter stands in random texts over an alphabet: what two languages are to an encoder."""
    rng = np.random.default_rng(seed)
    texts = rng.choice(list(alphabet), size=(n, 40))
    return np.stack([(texts == letter).mean(axis=1) for letter in "abcdefghij"], axis=1)


def test_two_halves_of_one_sample_are_alike():
    """Prevents telling a user that a good pool is far away."""
    vectors = sample(800)
    distance, error = domain_distance(vectors[:400], vectors[400:])
    assert distance < 3 * error < 0.3
    assert domain_note(distance, error) is None


def test_two_languages_are_not():
    """Prevents silence where a student would learn on other texts altogether."""
    distance, error = domain_distance(letters(60, "abcdefgh", 0), letters(500, "cdefghij", 1))
    assert distance > 0.95
    assert "AUROC of 1.00 (distance 1.00" in domain_note(distance, error)


def test_the_distance_grows_with_the_shift():
    """Prevents a distance that saturates at once, or measures something else."""
    found = [domain_distance(sample(300), sample(300, shift=shift, seed=1))[0] for shift in (0, 1, 2, 4)]
    assert found == sorted(found)
    assert found[0] < 0.2 < found[1] < found[2] < 1
    assert found[3] > 0.9


def test_it_is_the_auroc_of_scores_compared_within_folds(monkeypatch):
    """Prevents an AUROC turned round, and ties that count for one side."""
    rng = np.random.default_rng(0)
    low, high = rng.integers(0, 4, size=50).astype(float), rng.integers(1, 5, size=50).astype(float)
    monkeypatch.setattr(domain, "_scores", lambda a, b, labeled, pool: (labeled[:, 0], pool[:, 0]))
    of_pool, of_labeled = domain._placements(low[:, None], high[:, None])
    folds = np.arange(50) % 5
    expected = [roc_auc_score([0] * 10 + [1] * 10, [*low[folds == k], *high[folds == k]]) for k in range(5)]
    assert of_pool.mean() == pytest.approx(np.mean(expected))
    assert of_labeled.mean() == pytest.approx(np.mean(expected))


def test_its_error_is_that_of_repeated_samples():
    """Prevents a standard error that is off by a factor, in units of the AUROC for one."""
    found = [domain_distance(sample(100, 4, seed=2 * i), sample(100, 4, 1.0, seed=2 * i + 1)) for i in range(60)]
    distances, errors = np.array(found).T
    assert 0.7 < errors.mean() / distances.std(ddof=1) < 1.4


def test_seeded_and_balanced(monkeypatch):
    """Prevents another answer each time, and one of a million pool texts that nobody asked for."""
    monkeypatch.setattr(domain, "MAX_VECTORS", 50)
    seen = []
    monkeypatch.setattr(domain, "_placements", lambda a, b: seen.append((len(a), len(b))) or (np.ones(9), np.ones(9)))
    domain_distance(sample(30), sample(2_000))
    domain_distance(sample(300), sample(200))
    assert seen == [(30, 30), (50, 50)]
    monkeypatch.undo()
    first, second = sample(40), sample(400, seed=1).astype(np.float16)
    assert domain_distance(first, second, 5) == domain_distance(first, second, random_state=5)
    assert domain_distance(first, second, 6) != domain_distance(first, second, 5)


def test_what_is_stored_in_half_precision_is_no_other_domain():
    """Prevents telling two halves of one sample apart by rounding, in columns that are all but empty."""
    faint = np.random.default_rng(1).normal(1, 1, size=(800, 3)) * [1e-30, 1e-9, 1e-7]
    vectors = np.hstack([sample(800), faint])
    stored = vectors[400:].astype(np.float16)
    distance, error = domain_distance(vectors[:400], stored)
    assert distance < 3 * error < 0.3
    large = 1e7 * vectors  # more than half precision holds
    assert domain_distance(large[:400], large[400:])[0] < 3 * error


def test_vectors_that_are_all_the_same():
    """Prevents NaN from a column without spread."""
    assert domain_distance(np.ones((9, 3)), np.ones((7, 3))) == DomainDistance(0.0, 0.0)


@given(st.integers(5, 12), st.integers(5, 12), st.integers(1, 6), st.integers(0, 9))
@settings(max_examples=15, deadline=None)
def test_any_small_sample_has_an_answer(n, m, dimension, seed):
    """Prevents a fold without texts of one side, and values out of range."""
    distance, error = domain_distance(sample(n, dimension, seed=seed), sample(m, dimension, seed=seed + 1))
    assert 0 <= distance <= 1
    assert 0 <= error < 1


@pytest.mark.parametrize(
    ("labeled", "pool", "message"),
    [
        (
            np.ones((4, 3)),
            np.ones((9, 3)),
            r"labeled_vectors must be a matrix with one row a text, at least 5, got \(4, 3",
        ),
        (np.ones((9, 3)), np.ones(9), "pool_vectors must be a matrix"),
        (np.ones((9, 3)), np.ones((9, 4)), "must come from one encoder, got 3 and 4 columns"),
        (np.full((9, 3), np.nan), np.ones((9, 3)), "labeled_vectors must be finite"),
        (np.ones((9, 3)), np.full((9, 3), np.inf), "pool_vectors must be finite"),
        (np.ones((9, 0)), np.ones((9, 0)), "labeled_vectors must be a matrix"),
    ],
)
def test_wrong_vectors(labeled, pool, message):
    """Prevents an error of scikit-learn that names no argument."""
    with pytest.raises(InputError, match=message):
        domain_distance(labeled, pool)


def test_a_note_only_where_it_is_sure():
    """Prevents a warning out of noise, and none where the pool is another world."""
    assert domain_note(0.45, 0.0) is None
    assert domain_note(0.6, 0.06) is None
    assert domain_note(0.6, 0.04).startswith("the pool is unlike the labelled texts")
    assert domain_note(0.3, 0.04, far=0.2) is not None
    for distance, error in ((1.1, 0.1), (-0.1, 0.1), (0.5, -0.1), (float("nan"), 0.1)):
        with pytest.raises(InputError, match="distance must be from 0 to 1"):
            domain_note(distance, error)
