"""Batches: their sizes, who meets whom, and that the seed decides."""

import functools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fewshot.core.errors import InputError
from fewshot.training.processes import BatchShare
from fewshot.training.samplers import ClassBatches, EpochBatches, MixedBatches, ShuffledBatches, steps_per_epoch

SEEDS = st.integers(0, 2**32 - 1)


@given(n=st.integers(2, 40), batch_size=st.integers(2, 50), steps=st.integers(0, 12), seed=SEEDS)
def test_shuffled_batches(n, batch_size, steps, seed):
    """Prevents short or repeated rows in a batch, and rows that come twice before others come once."""
    sampler = ShuffledBatches(n, batch_size=batch_size, steps=steps, random_state=seed)
    batches = list(sampler)
    assert len(batches) == len(sampler) == steps
    assert all(len(batch) == len(set(batch)) == min(n, batch_size) for batch in batches)
    drawn = [row for batch in batches for row in batch]
    for start in range(0, len(drawn) - n + 1, n):
        assert sorted(drawn[start : start + n]) == list(range(n))
    assert batches == list(sampler)


@given(y=st.lists(st.integers(0, 5), min_size=2, max_size=40), batch_size=st.integers(2, 50), seed=SEEDS)
def test_class_batches(y, batch_size, seed):
    """Prevents batches without a positive pair, repeated rows, wrong sizes and an endless loop."""
    sampler = ClassBatches(np.array(y), batch_size=batch_size, steps=6, random_state=seed)
    batches = list(sampler)
    assert len(batches) == len(sampler) == 6
    counts = np.bincount(y)
    for batch in batches:
        assert len(batch) == len(set(batch)) == min(len(y), batch_size)
        assert set(batch) <= set(range(len(y)))
        if counts[counts > 0].min() >= 2:
            assert np.bincount(np.array(y)[batch]).max() >= 2
    assert batches == list(sampler)


@given(
    y=st.lists(st.lists(st.integers(0, 1), min_size=3, max_size=3), min_size=2, max_size=30),
    batch_size=st.integers(2, 40),
)
def test_multi_label_batches(y, batch_size):
    """Prevents texts without a label, or with several, from being left out or repeated in a batch."""
    batches = list(ClassBatches(np.array(y), batch_size=batch_size, steps=4, random_state=0))
    assert all(len(batch) == len(set(batch)) == min(len(y), batch_size) for batch in batches)


def test_all_rows_of_a_class_take_part():
    """Prevents a sampler that shows the same few texts of each class again and again."""
    y = np.repeat([0, 1], [50, 10])
    batches = list(ClassBatches(y, batch_size=20, steps=20, random_state=0))
    assert {row for batch in batches for row in batch} == set(range(60))


def test_rare_classes_come_as_often():
    """Prevents a frequent class from filling every batch."""
    y = np.repeat([0, 1, 2], [500, 20, 20])
    seen = np.bincount(np.concatenate([y[batch] for batch in ClassBatches(y, batch_size=12, steps=60, random_state=0)]))
    assert seen.min() > 0.7 * seen.max()


def test_the_seed_decides():
    """Prevents batches drawn from a global state, and seeds that make no difference."""
    for make in (
        lambda seed: ShuffledBatches(30, batch_size=8, steps=5, random_state=seed),
        lambda seed: ClassBatches(np.arange(30) % 3, batch_size=8, steps=5, random_state=seed),
    ):
        np.random.seed(0)  # noqa: NPY002 - must make no difference
        one = list(make(1))
        np.random.seed(1)  # noqa: NPY002
        assert one == list(make(1))
        assert one != list(make(2))


def test_one_text_makes_no_pair():
    """Prevents an endless loop or a loss of nothing."""
    with pytest.raises(InputError, match="at least 2 texts, got 1"):
        ShuffledBatches(1, batch_size=2, steps=1, random_state=0)
    with pytest.raises(InputError, match="at least 2 texts, got 1"):
        ClassBatches(np.zeros(1, dtype=int), batch_size=2, steps=1, random_state=0)


@given(
    n=st.integers(1, 40),
    batch_size=st.integers(1, 12),
    accumulation=st.integers(1, 5),
    epochs=st.integers(1, 3),
)
def test_every_epoch_holds_each_row_once(n, batch_size, accumulation, epochs):
    """Prevents rows that are learnt from twice while others wait, batches too large for memory, and empty ones."""
    steps = epochs * steps_per_epoch(n, batch_size, accumulation)
    batches = EpochBatches(n, batch_size=batch_size, accumulation=accumulation, steps=steps, random_state=0)
    found = list(batches)
    assert len(found) == len(batches) == steps * batches.accumulation
    assert all(1 <= len(batch) <= max(batch_size, 2) for batch in found)
    per_epoch = len(found) // epochs
    for start in range(0, len(found), per_epoch):
        assert sorted(row for batch in found[start : start + per_epoch] for row in batch) == list(range(n))
    for step in range(steps):
        sizes = [len(batch) for batch in found[step * batches.accumulation : (step + 1) * batches.accumulation]]
        assert batches.mean_size(step) == pytest.approx(np.mean(sizes))
        assert max(sizes) - min(sizes) <= 1


