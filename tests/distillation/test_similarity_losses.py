"""What holds for every similarity loss, alone, with a queue and in a sum."""

import copy
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from fewshot.core.errors import InputError
from fewshot.distillation.memory_queue import QueuedLoss
from fewshot.distillation.similarity_losses import SIMILARITY_LOSSES, WeightedSum, make_similarity_loss
from fewshot.evaluation.metrics import cosine_correlation
from fewshot.training.losses import PairwiseCosineLoss
from fewshot.training.samplers import ShuffledBatches
from fewshot.training.schedule import Schedule
from fewshot.training.targets import EmbeddingSimilarity
from fewshot.training.trainer import train_pairwise
from tests.conftest import ToyEncoder
from tests.distillation.similarity_cases import Looked, unit, value, vectors_for

ALL = {"cosine": 1.0, "softmax": 0.5, "relational": 0.25, "match": 2.0}
KINDS = [(name, 0) for name in SIMILARITY_LOSSES] + [("cosine", 6), ("softmax", 6)]
every_loss = pytest.mark.parametrize(("name", "queue_size"), KINDS)


@every_loss
def test_a_student_that_is_its_teacher_has_nothing_to_learn(name, queue_size):
    """Prevents a loss whose optimum lies elsewhere than at the teacher."""
    teacher = vectors_for(9)
    model = Looked(unit(teacher))
    loss = make_similarity_loss(name, model, teacher, queue_size=queue_size)
    value(loss, range(5))
    found = value(loss, range(3, 9))
    found.backward()
    assert found.item() == pytest.approx(0.0, abs=1e-6)
    assert model.vectors.grad.abs().max() < 1e-4


@every_loss
def test_gradients_by_differences(name, queue_size):
    """Prevents a loss whose gradient is another one's."""
    loss = make_similarity_loss(name, Looked(vectors_for(6)), vectors_for(6, seed=1), queue_size=queue_size)
    loss.double().eval()
    points = torch.tensor(vectors_for(6), requires_grad=True)
    rows = torch.arange(6)
    assert torch.autograd.gradcheck(lambda x: loss.of(nn.functional.normalize(x), rows), points)


@every_loss
@settings(deadline=None, max_examples=20)
@given(order=st.permutations(range(7)))
def test_the_order_of_a_batch_is_nothing(name, queue_size, order):
    """Prevents targets from being taken by place in the batch."""
    weight = np.linspace(0, 1, 7)
    loss = make_similarity_loss(
        name, Looked(vectors_for(7)), vectors_for(7, seed=1), queue_size=queue_size, weight=weight
    ).eval()
    assert value(loss, order).item() == pytest.approx(value(loss, range(7)).item(), rel=1e-4)


def awkward(case):
    """Return student, teacher, weight and rows of a batch that invites division by 0."""
    student, teacher, weight, rows = vectors_for(5), vectors_for(5, seed=1), None, list(range(5))
    if case == "one text":
        rows = [3]
    elif case == "two texts":
        rows = [3, 1]
    elif case == "a row twice":
        rows = [2, 0, 2, 2]
    elif case == "the same texts":
        teacher[1:3], student[1:3] = teacher[0], student[0]
    elif case == "a constant teacher":
        teacher[:] = teacher[0]
    elif case == "a constant student":
        student[:] = student[0]
    elif case == "zeros":
        teacher[1] = student[1] = student[2] = teacher[3] = 0.0
    elif case == "no weight":
        weight = np.array([0.0, 0.0, 0.0, 0.0, 1.0])
        rows = [0, 1, 2, 3]
    elif case == "one weight":
        weight = np.array([0.0, 0.0, 0.0, 0.0, 1.0])
    return student, teacher, weight, rows


CASES = ["one text", "two texts", "a row twice", "the same texts", "a constant teacher", "a constant student", "zeros"]


@every_loss
@pytest.mark.parametrize("case", [*CASES, "no weight", "one weight"])
def test_no_batch_gives_nan(name, queue_size, case):
    """Prevents NaN, or a gradient of NaN, from what any pool holds: duplicates, empty texts, texts alike."""
    student, teacher, weight, rows = awkward(case)
    loss = make_similarity_loss(name, Looked(student), teacher, queue_size=queue_size, weight=weight)
    for _ in range(2):
        found = value(loss, rows)
        found.backward()
        assert torch.isfinite(found)
        assert found.item() > -1e-6
        assert all(torch.isfinite(p.grad).all() for p in loss.parameters())


def test_a_sum_is_the_sum():
    """Prevents weights that are dropped or given to another part, and parts that see another batch."""
    model, teacher = Looked(vectors_for(8)), vectors_for(8, seed=1, dimension=6)
    loss = make_similarity_loss(ALL, model, teacher)
    alone = {name: value(make_similarity_loss(name, model, teacher), range(5)).item() for name in ALL}
    assert value(loss, range(5)).item() == pytest.approx(sum(ALL[name] * alone[name] for name in ALL), rel=1e-5)


