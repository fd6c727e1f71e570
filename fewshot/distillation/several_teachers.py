"""Several teachers for one student, and several tasks for one student.

Teachers of the same classes are averaged as probabilities and as similarities. Their logits are not: a mean of logits
follows whichever teacher has the largest scale. Their vectors are not: they may differ in length, and even in one
dimension no axis of one means what it means in the other.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from scipy.special import expit, logit, softmax
from torch.utils.data import BatchSampler

from fewshot.classifiers.base import certainty
from fewshot.core.artifacts import fingerprint
from fewshot.core.errors import InputError
from fewshot.data.labels import LabelSpace
from fewshot.distillation.teacher_targets import TeacherTargets, encoder_of, threshold_of
from fewshot.distillation.teachers import open_teacher
from fewshot.encoders.base import check_texts
from fewshot.training.samplers import ShuffledBatches
from fewshot.training.seeding import check_random_state
from fewshot.training.targets import PairTargets

_LEAST_PROBABILITY = 1e-12
"""Probabilities of 0 count as this: a logarithm is taken."""


class TeacherMixture:
    """Several teachers of the same classes as one teacher: the weighted mean of what they say.

    Parameters
    ----------
    teachers : sequence of (teacher, weight)
        Each whatever :func:`~fewshot.distillation.teachers.open_teacher` takes, and a weight above 0; only the ratios
        of weights count. Classes may come in any order.
    temperature : float, default=1.0
        Divides the log-probabilities (in multi-label tasks the log-odds) of each teacher before the mean; above 1 an
        overconfident teacher says more of the classes that it does not choose.
    by_confidence : bool, default=False
        Multiply a teacher's weight, text by text, with its confidence: the probability of its most probable class, in
        multi-label tasks that of its least certain decision, before ``temperature``.

    Attributes
    ----------
    teachers_ : list of Teacher
    weights_ : ndarray of shape (n_teachers,)
        Summing to 1.
    label_space_ : LabelSpace
        The first teacher's.

    Raises
    ------
    InputError
        If there is no teacher, classes differ, some are multi-label and some not, or a number is out of range.

    Notes
    -----
    Where all teachers have vectors, the mixture has those vectors side by side, each times the root of its weight: a
    cosine of the mixture is the weighted mean of the teachers' cosines. Where some have none, it has none. In
    multi-label tasks a label applies from the weighted mean of the teachers' own thresholds.

    References
    ----------
    Hinton, Vinyals, Dean 2015, "Distilling the Knowledge in a Neural Network", arXiv:1503.02531 (temperature, ensembles
    as teachers); Zhang, Chen, Wang 2022, "Confidence-Aware Multi-Teacher Knowledge Distillation", arXiv:2201.00007
    (weights text by text; theirs come from gold labels, which a pool has not).

    Examples
    --------
    >>> from fewshot.classifiers.naive_bayes import NaiveBayesClassifier
    >>> one = NaiveBayesClassifier().fit(["good film", "bad film"], ["pos", "neg"])
    >>> two = NaiveBayesClassifier(alpha=0.1).fit(["good film", "bad film"], ["pos", "neg"])
    >>> TeacherMixture([(one, 3), (two, 1)]).targets(["good"]).probabilities.round(3)
    array([[0.271, 0.729]])
    """

    def __init__(
        self, teachers: Sequence[tuple[Any, float]], temperature: float = 1.0, *, by_confidence: bool = False
    ) -> None:
        if not 0 < temperature < float("inf"):
            raise InputError(f"temperature must be above 0, got {temperature}; 1 leaves probabilities as they are")
        opened, self.weights_ = _weighted(teachers, "teachers", "(teacher, weight)")
        self.teachers_ = [open_teacher(teacher) for teacher in opened]
        self.temperature, self.by_confidence = temperature, by_confidence
        self._columns = [_columns(self.label_space_, t.label_space_, i) for i, t in enumerate(self.teachers_)]

    @property
    def label_space_(self) -> LabelSpace:
        """The first teacher's classes, and whether the task is multi-label."""
        return self.teachers_[0].label_space_

    @property
    def classes_(self) -> np.ndarray:
        """The first teacher's classes."""
        return np.array(self.label_space_.classes)

    @property
    def encoder_(self) -> Any:
        """The first teacher's sentence encoder: students that are cut from one are cut from that.

        Raises
        ------
        InputError
            If a teacher has none: the mixture has no vectors then.
        """
        first, *_ = [encoder_of(teacher) for teacher in self.teachers_]
        return first

    @property
    def fingerprint(self) -> str:
        """Hash of all teachers, in order, and the settings."""
        settings = repr((self.weights_.tolist(), float(self.temperature), bool(self.by_confidence)))
        return fingerprint([settings, repr(self.label_space_), *(teacher.fingerprint for teacher in self.teachers_)])

    def targets(self, texts: Sequence[str]) -> TeacherTargets:
        """Return the weighted mean of what the teachers say."""
        check_texts(texts)
        answers = [teacher.targets(texts) for teacher in self.teachers_]
        pairs = zip(answers, self._columns, strict=True)
        stacked = np.stack([answer.probabilities[:, columns] for answer, columns in pairs]).astype(np.float64)
        return TeacherTargets(self._embeddings(answers), self._mean(stacked))

    def predict_proba(self, texts: Sequence[str]) -> np.ndarray:
        """Return the probabilities of :meth:`targets`, as a classifier does."""
        return self.targets(texts).probabilities

    @property
    def _threshold(self) -> Any:
        """The weighted mean of the teachers' thresholds, tempered as their probabilities are; multi-label only."""
        if not self.label_space_.multi_label:
            return 0.5
        pairs = zip(self.teachers_, self._columns, strict=True)
        own = [np.broadcast_to(threshold_of(teacher), len(columns))[columns] for teacher, columns in pairs]
        return self.weights_ @ tempered(np.stack(own), self.temperature, multi_label=True)

    def _mean(self, stacked: np.ndarray) -> np.ndarray:
        """Return the mean of probabilities ``(n_teachers, n_texts, n_classes)`` over teachers."""
        multi_label = self.label_space_.multi_label
        weights = np.repeat(self.weights_[:, None], stacked.shape[1], axis=1)
        if self.by_confidence:
            weights = weights * [certainty(rows, 0.5 if multi_label else None) for rows in stacked]
        weights = weights / weights.sum(axis=0)
        return np.einsum("kn,knc->nc", weights, tempered(stacked, self.temperature, multi_label=multi_label))

    def _embeddings(self, answers: list[TeacherTargets]) -> np.ndarray | None:
        if any(answer.embeddings is None for answer in answers):
            return None
        parts = zip(answers, np.sqrt(self.weights_), strict=True)
        return np.hstack([answer.embeddings * root for answer, root in parts]).astype(np.float32)


