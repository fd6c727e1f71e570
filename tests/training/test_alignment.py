"""Distribution alignment against ten lines of NumPy."""

import numpy as np
import pytest
import torch
from scipy.special import expit, logit, softmax

from fewshot.training import alignment
from fewshot.training.alignment import DECAY, Alignment, label_shares

WANTED = {False: np.array([0.5, 0.3, 0.2]), True: np.array([0.5, 0.3, 0.1])}
STEPS = np.random.default_rng(3).normal([2.0, 0.0, -1.0], 1.0, size=(20, 6, 3)).astype(np.float32)


def by_hand(multi_label, n_steps):
    """Return the running mean before the step after so many."""
    mean = WANTED[multi_label]
    for number, logits in enumerate(STEPS[:n_steps].astype(np.float64), start=1):
        answers = (expit(logits) if multi_label else softmax(logits, axis=1)).mean(axis=0)
        rate = max(1 / (number + 1), 1 - DECAY)
        mean = (1 - rate) * mean + rate * answers
    return mean


@pytest.mark.parametrize("multi_label", [False, True])
def test_answers_by_hand(multi_label):
    """Prevents a mean that forgets too early or never, shares that are multiplied upside down, and odds taken for them.

    Steps are cut into uneven batches: these must not move the mean in between.
    """
    one, wanted = Alignment(WANTED[multi_label], multi_label=multi_label), WANTED[multi_label]
    for number, logits in enumerate(torch.from_numpy(STEPS), start=1):
        mean = by_hand(multi_label, number - 1)
        for batch in (logits[:4], logits[4:]):
            found = batch + one.shift(number)
            one.observe(batch)
            if multi_label:
                expected = expit(batch.numpy() + logit(wanted) - logit(mean))
                np.testing.assert_allclose(torch.sigmoid(found).numpy(), expected, rtol=1e-4)
            else:
                products = softmax(batch.numpy(), axis=1) * wanted / mean
                expected = products / products.sum(axis=1, keepdims=True)
                np.testing.assert_allclose(torch.softmax(found, dim=1).numpy(), expected, rtol=1e-4)
    assert abs(by_hand(multi_label, 20) - wanted).max() > 0.2


def test_the_mean_keeps_up_with_a_model_that_goes_over_to_one_class():
    """Prevents what made a model of 8 labels answer all texts alike: a mean of steps long gone, and sure answers."""
    one = Alignment(np.array([0.5, 0.5]), multi_label=False)
    as_it_went = (0.40, 0.33, 0.32, 0.35, 0.46, 0.41, 0.45, 0.64, 0.57, 0.74, 0.80, 0.89)
    for number, share in enumerate(as_it_went, start=1):
        one.shift(number)
        one.observe(torch.log(torch.tensor([[share, 1 - share]])))
    last = torch.log(torch.tensor([[0.97, 0.03]])) + one.shift(13)
    assert torch.softmax(last, dim=1)[0, 0] < 0.95


def test_the_state_is_in_the_state_dict():
    """Prevents a resumed training from a mean that begins again, or lacks the last step."""
    one, other = (Alignment(WANTED[False], multi_label=False) for _ in range(2))
    for number in range(1, 4):
        one.shift(number)
        one.observe(torch.from_numpy(STEPS[number]))
    other.load_state_dict(one.state_dict())
    assert other.shift(4).numpy().tobytes() == one.shift(4).numpy().tobytes()
    assert one.shift(4).abs().max() > 0.3


def test_a_class_that_is_never_answered_is_not_lifted_without_bound():
    """Prevents infinite logits, and a class that every text gets because none had it."""
    one = Alignment(WANTED[False], multi_label=False)
    for number in range(1, 200):
        one.shift(number)
        one.observe(torch.tensor([[200.0, 0.0, 0.0]]))
    shift = one.shift(200)
    assert torch.isfinite(shift).all()
    assert float(shift[1]) == pytest.approx(np.log(0.3 / alignment.LEAST_SHARE), rel=1e-5)


def test_a_step_without_unlabelled_texts_changes_nothing():
    """Prevents a division by no texts, and a mean that is drawn to zeros."""
    one = Alignment(WANTED[True], multi_label=True)
    for number in range(1, 5):
        one.shift(number)
        one.observe(torch.zeros(0, 3))
    assert one.shift(5).abs().max() == 0


def test_all_processes_have_the_same_mean(monkeypatch):
    """Prevents targets that depend on which process reads a text."""
    whole = torch.from_numpy(STEPS[0])
    alone = Alignment(WANTED[False], multi_label=False)
    alone.shift(1)
    alone.observe(whole)
    shifts = []
    for own in (whole[:1], whole[1:]):
        shared = Alignment(WANTED[False], multi_label=False)
        monkeypatch.setattr(alignment, "gather_batch", lambda *_: (torch.softmax(whole, dim=1), None))
        shared.shift(1)
        shared.observe(own)
        shifts.append(shared.shift(2))
    assert shifts[0].tolist() == shifts[1].tolist() == alone.shift(2).tolist()


def test_shares_are_smoothed():
    """Prevents a class that few labels lack from being forbidden, and label shares over labels instead of texts."""
    np.testing.assert_allclose(label_shares(np.array([0, 0, 2]), 4), [3 / 7, 1 / 7, 2 / 7, 1 / 7])
    np.testing.assert_allclose(label_shares(np.array([[1, 0], [1, 0]]), 2), [3 / 4, 1 / 4])
