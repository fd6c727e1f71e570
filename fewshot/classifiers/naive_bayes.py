"""Naive Bayes over word counts: the baseline that needs no encoder, and that every other method should beat."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from scipy.special import expit, logit, softmax
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.model_selection import KFold
from sklearn.naive_bayes import MultinomialNB

from fewshot.classifiers.augmented import augmented_examples, find_augmentations
from fewshot.classifiers.folder import ModelContent
from fewshot.classifiers.label_thresholds import ThresholdClassifier, are_thresholds
from fewshot.core.errors import InputError, ModelFormatError
from fewshot.data.augmentation import TokenAugmentation, own_rows, rows_apart
from fewshot.data.labels import LabelSpace
from fewshot.data.seen import first_alike
from fewshot.evaluation.thresholds import check_thresholds, chosen_thresholds, micro_f1

TOKENS = r"(?u)[぀-ヿ㐀-䶿一-鿿]|\b\w+\b"
"""A word, or one character of a script that writes no spaces."""

COPIES = TokenAugmentation(("mix",), n_copies=8)
"""What ``augment="tokens"`` stands for here; see the Notes of :class:`NaiveBayesClassifier`."""

FOLDS = 5
"""Parts of the texts that choose thresholds in turn."""

LENGTH_POWERS = (1.0, 0.5)
"""Tried where none is given; of equal ones the first is taken, and where nothing can be tried."""


class NaiveBayesClassifier(ThresholdClassifier):
    """Multinomial Naive Bayes over word counts; in multi-label tasks one for each label (binary relevance).

    Parameters
    ----------
    alpha : float, default=1.0
        Additive smoothing, above 0.
    augment : None, str, Augmentation or sequence of them, default=None
        Learn from copies of the texts, too; see :func:`~fewshot.classifiers.augmented.find_augmentations`. ``"tokens"``
        stands for eight mixtures with texts labelled alike.
    length_normalization : float, optional
        Multi-label only: the log-likelihood of a text is divided by its number of words to this power, from 0 (plain
        Naive Bayes) to 1 (a mean over words). Default: 0.5 or 1, whichever has the better micro-F1 in the
        cross-validation that chooses thresholds.
    thresholds : {"common", "per-label"}, default="common"
        Multi-label only: from which probability labels apply, chosen by five-fold cross-validation, or on the
        validation texts. One for all labels is best for micro-F1; one for each, nearer to the common one the rarer the
        label is, for macro-F1.
    random_state : int, default=0
        Decides the copies and the folds.

    Attributes
    ----------
    threshold_ : ndarray of shape (n_classes,)
        Probability from which each label applies; used in multi-label tasks alone.
    length_normalization_ : float
        What was chosen; 0 in single-label tasks.

    Notes
    -----
    Multi-label runs through ``skmultilearn.problem_transform.BinaryRelevance(MultinomialNB())``. Labels that are
    constant in training, on which that class fails, are constant predictions here.

    One half is a bad threshold: on train-split texts of GoEmotions (eight labels, 16 to 512 texts, twelve samples each)
    plain Naive Bayes with it is 15 to 17 points of micro-F1 behind the defaults here, and 2 to 8 of macro-F1. One
    threshold for each label has 1 to 8 points of macro-F1 more than a common one, and up to 3.5 of micro-F1 less.

    Words count as if each were independent evidence, so that a long text's log odds lie far out, and a threshold found
    on texts of one length is none for another (Rennie et al. 2003 scale counts for the same reason). Micro-F1 in
    percent, mean of twelve samples of 8, 16, 32, 64 and 128 texts:

    ======================  ========================  ==========================
    divided by              GoEmotions, eight labels  ``data/issues.jsonl``
    ======================  ========================  ==========================
    nothing                 32.4 37.2 40.7 42.3 44.0  27.1 31.5 36.3 44.0 54.5
    root of the length      35.2 41.6 44.3 45.6 46.4  26.8 32.0 35.7 43.5 53.8
    length                  37.3 43.4 44.5 45.0 45.5  25.0 26.2 29.0 31.6 39.2
    either, as is chosen    36.7 43.0 44.3 45.4 46.5  25.3 29.1 35.0 43.5 53.8
    ======================  ========================  ==========================

    Copies make word counts larger, so that the smoothing weighs less, and that is nearly all they do: counts do not see
    words swapped, and words left out or mixed within a class are in expectation the same counts again. Accuracy in
    percent on train-split texts of AG News, Emotion and TREC, mean of 4, 8 and 16 texts a class:

    =================================  ==================  ============
    copies                             3 samples (chosen)  6 others
    =================================  ==================  ============
    none                               35.6                36.6
    4, swapped                         37.7                not measured
    4, swapped, thinned or filled      37.8                37.8
    8, mixed (``"tokens"`` here)       38.1                38.0
    16, mixed                          38.0                38.1
    none, but ``alpha=0.1``            38.1                37.9
    =================================  ==================  ============

    References
    ----------
    Rennie, Shih, Teevan, Karger 2003, "Tackling the Poor Assumptions of Naive Bayes Text Classifiers", ICML.

    Examples
    --------
    >>> nb = NaiveBayesClassifier().fit(["good film", "bad film", "good book"], ["pos", "neg", "pos"])
    >>> nb.predict(["a good one", "so bad"])
    array(['pos', 'neg'], dtype='<U3')
    """

    kind = "naive-bayes"

    def __init__(
        self,
        *,
        alpha: float = 1.0,
        augment: Any = None,
        length_normalization: float | None = None,
        thresholds: str = "common",
        random_state: int = 0,
    ) -> None:
        self.alpha = alpha
        self.augment = augment
        self.length_normalization = length_normalization
        self.thresholds = thresholds
        self.random_state = random_state

    def check_params(self) -> None:
        """Raise :class:`~fewshot.core.errors.InputError` if a parameter is out of its range."""
        find_augmentations(self.augment, tokens=COPIES)
        if not 0 < self.alpha < np.inf:
            raise InputError(f"alpha must be above 0 and finite, got {self.alpha}")
        if self.length_normalization is not None and not 0 <= self.length_normalization <= 1:
            raise InputError(
                "length_normalization must be from 0 to 1, or None for a choice by cross-validation, got "
                f"{self.length_normalization!r}"
            )
        check_thresholds(self.thresholds)

    def _learn(
        self, texts: list[str], y: np.ndarray, space: LabelSpace, validation: tuple[list[str], np.ndarray] | None
    ) -> None:
        texts, y, source_rows = augmented_examples(texts, y, self.augment, self.random_state, tokens=COPIES)
        self.vocabulary_ = _vocabulary(texts)
        counts = self._count(texts)
        self.threshold_ = np.full(len(space.classes), 0.5)
        if not space.multi_label:
            self._tables = _Tables.of_classes(counts, y, self.alpha)
            return
        tables = _Tables.of_labels(counts, y, self.alpha)
        if validation is None:
            judged, held_out = self._held_out(counts, y, first_alike(texts)[source_rows])
        else:
            judged, held_out = validation[1], tables.log_odds(self._count(validation[0]))
        powers = LENGTH_POWERS if self.length_normalization is None else (self.length_normalization,)
        self._tables = dataclasses.replace(tables, power=powers[0])
        if len(judged):
            self._choose(judged, held_out, powers)

    def _choose(self, judged: np.ndarray, held_out: "_LogOdds", powers: Sequence[float]) -> None:
        """Take the power of the length, and the thresholds, with the best micro-F1 on held-out texts."""
        given = {power: held_out.probabilities(power) for power in powers}
        choices = {power: chosen_thresholds(judged, given[power], self.thresholds) for power in powers}
        scores = {power: micro_f1(judged, given[power] >= chosen) for power, chosen in choices.items()}
        best = max(scores, key=scores.__getitem__)
        self._tables = dataclasses.replace(self._tables, power=best)
        self.threshold_[:] = choices[best]

    def _held_out(self, counts: Any, y: np.ndarray, source_rows: np.ndarray) -> tuple[np.ndarray, "_LogOdds"]:
        """Return labels of the texts, and what is said of each by counts without it; both empty of a single text.

        Words that only a held-out text has say nothing, and are not counted, as with any new text.
        """
        own = own_rows(source_rows)
        folds = min(FOLDS, len(own))
        if folds < 2:
            own = own[:0]
        evidence, prior, n_words = np.zeros(y.shape), np.zeros(y.shape), np.ones(len(y))
        for _, part in KFold(folds, shuffle=True, random_state=self.random_state).split(own) if len(own) else ():
            test, rows = own[part], rows_apart(source_rows, own[part])
            known = counts[:, np.flatnonzero(counts[rows].getnnz(axis=0))]
            said = _Tables.of_labels(known[rows], y[rows], self.alpha).log_odds(known[test])
            evidence[test], prior[test], n_words[test] = said.evidence, said.prior, said.n_words
        return y[own], _LogOdds(evidence[own], prior[own], n_words[own])

    def _count(self, texts: list[str]) -> Any:
        vectorizer = CountVectorizer(
            vocabulary={word: i for i, word in enumerate(self.vocabulary_)}, token_pattern=TOKENS
        )
        return vectorizer.transform(texts)

    def _probabilities(self, texts: list[str]) -> np.ndarray:
        return self._tables.probabilities(self._count(texts))

    @property
    def length_normalization_(self) -> float:
        """The power of a text's number of words by which its log-likelihood is divided."""
        self._check_fitted()
        return self._tables.power

    def _state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        arrays = {name: getattr(self._tables, name) for name in _TABLES} | {"threshold": self.threshold_}
        return arrays, {"vocabulary": self.vocabulary_, "length_normalization": self.length_normalization_}

    def _restore(self, content: ModelContent, path: Path, **options: Any) -> None:
        self.vocabulary_ = list(content.settings["vocabulary"])
        tables = {name: content.arrays[name] for name in _TABLES}
        power = content.settings.get("length_normalization", 0.0)  # 0.1.0 had none
        if not isinstance(power, int | float) or not 0 <= power <= 1:
            raise ModelFormatError(
                f"the model in {str(path)!r} is damaged: its length_normalization is {power!r}, not from 0 to 1"
            )
        self._tables = _Tables(**tables, multi_label=content.multi_label, power=float(power))
        self.threshold_ = content.arrays.get("threshold", np.full(len(content.classes), 0.5))  # 0.1.0 had none
        if not are_thresholds(self.threshold_, len(content.classes)):
            raise ModelFormatError(f"the model in {str(path)!r} is damaged: its thresholds are no such")
        answers = self._tables.probabilities(self._count([""]))
        if answers.shape != (1, len(content.classes)):
            raise ModelFormatError(
                f"the model in {str(path)!r} is damaged: it answers for {answers.shape[1]} classes of "
                f"{len(content.classes)}"
            )