def test_epochs_differ_and_a_seed_decides_them():
    """Prevents the same batches in every epoch, and other ones in a resumed training."""
    make = functools.partial(EpochBatches, 12, batch_size=4, accumulation=1, steps=6)
    one, two, other = (list(make(random_state=seed)) for seed in (0, 0, 1))
    assert one == two != other
    assert one[:3] != one[3:]


def test_a_smaller_last_step_is_no_crumb():
    """Prevents a last step of two rows, which moves the weights as far as one of sixteen."""
    batches = EpochBatches(18, batch_size=16, accumulation=1, steps=2, random_state=0)
    assert [len(batch) for batch in batches] == [9, 9]


def test_no_row_makes_no_epoch():
    """Prevents a division by nothing far from the caller's mistake."""
    with pytest.raises(InputError, match="at least 1 text"):
        EpochBatches(0, batch_size=4, accumulation=1, steps=1, random_state=0)


def mixed(n=9, n_copies=(2, 1, 3, 1, 2), *, ratio=0.5, batch_size=4, accumulation=1, steps=7, seed=3):
    """Return a sampler of labelled rows and pairs."""
    labeled = EpochBatches(n, batch_size=batch_size, accumulation=accumulation, steps=steps, random_state=seed)
    return MixedBatches(labeled, n_copies, ratio=ratio, random_state=seed)


def test_labelled_rows_come_as_they_would_alone():
    """Prevents unlabelled texts from changing which labels share a batch."""
    found = [sorted(row for row in batch if row < 9) for batch in mixed()]
    alone = EpochBatches(9, batch_size=4, accumulation=1, steps=7, random_state=3)
    assert found == [sorted(batch) for batch in alone]
    assert [sorted(batch) for batch in mixed(n_copies=())] == found
    assert mixed(n_copies=()).mean_pairs(0) == 0


def test_every_unlabelled_text_comes_before_any_comes_again_with_its_next_copy():
    """Prevents a training on a few texts of the pool, on one copy alone, or on a copy of another text."""
    n_copies = [2, 1, 3, 1, 2]
    text_of = np.repeat(np.arange(5), n_copies)
    first = np.cumsum(n_copies) - n_copies
    sampler = mixed(n_copies=n_copies, ratio=1 / 3, steps=45)
    drawn = [row - 9 for batch in sampler for row in batch if row >= 9]
    assert len(drawn) == 45  # one a step of three rows
    for start in range(0, 45, 5):
        assert sorted(text_of[drawn[start : start + 5]]) == [0, 1, 2, 3, 4]
    for text in range(5):
        copies = [pair - first[text] for pair in drawn if text_of[pair] == text]
        assert copies == [turn % n_copies[text] for turn in range(9)]


@pytest.mark.parametrize("accumulation", [1, 2, 3])
def test_a_step_has_the_same_rows_however_it_is_cut(accumulation):
    """Prevents accumulation from deciding what is learnt, and means that are not those of the batches."""
    whole = list(mixed(18, [1] * 20, batch_size=6, ratio=1.5, steps=6))
    sampler = mixed(18, [1] * 20, batch_size=6 // accumulation, accumulation=accumulation, ratio=1.5, steps=6)
    parts = list(sampler)
    assert len(parts) == len(sampler) == 6 * accumulation
    for step in range(6):
        own = parts[step * accumulation : (step + 1) * accumulation]
        assert sorted(row for part in own for row in part) == sorted(whole[step])
        assert sampler.mean_size(step) == np.mean([sum(row < 18 for row in part) for part in own])
        assert sampler.mean_pairs(step) == np.mean([sum(row >= 18 for row in part) for part in own])


def test_each_share_of_a_batch_has_some_of_each():
    """Prevents a process without a labelled row, and another without a pair."""
    for batch in mixed(16, [1] * 40, batch_size=8, ratio=3):
        for share in BatchShare([batch], rank=0, count=2), BatchShare([batch], rank=1, count=2):
            [rows] = share
            assert sum(row < 16 for row in rows) == 4
            assert sum(row >= 16 for row in rows) == 12


def test_a_small_pool_comes_whole():
    """Prevents a text that comes twice in a step, and a step without any."""
    batches = list(mixed(8, [1, 1], ratio=3, batch_size=8))
    assert all(sorted(batch) == list(range(10)) for batch in batches)
    assert all(sum(row >= 8 for row in batch) == 1 for batch in mixed(8, [1, 1], ratio=0.01, batch_size=8))
