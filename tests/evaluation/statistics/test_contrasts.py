"""Which methods differ: no false alarms, no blindness, and nothing said of what cannot be known."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fewshot.core.errors import InputError
from fewshot.data.labels import LabelSpace
from fewshot.evaluation.metrics import COMPARED, score_codes
from fewshot.evaluation.runner.contest import Cell
from fewshot.evaluation.runner.prediction_set import PredictionSet
from fewshot.evaluation.statistics.contrasts import BEST, CONTRAST_COLUMNS, NEAR, WORSE, contrast_methods, holm
from fewshot.evaluation.statistics.resampling import draw_counts

SPACE = LabelSpace(("a", "b", "c"), False)


def cell(method, seed, slice=8):
    """A cell of a made-up comparison."""
    return Cell(method, "", None, slice, 16, seed, key=f"{method}-{slice}-{seed}")


def world(gaps, *, seeds=4, texts=150, seed_sd=0.2, text_sd=1.0, own_sd=0.5, random_state=0):
    """Make answers that are right by chance: of the text, of the seed, of the method's own view of a text.

    ``gaps`` says by how much each method is poorer, in logits.
    """
    rng = np.random.default_rng(random_state)
    truth, common = rng.integers(3, size=texts), rng.normal(1, text_sd, texts)
    answers = {}
    for number, gap in enumerate(gaps):
        own = common + rng.normal(0, own_sd, texts) - gap
        for seed in range(seeds):
            right = rng.random(texts) < 1 / (1 + np.exp(-own - rng.normal(0, seed_sd)))
            answers[cell(f"m{number}", seed)] = np.where(right, truth, (truth + rng.integers(1, 3, size=texts)) % 3)
    return PredictionSet(SPACE, truth, answers)


def verdicts(predictions, metric="accuracy", **options):
    """Return the verdict on each method."""
    rows = contrast_methods(predictions, **options)
    return {row["method"]: row["verdict"] for row in rows if row["metric"] == metric}


def alarms(n_methods, repeats, **options):
    """Return in what share of comparisons of equal methods one of them is called worse, by metric."""
    counts = dict.fromkeys(COMPARED, 0)
    for repeat in range(repeats):
        rows = contrast_methods(world([0.0] * n_methods, random_state=repeat, **options), n_resamples=150)
        for metric in COMPARED:
            counts[metric] += any(row["verdict"] == WORSE for row in rows if row["metric"] == metric)
    return {metric: count / repeats for metric, count in counts.items()}


def test_encoders_of_one_method_are_told_apart():
    """Prevents two encoders from being called by one name, and their seeds from being put together."""
    made = world([0.0, 3.0, 1.0])
    named = {"m0": ("m", "small"), "m1": ("m", "large"), "m2": ("plain", "")}
    answers = {
        dataclasses.replace(one, method=named[one.method][0], encoder=named[one.method][1]): codes
        for one, codes in made.answers.items()
    }
    rows = contrast_methods(dataclasses.replace(made, answers=answers))
    found = [(row["encoder"], row["best"], row["n_seeds"]) for row in rows if row["metric"] == "accuracy"]
    assert found == [(encoder, "m (small)", 4) for encoder in ("small", "large", "")]


@pytest.mark.parametrize(
    "options", [{}, {"seeds": 2}, {"seed_sd": 0.5, "own_sd": 0.0}, {"seed_sd": 0.0, "own_sd": 1.0}]
)
def test_equal_methods_are_seldom_told_apart(options):
    """Prevents a verdict that chance alone brings about more often than the level allows, of seeds or of texts."""
    found = alarms(2, 120, **options)
    assert max(found.values()) <= 0.1  # 0.05 and 2.5 standard errors of 120 repeats
    assert found["accuracy"] == found["micro_f1"]


def test_many_equal_methods_are_seldom_told_apart():
    """Prevents the best of many, chosen by the same figures, from beating the rest by that choice alone."""
    assert max(alarms(8, 60, texts=60, seeds=3).values()) <= 0.1


def test_values_are_corrected_for_all_pairs():
    """Prevents a correction for the comparisons with the best alone, though it was chosen among all."""
    rows = [row for row in contrast_methods(world([0.0, 0.1, 0.2, 0.8])) if row["metric"] == "accuracy"]
    least = min((row for row in rows if row["p_value"] is not None), key=lambda row: row["p_value"])
    assert least["method"] == "m3"
    assert least["p_holm"] == pytest.approx(min(1, 6 * least["p_value"]))
    assert least["p_holm"] < 1


@pytest.mark.parametrize(("gap", "least"), [(0.9, 0.75), (1.5, 0.95)])
def test_a_true_difference_is_found(gap, least):
    """Prevents caution that never finds anything."""
    found = [verdicts(world([0.0, gap], random_state=repeat), n_resamples=150) for repeat in range(40)]
    assert np.mean([one == {"m0": BEST, "m1": WORSE} for one in found]) >= least


def test_one_seed_is_said_to_leave_its_chance_out():
    """Prevents a verdict on one draw of training texts from passing for one on methods."""
    predictions = world([0.0, 0.5], seeds=1)
    for row in contrast_methods(predictions):
        assert (row["n_seeds"], row["resampled"], row["sd"]) == (1, "texts", None)
    assert {row["resampled"] for row in contrast_methods(world([0.0, 0.5]))} == {"seeds and texts"}


def test_means_are_those_of_the_results_and_columns_those_promised():
    """Prevents a table of differences whose means disagree with results.csv."""
    predictions = world([0.0, 0.3, 1.0])
    rows = contrast_methods(predictions, n_resamples=100)
    assert len(rows) == 3 * 3
    for row in rows:
        assert tuple(row) == CONTRAST_COLUMNS
        own = [one for one in predictions.answers if one.method == row["method"]]
        scores = [score_codes(predictions.truth, predictions.answers[one], SPACE)[row["metric"]] for one in own]
        assert row["mean"] == pytest.approx(np.mean(scores))
        assert row["sd"] == pytest.approx(np.std(scores, ddof=1))
        assert 0 <= row["low"] <= row["mean"] <= row["high"] <= 1
        assert 1 <= row["mean_rank"] <= 3
    for metric in COMPARED:
        chosen = [row for row in rows if row["metric"] == metric]
        assert sum(row["share_best"] for row in chosen) == pytest.approx(1)
        assert sum(row["mean_rank"] for row in chosen) == pytest.approx(1 + 2 + 3)
        [best] = [row for row in chosen if row["verdict"] == BEST]
        assert best["mean"] == max(row["mean"] for row in chosen)
        assert best["difference"] is best["p_value"] is None
        for row in chosen:
            assert row["best"] == best["method"]
            if row is not best:
                assert row["difference"] == pytest.approx(row["mean"] - best["mean"])
                assert row["difference_low"] <= row["difference"] <= row["difference_high"]
                assert row["p_holm"] >= row["p_value"]


def test_a_bootstrap_of_ten_lines_agrees():
    """Prevents ranks and shares of resamples that come of matrices but not of seeds and texts drawn together."""
    predictions = world([0.0, 0.2, 0.4], seeds=5, texts=80)
    rng, n = np.random.default_rng(3), 80
    ranks = []
    for _ in range(600):
        texts, seeds = rng.integers(n, size=n), rng.integers(5, size=5)
        right = [
            np.mean([np.mean((predictions.answers[cell(m, seed)] == predictions.truth)[texts]) for seed in seeds])
            for m in ("m0", "m1", "m2")
        ]
        ranks.append([1 + sum(b > a for b in right) + (sum(b == a for b in right) - 1) / 2 for a in right])
    rows = [row for row in contrast_methods(predictions) if row["metric"] == "accuracy"]
    assert [row["mean_rank"] for row in rows] == pytest.approx(np.mean(ranks, axis=0), abs=0.1)
    assert rows[0]["share_best"] == pytest.approx(np.mean(np.array(ranks)[:, 0] == 1), abs=0.07)


def test_only_seeds_that_both_have_are_compared():
    """Prevents a method that failed on the hard seeds from being compared on the easy ones with one that did not."""
    predictions = world([0.0, 0.0])
    del predictions.answers[cell("m1", 0)], predictions.answers[cell("m1", 3)]
    rows = {row["method"]: row for row in contrast_methods(predictions) if row["metric"] == "accuracy"}
    other = min(rows.values(), key=lambda row: row["mean"])
    sign = 1 if other["method"] == "m1" else -1
    shared = [
        np.mean(predictions.answers[cell("m1", seed)] == predictions.truth)
        - np.mean(predictions.answers[cell("m0", seed)] == predictions.truth)
        for seed in (1, 2)
    ]
    assert [rows[name]["n_seeds"] for name in ("m0", "m1")] == [4, 2]
    assert other["n_shared_seeds"] == 2
    assert other["difference"] == pytest.approx(sign * np.mean(shared))


def test_without_a_shared_seed_or_a_rival_there_is_no_verdict():
    """Prevents 'best' for a method that met nobody, and a comparison of unlike seeds."""
    predictions = world([0.0, 1.0], seeds=2)
    del predictions.answers[cell("m0", 0)], predictions.answers[cell("m1", 1)]
    rows = [row for row in contrast_methods(predictions) if row["metric"] == "macro_f1"]
    assert {row["verdict"] for row in rows} == {BEST, None}
    assert {row["n_shared_seeds"] for row in rows} == {1, 0}
    alone = contrast_methods(world([0.0]))
    assert {(row["verdict"], row["best"], row["share_best"]) for row in alone} == {(None, None, 1.0)}
    assert contrast_methods(PredictionSet(SPACE, np.array([0]), {})) == []


def test_equal_answers_are_not_told_apart():
    """Prevents a division by 0 where two methods answer alike, as they do without any label."""
    predictions = world([0.0])
    twins = {cell("twin", one.seed): answer for one, answer in predictions.answers.items()}
    found = contrast_methods(PredictionSet(SPACE, predictions.truth, predictions.answers | twins))
    assert [row["verdict"] for row in found] == [BEST, NEAR] * 3
    assert all(row["p_holm"] == 1 for row in found if row["verdict"] == NEAR)
    assert {row["share_best"] for row in found} == {0.5}


def test_slices_are_judged_by_themselves_and_the_same_each_time():
    """Prevents the best of all slices from standing for each, and verdicts that change from run to run."""
    small, large = world([0.0, 2.0], random_state=1), world([2.0, 0.0], random_state=2)
    moved = {cell(one.method, one.seed, 16): answer for one, answer in large.answers.items()}
    both = PredictionSet(SPACE, small.truth, moved | small.answers)
    rows = contrast_methods(both, n_resamples=100)
    assert [row["slice"] for row in rows] == [8] * 6 + [16] * 6
    assert rows == contrast_methods(both, n_resamples=100)
    assert rows != contrast_methods(both, n_resamples=100, random_state=1)


def test_several_labels_are_compared_too():
    """Prevents multi-label tasks from being left without a verdict."""
    rng = np.random.default_rng(0)
    truth = (rng.random((150, 5)) < 0.3).astype(np.uint8)
    flips = {"good": 0.05, "poor": 0.3}
    answers = {
        cell(name, seed): truth ^ (rng.random(truth.shape) < share).astype(np.uint8)
        for name, share in flips.items()
        for seed in range(3)
    }
    predictions = PredictionSet(LabelSpace(tuple("abcde"), True), truth, answers)
    for metric in COMPARED:
        assert verdicts(predictions, metric) == {"good": BEST, "poor": WORSE}


def test_settings_are_checked():
    """Prevents intervals of 95 times certainty, and p values of ten resamples."""
    with pytest.raises(InputError, match="confidence"):
        contrast_methods(world([0.0]), confidence=95)
    with pytest.raises(InputError, match="n_resamples"):
        contrast_methods(world([0.0]), n_resamples=10)


def test_a_wider_confidence_gives_wider_bands_and_fewer_verdicts():
    """Prevents a confidence that changes the band but not the verdict."""
    predictions = world([0.0, 1.0])
    narrow, wide = (contrast_methods(predictions, confidence=value)[1] for value in (0.8, 0.9999999))
    assert wide["high"] - wide["low"] > narrow["high"] - narrow["low"]
    assert (narrow["verdict"], wide["verdict"]) == (WORSE, NEAR)


@settings(deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_steps_down_and_never_below_the_value(p_values):
    """Prevents a correction that changes the order, or is milder than the largest value's own."""
    corrected = holm(p_values)
    assert (corrected >= np.array(p_values)).all()
    assert (corrected <= 1).all()
    assert corrected.min() == pytest.approx(min(1, len(p_values) * min(p_values)))
    order = np.argsort(p_values, kind="stable")
    assert (np.diff(corrected[order]) >= 0).all()


def test_seeds_and_texts_are_drawn_as_often_as_they_are():
    """Prevents a sample that leaves the last text out."""
    counts = draw_counts(np.random.default_rng(0), 7, 20_000)
    np.testing.assert_allclose(counts.mean(axis=1), 1, atol=0.04)
    np.testing.assert_allclose(counts.var(axis=1), 6 / 7, atol=0.04)