_TABLES = ("log_prob", "log_prior", "varying", "constant")


@dataclasses.dataclass(frozen=True)
class _Tables:
    """What counts of words say: one table of classes, or one of yes and no for each label.

    Parameters
    ----------
    log_prob : ndarray of shape (n_tables, n_rows, n_words)
    log_prior : ndarray of shape (n_tables, n_rows)
    varying : ndarray of int
        The label of each table, in multi-label tasks.
    constant : ndarray of shape (n_classes,)
        Probability of labels without a table.
    multi_label : bool
    power : float
        Of the number of words, by which the log odds of several labels are divided.
    """

    log_prob: np.ndarray
    log_prior: np.ndarray
    varying: np.ndarray
    constant: np.ndarray
    multi_label: bool
    power: float = 0.0

    @classmethod
    def of_classes(cls, counts: Any, y: np.ndarray, alpha: float) -> Self:
        nb = MultinomialNB(alpha=alpha).fit(counts, y)
        n_classes = len(nb.class_log_prior_)
        nothing = np.arange(0, dtype=np.int64)
        return cls(nb.feature_log_prob_[None], nb.class_log_prior_[None], nothing, np.zeros(n_classes), False)

    @classmethod
    def of_labels(cls, counts: Any, y: np.ndarray, alpha: float) -> Self:
        varying = np.flatnonzero((y.min(axis=0) == 0) & (y.max(axis=0) == 1)).astype(np.int64)
        made = _relevance(counts, y[:, varying], alpha)
        log_prob = np.array([nb.feature_log_prob_ for nb in made]).reshape(len(made), 2, counts.shape[1])
        log_prior = np.array([nb.class_log_prior_ for nb in made]).reshape(len(made), 2)
        return cls(log_prob, log_prior, varying, y[0].astype(np.float64), True)

    def probabilities(self, counts: Any) -> np.ndarray:
        """Return the probability of each class ``(n_texts, n_classes)``."""
        if self.multi_label:
            return self.log_odds(counts).probabilities(self.power)
        return softmax(counts @ self.log_prob[0].T + self.log_prior[0], axis=1)

    def log_odds(self, counts: Any) -> "_LogOdds":
        """Return how the words and the prior speak for each of several labels."""
        evidence = np.zeros((counts.shape[0], len(self.constant)))
        prior = np.tile(logit(self.constant), (counts.shape[0], 1))
        for label, log_prob, log_prior in zip(self.varying, self.log_prob, self.log_prior, strict=True):
            evidence[:, label] = counts @ (log_prob[1] - log_prob[0])
            prior[:, label] = log_prior[1] - log_prior[0]
        return _LogOdds(evidence, prior, _n_words(counts))


@dataclasses.dataclass(frozen=True)
class _LogOdds:
    """Log odds of labels.

    Parameters
    ----------
    evidence, prior : ndarray of shape (n_texts, n_labels)
        Of the words, and without them.
    n_words : ndarray of shape (n_texts,)
        At least 1.
    """

    evidence: np.ndarray
    prior: np.ndarray
    n_words: np.ndarray

    def probabilities(self, power: float) -> np.ndarray:
        return expit(self.evidence / self.n_words[:, None] ** power + self.prior)


def _n_words(counts: Any) -> np.ndarray:
    return np.maximum(np.asarray(counts.sum(axis=1)).ravel(), 1)


def _vocabulary(texts: list[str]) -> list[str]:
    """Return the words of ``texts``, sorted; one word that never occurs where there are none."""
    analyze = CountVectorizer(token_pattern=TOKENS).build_analyzer()
    return sorted({word for text in texts for word in analyze(text)}) or [" "]


def _relevance(counts: Any, y: np.ndarray, alpha: float) -> list[MultinomialNB]:
    from skmultilearn.problem_transform import BinaryRelevance

    if not y.shape[1]:
        return []
    return BinaryRelevance(MultinomialNB(alpha=alpha)).fit(counts, y).classifiers_
