"""How good a classifier is on new texts, told from its labelled texts alone: no label is spent on a test set.

Cross-validation gives the answers (``held_out``); here they become an estimate with an interval that holds. Which
classifier it is the judge does not know: it is handed a factory.
"""

import dataclasses
import statistics
from collections.abc import Callable, Sequence
from numbers import Integral
from typing import Any

import numpy as np

from fewshot.core.errors import InputError
from fewshot.data.labels import LabelSpace
from fewshot.data.texts import check_lengths
from fewshot.evaluation.estimates.answer_sheet import AnswerSheet
from fewshot.evaluation.estimates.class_shares import PoolBalance
from fewshot.evaluation.estimates.held_out import LabeledTexts, held_out_answers
from fewshot.evaluation.runner.contest import Contestant
from fewshot.evaluation.wilson import wilson_interval

METRICS = ("accuracy", "micro_f1", "macro_f1")
REPLICATES = 400
"""Bootstrap samples of the labelled texts."""

LEAST_MULTI_LABEL = 4
"""Texts with several labels that can be cross-validated at all."""


@dataclasses.dataclass(frozen=True)
class Estimate:
    """A score that was estimated from the labelled texts alone.

    Parameters
    ----------
    metric : str
    value : float
        Score, from 0 to 1, to be expected of a classifier trained on all labels.
    low, high : float
        Ends of the interval.
    interval : float
        How sure the score is to lie in it.
    n : int
        Labelled texts that were held out.
    made_by : str
        How, in words.
    notes : tuple of str
        What it leaves out.
    class_shares : dict, optional
        Where a pool was given and could be read: class → its share there.
    """

    metric: str
    value: float
    low: float
    high: float
    interval: float
    n: int
    made_by: str
    notes: tuple[str, ...] = ()
    class_shares: dict[Any, float] | None = None

    def __str__(self) -> str:
        return (
            f"estimated {self.metric.replace('_', ' ')}: {100 * self.value:.1f} %, between {100 * self.low:.1f} and "
            f"{100 * self.high:.1f} % with {100 * self.interval:g} % certainty ({self.made_by}; no test texts)"
        )

    def facts(self) -> dict[str, Any]:
        """Return all of it as JSON values."""
        shares = self.class_shares and {str(label): round(share, 4) for label, share in self.class_shares.items()}
        return {**dataclasses.asdict(self), "notes": list(self.notes), "class_shares": shares}


def estimate_score(
    make: Callable[[], Contestant],
    texts: Sequence[str],
    labels: Sequence[Any],
    *,
    metric: str = "accuracy",
    folds: int = 10,
    repeats: int = 3,
    interval: float = 0.9,
    pool: Sequence[str] | None = None,
    random_state: int = 0,
) -> Estimate:
    """Estimate how a classifier trained on all these labels scores on new texts, without a test set.

    Parameters
    ----------
    make : callable
        ``make()`` gives a fresh, unfitted classifier: anything with ``fit(texts, labels)`` and ``predict(texts)``. What
        it chooses, such as its regularization, it chooses inside its ``fit``, so that no choice sees held-out labels.
    texts : sequence of str
    labels : sequence of (str or int), or of sequences of them
    metric : {"accuracy", "micro_f1", "macro_f1"}, default="accuracy"
        As :func:`fewshot.evaluation.metrics.score_labels` counts them.
    folds : int, default=10
        Parts that are held out in turn, at least 2. With 2 the trainings see half of the labels and there is no curve
        to go on along: the estimate is then too low.
    repeats : int, default=3
        How often the texts are dealt into folds anew. ``make()`` is called ``repeats * (folds + 2)`` times at most.
    interval : float, default=0.9
        How sure the score is to lie between ``low`` and ``high``, between 0 and 1.
    pool : sequence of str, optional
        Unlabelled texts as they occur in the world, where the labelled ones were chosen so that the classes balance.
        How often each class occurs there is told from the classifier's answers, and the estimate is for that balance.
        Single-label tasks only; costs one more training.
    random_state : int, default=0
        Decides folds and bootstrap samples.

    Returns
    -------
    Estimate

    Raises
    ------
    InputError
        If a setting is out of range, fewer than two classes have two texts, or ``pool`` is empty or given for a
        multi-label task.

    Notes
    -----
    *Folds* take alike of each class, and a text that is alone in its class is never held out.

    *Few labels.* A fold's training sees fewer labels than all, and its score is lower. The same is done with two folds,
    and the line through the two scores over the logarithm of the number of labels is followed to all of them.

    *The interval* is Wilson's [1]_, with the spread that a bootstrap of the texts finds in that score. Repeats do not
    make held-out labels more, nor trainings on nearly the same texts independent: its variance is taken
    ``1 / repeats + 1 / share`` times, where ``share`` is the share of the labels that a training saw, after Nadeau and
    Bengio [2]_. The bare spread of cross-validation is too narrow, as Bates and others show [3]_.

    On new texts means: on texts like these, labelled by the same hands. No estimate knows of texts that change.

    References
    ----------
    .. [1] Wilson 1927, "Probable Inference, the Law of Succession, and Statistical Inference", JASA 22.
    .. [2] Nadeau, Bengio 2003, "Inference for the Generalization Error", Machine Learning 52.
    .. [3] Bates, Hastie, Tibshirani 2021, "Cross-validation: what does it estimate and how well does it do it?",
       arXiv:2104.00673.

    Examples
    --------
    >>> from fewshot import NaiveBayesClassifier
    >>> texts = [f"{word} {i % 4}" for i, word in enumerate(["good", "bad"] * 16)]
    >>> estimate = estimate_score(NaiveBayesClassifier, texts, ["pos", "neg"] * 16)
    >>> estimate.value, estimate.n, round(estimate.low, 2), estimate.high
    (1.0, 32, 0.89, 1.0)
    """
    _check_settings(metric, folds, repeats, interval)
    check_estimable(texts, labels, pooled=pool is not None)
    if pool is not None and not len(pool):
        raise InputError("pool must not be empty; leave it out to take the classes as often as the labels do")
    data = LabeledTexts.of(texts, labels)
    seeds = [int(seed) for seed in np.random.SeedSequence(random_state).generate_state(3)]
    most = held_out_answers(make, data, folds=folds, repeats=repeats, random_state=seeds[0])
    half = held_out_answers(make, data, folds=2, repeats=repeats, random_state=seeds[1])
    sheet = AnswerSheet(data.indicators([data.labels[row] for row in most.rows]), most, half, metric)
    balance, told = (None, []) if pool is None else _balance(make, data, sheet, pool)
    return Estimate(
        metric,
        *_with_interval(sheet, balance, interval, seeds[2]),
        interval,
        sheet.n,
        f"{repeats} times {folds}-fold cross-validation on {sheet.n:,} labels",
        (*_notes(data, sheet), *told),
        None if balance is None else balance.named_shares(data.space.classes),
    )


