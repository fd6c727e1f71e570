"""Training on logits: targets, layers, breaks, and wrong arguments."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from fewshot.core.errors import InputError, TeacherError
from fewshot.distillation.layer_losses import LayerLoss, LayerMeasure
from fewshot.distillation.logit_losses import MISSING
from fewshot.distillation.logit_objective import LogitObjective
from fewshot.distillation.logit_targets import LogitTargets
from fewshot.distillation.logit_training import LiveTeacher
from fewshot.distillation.model_outputs import recorded_outputs
from tests.distillation.logit_cases import PooledBert, features_of, logits_of, make_bert, make_tokenizer, train, weights


@pytest.fixture(scope="module")
def tokenizer(tiny_tokenizer):
    """A tokenizer as transformers' models come with one."""
    return make_tokenizer(tiny_tokenizer)


def test_two_encodings_in_one_batch(tokenizer, pool):
    """Prevents a teacher of another tokenizer from reading the student's token numbers."""
    seen = []

    class Teacher(nn.Module):
        def forward(self, numbers):  # it has no parameters
            seen.append(numbers)
            return torch.stack([numbers, -numbers], dim=1)

    _, losses = train(
        make_bert(tokenizer, 2),
        pool[:8],
        features_of(tokenizer),
        steps=2,
        teacher=LiveTeacher(Teacher(), lambda texts: {"numbers": torch.tensor([len(t) / 10 for t in texts])}),
    )
    assert len(losses) == 2
    assert sorted(seen[-1].tolist()) == pytest.approx(sorted(len(text) / 10 for text in pool[:8]))
    with pytest.raises(InputError, match=r"use LayerLoss\('pooled'\)"):
        train(
            make_bert(tokenizer),
            pool[:8],
            features_of(tokenizer),
            teacher=LiveTeacher(make_bert(tokenizer), lambda texts: features_of(tokenizer)([t[::-1] for t in texts])),
            layer_losses=[LayerLoss("hidden_cosine")],
        )


def test_a_teacher_on_a_device_of_its_own(tokenizer, pool):
    """Prevents tensors of one device from meeting those of another: batches go where the teacher is, answers come back.

    There is one device here, so the other is that of tensors without content.
    """
    devices = []

    class Away(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(1))

        def forward(self, numbers):
            devices.append((self.weight.device.type, numbers.device.type))
            return torch.zeros(len(numbers), 2)

    def numbers(texts):
        return {"numbers": torch.tensor([float(len(text)) for text in texts])}

    for place, teacher in (("meta", LiveTeacher(Away(), numbers, "meta")), ("cpu", LiveTeacher(Away(), numbers))):
        devices.clear()
        train(make_bert(tokenizer, 2), pool[:8], features_of(tokenizer), steps=2, teacher=teacher)
        assert len(devices) == 3  # one look at the shapes, two steps
        assert set(devices) == {(place, place)}


def test_logits_given_and_live_teach_the_same(tokenizer, pool):
    """Prevents precomputed logits of other rows, and a live teacher in train mode, or left in another mode."""
    teacher = make_bert(tokenizer, layers=4, seed=3).train()
    given = logits_of(copy.deepcopy(teacher), features_of(tokenizer)(pool[:24]))
    before = weights(teacher)
    options = {"objective": LogitObjective(0.0), "precision": "float32", "steps": 4}
    one, losses = train(make_bert(tokenizer), pool[:24], features_of(tokenizer), LogitTargets(given), **options)
    live = LiveTeacher(teacher)
    two, again = train(make_bert(tokenizer), pool[:24], features_of(tokenizer), teacher=live, **options)
    assert again == pytest.approx(losses, rel=1e-4)
    assert teacher.training
    assert weights(teacher) == before
    assert not one.training
    assert not two.training


@pytest.mark.parametrize("kind", ["hidden_mse", "hidden_cosine", "pooled", "token_similarity"])
def test_layers_come_nearer(tokenizer, pool, kind):
    """Prevents a layer loss whose gradient never reaches the student."""
    teacher = make_bert(tokenizer, layers=4, seed=3)
    width = 32 if kind == "token_similarity" else 16
    _, losses = train(
        make_bert(tokenizer, width=width, dropout=0.0),
        pool[:16],
        features_of(tokenizer),
        LogitTargets(gold=np.zeros(16, dtype=int), weights=np.ones(16)),
        steps=15,
        batch_size=16,
        learning_rate=3e-3,
        objective=LogitObjective(0.0, ramp="growth"),
        teacher=LiveTeacher(teacher),
        layer_losses=[LayerLoss(kind, weight=100.0, learning_rate=1e-2)],
    )
    assert losses[-1] < 0.9 * losses[0]


