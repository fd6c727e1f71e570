"""Scores in batches: each text its own, whatever the order, the company or the memory."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fewshot.classifiers.batched_scores import batched_scores


def counts(texts):
    """Two numbers that tell a text."""
    return np.array([[len(text), sum(map(ord, text))] for text in texts], dtype=float)


@given(st.lists(st.text(max_size=5), max_size=30), st.integers(1, 7))
def test_each_text_gets_its_own_scores(texts, batch_size):
    """Prevents sorted, repeated or last texts from getting another one's scores."""
    seen = []
    scores, left = batched_scores(
        lambda batch: seen.append(batch) or counts(batch), texts, 2, batch_size=batch_size, description="counting"
    )
    assert left == batch_size
    np.testing.assert_array_equal(scores, counts(texts).reshape(-1, 2).astype(np.float32))
    assert sorted(text for batch in seen for text in batch) == sorted(set(texts))
    assert all(len(batch) <= batch_size for batch in seen)
    lengths = [len(text) for batch in seen for text in batch]
    assert lengths == sorted(lengths, reverse=True)


@given(st.lists(st.text(max_size=9), max_size=30), st.integers(1, 20))
def test_a_call_reads_so_much_at_most(texts, most):
    """Prevents a batch of long texts from being as many as of short ones, and a long text from being read by none."""
    seen = []
    scores, _ = batched_scores(
        lambda batch: seen.append(batch) or counts(batch), texts, 2, batch_size=8, description="counting", most=most
    )
    np.testing.assert_array_equal(scores, counts(texts).reshape(-1, 2).astype(np.float32))
    assert all(len(batch) == 1 or len(batch) * len(batch[0]) <= most for batch in seen)
    assert all(len(batch) <= 8 for batch in seen)


def test_memory_that_runs_out():
    """Prevents texts without scores where a batch is halved, and an endless loop where one text is too much."""

    def small(batch):
        if len(batch) > most:
            raise torch.OutOfMemoryError
        return counts(batch)

    texts, most = [f"{'x' * (i % 7)}{i}" for i in range(50)], 4
    scores, left = batched_scores(small, texts, 2, batch_size=16, description="counting")
    np.testing.assert_array_equal(scores, counts(texts))
    assert left == 4
    most = 0
    with pytest.raises(torch.OutOfMemoryError):
        batched_scores(small, texts, 2, batch_size=16, description="counting")