def _with_interval(
    sheet: AnswerSheet, balance: PoolBalance | None, interval: float, random_state: int
) -> tuple[float, float, float]:
    """Return the score and the ends of its interval; by the Bayesian bootstrap, in which no class gets lost."""
    rng = np.random.default_rng(random_state)
    even, weights = np.ones((1, sheet.n)), rng.exponential(size=(REPLICATES, sheet.n))
    if balance is not None:
        even, weights = balance.reweighted(even), balance.reweighted(weights, rng)
    value = float(np.clip(sheet.scores(even)[0], 0.0, 1.0))
    n = sheet.effective_n(value, float(sheet.scores(weights).var()))
    low, high = wilson_interval(value, n, statistics.NormalDist().inv_cdf((1 + interval) / 2))
    return value, min(value, float(low)), min(1.0, max(value, float(high)))


def _balance(
    make: Callable[[], Contestant], data: LabeledTexts, sheet: AnswerSheet, pool: Sequence[str]
) -> tuple[PoolBalance | None, list[str]]:
    """Return the pool's balance of classes, from the answers of a training on all labels, and what to say of it."""
    classifier = make()
    classifier.fit(data.texts, data.labels)
    answered = data.indicators(list(classifier.predict(list(pool)))).sum(axis=0)
    balance = PoolBalance(sheet.truth[:, :-1], sheet.most.answers.mean(axis=0), answered)
    doubt = balance.doubt()
    if doubt is not None:
        return None, [f"the pool's shares of the classes cannot be told: {doubt}; the labels' shares are taken"]
    return balance, [f"each class counts as often as it seems to occur in the pool of {len(pool):,} texts"]


def _notes(data: LabeledTexts, sheet: AnswerSheet) -> list[str]:
    notes = []
    alone = len(data.labels) - sheet.n
    if alone:
        notes.append(f"{alone} {'class has' if alone == 1 else 'classes have'} one label only and could not be judged")
    if not sheet.reach:
        notes.append("trainings saw half of the labels and there is no curve to follow: all labels should do better")
    return notes


def _check_settings(metric: str, folds: int, repeats: int, interval: float) -> None:
    if metric not in METRICS:
        raise InputError(f"metric must be one of {', '.join(METRICS)}, got {metric!r}")
    for name, value, least in (("folds", folds, 2), ("repeats", repeats, 1)):
        if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
            raise InputError(f"{name} must be an integer from {least} on, got {value!r}")
    if not 0 < interval < 1:
        raise InputError(f"interval must lie between 0 and 1, both excluded, such as 0.9, got {interval!r}")


def check_estimable(texts: Sequence[str], labels: Sequence[Any], *, pooled: bool = False) -> None:
    """Raise unless there are labels enough to hold some out.

    Parameters
    ----------
    texts : sequence of str
    labels : sequence of (str or int), or of sequences of them
    pooled : bool, default=False
        Whether the balance of the classes is to be that of a pool.

    Raises
    ------
    InputError
        As :func:`estimate_score`.

    Examples
    --------
    >>> check_estimable(["x", "y", "z"], ["a", "b", "b"])
    Traceback (most recent call last):
    ...
    fewshot.core.errors.InputError: labels must hold two texts for each of two classes at least, so that one can be \
held out; got 3 texts of 2 classes; label more texts
    """
    check_lengths(texts, labels)
    if not len(texts):
        raise InputError("texts must not be empty; there is nothing to estimate from")
    space = LabelSpace.of(labels, warn=False)
    if space.multi_label and pooled:
        raise InputError("pool is for one label a text: shares of classes are not told where a text has several")
    if space.multi_label and len(texts) < LEAST_MULTI_LABEL:
        raise InputError(
            f"labels must be those of {LEAST_MULTI_LABEL} texts at least, so that some can be held out, "
            f"got {len(texts)}; label more texts"
        )
    if not space.multi_label and np.count_nonzero(np.bincount(space.encode(labels)) > 1) < 2:
        raise InputError(
            "labels must hold two texts for each of two classes at least, so that one can be held out; got "
            f"{len(texts)} texts of {len(space.classes)} {'class' if len(space.classes) == 1 else 'classes'}; "
            "label more texts"
        )
