"""What a search over distillations may change, and what a trainer takes where nothing is said."""

from typing import Any

from fewshot.core.errors import InputError
from fewshot.distillation.logits import LogitDistillationTrainer
from fewshot.distillation.student_training import StudentTraining
from fewshot.distillation.students import is_table
from fewshot.encoders.base import Encoder
from fewshot.encoders.resolve import unwrapped
from fewshot.encoders.static import StaticEncoder, is_static_folder
from fewshot.recipes.search_space import Dimension, SearchSpace

# Around the trainer's own, which depend on the student and on the size of the pool. Twice the steps is twice the time.
_RATE = Dimension("learning_rate", None, low=0.1, high=4.0, around=True)
_STEPS = Dimension("steps", None, low=0.25, high=2.0, around=True)

EMBEDDINGS = SearchSpace(
    (
        _RATE,
        _STEPS,
        Dimension(
            "loss",
            "cosine",
            ("cosine", "softmax", "relational", "cosine+softmax"),
            # The gradient of "softmax" is 10 to 60 times that of "cosine" for students of 2 and 4 of 6 layers.
            means=(("cosine+softmax", {"cosine": 1.0, "softmax": 0.05}),),
        ),
        Dimension("temperature", 0.05, low=0.02, high=0.2, when=("loss", ("softmax", "cosine+softmax"))),
        Dimension("mining", "uniform", ("uniform", "hard", "boundary")),
        Dimension("confidence", "none", ("none", "weight", "drop:0.8")),
    )
)
"""Settings of :class:`~fewshot.distillation.pairwise.DistillationTrainer`; the student is another where asked for:
``EMBEDDINGS.varying(student=("layers:2", "layers:3", "layers:4"))``."""

LOGITS = SearchSpace(
    (
        _RATE,
        _STEPS,
        Dimension("loss", "kl", ("kl", "mse")),
        Dimension("temperature", 2.0, low=1.0, high=8.0, when=("loss", "kl")),
        Dimension("alpha", 0.5, low=0.0, high=0.9, log=False),
    )
)
"""Settings of :class:`~fewshot.distillation.logits.LogitDistillationTrainer`; ``alpha`` where there are gold labels."""


def default_space(trainer: Any) -> SearchSpace:
    """Return what may be searched of a trainer.

    Examples
    --------
    >>> default_space(LogitDistillationTrainer("teacher")) is LOGITS
    True
    """
    return LOGITS if isinstance(trainer, LogitDistillationTrainer) else EMBEDDINGS


def own_settings(trainer: Any, n_texts: int) -> dict[str, Any]:
    """Return the arguments of a trainer, and what it takes for steps and learning rate where these are left to it.

    Parameters
    ----------
    trainer : DistillationTrainer or LogitDistillationTrainer
        Unfitted.
    n_texts : int
        How many texts it will learn from, those that it holds out left out.
    """
    known = {name: value for name, value in vars(trainer).items() if not name.endswith("_")}
    if isinstance(trainer, LogitDistillationTrainer):
        schedule = trainer.schedule(n_texts)
    else:
        names = ("steps", "batch_size", "learning_rate", "accumulation")
        training = StudentTraining(**{name: known[name] for name in names if name in known})
        schedule = training.schedule(n_texts, table=_is_table(known.get("student")))
    return known | {"steps": schedule.steps, "learning_rate": schedule.learning_rate}


def check_students(space: SearchSpace) -> None:
    """Raise :class:`InputError` if token tables and transformers are searched at once: their learning rates lie apart.

    Examples
    --------
    >>> check_students(EMBEDDINGS.varying(student=("static", "layers:2")))
    Traceback (most recent call last):
    ...
    fewshot.core.errors.InputError: students must be all token tables or all transformers in one search, as their \
learning rates lie apart; got 'static', 'layers:2': search twice
    """
    for students in (dimension.choices for dimension in space.dimensions if dimension.name == "student"):
        if len({_is_table(student) for student in students}) > 1:
            raise InputError(
                "students must be all token tables or all transformers in one search, as their learning rates lie "
                f"apart; got {', '.join(map(repr, students))}: search twice"
            )


def _is_table(student: Any) -> bool:
    """Return whether a student, given by name or as an encoder, is a token table."""
    if isinstance(student, Encoder):
        return isinstance(unwrapped(student), StaticEncoder)
    return is_table(student) or (isinstance(student, str) and is_static_folder(student))
