"""New labels, or a new class, for a trained classifier: refit its head, or train anew where that is worth it."""

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fewshot.classifiers.selection import assign_folds, right
from fewshot.classifiers.templates import check_templates, sentences, words_of
from fewshot.core.errors import InputError
from fewshot.data.labels import LabelSpace, plain_label
from fewshot.heads.table import FITTERS, fit_head

if TYPE_CHECKING:
    from fewshot.classifiers.head_classifier import HeadClassifier

SAME = 0.999
"""Two vectors with at least this cosine belong to one text: remembered ones are kept in half precision."""

_FOLDS = 4


@dataclasses.dataclass(frozen=True)
class Merged:
    """What a classifier remembers and what it is given, together.

    Parameters
    ----------
    space : LabelSpace
        Known classes and new ones.
    X, y : ndarray
        Unit vectors and classes: remembered ones that were not given again, then the given ones.
    is_new : ndarray of bool
        Which of these rows were never seen before.
    n_forgotten : int
        Remembered rows that were not given again.
    """

    space: LabelSpace
    X: np.ndarray
    y: np.ndarray
    is_new: np.ndarray
    n_forgotten: int


def merge(classifier: "HeadClassifier", X: np.ndarray, labels: Sequence[Any]) -> Merged:
    """Join the vectors that ``classifier`` remembers of its training texts with given ones.

    A remembered row that is given again takes the label that is given.

    Raises
    ------
    InputError
        If the classifier remembers nothing, or labels are of another kind than its own.
    """
    if classifier.memory_ is None:
        raise InputError("this classifier keeps no vectors of its training texts; train it anew with all labels")
    known = classifier.label_space_
    entries = [plain_label(label) for label in labels]
    if not entries:
        raise InputError("texts must not be empty; give at least one labelled text to update with")
    if any(entry is not None and isinstance(entry, tuple) != known.multi_label for entry in entries):
        kinds = {True: "several labels a text", False: "one label a text"}
        raise InputError(
            f"labels: the classifier has {kinds[known.multi_label]}, these have {kinds[not known.multi_label]}"
        )
    space = LabelSpace.of([*entries, known.classes] if known.multi_label else [*entries, *known.classes])
    X_old, y_old = classifier.memory_.X.astype(np.float32), known.decode(classifier.memory_.y)
    likeness = np.asarray(X_old @ X.T).reshape(len(X_old), len(X))
    same = likeness >= SAME
    kept = ~_given_again(likeness)
    y = space.encode([*(label for label, keep in zip(y_old, kept, strict=True) if keep), *map(plain_label, labels)])
    is_new = np.concatenate([np.zeros(int(kept.sum()), dtype=bool), ~np.asarray(same.any(axis=0))])
    n_forgotten = max(int(kept.sum()), len(X_old) - int((~is_new[kept.sum() :]).sum()))
    return Merged(space, np.vstack([X_old[kept], X]), y, is_new, n_forgotten)


def _given_again(likeness: np.ndarray) -> np.ndarray:
    """Return which remembered rows are given again, by their cosines ``(n_remembered, n_given)``.

    Training may draw texts of a class so near that one looks like all of them: a given row stands for one at most.
    """
    again = np.zeros(len(likeness), dtype=bool)
    for to_given in likeness.T if len(likeness) else ():
        nearest = int(np.where(again, -np.inf, to_given).argmax())
        again[nearest] |= to_given[nearest] >= SAME
    return again


def score_on_new(merged: Merged, head: str, random_state: int) -> float | None:
    """Return how right a head refitted on all else is on rows never seen, in turn; ``None`` where there are too few."""
    new = np.flatnonzero(merged.is_new)
    if len(new) < 2 * _FOLDS:
        return None
    fold_of = np.full(len(merged.y), -1)
    fold_of[new] = assign_folds(merged.y[new], _FOLDS, random_state)
    rights = []
    for fold in range(_FOLDS):
        known, judged = fold_of != fold, fold_of == fold
        fitted = fit_head(head, merged.X[known], merged.y[known], n_classes=len(merged.space.classes))
        rights.append(right(merged.y[judged], fitted.predict_proba(merged.X[judged])))
    return float(np.concatenate(rights).mean())


@dataclasses.dataclass(frozen=True)
class Decision:
    """Whether to train anew, and why.

    Parameters
    ----------
    retrain : bool
    reason : str
    """

    retrain: bool
    reason: str