def test_modules_and_a_distance_of_ones_own(tokenizer, pool):
    """Prevents layer losses from needing models that return hidden states, and a distance that is never called."""

    def lengths(student, teacher):
        return (student.norm(dim=1) - teacher.norm(dim=1)).square()

    own = features_of(tokenizer, "input_ids", "attention_mask")
    teacher = PooledBert(tokenizer, layers=3, seed=3)
    pairs = (("head.1", "head.1"), ("bert.encoder.layer.0.attention", "bert.encoder.layer.2"))
    student, losses = train(
        PooledBert(tokenizer, width=16, dropout=0.0, seed=4),
        pool[:16],
        own,
        steps=15,
        batch_size=16,
        learning_rate=3e-3,
        objective=LogitObjective(1.0),
        targets=LogitTargets(gold=np.zeros(16, dtype=int)),
        teacher=LiveTeacher(teacher),
        layer_losses=[
            LayerLoss("hidden_mse", layers=pairs[1:], weight=10.0, learning_rate=1e-2),
            LayerLoss(LayerMeasure(lengths, token_wise=False, projected=False), layers=pairs[:1], weight=10.0),
        ],
    )
    assert losses[-1] < 0.8 * losses[0]
    with recorded_outputs(teacher, ["head.1"]) as theirs, recorded_outputs(student, ["head.1"]) as ours:
        logits_of(teacher, own(pool[:16])), logits_of(student, own(pool[:16]))
    assert (ours["head.1"].norm(dim=1) - theirs["head.1"].norm(dim=1)).abs().mean() < 0.3


def test_one_example_a_batch(tokenizer, pool):
    """Prevents a minimum of two, which only losses of pairs need."""
    targets = LogitTargets(np.random.default_rng(0).normal(scale=3.0, size=(8, 3)))
    _, losses = train(
        make_bert(tokenizer, dropout=0.0), pool[:8], features_of(tokenizer), targets, steps=1, batch_size=1,
        accumulation=8, objective=LogitObjective(0.0), precision="float32",
    )  # fmt: skip
    _, again = train(
        make_bert(tokenizer, dropout=0.0), pool[:8], features_of(tokenizer), targets, steps=1, batch_size=8,
        objective=LogitObjective(0.0), precision="float32",
    )  # fmt: skip
    assert losses == pytest.approx(again, rel=1e-4)


def test_weights_of_examples(tokenizer, pool):
    """Prevents a weight from being lost on the way: an example without weight is as if it were not there."""
    logits = np.random.default_rng(0).normal(scale=3.0, size=(8, 3))
    weights_of = np.array([2.0] * 4 + [0.0] * 4)
    options = {"steps": 1, "batch_size": 8, "objective": LogitObjective(0.0), "precision": "float32"}
    start = make_bert(tokenizer, dropout=0.0)
    _, weighted = train(start, pool[:8], features_of(tokenizer), LogitTargets(logits, weights=weights_of), **options)
    _, fewer = train(start, pool[:4], features_of(tokenizer), LogitTargets(logits[:4]), **options)
    assert weighted == pytest.approx(fewer, rel=1e-4)
    _, alike = train(start, pool[:8], features_of(tokenizer), LogitTargets(logits), **options)
    assert weighted != pytest.approx(alike, rel=1e-2)


def test_the_same_bits_after_a_break(tokenizer, pool, tmp_path):
    """Prevents a resumed run from dropping other units, drawing other batches, or beginning its ramps anew."""
    options = {
        "targets": LogitTargets(np.random.default_rng(0).normal(size=(24, 3))),
        "objective": LogitObjective(0.0, ramp={"teacher": "decay", "layers": "growth"}),
        "teacher": LiveTeacher(make_bert(tokenizer, layers=3, seed=3)),
        "layer_losses": [LayerLoss("hidden_mse")],
        "steps": 6,
        "save_every": 2,
        "accumulation": 2,
    }
    start, features = make_bert(tokenizer, width=16, seed=4), features_of(tokenizer)
    whole, losses = train(start, pool[:24], features, **options)
    calls = []

    def failing(texts):
        calls.append(texts)
        if len(calls) > 9:  # two examples to probe, two batches a step
            raise KeyboardInterrupt
        return features(texts)

    with pytest.raises(KeyboardInterrupt):
        train(start, pool[:24], failing, checkpoints=tmp_path, **options)
    found = sorted(path.name for path in tmp_path.iterdir())
    assert found
    assert "checkpoint-6" not in found
    resumed, again = train(start, pool[:24], features, checkpoints=tmp_path, resume=True, **options)
    assert again == losses
    assert weights(resumed) == weights(whole)
    assert not list(tmp_path.rglob("*.pkl"))
    with pytest.raises(InputError, match="belong to other texts, targets, settings"):
        train(start, pool[1:25], features, checkpoints=tmp_path, resume=True, **options)
    options["objective"] = LogitObjective(0.0)
    with pytest.raises(InputError, match="belong to other texts, targets, settings"):
        train(start, pool[:24], features, checkpoints=tmp_path, resume=True, **options)


