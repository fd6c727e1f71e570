"""Batches of like length: who meets whom, how often, and that the seed decides."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fewshot.adaptation.length_batches import LengthBatches, batches_of

SEEDS = st.integers(0, 2**32 - 1)


@given(n=st.integers(2, 300), batch_size=st.integers(2, 40), steps=st.integers(0, 30), seed=SEEDS)
def test_each_row_once_before_any_comes_again(n, batch_size, steps, seed):
    """Prevents texts that are never learnt, rows that are held out, texts alone in a batch, and batches too large."""
    lengths, rows = np.random.default_rng(seed).integers(1, 99, size=2 * n), 2 * np.arange(n)
    sampler = LengthBatches(lengths, rows, batch_size=batch_size, steps=steps, random_state=seed)
    batches = list(sampler)
    assert len(batches) == len(sampler) == steps
    assert all(2 <= len(batch) <= batch_size + (batch_size == 2) for batch in batches)
    a_pass = batches_of(n, batch_size)
    for start in range(0, steps - a_pass + 1, a_pass):
        assert sorted(row for batch in batches[start : start + a_pass] for row in batch) == rows.tolist()
    assert batches == list(sampler)


def test_little_padding():
    """Prevents one long text from padding a batch of short ones."""
    lengths = np.random.default_rng(0).integers(1, 500, size=2000)

    def padding(batches):
        return sum(len(batch) * lengths[batch].max() - lengths[batch].sum() for batch in batches)

    options = {"batch_size": 20, "steps": 100, "random_state": 0}
    random = [batch.tolist() for batch in np.array_split(np.random.default_rng(0).permutation(2000), 100)]
    assert padding(list(LengthBatches(lengths, np.arange(2000), **options))) < 0.1 * padding(random)


def test_another_pass_has_other_batches():
    """Prevents a text from meeting the same negatives pass after pass, shortest texts first."""
    lengths = np.arange(400)
    batches = list(LengthBatches(lengths, np.arange(400), batch_size=4, steps=200, random_state=0))
    assert {frozenset(batch) for batch in batches[:100]} != {frozenset(batch) for batch in batches[100:]}
    firsts = [min(batch) for batch in batches[:100]]
    assert firsts != sorted(firsts)