def test_a_sum_embeds_once():
    """Prevents a pass of the encoder for each part, with dropout drawn anew."""

    class Counting(Looked):
        calls = 0

        def forward(self, features):
            Counting.calls += 1
            return super().forward(features)

    value(make_similarity_loss(ALL, Counting(vectors_for(6)), vectors_for(6, seed=1), queue_size=4), range(4))
    assert Counting.calls == 1


def test_a_sum_trains_each_parameter_once():
    """Prevents an encoder that stands in several groups, which torch refuses, and a projection that is left out."""
    model = Looked(vectors_for(4))
    loss = make_similarity_loss(ALL, model, vectors_for(4, dimension=3), projection_learning_rate=0.5, queue_size=3)
    groups = loss.parameter_groups(1e-3)
    assert [group["lr"] for group in groups] == [1e-3, 0.5]
    assert groups[0]["params"] == [model.vectors]
    torch.optim.AdamW(groups)
    assert sum(len(group["params"]) for group in groups) == len(list(loss.parameters())) == 3


def test_identities_tell_losses_apart():
    """Prevents a resume with other settings, weights or targets from going on from a foreign checkpoint."""
    model, teacher = Looked(vectors_for(4)), vectors_for(4, seed=1)
    losses = [make_similarity_loss(name, model, teacher) for name in SIMILARITY_LOSSES]
    losses += [make_similarity_loss(name, model, teacher + 1) for name in SIMILARITY_LOSSES]
    losses += [make_similarity_loss(name, model, teacher, weight=np.arange(4.0)) for name in SIMILARITY_LOSSES]
    losses += [make_similarity_loss("softmax", model, teacher, temperature=0.5)]
    losses += [make_similarity_loss("match", model, teacher, measure="mse")]
    losses += [make_similarity_loss("softmax", model, teacher, queue_size=size) for size in (2, 3)]
    losses += [make_similarity_loss({"cosine": 1.0, "softmax": share}, model, teacher) for share in (1.0, 0.5)]
    identities = [tuple(loss.identity()) for loss in losses]
    assert len(set(identities)) == len(identities)
    assert all(isinstance(entry, str) for identity in identities for entry in identity)
    again = make_similarity_loss({"cosine": 1.0, "softmax": 0.5}, model, teacher.copy())
    assert tuple(again.identity()) == identities[-1]


def test_other_targets():
    """Prevents a mean of several teachers' cosines from being refused where it could be used."""
    targets = EmbeddingSimilarity(vectors_for(5, seed=1))
    model = Looked(vectors_for(5))
    for name in ("cosine", "softmax", "relational"):
        loss = make_similarity_loss(name, model, targets)
        expected = make_similarity_loss(name, model, vectors_for(5, seed=1))
        assert value(loss, range(5)).item() == pytest.approx(value(expected, range(5)).item(), rel=1e-5)
    with pytest.raises(InputError, match="weight goes with a teacher's vectors; EmbeddingSimilarity must weigh"):
        make_similarity_loss("cosine", model, targets, weight=np.ones(5))


@pytest.fixture(scope="module")
def teacher_vectors(pool):
    """Vectors of the pool by a bag of words, wider than the student's."""
    return ToyEncoder(dimension=48).encode(pool)


def train(tiny_model, pool, teacher_vectors, names, *, steps=30, folder=None, stop_at=None, **options):
    """Train a copy of the tiny model; return the loss, its state as bytes, and the losses."""
    model = copy.deepcopy(tiny_model)
    settings = {key: options.pop(key) for key in ("queue_size", "weight") if key in options}
    loss = make_similarity_loss(names, model, teacher_vectors, **settings)
    losses = train_pairwise(
        model,
        pool,
        loss,
        ShuffledBatches(len(pool), batch_size=16, steps=steps, random_state=0),
        Schedule(steps, 16, 2e-3, save_every=2),
        description="distilling",
        device="cpu",
        precision="float32",
        checkpoints=folder,
        watch=None if stop_at is None else lambda step, _: step == stop_at,
        **options,
    )
    return loss, {name: tensor.numpy().tobytes() for name, tensor in loss.state_dict().items()}, losses


@pytest.mark.parametrize("names", [*SIMILARITY_LOSSES, ALL], ids=str)
def test_training_brings_the_student_nearer(tiny_model, pool, teacher_vectors, names):
    """Prevents a loss that falls while the student's similarities go elsewhere."""
    before = cosine_correlation(teacher_vectors, tiny_model.encode(pool))
    steps = 100 if names == "match" else 30  # the projection has to turn to the teacher first
    loss, _, losses = train(tiny_model, pool, teacher_vectors, names, steps=steps)
    after = cosine_correlation(teacher_vectors, loss.model.encode(pool))
    assert np.mean(losses[-5:]) < 0.8 * np.mean(losses[:2])
    assert after > before + 0.1


