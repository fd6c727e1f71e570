"""Scores on resampled texts: the same as taking the texts one by one."""

import numpy as np
import pytest

from fewshot.data.labels import LabelSpace
from fewshot.evaluation.metrics import COMPARED, score_labels
from fewshot.evaluation.statistics import resampling
from fewshot.evaluation.statistics.resampling import draw_counts, resampled_scores


@pytest.mark.parametrize("multi_label", [False, True])
def test_weights_give_what_the_drawn_texts_give(multi_label):
    """Prevents a product of matrices that is fast and scores something else: ten lines that draw texts must agree."""
    rng = np.random.default_rng(0)
    space, n = LabelSpace(tuple("abcdef"), multi_label), 40
    truth, *answers = (rng.integers(2 if multi_label else 6, size=(n, 6) if multi_label else n) for _ in range(4))
    if multi_label:
        truth[:, 5] = answers[0][:, 5] = 0  # a class of no text
    found = resampled_scores(truth, answers, space, n_resamples=30, random_state=7)
    counts = np.hstack([np.ones((n, 1)), draw_counts(np.random.default_rng(7), n, 30)]).astype(int)
    for number, answer in enumerate(answers):
        for sample, drawn in enumerate(counts.T):
            rows = np.repeat(np.arange(n), drawn)
            true, predicted = space.decode(truth[rows]), space.decode(answer[rows])
            wanted = score_labels(true, predicted, multi_label=multi_label)
            assert found[:, number, sample] == pytest.approx([wanted[name] for name in COMPARED])


def test_blocks_do_not_show(monkeypatch):
    """Prevents a sample that is drawn twice, or left out, where many texts make several blocks."""
    rng = np.random.default_rng(1)
    truth, answer = rng.integers(3, size=(2, 50)).astype(np.uint8)
    monkeypatch.setattr(resampling, "COUNTS_AT_ONCE", 50 * 7)
    arguments = {"n_resamples": 40, "random_state": 0}
    found = resampled_scores(truth, [answer], LabelSpace((1, 2, 3), False), **arguments)
    assert found.shape == (3, 1, 41)
    assert len(np.unique(found[0, 0, 1:])) > 5
    assert abs(found[0, 0, 1:].mean() - found[0, 0, 0]) < 4 * 0.07 / np.sqrt(40)


def test_two_hundred_classes_in_one_byte_do_not_overflow():
    """Prevents class 200 of a narrow code from becoming class -56."""
    truth = np.arange(200, dtype=np.uint8)
    found = resampled_scores(truth, [truth], LabelSpace(tuple(range(200)), False), n_resamples=3, random_state=0)
    np.testing.assert_allclose(found, 1.0)


def test_a_task_without_any_label_scores_as_elsewhere():
    """Prevents a crash, or 'nan', where no text has a label and none was predicted."""
    nothing = np.zeros((4, 0), dtype=np.uint8)
    found = resampled_scores(nothing, [nothing], LabelSpace((), True), n_resamples=2, random_state=0)
    assert found[:, 0, 0].tolist() == [1.0, 0.0, 0.0]
