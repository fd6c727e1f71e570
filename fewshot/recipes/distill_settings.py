"""The settings of a distillation as a user gives them, and what of them goes to which trainer."""

import dataclasses
from pathlib import Path
from typing import Any

from fewshot.core.errors import InputError
from fewshot.encoders.resolve import DEFAULT_STUDENT
from fewshot.training.fake_quant import FakeQuantization

LOGIT_LOSSES = ("kl", "mse")
"""The losses of a student that is a whole classifier; all others train an encoder, and a head after it."""


@dataclasses.dataclass(frozen=True)
class DistillSettings:
    """How to distil a teacher. What is ``None`` is left to the trainer's own default.

    Parameters
    ----------
    student : str, default "sentence-transformers/paraphrase-MiniLM-L3-v2"
        Several with commas between, such as ``layers:3,layers:2``, for a search to choose among; the first is the
        default.
    loss : str, default "cosine"
        ``cosine``, ``softmax``, ``relational``, ``match``, ``classes``, or several with weights,
        ``cosine=1,softmax=0.1``: the student's encoder learns, then a head; see :class:`fewshot.DistillationTrainer`.
        ``kl`` or ``mse``: the student is a transformer with a head, and learns the teacher's scores; see
        :class:`fewshot.LogitDistillationTrainer`.
    temperature : float, optional
        Of ``softmax`` and ``kl``.
    alpha : float, optional
        Weight of gold labels; of ``kl`` and ``mse``.
    encoder : str, optional
        The encoder whose similarities are learnt, where the teacher has none.
    queue_size, mining, generated : optional
        Of the losses of pairs.
    patience : optional
        Looks at held-out texts without a better one, after which to stop.
    confidence : str, optional
        How much texts count of which the teacher is unsure.
    steps, batch_size, learning_rate, accumulation : optional
    quantization_aware : bool, default False
        Train through the rounding of int8: :class:`fewshot.FakeQuantization`.
    classes : tuple of str, optional
        Class names for a teacher ``nli:FOLDER``.
    template : str, optional
        Its hypothesis, with ``{}`` for the class.
    max_pool : int, optional
        Draw so many texts of a larger pool.
    search : int, default 0
        Try so many settings first, and train with the best.
    targets : str, optional
        Folder for the teacher's answers. Default: in the cache.
    device, teacher_device : str, optional
        Where the student trains, and where the teacher runs.
    seed : int, default 0
    """

    student: str = DEFAULT_STUDENT
    loss: str = "cosine"
    temperature: float | None = None
    alpha: float | None = None
    encoder: str | None = None
    queue_size: int | None = None
    mining: str | None = None
    generated: int | None = None
    confidence: str | None = None
    steps: int | None = None
    batch_size: int | None = None
    learning_rate: float | None = None
    accumulation: int | None = None
    patience: int | None = None
    quantization_aware: bool = False
    classes: tuple[str, ...] | None = None
    template: str | None = None
    max_pool: int | None = None
    search: int = 0
    targets: str | None = None
    device: str | None = None
    teacher_device: str | None = None
    seed: int = 0

    @property
    def by_logits(self) -> bool:
        """Whether the student is a whole classifier that learns scores."""
        return self.loss in LOGIT_LOSSES

    @property
    def students(self) -> tuple[str, ...]:
        """The students that are named, in their order; the folder of one may have commas in its name.

        Examples
        --------
        >>> DistillSettings(student="layers:3, layers:2").students
        ('layers:3', 'layers:2')
        """
        if Path(self.student).exists():
            return (self.student,)
        return tuple(dict.fromkeys(part.strip() for part in self.student.split(",") if part.strip())) or (self.student,)

    def trainer_params(self) -> dict[str, Any]:
        """Return the arguments for the trainer that are given.

        Raises
        ------
        InputError
            If one does not belong to the loss, or several students are named without a search to choose among them.
        """
        if len(self.students) > 1 and not self.search:
            raise InputError(
                f"--student names {len(self.students)} students, {self.student}; give one, or --search N to choose "
                "among them"
            )
        ours = (
            "temperature",
            "confidence",
            "steps",
            "batch_size",
            "learning_rate",
            "accumulation",
            "patience",
            "device",
        )
        of_pairs, of_logits = ("encoder", "queue_size", "mining", "generated"), ("alpha",)
        others = of_pairs if self.by_logits else of_logits
        for name in others:
            if getattr(self, name) is not None:
                flag, theirs = "--" + name.replace("_", "-"), ("cosine", "softmax") if self.by_logits else LOGIT_LOSSES
                raise InputError(f"{flag} belongs to losses such as {', '.join(theirs)}, got --loss {self.loss}")
        names = (*ours, *(of_logits if self.by_logits else of_pairs))
        given = {name: getattr(self, name) for name in names if getattr(self, name) is not None}
        loss = self.loss if self.by_logits else parse_losses(self.loss)
        if self.quantization_aware:
            given["quantization"] = FakeQuantization()
        return {"student": self.students[0], "loss": loss, "random_state": self.seed, **given}


def parse_losses(text: str) -> str | dict[str, float]:
    """Return the name of a loss, or several with their weights.

    Examples
    --------
    >>> parse_losses("cosine"), parse_losses("cosine=1,softmax=0.1"), parse_losses("cosine,relational")
    ('cosine', {'cosine': 1.0, 'softmax': 0.1}, {'cosine': 1.0, 'relational': 1.0})
    """
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if len(parts) == 1 and "=" not in parts[0]:
        return parts[0]
    weights = {}
    for part in parts:
        name, _, number = part.partition("=")
        try:
            weights[name.strip()] = float(number or 1)
        except ValueError:
            raise InputError(f"loss must be names with weights, such as cosine=1,softmax=0.1; got {text!r}") from None
    return weights