def tempered(probabilities: np.ndarray, temperature: float, *, multi_label: bool) -> np.ndarray:
    """Return probabilities as they would be if their logits were divided by ``temperature``.

    Parameters
    ----------
    probabilities : ndarray of shape (..., n_classes)
    temperature : float
        Above 0. 1 changes nothing.
    multi_label : bool
        Whether each entry stands for itself.

    Examples
    --------
    >>> tempered(np.array([0.9, 0.1]), 2.0, multi_label=False)
    array([0.75, 0.25])
    """
    if temperature == 1:
        return probabilities
    if multi_label:
        return expit(logit(probabilities.clip(_LEAST_PROBABILITY, 1 - _LEAST_PROBABILITY)) / temperature)
    return softmax(np.log(probabilities.clip(_LEAST_PROBABILITY)) / temperature, axis=-1)


class TaskBatches(BatchSampler):
    """Batches of several tasks for one student, each of one task, drawn in proportion to ``size ** tau``.

    Parameters
    ----------
    sizes : sequence of int
        Texts of each task, at least 2. Row numbers count through the tasks in this order: those of the second start
        at ``sizes[0]``.
    batch_size : int
        Rows a batch; all rows of a task where it has fewer.
    steps : int
        Number of batches.
    random_state : int
    tau : float, default=1.0
        1: every text is seen as often as any other. 0: every task is. Between: small tasks more often than their size.

    Notes
    -----
    Within a task every row comes once before any comes again. No batch mixes tasks, so a pair never has texts of two;
    :class:`TaskSimilarity` gives each batch the targets of its task.

    Examples
    --------
    >>> batches = list(TaskBatches([4, 2], batch_size=2, steps=100, random_state=0, tau=0.0))
    >>> 30 < sum(min(batch) >= 4 for batch in batches) < 70
    True
    """

    def __init__(
        self, sizes: Sequence[int], *, batch_size: int, steps: int, random_state: int, tau: float = 1.0
    ) -> None:
        check_random_state(random_state)
        if not len(sizes) or any(size < 2 for size in sizes):
            raise InputError(f"sizes must be at least 2 texts for each task, got {list(sizes)}")
        if batch_size < 2:
            raise InputError(f"batch_size must be at least 2, a pair, got {batch_size}")
        if not 0 <= tau < float("inf"):
            raise InputError(f"tau must be 0 or more, got {tau}; 1 draws tasks by size, 0 evenly")
        self.sizes, self.batch_size, self.steps = [int(size) for size in sizes], batch_size, steps
        self.random_state, self.tau = random_state, tau

    @property
    def probabilities(self) -> np.ndarray:
        """How often each task is drawn."""
        # in logarithms: a large tau would pass the largest float
        return softmax(self.tau * np.log(np.array(self.sizes, dtype=np.float64)))

    def __len__(self) -> int:
        return self.steps

    def __iter__(self) -> Iterator[list[int]]:
        generator = np.random.default_rng(self.random_state)
        starts = np.cumsum([0, *self.sizes])
        seeds = generator.integers(2**31, size=len(self.sizes)).tolist()
        decks = [
            iter(ShuffledBatches(size, batch_size=self.batch_size, steps=self.steps, random_state=seed))
            for size, seed in zip(self.sizes, seeds, strict=True)
        ]
        for task in generator.choice(len(self.sizes), size=self.steps, p=self.probabilities):
            yield [int(starts[task]) + row for row in next(decks[task])]


