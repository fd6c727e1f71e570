"""Logit distillation between models that have little in common, told from the teacher to the scores."""

import numpy as np
import pytest
import torch
from torch import nn
from transformers import MobileNetV2Config, MobileNetV2ForImageClassification, ViTConfig, ViTForImageClassification

from fewshot.classifiers.sequence import SequenceClassifier
from fewshot.data.labels import LabelSpace
from fewshot.distillation.layer_losses import LayerLoss
from fewshot.distillation.logit_losses import MISSING
from fewshot.distillation.logit_objective import LogitObjective
from fewshot.distillation.logit_targets import LogitTargets
from fewshot.distillation.logit_training import LiveTeacher
from fewshot.evaluation.metrics import score_labels
from fewshot.training.seeding import seeded
from tests.distillation.logit_cases import (
    PooledBert,
    divergence,
    features_of,
    logits_of,
    make_bert,
    make_tokenizer,
    train,
)


@pytest.fixture(scope="module")
def tokenizer(tiny_tokenizer):
    """A tokenizer as transformers' models come with one."""
    return make_tokenizer(tiny_tokenizer)


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


def test_a_teacher_of_ones_own_and_the_same_student_without_one(tokenizer, single, pool):
    """Prevents a teacher that needs the outputs of transformers, and distillation that is no better than none."""
    space = LabelSpace.of(single.labels)
    own = features_of(tokenizer, "input_ids", "attention_mask")
    teacher, _ = train(
        PooledBert(tokenizer, seed=1),
        single.texts,
        own,
        LogitTargets(gold=space.encode(single.labels)),
        steps=60,
        learning_rate=3e-3,
        objective=LogitObjective(1.0),
    )
    theirs = logits_of(teacher, own(single.test_texts))
    best = [space.classes[number] for number in theirs.argmax(axis=1)]
    assert score_labels(single.test_labels, best, multi_label=False)["macro_f1"] > 0.9
    start = make_bert(tokenizer, layers=4, seed=5)
    few = [single.labels.index(name) for name in space.classes]  # one gold text a class
    unlabeled = [text for text in pool if text not in single.test_texts]
    examples = [single.texts[row] for row in few] + unlabeled
    gold = np.concatenate([np.arange(3), np.full(len(unlabeled), MISSING)])
    found = {}
    for name, options in {
        "with a teacher": {"objective": LogitObjective(0.3, 2.0), "teacher": LiveTeacher(teacher, own)},
        "without": {"objective": LogitObjective(1.0)},
    }.items():
        n = len(examples) if "teacher" in options else len(few)
        student, losses = train(
            start,
            examples[:n],
            features_of(tokenizer),
            LogitTargets(gold=gold[:n]),
            steps=60,
            batch_size=16,
            learning_rate=3e-3,
            **options,
        )
        assert losses[-1] < losses[0]
        classifier = SequenceClassifier.from_parts(student, tokenizer, space, device="cpu")
        ranked = [[name for name, _ in row] for row in classifier.top_k(single.test_texts, k=2)]
        assert [row[0] for row in ranked] == classifier.predict(single.test_texts).tolist()
        found[name] = {
            "macro F1": score_labels(single.test_labels, [row[0] for row in ranked], multi_label=False)["macro_f1"],
            "top 2": np.mean([label in row for label, row in zip(single.test_labels, ranked, strict=True)]),
            "divergence": divergence(theirs, classifier.logits(single.test_texts)),
        }
    taught, alone = found["with a teacher"], found["without"]
    assert taught["macro F1"] > alone["macro F1"] + 0.1
    assert taught["top 2"] >= max(0.9, alone["top 2"])
    assert taught["divergence"] < 0.5 * alone["divergence"]
