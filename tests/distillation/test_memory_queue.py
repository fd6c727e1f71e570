"""Pairs with past texts: what the queue holds, and what the losses make of it."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from fewshot.core.errors import InputError
from fewshot.distillation.memory_queue import MemoryQueue, QueuedLoss
from fewshot.distillation.relational_losses import RelationalLoss, SoftmaxSimilarityLoss
from fewshot.training import batch_loss
from fewshot.training.losses import PairwiseCosineLoss
from fewshot.training.targets import EmbeddingSimilarity, LabelSimilarity
from tests.distillation.similarity_cases import Looked, cosine_loss, softmax_loss, unit, value, vectors_for

BATCHES = st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=6), max_size=8)


@settings(deadline=None)
@given(batches=BATCHES, size=st.integers(1, 7))
def test_a_queue_holds_the_rows_seen_last(batches, size):
    """Prevents a row that is held twice, an old vector of a row, and a new row that gives way to older ones."""
    queue, held, stamp = MemoryQueue(size, 1), {}, 0
    for batch in batches:
        stamps = range(stamp, stamp + len(batch))
        stamp += len(batch)
        queue.add(torch.tensor(stamps)[:, None], torch.tensor(batch))
        new = dict(reversed(list(zip(batch, stamps, strict=True))))  # of a row that comes twice, the first
        held = {row: new[row] for row in batch} | {row: at for row, at in held.items() if row not in new}
        held = dict(list(held.items())[:size])
        vectors, rows = queue.held()
        assert rows.tolist() == list(held)
        assert vectors[:, 0].tolist() == list(held.values())


def test_held_without_some():
    """Prevents a text of the batch from being held against its own past vector."""
    queue = MemoryQueue(4, 2)
    assert len(queue.held()[1]) == 0
    queue.add(torch.ones(3, 2), torch.tensor([0, 3, 5]))
    assert queue.held(without=torch.tensor([3, 7]))[1].tolist() == [0, 5]


def queued(kind, student, targets, size):
    """Make a queued loss, and the same loss without a queue."""
    model = Looked(student)
    options = {} if kind is PairwiseCosineLoss else {"temperature": 0.2}
    return QueuedLoss(kind(model, targets, **options), size), kind(model, targets, **options)


@pytest.mark.parametrize("kind", [PairwiseCosineLoss, SoftmaxSimilarityLoss])
def test_the_queue_is_the_concatenation(kind):
    """Prevents past texts at the wrong rows of the teacher, a text that counts twice, and a stale or live vector."""
    student, teacher = vectors_for(10), vectors_for(10, seed=1, dimension=7)
    loss, plain = queued(kind, student, EmbeddingSimilarity(teacher), size=5)
    past = {}
    for batch in ([7, 2, 9], [3, 2, 0], [8, 7, 6], [1, 8, 5]):
        current = loss.model.vectors.detach().numpy()
        others = {row: vector for row, vector in past.items() if row not in batch}
        together = np.concatenate([current[batch], np.array(list(others.values())).reshape(-1, 5)])
        wanted = teacher[[*batch, *others]]
        pairs = [(i, j) for i in range(3) for j in range(len(together)) if i != j]
        if kind is PairwiseCosineLoss:
            expected = cosine_loss(together, wanted, pairs)
        else:
            expected = softmax_loss(together, wanted, pairs, 0.2, np.ones(len(together)))
        if not past:
            assert value(loss.eval(), batch).item() == pytest.approx(value(plain, batch).item(), rel=1e-5)
        assert value(loss.train(), batch).item() == pytest.approx(expected, rel=1e-4)
        past = {row: current[row].copy() for row in batch} | others
        past = {row: past[row] for row in list(past)[:5]}
        assert loss.queue.held()[1].tolist() == list(past)
        with torch.no_grad():
            loss.model.vectors += 0.3


def test_the_gradient_reaches_the_batch_alone():
    """Prevents a graph that grows from step to step, and past vectors that the next step changes under its feet."""
    loss, _ = queued(SoftmaxSimilarityLoss, vectors_for(8), EmbeddingSimilarity(vectors_for(8, seed=1)), size=6)
    for batch in ([0, 1, 2], [3, 4, 5]):
        value(loss, batch).backward()
    assert not loss.queue.vectors.requires_grad
    loss.model.vectors.grad = None
    value(loss, [6, 7]).backward()
    assert (loss.model.vectors.grad.abs().sum(dim=1) > 0).tolist() == [False] * 6 + [True] * 2


@pytest.mark.parametrize("kind", [PairwiseCosineLoss, SoftmaxSimilarityLoss])
def test_gradients_by_differences(kind):
    """Prevents a loss whose gradient is another one's."""
    loss, _ = queued(kind, vectors_for(9), EmbeddingSimilarity(vectors_for(9, seed=1)), size=5)
    value(loss, range(4, 9))
    loss.eval()
    points = torch.tensor(vectors_for(4), requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: loss.of(nn.functional.normalize(x), torch.arange(4)), points)


