"""Distillation that prunes: single weights while a student learns, whole parts before it does."""

import numpy as np
import pytest

from fewshot.classifiers.linear_probe import LinearProbeClassifier
from fewshot.classifiers.loading import load_classifier
from fewshot.compression.prune import prune_encoder
from fewshot.core.errors import InputError
from fewshot.data.pool import open_pool
from fewshot.distillation.logits import LogitDistillationTrainer
from fewshot.distillation.multitask import MultiTaskDistillationTrainer
from fewshot.distillation.pairwise import DistillationTrainer
from fewshot.distillation.students import build_student, check_student
from fewshot.encoders.cached import CachedEncoder
from fewshot.encoders.transformer_shape import count_flops, shape_of
from fewshot.training.sparsity import MagnitudePruning, MovementPruning
from fewshot.training.weight_masks import sparsity_of

QUICK = {"steps": 20, "batch_size": 16, "learning_rate": 2e-3, "device": "cpu"}


@pytest.fixture(scope="module")
def teacher(tiny_encoder, single):
    """A linear probe on the tiny transformer."""
    return LinearProbeClassifier(encoder=tiny_encoder).fit(single.texts, single.labels)


@pytest.mark.parametrize("pruning", [MagnitudePruning(sparsity=0.6), MovementPruning(sparsity=0.6)])
def test_a_student_of_zeros(teacher, pool, tmp_path, pruning):
    """Prevents a student whose zeros are lost with saving, or that was looked at behind masks alone."""
    trainer = DistillationTrainer(teacher, "layers:2", pruning=pruning, **QUICK).fit(pool)
    student = trainer.student_
    assert sparsity_of(student.encoder_.model) == pytest.approx(0.6, abs=1e-4)
    assert len(trainer.losses_) == 20
    assert "parametrizations" not in " ".join(student.encoder_.model.state_dict())
    student.save(tmp_path / "student")
    opened = load_classifier(tmp_path / "student", device="cpu")
    assert sparsity_of(opened.encoder_.model) == sparsity_of(student.encoder_.model)
    np.testing.assert_allclose(opened.predict_proba(pool), student.predict_proba(pool), atol=1e-6)


def test_a_student_of_logits(teacher, tiny_folder, pool):
    """Prevents pruning that the training of whole classifiers does not know of, or that reaches the head."""
    pruning = MagnitudePruning(sparsity=0.6)
    student = LogitDistillationTrainer(teacher, str(tiny_folder), pruning=pruning, **QUICK).fit(pool).student_
    assert sparsity_of(student.model_) == pytest.approx(0.6, abs=1e-4)
    assert sparsity_of(student.model_, ("head",)) == 0
    with pytest.raises(InputError, match="pruning must be a MagnitudePruning"):
        LogitDistillationTrainer(teacher, str(tiny_folder), pruning=0.6).fit(pool)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"student": "static"}, "pruning takes a transformer"),
        ({"patience": 2}, "patience would keep weights"),
        ({"pruning": "magnitude"}, "pruning must be a MagnitudePruning"),
    ],
)
def test_what_does_not_go_together_is_refused(teacher, pool, options, message):
    """Prevents hours of a teacher's reading before a mistake is seen, and weights from before the pruning was done."""
    with pytest.raises(InputError, match=message):
        DistillationTrainer(teacher, **{"student": "layers:1", "pruning": MagnitudePruning(), **options}).fit(pool)


def test_tables_given_as_encoders_are_refused(teacher, tiny_static, pool):
    """Prevents a table from passing where its name does not."""
    with pytest.raises(InputError, match="pruning takes a transformer"):
        DistillationTrainer(teacher, tiny_static, pruning=MagnitudePruning()).fit(pool)


def test_a_pruned_teacher_is_a_student(teacher, pool):
    """Prevents a name that distillation does not know, and a student that is cut without a look at the pool."""
    trainer = DistillationTrainer(teacher, "pruned:0.5", **QUICK).fit(pool)
    model = trainer.student_.encoder_.model
    assert count_flops(model, 6) < 0.52 * count_flops(teacher.encoder_.model, 6)
    assert trainer.report_["cosine_correlation"] > 0.9
    asked = build_student(teacher.encoder_, "pruned:0.5", texts=pool)
    assert shape_of(asked.model[0].auto_model) == shape_of(model[0].auto_model)
    assert asked.name == trainer.student_.encoder_.name == "pruned:0.5"
    again = DistillationTrainer(teacher, "pruned:0.5", **QUICK).fit(open_pool(pool))
    np.testing.assert_allclose(again.student_.predict_proba(pool), trainer.student_.predict_proba(pool), atol=0.2)


def test_several_tasks_share_a_pruned_student(teacher, pool):
    """Prevents a student that is asked for before there are texts."""
    trainer = MultiTaskDistillationTrainer(
        {"one": teacher, "two": teacher}, "pruned:0.4", steps=2, batch_size=8, device="cpu"
    )
    students = trainer.fit({"one": pool[:60], "two": pool[60:]}).students_
    assert shape_of(students["one"].encoder_.model[0].auto_model).flops(5) < shape_of(
        teacher.encoder_.model[0].auto_model
    ).flops(5)


@pytest.mark.parametrize("name", ["pruned:", "pruned:half", "pruned:1.0", "pruned:0", "pruned:-0.5", "pruned"])
def test_misspelt_names_are_refused(tiny_encoder, name):
    """Prevents the Hub from being asked for what was misspelt."""
    with pytest.raises(InputError, match="share"):
        check_student(tiny_encoder, name)


def test_an_encoder_without_layers_is_refused(tiny_static, pool):
    """Prevents a table from being taken for a transformer."""
    with pytest.raises(InputError, match="is cut from a transformer"):
        check_student(tiny_static, "pruned:0.5")
    with pytest.raises(InputError, match="no transformer"):
        prune_encoder(tiny_static, pool)


def test_an_encoder_is_pruned(tiny_encoder, teacher, pool, tmp_path):
    """Prevents a whole encoder that was cut in place, and one that distillation does not take."""
    before = tiny_encoder.encode(pool)
    small = prune_encoder(CachedEncoder(tiny_encoder), pool, share=0.5, layers=2)
    np.testing.assert_array_equal(tiny_encoder.encode(pool), before)
    assert shape_of(small.model[0].auto_model).layers == 2
    assert small.encode(pool).shape == before.shape
    trained = DistillationTrainer(teacher, small, **QUICK).fit(pool).student_
    assert shape_of(trained.encoder_.model[0].auto_model) == shape_of(small.model[0].auto_model)
    with pytest.raises(InputError, match="one string"):
        prune_encoder(tiny_encoder, "text")
