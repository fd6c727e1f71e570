"""Training on logits: texts and images, models of one's own, breaks, and wrong arguments."""

import copy

import numpy as np
import pytest
import torch
from scipy.special import log_softmax, softmax
from sklearn.metrics import f1_score, top_k_accuracy_score
from torch import nn
from transformers import MobileNetV2Config, MobileNetV2ForImageClassification, ViTConfig, ViTForImageClassification

from fewshot.core.errors import InputError, TeacherError
from fewshot.distillation.layer_losses import LayerLoss
from fewshot.distillation.logit_losses import MISSING, LogitObjective
from fewshot.distillation.logit_targets import LogitTargets
from fewshot.distillation.logit_training import LiveTeacher, distill_logits
from fewshot.training.schedule import Schedule
from fewshot.training.seeding import seeded
from tests.distillation.logit_cases import PooledBert, features_of, logits_of, make_bert, make_tokenizer, weights


@pytest.fixture(scope="module")
def tokenizer(tiny_tokenizer):
    """A tokenizer as transformers' models come with one."""
    return make_tokenizer(tiny_tokenizer)


def divergence(teacher, student):
    """Mean KL(teacher ‖ student) of logits."""
    return float((softmax(teacher, 1) * (log_softmax(teacher, 1) - log_softmax(student, 1))).sum(1).mean())


def train(student, examples, features, targets=None, *, steps=10, batch_size=8, learning_rate=1e-3, **options):
    """Train a copy of a model; return it and its losses."""
    student = copy.deepcopy(student)
    schedule = Schedule(steps, batch_size, learning_rate, save_every=options.pop("save_every", None))
    losses = distill_logits(student, examples, features, targets or LogitTargets(), schedule, device="cpu", **options)
    return student, losses


def test_images_from_a_transformer_to_a_convolutional_net():
    """Prevents a training that only works for token ids, or for models whose inputs and layers are alike."""
    with seeded(0) as rng:
        vit = ViTForImageClassification(
            ViTConfig(
                hidden_size=16,
                num_hidden_layers=2,
                num_attention_heads=2,
                intermediate_size=32,
                image_size=32,
                patch_size=8,
                num_labels=3,
            )
        )
        nn.init.normal_(vit.classifier.weight, std=0.5)
        config = MobileNetV2Config(
            image_size=32, depth_multiplier=0.1, finegrained_output=False, classifier_dropout_prob=0.0, num_labels=3
        )
        mobile_net = MobileNetV2ForImageClassification(config)
        colours = rng.normal(scale=2.0, size=(48, 3, 1, 1))  # each image mostly of one colour
        images = (colours + 0.3 * rng.normal(size=(48, 3, 32, 32))).astype(np.float32)

    def features(batch):
        return {"pixel_values": torch.from_numpy(np.stack(batch))}

    before = divergence(logits_of(vit, features(images)), logits_of(mobile_net, features(images)))
    student, losses = train(
        mobile_net,
        images,
        features,
        steps=25,
        batch_size=16,
        learning_rate=5e-3,
        objective=LogitObjective(0.0),
        teacher=LiveTeacher(vit),
        layer_losses=[LayerLoss("pooled", layers=((15, 2),), weight=0.1)],
    )
    assert len(losses) == 25
    assert losses[-1] < losses[0]
    assert divergence(logits_of(vit, features(images)), logits_of(student, features(images))) < 0.7 * before


def test_a_teacher_of_ones_own_and_the_same_student_without_one(tokenizer, single):
    """Prevents a teacher that needs the outputs of transformers, and distillation that is no nearer to it than none."""
    y = np.unique(single.labels, return_inverse=True)[1]
    teacher, _ = train(
        PooledBert(tokenizer, seed=1),
        single.texts,
        features_of(tokenizer, "input_ids", "attention_mask"),
        LogitTargets(gold=y),
        steps=30,
        objective=LogitObjective(1.0),
    )
    theirs = logits_of(teacher, features_of(tokenizer, "input_ids", "attention_mask")(single.test_texts))
    y_test = np.unique(single.test_labels, return_inverse=True)[1]
    assert f1_score(y_test, theirs.argmax(1), average="macro") > 0.8
    start = make_bert(tokenizer, layers=4, seed=5)
    examples = single.texts + single.test_texts  # the test texts without their labels
    gold = np.concatenate([y, np.full(len(single.test_texts), MISSING)])
    scores = {}
    for name, alpha in (("with a teacher", 0.3), ("without", 1.0)):
        student, losses = train(
            start,
            examples,
            features_of(tokenizer),
            LogitTargets(gold=gold),
            steps=30,
            objective=LogitObjective(alpha, 2.0),
            teacher=LiveTeacher(teacher, features_of(tokenizer, "input_ids", "attention_mask")) if alpha < 1 else None,
        )
        ours = logits_of(student, features_of(tokenizer)(single.test_texts))
        scores[name] = {
            "losses": losses,
            "divergence": divergence(theirs, ours),
            "macro F1": f1_score(y_test, ours.argmax(1), average="macro"),
            "top 2": top_k_accuracy_score(y_test, ours, k=2),
        }
    for found in scores.values():
        assert len(found["losses"]) == 30
        assert 0 <= found["macro F1"] <= found["top 2"] + 1 <= 2
    assert scores["with a teacher"]["divergence"] < scores["without"]["divergence"]


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
        ({"targets": LogitTargets(np.zeros((8, 3))), "batch_size": 1}, "batch_size must be at least 2"),
        ({"targets": LogitTargets(np.zeros((8, 3))), "random_state": -1}, "random_state must be an integer"),
    ],
)
def test_wrong_arguments(tokenizer, pool, options, message):
    """Prevents a training on nothing, and a mistake found after an hour."""
    with pytest.raises(InputError, match=message):
        train(make_bert(tokenizer), pool[:8], features_of(tokenizer), **options)


def test_wrong_teachers(tokenizer, pool):
    """Prevents a teacher of other classes, one of NaN, and a training of one example."""
    student, features = make_bert(tokenizer), features_of(tokenizer)
    with pytest.raises(InputError, match="the teacher has 2 classes, the student 3"):
        train(student, pool[:8], features, teacher=LiveTeacher(make_bert(tokenizer, 2)))
    broken = make_bert(tokenizer)
    nn.init.constant_(broken.classifier.bias, float("nan"))
    with pytest.raises(TeacherError, match="logits hold NaN"):
        train(student, pool[:8], features, teacher=LiveTeacher(broken))
    with pytest.raises(InputError, match="the loss of step 1 is nan; lower the learning rate"):
        train(broken, pool[:8], features, teacher=LiveTeacher(student))
    with pytest.raises(InputError, match="examples must be at least 2"):
        train(student, pool[:1], features, teacher=LiveTeacher(student))
