"""Targets of logit distillation: looked up by number, and sound."""

import numpy as np
import pytest
import torch

from fewshot.core.errors import InputError, TeacherError
from fewshot.distillation.logit_losses import MISSING
from fewshot.distillation.logit_targets import LogitTargets, targets_of

LOGITS = np.arange(12, dtype=np.float32).reshape(4, 3)
GOLD = np.array([0, MISSING, 2, 1])


def test_targets_by_number(tmp_path):
    """Prevents targets of other rows, in another precision, or that are views of a file or of the caller's array."""
    np.save(tmp_path / "logits.npy", LOGITS.astype(np.float16))
    logits = np.load(tmp_path / "logits.npy", mmap_mode="r")
    found = LogitTargets(logits, GOLD, np.ones(4)).of([3, 1])
    torch.testing.assert_close(found["logits"], torch.tensor([[9.0, 10.0, 11.0], [3.0, 4.0, 5.0]]))
    torch.testing.assert_close(found["gold"], torch.tensor([1, MISSING]))
    assert found["weights"].dtype == torch.float32
    found["logits"].zero_()
    assert logits[3, 0] == 9
    assert LogitTargets().of([0]) == {}


def test_fingerprints():
    """Prevents checkpoints of other targets from being gone on with."""
    one = LogitTargets(LOGITS, GOLD).fingerprints()
    assert one == LogitTargets(LOGITS.copy(), GOLD.copy()).fingerprints()
    for other in (LogitTargets(LOGITS + 1, GOLD), LogitTargets(LOGITS), LogitTargets(LOGITS, GOLD, np.ones(4))):
        assert other.fingerprints() != one


def test_whether_there_is_gold():
    """Prevents an array of missing labels from passing for gold."""
    assert LogitTargets(gold=GOLD).has_gold
    assert not LogitTargets(gold=np.full(4, MISSING)).has_gold
    assert not LogitTargets(LOGITS).has_gold


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"logits": LOGITS[:3]}, r"logits must have shape \(4, 3\) for 4 examples"),
        ({"logits": LOGITS[:, :2]}, r"a student of 3 classes, got \(4, 2\)"),
        ({"gold": GOLD[:, None]}, r"gold must have shape \(4,\)"),
        ({"gold": GOLD.astype(float)}, "gold must hold integers"),
        ({"gold": np.array([0, 1, 2, 3])}, "numbers from 0 to 2, or -100 where a label is not known; got 3"),
        ({"gold": np.array([0, 1, 2, -1])}, "got -1"),
        ({"weights": np.zeros(4)}, "not all of them 0"),
        ({"weights": np.array([1, 1, 1, -1])}, "at least 0"),
        ({"weights": np.array([1, 1, 1, np.nan])}, "finite"),
    ],
)
def test_wrong_targets(arrays, message):
    """Prevents a shape that broadcasts, and a label beyond the classes, which torch meets in the depths."""
    with pytest.raises(InputError, match=message):
        LogitTargets(**arrays).check(4, 3, multi_label=False)


def test_several_labels():
    """Prevents class numbers from being taken for a matrix of labels."""
    matrix = np.array([[0, 1, 0], [1, 1, 1], [MISSING] * 3, [0, 0, 0]])
    LogitTargets(LOGITS, matrix).check(4, 3, multi_label=True)
    with pytest.raises(InputError, match="numbers from 0 to 1"):
        LogitTargets(LOGITS, 2 * matrix).check(4, 3, multi_label=True)
    with pytest.raises(InputError, match=r"gold must have shape \(4, 3\)"):
        LogitTargets(LOGITS, GOLD).check(4, 3, multi_label=True)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_broken_teacher(value):
    """Prevents a student that follows NaN, and the advice to lower the learning rate for it."""
    logits = LOGITS.copy()
    logits[2, 1] = value
    with pytest.raises(TeacherError, match="logits of example 2 hold NaN"):
        LogitTargets(logits).check(4, 3, multi_label=False)


def test_targets_in_the_order_of_the_outputs():
    """Prevents a student whose outputs stand in another order from learning each class as another."""
    columns = np.array([2, 0, 1])  # class 0 is output 2, 1 is 0, 2 is 1
    logits = np.tile([[1.0, 2.0, 3.0]], (4, 1))
    single = targets_of(logits, columns, np.array([0, 2]), np.arange(4.0))
    assert single.logits.tolist() == [[2.0, 3.0, 1.0]] * 4
    assert single.gold.tolist() == [2, 1, MISSING, MISSING]
    assert single.weights.tolist() == [0, 1, 2, 3]
    single.check(4, 3, multi_label=False)
    several = targets_of(logits, columns, np.array([[1, 0, 1]]))
    assert several.gold.tolist() == [[0, 1, 1], *[[MISSING] * 3] * 3]
    several.check(4, 3, multi_label=True)
    assert targets_of(logits, columns).gold is None
