"""How right predictions are (from raw labels), and how alike two embedding spaces are. Knows no model.

Scores are counted here in a few lines of NumPy, after scikit-learn's definitions with ``zero_division=0`` (the tests
compare the two), so that labels unseen in training, rows without labels and classes that nobody predicted all have one
defined answer and no warning.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from fewshot.core.errors import InputError
from fewshot.data.labels import LabelSpace, plain_label
from fewshot.data.texts import Label
from fewshot.evaluation.coding import encode_labels

SCORES = ("accuracy", "micro_f1", "macro_f1", "mcc")
"""The scores of a set of predictions, in the order of every table."""

COMPARED = ("accuracy", "micro_f1", "macro_f1")
"""Those by which methods are compared text by text: defined for one label a text and for several."""

PAIRS_AT_ONCE = 8192
FLAT_COSINES = 1e-6


def score_labels(
    y_true: Sequence[Any], y_pred: Sequence[Any], *, multi_label: bool, classes: Iterable[Label] | None = None
) -> dict[str, Any]:
    """Score predicted labels against true ones.

    Parameters
    ----------
    y_true, y_pred : sequence
        One entry a text: a label (str or int), or where ``multi_label`` a tuple of labels. Any label may occur in one
        and not in the other: it counts as wrong.
    multi_label : bool
        Whether entries are tuples.
    classes : iterable of labels, optional
        What ``macro_f1`` is the mean over. By default all labels in ``y_true`` or ``y_pred``.

    Returns
    -------
    dict
        ``accuracy`` (in multi-label data: share of texts whose set is exactly right), ``micro_f1`` and ``macro_f1``,
        each from 0 to 1; ``mcc``, Matthews' correlation from -1 to 1, ``None`` in multi-label data; ``n``, how many
        texts. A class that is neither true nor predicted anywhere has F1 0, as has a task without any label.

    Raises
    ------
    InputError
        If there is nothing to score, the lengths differ, or an entry is missing or of the wrong kind.

    References
    ----------
    Gorodkin 2004, "Comparing two K-category assignments by a K-category correlation coefficient".

    Examples
    --------
    >>> score_labels(["a", "a", "b", "c"], ["a", "b", "b", "b"], multi_label=False)["accuracy"]
    0.5
    >>> score_labels([("a", "b"), ()], [("a",), ()], multi_label=True)
    {'accuracy': 0.5, 'micro_f1': 0.6666666666666666, 'macro_f1': 0.5, 'mcc': None, 'n': 2}
    """
    fixed = None if classes is None else [plain_label(label) for label in classes]
    space, Y, P = encode_labels(y_true, y_pred, multi_label=multi_label, classes=fixed or [])
    return score_codes(Y, P, space, averaged=fixed)


def score_codes(
    Y: np.ndarray, P: np.ndarray, space: LabelSpace, *, averaged: Iterable[Label] | None = None
) -> dict[str, Any]:
    """Score predicted codes against true ones, both as :func:`encode_labels` returns them.

    Parameters
    ----------
    Y, P : ndarray of shape (n,) or (n, n_classes)
        True and predicted codes.
    space : LabelSpace
        What the codes mean.
    averaged : iterable of labels, optional
        What ``macro_f1`` is the mean over. By default all classes that are true or predicted somewhere.

    Returns
    -------
    dict
        As :func:`score_labels`.

    Examples
    --------
    >>> score_codes(np.array([0, 1]), np.array([0, 0]), LabelSpace(("a", "b", "c"), False))["macro_f1"].__round__(3)
    0.333
    """
    hits, n_true, n_predicted = class_counts(Y, P, space)
    f1 = ratio(2 * hits, n_true + n_predicted)
    if averaged is None:
        chosen = np.flatnonzero(n_true + n_predicted)
    else:
        position = {label: index for index, label in enumerate(space.classes)}
        chosen = np.array([position[label] for label in dict.fromkeys(averaged)], dtype=np.int64)
    right = (Y == P).all(axis=1) if space.multi_label else Y == P
    return {
        "accuracy": float(right.mean()),
        "micro_f1": float(ratio(2 * hits.sum(), n_true.sum() + n_predicted.sum())),
        "macro_f1": float(f1[chosen].mean()) if len(chosen) else 0.0,
        "mcc": None if space.multi_label else _matthews(hits, n_true, n_predicted),
        "n": len(Y),
    }


def scores_per_label(y_true: Sequence[Any], y_pred: Sequence[Any], *, multi_label: bool) -> dict[Label, dict[str, Any]]:
    """Score predicted labels against true ones, label by label.

    Parameters
    ----------
    y_true, y_pred : sequence
    multi_label : bool
        All as for :func:`score_labels`.

    Returns
    -------
    dict
        Label → ``precision``, ``recall``, ``f1``, each from 0 to 1 and 0 where there was nothing to divide by; ``n``,
        how many texts truly have it, and ``n_predicted``.

    Examples
    --------
    >>> scores_per_label(["a", "a", "b"], ["a", "b", "b"], multi_label=False)["a"]
    {'precision': 1.0, 'recall': 0.5, 'f1': 0.6666666666666666, 'n': 2, 'n_predicted': 1}
    """
    space, Y, P = encode_labels(y_true, y_pred, multi_label=multi_label)
    counts = class_counts(Y, P, space)
    return {
        label: {
            "precision": float(ratio(hits, n_predicted)),
            "recall": float(ratio(hits, n)),
            "f1": float(ratio(2 * hits, n + n_predicted)),
            "n": int(n),
            "n_predicted": int(n_predicted),
        }
        for label, hits, n, n_predicted in zip(space.classes, *counts, strict=True)
    }


def class_counts(Y: np.ndarray, P: np.ndarray, space: LabelSpace) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Count texts class by class: rightly predicted, true, predicted; each of shape (n_classes,).

    Examples
    --------
    >>> class_counts(np.array([0, 0, 1]), np.array([0, 1, 1]), LabelSpace(("a", "b"), False))
    (array([1., 1.]), array([2., 1.]), array([1., 2.]))
    """
    if space.multi_label:
        counts = (Y & P).sum(axis=0), Y.sum(axis=0), P.sum(axis=0)
    else:
        size = len(space.classes)
        counts = tuple(np.bincount(y, minlength=size) for y in (Y[Y == P], Y, P))  # type: ignore[assignment]
    hits, n_true, n_predicted = (count.astype(float) for count in counts)
    return hits, n_true, n_predicted