def test_checkpoints_of_examples_of_any_kind(tmp_path):
    """Prevents checkpoints of other images from being gone on with, and an example that cannot be told from others."""
    points = np.random.default_rng(0).normal(size=(8, 2)).astype(np.float32)
    options = {"targets": LogitTargets(points @ np.ones((2, 3))), "steps": 1, "checkpoints": tmp_path}
    linear = nn.Linear(2, 3)
    for wrap in (np.asarray, torch.tensor, lambda row: {"a": [float(value) for value in row]}):
        examples = [wrap(row) for row in points]

        def features(batch):
            rows = [list(example["a"]) if isinstance(example, dict) else example.tolist() for example in batch]
            return {"input": torch.tensor(rows)}

        train(linear, examples, features, **options)
        _, losses = train(linear, examples, features, resume=True, **options)
        assert len(losses) == 1
        with pytest.raises(InputError, match="belong to other texts"):
            train(linear, [wrap(row) for row in points + 1], features, resume=True, **options)
    with pytest.raises(InputError, match="checkpoints need examples that are texts"):
        train(linear, [object()] * 8, lambda batch: {"input": torch.zeros(len(batch), 2)}, **options)


def test_nothing_is_left_behind(tokenizer, pool, tmp_path, monkeypatch, capsys):
    """Prevents files in the user's place, dictionaries of losses in a pipe, and reset random numbers."""
    monkeypatch.chdir(tmp_path)
    state = torch.get_rng_state()
    targets = LogitTargets(np.zeros((8, 3)))
    student, _ = train(make_bert(tokenizer), pool[:8], features_of(tokenizer), targets, steps=1)
    assert torch.equal(state, torch.get_rng_state())
    assert not list(tmp_path.iterdir())
    printed = capsys.readouterr()
    assert printed.out == printed.err == ""
    assert "forward" not in vars(student)
    untouched, losses = train(student, pool[:8], features_of(tokenizer), targets, steps=0)
    assert losses == []
    assert weights(untouched) == weights(student)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "there is no teacher: give targets with logits"),
        ({"objective": LogitObjective(1.0)}, "alpha=1 learns gold labels alone, and targets has none"),
        (
            {"objective": LogitObjective(1.0), "targets": LogitTargets(gold=np.full(8, MISSING))},
            "alpha=1 learns gold labels alone",
        ),
        (
            {"targets": LogitTargets(np.zeros((8, 3))), "layer_losses": [LayerLoss("pooled")]},
            "layer_losses need teacher",
        ),
        ({"targets": LogitTargets(np.zeros((8, 2)))}, r"logits must have shape \(8, 3\)"),
        ({"targets": LogitTargets(np.zeros((8, 3))), "accumulation": 0}, "accumulation must be at least 1"),
        ({"targets": LogitTargets(np.zeros((8, 3))), "resume": True}, "resume=True needs checkpoints"),
        ({"targets": LogitTargets(np.zeros((8, 3))), "batch_size": 0}, "batch_size must be at least 1; got 0"),
        (
            {"teacher": LiveTeacher(nn.Linear(1, 3)), "layer_losses": [LayerLoss("pooled", layers=(("bert.x", 1),))]},
            "the module 'bert.x'",
        ),
        ({"targets": LogitTargets(np.zeros((8, 3))), "random_state": -1}, "random_state must be an integer"),
    ],
)
def test_wrong_arguments(tokenizer, pool, options, message):
    """Prevents a training on nothing, and a mistake found after an hour."""
    with pytest.raises(InputError, match=message):
        train(make_bert(tokenizer), pool[:8], features_of(tokenizer), **options)


def test_wrong_teachers(tokenizer, pool):
    """Prevents a teacher of other classes, and a training of one example."""
    student, features = make_bert(tokenizer), features_of(tokenizer)
    with pytest.raises(InputError, match="the teacher has 2 classes, the student 3"):
        train(student, pool[:8], features, teacher=LiveTeacher(make_bert(tokenizer, 2)))
    with pytest.raises(InputError, match="examples must be at least 2"):
        train(student, pool[:1], features, teacher=LiveTeacher(student))


@pytest.mark.parametrize("multi_label", [False, True])
def test_nan(tokenizer, pool, multi_label):
    """Prevents a student that follows NaN quietly, and the advice to lower the learning rate for it."""
    sound, broken, features = make_bert(tokenizer), make_bert(tokenizer), features_of(tokenizer)
    nn.init.constant_(broken.classifier.bias, float("nan"))
    options = {"objective": LogitObjective(0.0, multi_label=multi_label)}
    with pytest.raises(TeacherError, match="logits hold NaN"):
        train(sound, pool[:8], features, teacher=LiveTeacher(broken), **options)
    logits = np.zeros((8, 3))
    logits[5, 2] = np.inf
    with pytest.raises(TeacherError, match="logits of example 5 hold NaN"):
        train(sound, pool[:8], features, LogitTargets(logits), **options)
    with pytest.raises(InputError, match="the loss of step 1 is nan; lower the learning rate"):
        train(broken, pool[:8], features, teacher=LiveTeacher(sound), **options)
