"""The texts of a distillation: each once, gold first, always the same ones held out."""

import pytest

from fewshot.core.errors import InputError
from fewshot.data.labels import LabelSpace
from fewshot.data.pool import open_pool
from fewshot.distillation.transfer_set import make_transfer_set

SPACE = LabelSpace(("a", "b", "c"), multi_label=False)
POOL = [f"text {i}" for i in range(60)]


def test_each_text_once():
    """Prevents a gold text from coming again as unlabelled, or held out, and empty texts from being learnt."""
    found = make_transfer_set(SPACE, [*POOL, *POOL[:5], " ", "text 3"], ["text 3", "new"], ["b", "c"])
    assert list(found.train)[:2] == ["text 3", "new"]
    assert found.n_joined == 2
    assert sorted([*found.train, *found.held_out]) == sorted([*POOL, "new"])
    assert len(found.held_out) == 5
    assert found.n_pool == 59
    assert found.y.tolist() == [1, 2]
    assert make_transfer_set(SPACE, POOL).y is None


def test_the_same_texts_are_held_out_in_order_of_the_pool():
    """Prevents seeds and students from being held against different texts."""
    found = make_transfer_set(SPACE, POOL)
    assert found.held_out == make_transfer_set(SPACE, POOL).held_out
    assert list(found.train) == [text for text in POOL if text not in found.held_out]
    assert found.held_out == [text for text in POOL if text in found.held_out]
    assert make_transfer_set(SPACE, POOL[:49]).held_out == []
    assert len(make_transfer_set(SPACE, [f"text {i}" for i in range(9_000)]).held_out) == 500


def test_gold_beside_a_large_pool():
    """Prevents a copy of millions of rows for the sake of a few."""
    for pool in (POOL, open_pool(POOL)):
        found = make_transfer_set(SPACE, pool, ["gold"], ["a"], most_joined=59)
        assert found.n_joined == 0
        assert found.train is found.pool
        assert found.gold_texts == ["gold"]
        assert make_transfer_set(SPACE, pool, ["gold"], ["a"], most_joined=60).n_joined == 1


def test_generated_texts_are_trained_on_and_never_held_out():
    """Prevents figures on texts that nobody wrote, and parts of held-out texts in the training."""
    plain = make_transfer_set(SPACE, POOL, ["gold of mine"], ["a"])
    more = make_transfer_set(SPACE, POOL, ["gold of mine"], ["a"], generated=30)
    assert more.held_out == plain.held_out
    assert list(more.train)[: len(plain.train)] == list(plain.train)
    made = list(more.train)[len(plain.train) :]
    assert len(set(made)) == len(made) >= 20
    assert not set(made) & {*plain.train, *plain.held_out}
    assert make_transfer_set(SPACE, open_pool(POOL), generated=30).n_pool > 60


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
        make_transfer_set(SPACE, *arguments)
