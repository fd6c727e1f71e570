"""Looks at a training: which is best, when to stop, and what is on disk."""

import numpy as np
import pytest
import torch
from scipy.special import log_softmax
from sklearn.metrics import f1_score
from torch import nn

from fewshot.classifiers.looks import Looks, log_likelihood, probabilities_of

Y = np.array([0, 1, 1, 0])
RIGHT = np.array([[2.0, 0.0], [0.0, 2.0], [0.0, 2.0], [2.0, 0.0]])


def after(n_wrong, size=1.0):
    """Return logits with the first rows wrong."""
    logits = size * RIGHT
    logits[:n_wrong] = logits[:n_wrong, ::-1]
    return logits.astype(np.float32)


class Told:
    """Gives the logits of one look after the other; the model's weight is the number of the look."""

    def __init__(self, *answers):
        self.answers = list(answers)

    def __call__(self, model):
        return self.answers[int(model.bias.item()) - 1]


def look(looks, model, step):
    """Let a look see the model after a step; looks are 10 steps apart."""
    nn.init.constant_(model.bias, step / 10)
    return looks(step, model)


@pytest.mark.parametrize("on_disk", [False, True])
def test_the_best_look_is_kept(tmp_path, on_disk):
    """Prevents the last weights from being kept where earlier ones were better, or equal ones that came later."""
    looks = Looks(Told(after(2), after(1), after(1), after(2)), Y, patience=2, folder=tmp_path if on_disk else None)
    model = nn.Linear(1, 1)
    assert [look(looks, model, step) for step in (10, 20, 30, 40)] == [False, False, False, True]
    assert looks.best == 20
    looks.restore(model)
    assert model.bias.item() == 2.0


def test_likelihood_decides_among_equals():
    """Prevents a tie of a dozen looks on a dozen texts from being decided by the clock."""
    looks = Looks(Told(after(1, 3.0), after(1, 1.0)), Y, patience=3)
    model = nn.Linear(1, 1)
    for step in (10, 20):
        look(looks, model, step)
    assert looks.score(10)[0] == looks.score(20)[0] == pytest.approx((2 / 3 + 4 / 5) / 2)
    assert looks.best == 20


def test_rare_classes_count_as_much_as_frequent_ones():
    """Prevents the look that answers the frequent class to every text from being the best of an unbalanced set."""
    y = np.array([0] * 9 + [1])
    always, found = np.tile([1.0, 0.0], (10, 1)), np.tile([1.0, 0.0], (10, 1))
    found[[0, 1, 9]] = [0.0, 1.0]  # two wrong, and the rare one right
    looks = Looks(Told(always, found), y)
    model = nn.Linear(1, 1)
    for step in (10, 20):
        look(looks, model, step)
    assert looks.score(10)[0] == pytest.approx(f1_score(y, [0] * 10, average="macro"))
    assert looks.best == 20


def test_without_patience_nothing_stops():
    """Prevents a fold from ending before the others, which leaves their looks without counterpart."""
    looks = Looks(Told(after(0), *[after(3)] * 5), Y)
    model = nn.Linear(1, 1)
    assert not any(look(looks, model, 10 * n) for n in range(1, 7))
    assert sorted(looks.logits) == [10, 20, 30, 40, 50, 60]


def test_a_resumed_training_forgets_what_was_to_come(tmp_path):
    """Prevents looks beyond the checkpoint from stopping a resumed training too early."""
    answers = Told(after(2), after(1), after(2), after(0), after(2))
    model = nn.Linear(1, 1)
    first = Looks(answers, Y, patience=2, folder=tmp_path)
    for step in (10, 20, 30):
        look(first, model, step)
    (tmp_path / "look-00000040.safetensors").write_bytes(b"torn")
    again = Looks(answers, Y, patience=2, folder=tmp_path, resume=True)
    assert sorted(again.logits) == [10, 20, 30]
    assert not look(again, model, 20)  # from the checkpoint after step 10 on
    assert sorted(again.logits) == [10, 20]
    assert [look(again, model, step) for step in (30, 40, 50)] == [False, False, False]
    again.restore(model)
    assert model.bias.item() == 4.0
    fresh = Looks(answers, Y, patience=2, folder=tmp_path)
    assert not fresh.logits


def test_probabilities_and_likelihood_by_hand():
    """Prevents a softmax over labels that do not exclude each other, and likelihoods of other classes."""
    logits = np.random.default_rng(0).normal(scale=3, size=(4, 2)).astype(np.float32)
    multi = np.array([[1, 0], [0, 0], [1, 1], [0, 1]])
    single = probabilities_of(logits, multi_label=False)
    np.testing.assert_allclose(np.log(single), log_softmax(logits.astype(float), axis=1))
    passes = probabilities_of(np.stack([logits, logits + 1]), multi_label=False)  # of several passes: classes sum to 1
    np.testing.assert_allclose(passes, [single, single])
    np.testing.assert_allclose(log_likelihood(logits, Y), np.log(single)[np.arange(4), Y])
    each = torch.sigmoid(torch.from_numpy(logits)).numpy()
    np.testing.assert_allclose(probabilities_of(logits, multi_label=True), each, rtol=1e-6)
    expected = np.log(np.where(multi == 1, each, 1 - each)).mean(axis=1)
    np.testing.assert_allclose(log_likelihood(logits, multi), expected, rtol=1e-5)
