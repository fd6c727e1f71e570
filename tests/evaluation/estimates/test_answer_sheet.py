"""Scores of weighted answers against scikit-learn, and variances that few or flawless answers must not shrink."""

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score

from fewshot.evaluation.estimates.answer_sheet import LONGEST_REACH, AnswerSheet, dependence, weighted_scores
from fewshot.evaluation.estimates.held_out import HeldOutAnswers


def sheet_of(right, most=0.9, half=0.5, repeats=3):
    """Answers for texts of two classes, right or wrong in all repeats alike."""
    right = np.asarray(right, dtype=bool)
    truth = np.zeros((len(right), 3), dtype=bool)
    truth[:, 0] = True
    answers = np.zeros((repeats, len(right), 3), dtype=bool)
    answers[..., 0], answers[..., 1] = right, ~right
    rows = np.arange(len(right))
    return AnswerSheet(truth, *(HeldOutAnswers(rows, answers, share) for share in (most, half)), "accuracy")


@pytest.mark.parametrize("multi_label", [False, True])
@pytest.mark.parametrize("metric", ["accuracy", "micro_f1", "macro_f1"])
def test_weights_count_as_scikit_learns(metric, multi_label) -> None:
    """Prevents weights that count texts by other rules than everybody else's."""
    rng = np.random.default_rng(0)
    if multi_label:
        truth, answers = rng.random((2, 30, 4)) < 0.4
    else:
        truth, answers = (np.eye(4, dtype=bool)[rng.integers(4, size=30)] for _ in range(2))
    weights = rng.random((3, 30)) + 0.1
    found = weighted_scores(truth, answers[None], weights, metric)
    for row, score in zip(weights, found, strict=True):
        if metric == "accuracy":
            expected = accuracy_score(truth, answers, sample_weight=row)
        else:
            expected = f1_score(
                truth, answers, average=metric.removesuffix("_f1"), sample_weight=row, zero_division=0.0
            )
        assert score == pytest.approx(expected)


def test_the_line_goes_through_both_points_and_ends_at_all_labels() -> None:
    """Prevents a step along the curve of the wrong length, and one into noise."""
    assert sheet_of([1, 0]).reach == pytest.approx(np.log(1 / 0.9) / np.log(0.9 / 0.5))
    assert sheet_of([1, 0], most=0.5).reach == 0.0
    assert sheet_of([1, 0], most=0.52).reach == LONGEST_REACH


def test_flawless_answers_are_not_certain() -> None:
    """Prevents an interval without width where a bootstrap of right answers finds right answers alone."""
    sheet = sheet_of([1] * 40)
    assert sheet.effective_n(1.0, variance=0.0) == pytest.approx(40 / dependence(3, 0.9))


def test_more_variance_is_fewer_texts() -> None:
    """Prevents an interval that is the same whatever the bootstrap finds, or follows it to nothing."""
    sheet = sheet_of([1, 0] * 20)
    binomial = 0.25 / 40
    sizes = [sheet.effective_n(0.5, factor * binomial) for factor in (2.0, 1.0, 0.5, 0.01)]
    assert sizes == pytest.approx([20 / dependence(3, 0.9), *(n / dependence(3, 0.9) for n in (40, 80, 80))])