class TaskSimilarity:
    """Targets of pairs for batches of :class:`TaskBatches`: those of the batch's own task.

    Parameters
    ----------
    tasks : sequence of (PairTargets, int)
        Each task's targets and its number of texts, in the order of ``sizes``.

    Raises
    ------
    InputError
        If there is no task; when called, if rows are of several tasks.
    """

    def __init__(self, tasks: Sequence[tuple[PairTargets, int]]) -> None:
        if not len(tasks):
            raise InputError("tasks must hold at least one (targets, number of texts)")
        self.tasks = [targets for targets, _ in tasks]
        self.starts = np.cumsum([0, *(size for _, size in tasks)])

    @property
    def fingerprint(self) -> str:
        """Hexadecimal digits that change with any task's targets or size."""
        return fingerprint([repr(self.starts.tolist()), *(task.fingerprint for task in self.tasks)])

    def __call__(self, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return targets and weights of rows of one task, both ``(B, B)``."""
        tasks = np.unique(np.searchsorted(self.starts, rows.cpu().numpy(), side="right") - 1)
        if len(tasks) != 1 or not 0 <= tasks[0] < len(self.tasks):
            raise InputError(f"rows must be of one of {len(self.tasks)} tasks; batches come from TaskBatches")
        return self.tasks[tasks[0]](rows - int(self.starts[tasks[0]]))


def _weighted(pairs: Any, name: str, form: str) -> tuple[list[Any], np.ndarray]:
    """Return the things and their weights, which sum to 1."""
    if not isinstance(pairs, Sequence) or not len(pairs) or not all(_is_pair(pair) for pair in pairs):
        raise InputError(f"{name} must be a list of at least one {form}, got {pairs!r}")
    things = [thing for thing, _ in pairs]
    weights = [weight for _, weight in pairs]
    if not all(isinstance(weight, (int, float, np.number)) and 0 < weight < float("inf") for weight in weights):
        raise InputError(f"{name}: each weight must be a number above 0, got {weights!r}; leave out what has none")
    return things, np.array(weights, dtype=np.float64) / sum(weights)


def _is_pair(value: Any) -> bool:
    return isinstance(value, (tuple, list)) and len(value) == 2


def _columns(wanted: LabelSpace, given: LabelSpace, number: int) -> list[int]:
    """Return where each wanted class stands among the given ones."""
    if wanted.multi_label != given.multi_label:
        raise InputError(f"teachers[{number}] and the first differ: one is multi-label, the other is not")
    missing = [name for name in wanted.classes if name not in given.classes]
    extra = [name for name in given.classes if name not in wanted.classes]
    if missing or extra:
        raise InputError(
            f"teachers must have the same classes; teachers[{number}] lacks {missing} of the first and adds {extra}"
        )
    return [given.classes.index(name) for name in wanted.classes]
