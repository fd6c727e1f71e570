"""What trainers of distillation have of scikit-learn."""

from sklearn.base import clone

from fewshot.classifiers.linear_probe import LinearProbeClassifier
from fewshot.distillation.logits import LogitDistillationTrainer
from fewshot.distillation.multitask import MultiTaskDistillationTrainer
from fewshot.distillation.pairwise import DistillationTrainer


def test_a_copy_keeps_the_fitted_teacher(tiny_encoder, single):
    """Prevents a copy, as a grid search makes it, whose teacher has to be trained again."""
    teacher = LinearProbeClassifier(tiny_encoder).fit(single.texts, single.labels)
    for trainer in (
        DistillationTrainer(teacher, "layers:1", steps=3),
        LogitDistillationTrainer([(teacher, 2.0)], steps=3),
        MultiTaskDistillationTrainer({"task": teacher}, steps=3),
    ):
        copied = clone(trainer)
        assert copied is not trainer
        assert copied.get_params(deep=False) == trainer.get_params(deep=False)
        assert copied.steps == 3
