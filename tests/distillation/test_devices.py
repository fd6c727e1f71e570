"""Teacher and student on devices of their own."""

import pytest

from fewshot.classifiers.linear_probe import LinearProbeClassifier
from fewshot.distillation.pairwise import DistillationTrainer
from fewshot.distillation.student_training import StudentTraining
from fewshot.encoders.sentence import SentenceEncoder


@pytest.mark.parametrize(
    "options", [{}, {"queue_size": 16}, {"confidence": "weight"}, {"loss": {"softmax": 1, "match": 1}}]
)
def test_nothing_of_the_teacher_lies_among_the_students(tiny_folder, single, pool, monkeypatch, options):
    """Prevents a tensor of the teacher in the student's training, which fails where they have two devices.

    The teacher is moved away once it has answered; a tensor of it beside one of the student would raise.
    """
    encoder = SentenceEncoder.load(tiny_folder, device="cpu", precision="float32")
    teacher = LinearProbeClassifier(encoder).fit(single.texts, single.labels)
    run = StudentTraining.run

    def moved_away(*arguments, **settings):
        encoder.model.to("meta")
        return run(*arguments, **settings)

    monkeypatch.setattr(StudentTraining, "run", moved_away)
    trainer = DistillationTrainer(teacher, "layers:2", steps=3, batch_size=8, device="cpu", **options).fit(pool)
    assert {p.device.type for p in encoder.model.parameters()} == {"meta"}
    assert {p.device.type for p in trainer.student_.encoder_.model.parameters()} == {"cpu"}
    assert len(trainer.losses_) == 3


def test_a_student_on_the_device_that_was_named(tiny_folder, single, pool):
    """Prevents the student from following its teacher where another device was asked for."""
    encoder = SentenceEncoder.load(tiny_folder, device="cpu", precision="float32")
    teacher = LinearProbeClassifier(encoder).fit(single.texts, single.labels)
    encoder.device = "cuda:0"  # as if it were there
    trainer = DistillationTrainer(teacher, "layers:2", steps=2, batch_size=8, device="cpu").fit(pool)
    assert trainer.student_.encoder_.device == "cpu"