def decide(merged: Merged, n_classes_before: int, promised: float | None, found: float | None) -> Decision:
    """Decide what new labels ask for.

    Parameters
    ----------
    merged : Merged
    n_classes_before : int
    promised : float or None
        Share of held-out labels right when the classifier was trained.
    found : float or None
        The same on the new texts, with the encoder as it is.

    Examples
    --------
    >>> some = Merged(LabelSpace(("a", "b"), False), np.eye(2), np.arange(2), np.array([False, True]), 1)
    >>> decide(some, 2, 0.9, 0.5).reason
    '1 earlier training texts were not given again, so only the head is refitted; give all labelled texts to train anew'
    """
    n_new, n_before = int(merged.is_new.sum()), int((~merged.is_new).sum())
    if merged.n_forgotten:
        return Decision(
            False,
            f"{merged.n_forgotten} earlier training texts were not given again, so only the head is refitted; "
            "give all labelled texts to train anew",
        )
    if not n_new:
        return Decision(False, "no text is new: the head is refitted to the labels as given")
    if len(merged.space.classes) > n_classes_before:
        return Decision(True, f"{len(merged.space.classes) - n_classes_before} new classes, all labelled texts given")
    if n_new >= n_before:
        return Decision(True, f"{n_new} new texts beside {n_before} earlier ones")
    if promised is not None and found is not None:
        error = np.sqrt(max(found * (1 - found), 0.25 / n_new) / n_new)
        if found < promised - error:
            return Decision(True, f"on new texts {100 * found:.0f} % right, where {100 * promised:.0f} % were expected")
    return Decision(False, f"{n_new} new texts are served well enough by the encoder as it is")


def update(classifier: Any, texts: Sequence[str], labels: Sequence[Any]) -> None:
    """Bring ``classifier`` up to date in place; see :meth:`fewshot.SetFitClassifier.update`."""
    merged = merge(classifier, classifier._embed(list(texts)), labels)
    report = classifier.report_
    kind = report.get("head") if report.get("head") in FITTERS else "logistic"
    found = score_on_new(merged, str(kind), classifier.random_state)
    decision = decide(merged, len(classifier.classes_), report.get("held_out_score"), found)
    if decision.retrain:
        classifier.fit(texts, labels)
        notes = classifier.report_["notes"]
    else:
        _refit_head(classifier, merged, str(kind))
        report = {**report, "head": kind}
        notes = []
    classifier.report_ = {
        **(classifier.report_ if decision.retrain else report),
        "notes": [*notes, decision.reason],
        "updated": "all" if decision.retrain else "head",
    }


def _refit_head(classifier: Any, merged: Merged, kind: str) -> None:
    X, y = _with_names_of_absent(classifier, merged)
    classifier.head_ = fit_head(
        kind,
        X,
        y,
        n_classes=len(merged.space.classes),
        class_weight=classifier.class_weight,
        random_state=classifier.random_state,
    )
    classifier.precision_curve_ = None  # it spoke of the head before
    # The encoder learnt from most of these texts: their own distances would make the threshold too strict.
    known = None if classifier.scope_ is None else np.array([classifier.scope_.threshold])
    classifier._remember(merged.X, merged.y, known)
    classifier._set_space(merged.space)


def _with_names_of_absent(classifier: Any, merged: Merged) -> tuple[np.ndarray, np.ndarray]:
    """Return vectors and classes to fit a head to: where no text has a class, sentences made of its name stand for it.

    Such classes are known by ``label_words`` alone, or all texts that had them were given again with others.
    """
    classes = np.arange(len(merged.space.classes))
    present = np.asarray(merged.y.any(axis=0)) if merged.y.ndim == 2 else np.isin(classes, merged.y)
    if present.all():
        return merged.X, merged.y
    templates = check_templates(classifier.templates) or check_templates("auto")
    words = words_of(merged.space, classifier.label_words)
    texts, y = sentences(templates, words, multi_label=merged.y.ndim == 2)
    rows = np.flatnonzero(~present[y.argmax(axis=1) if y.ndim == 2 else y])
    X = classifier._embed([texts[row] for row in rows])
    return np.vstack([merged.X, X]), np.concatenate([merged.y, y[rows].astype(merged.y.dtype)])
