"""What to keep of a training, on labels that it did not see: how far from the frozen encoder, which head.

On the labels that an encoder was trained on, every head looks perfect. So the encoder is trained once for each fold,
and the fold that it did not see judges; the same predictions then serve calibration, thresholds and abstention.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from fewshot.classifiers.contrastive import TrainedBody
from fewshot.classifiers.templates import Examples
from fewshot.data.seen import first_alike
from fewshot.encoders.blending import blend
from fewshot.encoders.sentence import SentenceEncoder
from fewshot.evaluation.thresholds import best_threshold
from fewshot.heads.scope import ScopeDetector
from fewshot.heads.table import fit_head
from fewshot.heads.vectors import unit_rows

SHARES = (1.0, 0.5, 0.0)
"""Points between the frozen encoder (0) and the trained one (1) that are tried."""

MOST_JUDGED = 2000
"""More labels than these are not needed to choose; a stratified part of them is used."""

ENOUGH_JUDGED = 300
"""With so many labels judged the folds that are left are not trained: their cost buys little."""

CLEARLY = 2.5
"""Standard errors by which another candidate must be better than the preferred one: by chance, one of eight candidates
is in one fit of twenty (Bonferroni's correction)."""

LEAST_PER_FOLD = 2
"""Fewer labels a class and fold than these say more about chance than about the choice.

So do fewer texts a fold where these have several labels each. But without held-out answers there is no threshold but a
guess: on the project's own issues, 4 texts, three draws, two texts a fold took the micro-F1 of SetFit from 0.31 to 0.40
and that of fine-tuning from 0.22 to 0.35."""


@dataclasses.dataclass(frozen=True, order=True)
class Candidate:
    """One way to make a classifier of a trained encoder.

    Parameters
    ----------
    share : float
        From 0, the frozen encoder, to 1, the trained one.
    head : str
        A name of :data:`~fewshot.heads.table.FITTERS`, or ``"joint"``.
    """

    share: float
    head: str

    def __str__(self) -> str:
        return f"share {self.share:g}, {self.head} head"


@dataclasses.dataclass(frozen=True)
class HeldOut:
    """Predictions for labelled texts by models that did not see them.

    Parameters
    ----------
    y : ndarray of shape (n,) or (n, n_classes)
    probabilities : dict of Candidate to ndarray of shape (n, n_classes)
    distances : dict of float to ndarray of shape (n,)
        By share: how far each text was from those that the model was trained on.
    """

    y: np.ndarray
    probabilities: dict[Candidate, np.ndarray]
    distances: dict[float, np.ndarray]

    def scores(self) -> dict[Candidate, float]:
        """Return how much of the labels each candidate has right, as :func:`right` counts."""
        return {way: float(right(self.y, given).mean()) for way, given in self.probabilities.items()}


def assign_folds(y: np.ndarray, folds: int, random_state: int, texts: Sequence[str] | None = None) -> np.ndarray:
    """Deal the rows into folds, each class evenly; multi-label rows at random.

    Parameters
    ----------
    y : ndarray of shape (n,) or (n, n_classes)
    folds, random_state : int
    texts : sequence of str, optional
        Of the rows: those that differ by case and white space alone have one fold, that of the first of them.

    Returns
    -------
    ndarray of shape (n,)
        Fold numbers; -1 for rows beyond :data:`MOST_JUDGED`, which are left out of the choice.

    Examples
    --------
    >>> assign_folds(np.array([0, 0, 1, 1]), 2, 0).reshape(2, 2).sum(axis=1).tolist()
    [1, 1]
    """
    if texts is not None:
        first = first_alike(texts)
        distinct = np.flatnonzero(first == np.arange(len(y)))
        fold = np.full(len(y), -1)
        fold[distinct] = assign_folds(y[distinct], folds, random_state)
        return fold[first]
    generator = np.random.default_rng(random_state)
    order = generator.permutation(len(y))
    if y.ndim == 1:
        rank = np.empty(len(y), dtype=np.int64)  # which text of its class a row is
        for label in np.unique(y):
            rows = order[y[order] == label]
            rank[rows] = np.arange(len(rows))
        order = order[np.lexsort((y[order], rank[order]))]  # one of each class, then the next of each
    used = order[:MOST_JUDGED]
    fold = np.full(len(y), -1)
    if y.ndim == 2:
        fold[used] = np.arange(len(used)) % folds
        return fold
    fold[used] = rank[used] % folds
    return fold


def can_judge(y: np.ndarray, folds: int, texts: Sequence[str] | None = None) -> bool:
    """Tell whether there are labels enough for cross-validation: in half of the classes, two a class and fold.

    Of texts that have several labels each, two a fold. Of ``texts`` that are alike only the first counts.
    """
    if texts is not None:
        y = y[first_alike(texts) == np.arange(len(y))]
    if folds < 2 or not len(y):
        return False
    if y.ndim == 2:
        return len(y) >= LEAST_PER_FOLD * folds
    counts = np.bincount(y)
    return bool(np.median(counts[counts > 0]) >= LEAST_PER_FOLD * folds)


def candidates(heads: Sequence[str], *, trained: bool) -> list[Candidate]:
    """Return what is compared, the preferred one first."""
    shares = SHARES if trained else (0.0,)
    return [Candidate(share, head) for share in shares for head in heads if head != "joint" or share == 1.0]


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What every candidate of one training says of texts that it did not see.

    Parameters
    ----------
    probabilities : dict of Candidate to ndarray of shape (n, n_classes)
    distances : dict of float to ndarray of shape (n,)
    """

    probabilities: dict[Candidate, np.ndarray]
    distances: dict[float, np.ndarray]

    def arrays(self) -> dict[str, np.ndarray]:
        """Return named arrays, for a file."""
        ways = enumerate(self.probabilities.items())  # files keep no order, and the first of equals is chosen
        named = {f"way/{way.share}/{way.head}/{place:04d}": array for place, (way, array) in ways}
        return named | {f"distance/{share}": array for share, array in self.distances.items()}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> "Verdict":
        """Return the verdict that gave these arrays."""
        parts = {tuple(name.split("/")): arrays[name] for name in sorted(arrays, key=lambda name: name.split("/")[-1])}
        return cls(
            {Candidate(float(name[1]), name[2]): array for name, array in parts.items() if name[0] == "way"},
            {float(name[1]): array for name, array in parts.items() if name[0] == "distance"},
        )


def judge(
    base: SentenceEncoder,
    body: TrainedBody | None,
    train: Examples,
    texts: Sequence[str],
    heads: Sequence[str],
    *,
    embed_frozen: Callable[[Sequence[str]], np.ndarray],
    n_classes: int,
    class_weight: str | None,
    random_state: int,
) -> Verdict:
    """Predict ``texts`` with every candidate that ``body``, trained on ``train``, gives.

    ``embed_frozen`` gives the unit vectors of ``base``, which are the same for all trainings.
    """
    options: dict[str, Any] = {"n_classes": n_classes, "class_weight": class_weight, "random_state": random_state}
    ways = candidates(heads, trained=body is not None)
    verdict = Verdict({}, {})
    for share in dict.fromkeys(way.share for way in ways):
        if body is None or share == 0:
            X, X_test = embed_frozen(train.texts), embed_frozen(texts)
        else:
            encoder = blend(base, body.model, share)
            X, X_test = unit_rows(encoder.encode(train.texts)), unit_rows(encoder.encode(texts))
        if train.n_own:
            detector = ScopeDetector.fit(X[: train.n_own], train.y[: train.n_own], held_out_scores=np.empty(0))
            verdict.distances[share] = detector.score(X_test)
        for way in ways:
            if way.share == share:
                joint = body.head if body is not None and way.head == "joint" else None
                head = joint or fit_head(way.head, X, train.y, source_rows=train.source_rows, **options)
                verdict.probabilities[way] = head.predict_proba(X_test)
    return verdict


def cross_validate(
    examples: Examples, fold_of: np.ndarray, run_fold: Callable[[int, Examples, list[str]], Verdict]
) -> HeldOut:
    """Collect predictions for each fold from models that were trained on the others.

    Parameters
    ----------
    examples : Examples
        Sentences of class names are never judged on, and are in every training. Copies are never judged on either, and
        are in those trainings that hold out none of the texts that they have words of.
    fold_of : ndarray of shape (n_own,)
        As of :func:`assign_folds`.
    run_fold : callable
        ``run_fold(fold, train, texts)`` gives the verdict on ``texts``.
    """
    parts: list[Verdict] = []
    rows: list[np.ndarray] = []
    for fold in range(fold_of.max() + 1):
        held_out = np.flatnonzero(fold_of == fold)
        train = examples.without(np.flatnonzero((fold_of == fold) | (fold_of < 0)))
        parts.append(run_fold(fold, train, [examples.texts[row] for row in held_out]))
        rows.append(held_out)
        if sum(map(len, rows)) >= ENOUGH_JUDGED:
            break
    return HeldOut(
        examples.y[np.concatenate(rows)],
        {way: np.concatenate([part.probabilities[way] for part in parts]) for way in parts[0].probabilities},
        {share: np.concatenate([part.distances[share] for part in parts]) for share in parts[0].distances},
    )


def right(y: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Return how right each row is, 0 to 1: whether the class is, or in multi-label tasks F1 at the best threshold."""
    if y.ndim == 1:
        return (probabilities.argmax(axis=1) == y).astype(float)
    chosen = probabilities >= best_threshold(y, probabilities)
    total = y.sum(axis=1) + chosen.sum(axis=1)
    return np.where(total > 0, 2 * (y * chosen).sum(axis=1) / np.maximum(total, 1), 1.0)


def choose(held_out: HeldOut, preferred: Candidate) -> Candidate:
    """Return the candidate to keep: the preferred one, unless another is better by more than chance.

    Notes
    -----
    Better means: the mean paired difference of right answers is above 2.5 of its standard errors. Among the candidates
    for which it is, the one with the most right answers wins. With one standard error, chance among the eight others
    chose too often: it cost one to three points on samples of CR and Emotion; 1.645 still let three more right answers
    of 48 decide.
    """
    reference = right(held_out.y, held_out.probabilities[preferred])
    best, most = preferred, 0.0
    for way, probabilities in held_out.probabilities.items():
        difference = right(held_out.y, probabilities) - reference
        error = difference.std(ddof=1) / np.sqrt(len(difference)) if len(difference) > 1 else np.inf
        if difference.mean() > max(CLEARLY * error, most):
            best, most = way, float(difference.mean())
    return best
