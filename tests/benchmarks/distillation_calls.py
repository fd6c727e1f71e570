"""Every call of the package's distillation that the benchmark makes, in one place."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fewshot import DistillationTrainer, build_student
from fewshot.classifiers.base import TextClassifier
from fewshot.classifiers.linear_probe import LinearProbeClassifier
from fewshot.data.labels import LabelSpace
from fewshot.data.texts import TextData
from fewshot.distillation.sequence_teachers import NLITeacher
from fewshot.distillation.target_store import TargetStore
from fewshot.distillation.teacher_targets import TeacherTargets
from fewshot.distillation.teachers import open_teacher
from fewshot.distillation.transfer_set import make_transfer_set
from fewshot.encoders.base import Encoder
from fewshot.encoders.sentence import SentenceEncoder
from fewshot.heads.linear import LinearHead
from fewshot.heads.vectors import unit_rows

CASED = "layers:3"
"""The student that setfit's trainers train, too."""

SHARPNESS = 10.0
"""Factor on the cosines of texts and class names before the softmax."""


def store_in(folder: Path) -> TargetStore:
    """Return where teachers' answers are kept, in full precision."""
    return TargetStore(folder, precision="float32")


def distill(
    teacher: Any,
    student: str | Encoder,
    pool: Sequence[str],
    labeled: TextData | None,
    *,
    store: TargetStore | None,
    steps: int | None,
    random_state: int,
    encoder: str | None = None,
    loss: str | dict[str, float] = "cosine",
) -> DistillationTrainer:
    """Distil, and return the trainer; 0 steps give the undistilled student and its head."""
    options: dict[str, Any] = {"loss": loss} | ({} if encoder is None else {"encoder": encoder})
    trainer = DistillationTrainer(teacher, student, steps=steps, targets=store, random_state=random_state, **options)
    return trainer.fit(pool) if labeled is None else trainer.fit(pool, labeled.texts, labeled.labels)


def count_passes(student: Encoder) -> list[int]:
    """Return a list that gets the number of texts of each training pass through a transformer student."""
    passes: list[int] = []

    def count(module: Any, inputs: Any) -> None:
        if module.training:
            passes.append(len(inputs[0]["input_ids"]))

    if isinstance(student, SentenceEncoder):
        student.model.register_forward_pre_hook(count)  # the copy that is trained has it, too
    return passes


def untrained_model(teacher: TextClassifier) -> Any:
    """Return the same untrained student as a sentence-transformers model of its own."""
    return build_student(teacher.encoder_, CASED).trainable_copy()


def answers_on(
    teacher: TextClassifier, pool: Sequence[str], labeled: TextData, store: TargetStore
) -> tuple[list[str], TeacherTargets]:
    """Return labelled texts and pool, and what the teacher says of them; the store mostly knows it already."""
    transfer = make_transfer_set(teacher.label_space_, pool, labeled.texts, labeled.labels)
    parts = [open_teacher(teacher).targets(transfer.gold_texts), store.targets(teacher, transfer.pool)]
    texts = [*transfer.gold_texts, *transfer.pool]
    if transfer.held_out:
        parts.append(store.targets(teacher, transfer.held_out))
        texts += transfer.held_out
    vectors, probabilities = (np.concatenate([getattr(part, key) for part in parts]) for key in _PARTS)
    return texts, TeacherTargets(vectors, probabilities)


_PARTS = ("embeddings", "probabilities")


def nli_teacher(folder: Path, classes: Sequence[str], template: str) -> NLITeacher:
    """Return the zero-shot teacher that reads text and class name together."""
    return NLITeacher(folder, classes, template)


def name_teacher(encoder: Encoder, classes: Sequence[str], template: str) -> LinearProbeClassifier:
    """Return the zero-shot teacher that compares a text's vector with those of the class names."""
    space = LabelSpace.of(list(classes))
    names = unit_rows(encoder.encode([template.replace("{}", name) for name in space.classes]))
    head = LinearHead(SHARPNESS * names, np.zeros(len(names)), multi_label=False, C=None)
    return LinearProbeClassifier.from_parts(encoder, head, space)