def test_weights_reach_into_the_queue():
    """Prevents a text that counts nothing in a batch from counting once it is past."""
    weight = np.array([1.0, 0.0, 1.0, 0.5, 1.0])
    student, teacher = vectors_for(5), vectors_for(5, seed=1)
    loss, _ = queued(SoftmaxSimilarityLoss, student, EmbeddingSimilarity(teacher, weight), size=4)
    value(loss, [0, 1])
    order = [2, 3, 4, 0, 1]
    pairs = [(i, j) for i in range(3) for j in range(5) if i != j]
    expected = softmax_loss(student[order], teacher[order], pairs, 0.2, weight[order])
    assert value(loss, [2, 3, 4]).item() == pytest.approx(expected, rel=1e-4)


def test_the_global_batch_joins(monkeypatch):
    """Prevents processes whose queues hold their own shares alone, so that their losses drift apart."""
    loss, _ = queued(PairwiseCosineLoss, vectors_for(6), EmbeddingSimilarity(vectors_for(6, seed=1)), size=8)
    foreign = torch.tensor(unit(vectors_for(2, seed=2))).float()
    monkeypatch.setattr(
        batch_loss,
        "gather_batch",
        lambda embeddings, rows: (torch.cat([embeddings, foreign]), torch.cat([rows, torch.tensor([4, 5])])),
    )
    value(loss, [0, 1])
    vectors, rows = loss.queue.held()
    assert rows.tolist() == [0, 1, 4, 5]
    torch.testing.assert_close(vectors[2:], foreign)


def test_looking_changes_nothing():
    """Prevents a loss computed in eval mode from filling the queue."""
    loss, _ = queued(PairwiseCosineLoss, vectors_for(4), EmbeddingSimilarity(vectors_for(4, seed=1)), size=8)
    loss.eval()
    assert value(loss, range(4)).item() == value(loss, range(4)).item()
    assert len(loss.queue.held()[1]) == 0


def test_what_is_refused():
    """Prevents a queue whose texts a loss would hold against themselves, and one without bound."""
    model, teacher = Looked(vectors_for(3)), EmbeddingSimilarity(vectors_for(3))
    with pytest.raises(InputError, match="a queue goes with the losses 'cosine' and 'softmax', got a RelationalLoss"):
        QueuedLoss(RelationalLoss(model, teacher), 4)
    with pytest.raises(InputError, match="targets must be an EmbeddingSimilarity, got a LabelSimilarity"):
        QueuedLoss(PairwiseCosineLoss(model, LabelSimilarity(np.arange(3))), 4)
    for size in (0, 65_537):
        with pytest.raises(InputError, match=f"queue size must be from 1 to 65536 texts, got {size}"):
            QueuedLoss(PairwiseCosineLoss(model, teacher), size)
