"""The texts of a logit distillation: each once, gold first, targets in the order of the student's outputs."""

import numpy as np
import pytest

from fewshot.core.errors import InputError
from fewshot.data.labels import LabelSpace
from fewshot.distillation.logit_losses import MISSING
from fewshot.distillation.logit_targets import targets_of
from fewshot.distillation.transfer_set import make_transfer_set

SPACE = LabelSpace(("a", "b", "c"), multi_label=False)
SEVERAL = LabelSpace(("a", "b", "c"), multi_label=True)
POOL = [f"text {i}" for i in range(60)]


def test_each_text_once():
    """Prevents a gold text from coming again as unlabelled, or held out, and empty texts from being learnt."""
    found = make_transfer_set(SPACE, [*POOL, *POOL[:5], " ", "text 3"], ["text 3", "new"], ["b", "c"], 0)
    assert found.texts[:2] == ["text 3", "new"]
    assert sorted(found.texts) == sorted([*POOL, "new"])
    assert len(found.held_out) == 5
    assert sorted([*found.train, *found.held_out]) == list(range(61))
    assert set(found.gold) <= set(found.train)
    again = make_transfer_set(SPACE, POOL, None, None, 0)
    other = make_transfer_set(SPACE, POOL, None, None, 1)
    assert again.y is None
    assert again.held_out.tolist() != other.held_out.tolist()


def test_targets_in_the_order_of_the_outputs():
    """Prevents a student whose outputs stand in another order from learning each class as another."""
    columns = np.array([2, 0, 1])  # class a is output 2, b is 0, c is 1
    logits = np.tile([[1.0, 2.0, 3.0]], (8, 1))
    single = targets_of(make_transfer_set(SPACE, POOL[:7], ["gold"], ["a"], 0), logits, columns)
    assert single.logits[0].tolist() == [2.0, 3.0, 1.0]
    assert single.gold.tolist() == [2, *[MISSING] * 7]
    several = targets_of(make_transfer_set(SEVERAL, POOL[:7], ["gold"], [("a", "c")], 0), logits, columns)
    assert several.gold[0].tolist() == [0, 1, 1]
    assert (several.gold[1:] == MISSING).all()
    assert targets_of(make_transfer_set(SPACE, POOL[:8], None, None, 0), logits, columns).gold is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((["a", "b"], None, None), "needs at least 8"),
        ((["same"] * 50, None, None), "needs at least 8"),
        (("one text", None, None), "got one string"),
        ((POOL, ["a"], None), "given together"),
        ((POOL, None, ["a"]), "given together"),
        ((POOL, ["x", "y"], ["a"]), "same length"),
        ((POOL, ["x"], ["d"]), "not one of the 3 classes"),
    ],
)
def test_wrong_texts(arguments, message):
    """Prevents training on nothing, or on labels that the teacher does not know."""
    with pytest.raises(InputError, match=message):
        make_transfer_set(SPACE, *arguments, 0)
