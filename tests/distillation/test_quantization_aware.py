"""Distillation through int8 rounding: the student is an ordinary one whose int8 export answers as it does."""

import numpy as np
import pytest
import torch
from torch import nn

from fewshot.classifiers.finetune import FineTunedClassifier
from fewshot.classifiers.linear_probe import LinearProbeClassifier
from fewshot.classifiers.loading import load_classifier
from fewshot.core.errors import InputError
from fewshot.distillation.logits import LogitDistillationTrainer
from fewshot.distillation.pairwise import DistillationTrainer
from fewshot.training.fake_quant import FakeQuantization

QUICK = {"steps": 20, "batch_size": 16, "learning_rate": 2e-3, "device": "cpu"}


@pytest.fixture(scope="module")
def teacher(tiny_encoder, single):
    """A linear probe on the tiny transformer."""
    return LinearProbeClassifier(encoder=tiny_encoder).fit(single.texts, single.labels)


def test_a_student_and_its_export(teacher, pool, tmp_path):
    """Prevents a student that rounds for ever after, is saved as something else, or is exported otherwise than trained.

    The tiny model's weights are coarse enough that plain int8 moves its vectors; those learnt through rounding must be
    moved less, measured on the vectors that the training held against the teacher's.
    """
    pytest.importorskip("onnxruntime", reason="needs the extra onnx")
    from fewshot.compression.onnx_export import export_classifier

    student = DistillationTrainer(teacher, "layers:2", quantization=FakeQuantization(), **QUICK).fit(pool).student_
    plain = DistillationTrainer(teacher, "layers:2", **QUICK).fit(pool).student_
    assert not np.allclose(student.predict_proba(pool), plain.predict_proba(pool), atol=1e-6)
    assert {type(m) for m in student.encoder_.model.modules() if isinstance(m, nn.Linear)} == {nn.Linear}
    student.save(tmp_path / "student")
    opened = load_classifier(tmp_path / "student", device="cpu")
    np.testing.assert_allclose(opened.predict_proba(pool), student.predict_proba(pool), atol=1e-6)
    made = export_classifier(opened, tmp_path / "int8", quantize="int8", texts=pool)
    assert made.report["agreement"] >= 0.97


def test_a_student_of_logits_and_a_fine_tuned_one(teacher, tiny_folder, tiny_encoder, pool, single):
    """Prevents settings that are taken and not used, and logits that are rounded."""
    rounding = {"quantization": FakeQuantization()}
    few = {**QUICK, "steps": 4}
    students = [LogitDistillationTrainer(teacher, str(tiny_folder), **few, **more).fit(pool) for more in ({}, rounding)]
    assert students[0].losses_[0] != students[1].losses_[0]
    tuned = [
        FineTunedClassifier(encoder=tiny_encoder, folds=0, **few, **more).fit(single.texts, single.labels)
        for more in ({}, rounding)
    ]
    weights = [one.model_.state_dict() for one in tuned]
    assert list(weights[0]) == list(weights[1])
    assert any(not torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"student": "static"}, "quantization takes a transformer"),
        ({"patience": 2, "quantization": FakeQuantization(start=0.5)}, "patience would keep weights"),
        ({"quantization": "int8"}, "quantization must be a FakeQuantization"),
    ],
)
def test_what_does_not_go_together_is_refused(teacher, pool, options, message):
    """Prevents hours of a teacher's reading before a mistake is seen."""
    with pytest.raises(InputError, match=message):
        DistillationTrainer(teacher, **{"student": "layers:1", "quantization": FakeQuantization(), **options}).fit(pool)


def test_other_trainers_refuse_it_at_the_door(teacher, tiny_folder, tiny_encoder, pool, single):
    """Prevents a training that goes on without what was asked for, or ends before it begins."""
    with pytest.raises(InputError, match="quantization must be a FakeQuantization"):
        LogitDistillationTrainer(teacher, str(tiny_folder), quantization=8).fit(pool)
    with pytest.raises(InputError, match="may end before the rounding begins"):
        FineTunedClassifier(encoder=tiny_encoder, quantization=FakeQuantization(start=0.5)).fit(
            single.texts, single.labels
        )