def ratio(part: Any, whole: Any) -> Any:
    """Divide, with 0 where there is nothing to divide by.

    Examples
    --------
    >>> ratio(np.array([1.0, 0.0]), np.array([2.0, 0.0]))
    array([0.5, 0. ])
    """
    return np.divide(part, whole, out=np.zeros_like(np.asarray(whole, dtype=float)), where=np.asarray(whole) > 0)


def _matthews(hits: np.ndarray, n_true: np.ndarray, n_predicted: np.ndarray) -> float:
    n = n_true.sum()
    spread = math.sqrt((n**2 - n_true @ n_true) * (n**2 - n_predicted @ n_predicted))
    return float((hits.sum() * n - n_true @ n_predicted) / spread) if spread else 0.0


def cosine_correlation(
    teacher_embeddings: np.ndarray, student_embeddings: np.ndarray, *, n_pairs: int = 100_000, random_state: int = 0
) -> float:
    """Tell how well a student keeps its teacher's similarities: the correlation of their cosines over pairs of texts.

    Parameters
    ----------
    teacher_embeddings, student_embeddings : ndarray of shape (n_texts, any width)
        Row ``i`` of both belongs to the same text. A student's row of zeros, as a token table gives to a text of which
        it knows no token, is like no other: its cosines count as 0.
    n_pairs : int, default 100_000
        How many random pairs of different texts to compare; all pairs where there are no more than that.
    random_state : int, default 0
        Seed of the pairs.

    Returns
    -------
    float
        Pearson's correlation, from -1 to 1.

    Raises
    ------
    InputError
        If there are fewer than three texts, the numbers of texts differ, a cosine is not finite (NaN, infinity, or a
        row of zeros of the teacher), or one side gives the same cosine to every pair, for which no correlation is
        defined.

    Examples
    --------
    >>> points = np.random.default_rng(0).normal(size=(20, 3))
    >>> round(cosine_correlation(points, points * 2), 6)
    1.0
    """
    teacher, student = np.asarray(teacher_embeddings), np.asarray(student_embeddings)
    if teacher.ndim != 2 or student.ndim != 2 or len(teacher) != len(student) or len(teacher) < 3:
        raise InputError(
            "teacher_embeddings and student_embeddings must be matrices with one row a text, for the same three or "
            f"more texts; got shapes {teacher.shape} and {student.shape}"
        )
    pairs = _draw_pairs(len(teacher), n_pairs, random_state)
    of_teacher, of_student = _cosines(teacher, *pairs), _cosines(student, *pairs)
    blank = np.asarray(~student.any(axis=1))
    of_student[blank[pairs[0]] | blank[pairs[1]]] = 0.0
    _check_cosines("teacher_embeddings", of_teacher)
    _check_cosines("student_embeddings", of_student)
    return float(np.corrcoef(of_teacher, of_student)[0, 1])


def _draw_pairs(n: int, n_pairs: int, random_state: int) -> tuple[np.ndarray, np.ndarray]:
    if n_pairs < 2:
        raise InputError(f"n_pairs must be at least 2, got {n_pairs}")
    if n * (n - 1) // 2 <= n_pairs:
        first, second = np.triu_indices(n, k=1)
        return first, second
    rng = np.random.default_rng(random_state)
    first = rng.integers(n, size=n_pairs)
    return first, (first + rng.integers(1, n, size=n_pairs)) % n


def _cosines(embeddings: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return np.concatenate([_block(embeddings, first[part], second[part]) for part in _parts(len(first))])


def _parts(total: int) -> Iterator[slice]:
    # In blocks: 100,000 pairs of 768 numbers at once would take 1.2 GB.
    return (slice(start, start + PAIRS_AT_ONCE) for start in range(0, total, PAIRS_AT_ONCE))


def _block(embeddings: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    a, b = embeddings[first].astype(np.float64), embeddings[second].astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
        return np.einsum("ij,ij->i", a, b) / lengths


def _check_cosines(name: str, cosines: np.ndarray) -> None:
    bad = int(np.count_nonzero(~np.isfinite(cosines)))
    if bad:
        raise InputError(f"{name} give no finite cosine for {bad} of {len(cosines)} pairs; look for NaN or zero rows")
    if np.ptp(cosines) < FLAT_COSINES:
        raise InputError(
            f"{name} give the cosine {cosines[0]:.4f} to every pair, so there is nothing to correlate; "
            "the embedding has collapsed"
        )
