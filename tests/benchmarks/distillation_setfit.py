"""The reference: setfit's ``DistillationTrainer`` as it comes, and with its targets repaired; both in float32.

As it comes (setfit 1.2.0), every pair's target is 1: its list of pairs is made before the texts are numbered, so that
all texts count as the first one, whose cosine with itself is 1. *Repaired* numbers them before, and changes nothing
else. Both learn from the same texts as ours, start from the same untrained student, and fit their head to the teacher's
labels, as setfit does.
"""

import dataclasses
import tempfile
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from datasets import Dataset
from setfit import DistillationTrainer, SetFitModel, TrainingArguments
from setfit import trainer_distillation as setfit_distillation
from setfit.sampler import ContrastiveDistillationDataset
from sklearn.linear_model import LogisticRegression
from transformers import PrinterCallback, ProgressCallback, TrainerCallback

from fewshot.distillation.teacher_targets import TeacherTargets
from tests.benchmarks.distillation_calls import untrained_model

TEXTS_A_STEP = 32
"""Sixteen pairs, setfit's default batch."""

VERSIONS = ("setfit", "repaired")


class RepairedPairs(ContrastiveDistillationDataset):
    """Pairs whose target is the teacher's cosine of that pair."""

    def generate_pairs(self) -> None:
        """Number the texts, then list their pairs as setfit does."""
        self.sentence_labels = [(text, row) for row, text in enumerate(self.sentences)]
        super().generate_pairs()


class RepairedTrainer(DistillationTrainer):
    """Setfit's trainer with these pairs."""

    def get_dataset(self, *args: Any, **kwargs: Any) -> Any:
        """Return pairs and loss as setfit does, from the repaired list."""
        setfit_distillation.ContrastiveDistillationDataset = RepairedPairs
        try:
            return super().get_dataset(*args, **kwargs)
        finally:
            setfit_distillation.ContrastiveDistillationDataset = ContrastiveDistillationDataset


class KnownTeacher:
    """What setfit's trainer asks a teacher model, answered from what our teacher said before.

    Parameters
    ----------
    texts : sequence of str
    targets : TeacherTargets
        Of these texts.
    """

    has_differentiable_head = False

    def __init__(self, texts: Sequence[str], targets: TeacherTargets) -> None:
        self._row = {text: row for row, text in enumerate(texts)}
        self._targets = targets
        self.model_body = self

    def encode(self, texts: Sequence[str], **_: Any) -> np.ndarray:
        """Return the teacher's vectors."""
        return np.asarray(self._targets.embeddings[[self._row[text] for text in texts]], dtype=np.float32)

    def predict(self, texts: Sequence[str], **_: Any) -> np.ndarray:
        """Return the teacher's class numbers."""
        return np.asarray(self._targets.probabilities[[self._row[text] for text in texts]]).argmax(axis=1)


class HeadOfOurs:
    """Our teacher's head with the methods that a ``SetFitModel`` asks a head for."""

    def __init__(self, teacher: Any) -> None:
        self._teacher = teacher

    def predict(self, embeddings: Any) -> np.ndarray:
        """Return class numbers."""
        X = self._teacher.head_input(np.asarray(embeddings))
        return np.asarray(self._teacher.probabilities_from(X).argmax(axis=1))


def as_setfit_model(teacher: Any) -> SetFitModel:
    """Return our teacher as a ``SetFitModel`` of float32 weights, which encodes what it is asked."""
    return SetFitModel(teacher.encoder_.trainable_copy(), HeadOfOurs(teacher))


@dataclasses.dataclass
class Reference:
    """A reference's student and its trainer.

    Parameters
    ----------
    model : setfit.SetFitModel
    trainer : setfit.DistillationTrainer
    folder : tempfile.TemporaryDirectory
        Where the trainer would write; removed with this object.
    ends : list of float
        Clock readings at the end of each step; filled by training.
    """

    model: SetFitModel
    trainer: DistillationTrainer
    folder: tempfile.TemporaryDirectory
    ends: list[float]

    @property
    def full_steps(self) -> int:
        """How many steps the whole training has."""
        return int(self.trainer.st_trainer.state.max_steps)

    def answers(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Return class numbers and vectors of texts."""
        vectors = np.asarray(self.model.encode(list(texts)))
        return np.asarray(self.model.model_head.predict(vectors)), vectors


def make_reference(
    version: str,
    teacher_model: Any,
    student: Any,
    texts: Sequence[str],
    seed: int,
    *,
    stop: Callable[[int], bool] | None = None,
    **recipe: Any,
) -> Reference:
    """Return a reference that is not trained yet.

    Parameters
    ----------
    version : {"setfit", "repaired"}
    teacher_model : KnownTeacher or SetFitModel
    student : SentenceTransformer
        Trained in place.
    texts : sequence of str
    seed : int
    stop : callable, optional
        Told the number of steps done after each; ``True`` ends the training of the encoder, and the head is fitted.
    **recipe
        Of ``setfit.TrainingArguments``. With ``max_steps`` the schedule is that of so many steps.
    """
    model = SetFitModel(student, LogisticRegression())
    folder = tempfile.TemporaryDirectory()
    quiet = {"save_strategy": "no", "report_to": "none", "show_progress_bar": False}
    args = TrainingArguments(output_dir=folder.name, seed=seed, **quiet, **recipe)
    kind = DistillationTrainer if version == "setfit" else RepairedTrainer
    trainer = kind(teacher_model, model, args, train_dataset=Dataset.from_dict({"text": list(texts)}))
    for callback in (PrinterCallback, ProgressCallback):  # the trainer underneath would still print each log line
        trainer.remove_callback(callback)
    ends: list[float] = []

    class Clock(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> Any:
            ends.append(time.perf_counter())
            if stop is not None and stop(state.global_step):
                control.should_training_stop = True
            return control

    trainer.add_callback(Clock())
    return Reference(model, trainer, folder, ends)


def train_reference(reference: Reference) -> float:
    """Train encoder and head, and return the seconds of both."""
    start = time.perf_counter()
    reference.trainer.train()
    return time.perf_counter() - start


def stopwatch(seconds: float) -> Callable[[int], bool]:
    """Return what says after which step so many seconds are over, the first step and what came before left out."""
    readings: list[float] = []

    def is_over(step: int) -> bool:
        readings.append(time.perf_counter())
        return readings[-1] - readings[0] >= seconds

    return is_over


def pace(version: str, teacher_model: Any, teacher: Any, texts: Sequence[str], seed: int, steps: int) -> float:
    """Return the seconds of a step, from the first ones of a training that is thrown away."""
    reference = make_reference(version, teacher_model, untrained_model(teacher), texts, seed, max_steps=max(3, steps))
    train_reference(reference)
    return (reference.ends[-1] - reference.ends[0]) / (len(reference.ends) - 1)