def test_training_with_a_queue_brings_the_student_nearer(tiny_model, pool, teacher_vectors):
    """Prevents stale vectors from pulling the student away from what it shall learn."""
    before = cosine_correlation(teacher_vectors, tiny_model.encode(pool))
    loss, _, _ = train(tiny_model, pool, teacher_vectors, "softmax", queue_size=48)
    assert isinstance(loss, QueuedLoss)
    assert len(loss.queue.held()[1]) == 48
    assert cosine_correlation(teacher_vectors, loss.model.encode(pool)) > before + 0.1


def test_a_stopped_training_goes_on_bit_by_bit(tiny_model, pool, teacher_vectors, tmp_path):
    """Prevents a queue or a projection that starts afresh after a resume."""
    settings = {"names": ALL, "steps": 6, "queue_size": 40, "weight": np.linspace(0.1, 1, len(pool))}
    _, expected, losses = train(tiny_model, pool, teacher_vectors, **settings)
    train(tiny_model, pool, teacher_vectors, **settings, folder=tmp_path, stop_at=5)
    _, resumed, again = train(tiny_model, pool, teacher_vectors, **settings, folder=tmp_path, resume=True)
    assert again == losses
    assert resumed == expected
    assert any("queue.vectors" in name for name in expected)


@pytest.mark.long
def test_two_processes_train_as_one(tmp_path):
    """Prevents queues of each process's share, corners that differ, and gradients of half or double size."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = str(listener.getsockname()[1])
    root = Path(__file__).parents[2]
    subprocess.run(
        [sys.executable, str(Path(__file__).with_name("sum_script.py")), str(tmp_path), port],
        check=True,
        timeout=280,
        env={**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"},
    )
    alone, *together = (dict(np.load(tmp_path / f"{name}.npz")) for name in ("alone", "0", "1"))
    for arrays in together:
        assert arrays.keys() == alone.keys()
        for name, array in alone.items():
            np.testing.assert_allclose(arrays[name], array, atol=1e-5, rtol=0, err_msg=name)
    assert (alone["parts.0.queue.rows"] >= 0).any()


@pytest.mark.parametrize(
    ("names", "options", "message"),
    [
        (
            "cosin",
            {},
            "loss must be one of cosine, softmax, relational, match, classes; got 'cosin'. Did you mean 'cosine'",
        ),
        ({"cosine": 1, "relation": 1}, {}, "got 'relation'. Did you mean 'relational'"),
        ({"cosine": 0.0}, {}, "the weight of PairwiseCosineLoss must be above 0, got 0.0"),
        ({"cosine": float("nan")}, {}, "must be above 0, got nan"),
        ({}, {}, "loss must be a name, or names with their weights"),
        (["cosine", "softmax"], {}, "loss must be a name, or names with their weights such as {'cosine': 1}; got"),
        ("cosine", {"temperature": 0.1}, "temperature is a setting of the loss 'softmax', got 'cosine'"),
        ("softmax", {"measure": "mse"}, "measure is a setting of the loss 'match', got 'softmax'"),
        ("softmax", {"temperature": -1.0}, "temperature must be above 0, got -1.0"),
        ("relational", {"queue_size": 9}, "queue_size=9 goes with the losses 'cosine' and 'softmax', got 'relational'"),
        ("cosine", {"queue_size": -1}, r"queue_size must be 0 \(no queue\) or more, got -1"),
        ("cosine", {"weight": np.ones(2)}, "weight must hold 4 numbers"),
    ],
)
def test_what_is_refused(names, options, message):
    """Prevents a misspelt name from an error in the depths, and a setting from being ignored in silence."""
    with pytest.raises(InputError, match=message):
        make_similarity_loss(names, Looked(vectors_for(4)), vectors_for(4), **options)


def test_what_are_no_targets():
    """Prevents a list of vectors from being taken for targets, and failing in the first step."""
    with pytest.raises(InputError, match="embeddings must be a NumPy array or PairTargets, got a list"):
        make_similarity_loss("cosine", Looked(vectors_for(2)), [[1.0, 0.0], [0.0, 1.0]])


def test_a_sum_of_two_models_is_refused():
    """Prevents a part whose gradients reach a model that is not trained."""
    teacher = EmbeddingSimilarity(vectors_for(3))
    parts = [(PairwiseCosineLoss(Looked(vectors_for(3)), teacher), 1.0) for _ in range(2)]
    with pytest.raises(InputError, match="must hold one and the same model"):
        WeightedSum(parts)
