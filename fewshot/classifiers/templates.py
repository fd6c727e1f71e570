"""Class names as data: sentences such as "This text is about refunds." stand beside the labelled texts as examples.

At eight labels a class they help where names are words that a text could be about, and hurt where they are codes. So
they are tried first, on the frozen encoder, whose vectors are there already.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.special import log_expit, log_softmax
from sklearn.model_selection import KFold, StratifiedKFold

from fewshot.core.errors import InputError
from fewshot.data.augmentation import own_rows, rows_apart
from fewshot.data.labels import LabelSpace
from fewshot.data.texts import Label

TEMPLATE = "This text is about {}."
SHARPNESS = 10.0
"""Factor on cosines of class means before the softmax, when templates are tried."""

TOLERATED_LOSS = 0.003
"""Mean log-likelihood a label that sentences may cost and still be used: training gains more from them than class means
do, as samples of CR and SST-5 showed, where class means saw a loss of 0.001 to 0.002."""

_FOLDS, _ROUNDS = 4, 5


@dataclasses.dataclass(frozen=True)
class Examples:
    """Labelled texts to learn from: the user's own, then copies of those, then sentences made of class names.

    Parameters
    ----------
    texts : list of str
    y : ndarray of shape (n,) or (n, n_classes)
    n_own : int
        How many of them are the user's.
    source_rows : ndarray of shape (n, n_sources), optional
        Of each text the rows that it is made from, see :func:`~fewshot.data.augmentation.own_rows`. Default: there are
        no copies.
    """

    texts: list[str]
    y: np.ndarray
    n_own: int
    source_rows: np.ndarray = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        if self.source_rows is None:
            object.__setattr__(self, "source_rows", np.arange(len(self.texts))[:, None])

    @property
    def n_copies(self) -> int:
        """How many of them are copies."""
        return len(self.texts) - len(own_rows(self.source_rows))

    @property
    def n_sentences(self) -> int:
        """How many of them are sentences made of class names."""
        return len(self.texts) - self.n_own - self.n_copies

    def joined(self, texts: Sequence[str], y: np.ndarray) -> "Examples":
        """Return these examples with sentences of class names after them."""
        own = np.arange(len(self.texts), len(self.texts) + len(texts))[:, None]
        return Examples(
            [*self.texts, *texts],
            np.concatenate([self.y, y.astype(self.y.dtype)]),
            self.n_own,
            np.concatenate([self.source_rows, np.tile(own, self.source_rows.shape[1])]),
        )

    def without(self, rows: np.ndarray) -> "Examples":
        """Return these examples without some of the user's own, and without all copies that have words of theirs."""
        kept = rows_apart(self.source_rows, rows)
        place = np.full(len(self.texts), -1)
        place[kept] = np.arange(len(kept))
        n_own = int(np.count_nonzero(kept < self.n_own))
        return Examples([self.texts[row] for row in kept], self.y[kept], n_own, place[self.source_rows[kept]])

    def without_copies(self) -> "Examples":
        """Return these examples without copies."""
        kept = own_rows(self.source_rows)
        return Examples([self.texts[row] for row in kept], self.y[kept], self.n_own)


def check_templates(templates: Any) -> tuple[str, ...]:
    """Return templates as a tuple; none for ``None``, the default one for ``"auto"``.

    Raises
    ------
    InputError
        If a template has not exactly one ``{}``. Any other brace stands for itself.

    Examples
    --------
    >>> check_templates("About {}"), check_templates(None)
    (('About {}',), ())
    """
    if templates is None or templates == "none":
        return ()
    if isinstance(templates, str):
        templates = (TEMPLATE,) if templates == "auto" else (templates,)
    if not isinstance(templates, Sequence):
        raise InputError(
            f"templates must be 'auto', None, a text or a list of texts, got {type(templates).__name__} {templates!r}"
        )
    for template in templates:
        if not isinstance(template, str) or template.count("{}") != 1:
            raise InputError(
                f"templates: each must be a text with one {{}} for the class name, such as {TEMPLATE!r}; "
                f"got {template!r}"
            )
    return tuple(templates)


def words_of(space: LabelSpace, label_words: Mapping[Label, str | Sequence[str]] | None = None) -> list[str]:
    """Return what each class is called in a sentence: its words, else its name with ``_`` and ``-`` as spaces.

    Of several descriptions it is the first.

    Examples
    --------
    >>> words_of(LabelSpace(("LOC", "card_lost"), False), {"LOC": ["a place", "a country"]})
    ['a place', 'card lost']
    """
    given = {name: words if isinstance(words, str) else words[0] for name, words in (label_words or {}).items()}
    return [str(given.get(name, str(name).replace("_", " ").replace("-", " "))).strip() for name in space.classes]


def check_label_words(label_words: Any) -> None:
    """Raise unless ``label_words`` maps class names to texts that are not empty."""
    if label_words is None:
        return
    if not isinstance(label_words, Mapping):
        raise InputError(f"label_words must map class names to words, got {type(label_words).__name__}")
    for name, words in label_words.items():
        if not isinstance(words, str) or not words.strip():
            raise InputError(f"label_words[{name!r}] must be a text that is not empty, got {words!r}")


def check_descriptions(label_words: Any) -> None:
    """Raise unless ``label_words`` maps class names to texts, or each to several, none of them empty."""
    if label_words is None or not isinstance(label_words, Mapping):
        check_label_words(label_words)
        return
    for name, given in label_words.items():
        texts = [given] if isinstance(given, str) else given
        if not isinstance(texts, Sequence) or not texts:
            raise InputError(f"label_words[{name!r}] must be a text, or a list of several, got {given!r}")
        for text in texts:
            check_label_words({name: text})


def descriptions_of(
    space: LabelSpace, label_words: Mapping[Label, str | Sequence[str]] | None = None
) -> list[list[str]]:
    """Return what each class may be called in a sentence, one text or several; default as of :func:`words_of`.

    Examples
    --------
    >>> descriptions_of(LabelSpace(("LOC", "card_lost"), False), {"LOC": ["a place", "a country"]})
    [['a place', 'a country'], ['card lost']]
    """
    given = label_words or {}
    some = {name: [words] if isinstance(words, str) else list(words) for name, words in given.items()}
    return [
        [text.strip() for text in some.get(name, [own])]
        for name, own in zip(space.classes, words_of(space), strict=True)
    ]


def keyed_by_class(label_words: Mapping[Any, Any] | None, classes: Sequence[Label]) -> dict[Label, Any] | None:
    """Return ``label_words`` as they were before JSON made strings of integer names.

    Examples
    --------
    >>> keyed_by_class({"7": "a refund"}, [7, 30])
    {7: 'a refund'}
    """
    if label_words is None:
        return None
    return {name: label_words[str(name)] for name in classes if str(name) in label_words}


def sentences(templates: Sequence[str], words: Sequence[str], *, multi_label: bool) -> tuple[list[str], np.ndarray]:
    """Fill each template with each class's words.

    Returns
    -------
    (list of str, ndarray)
        Sentences, and their classes: numbers, or rows with a single 1 in multi-label tasks.
    """
    texts = [template.replace("{}", word) for template in templates for word in words]  # other braces are plain text
    y = np.tile(np.arange(len(words)), len(templates))
    return texts, np.eye(len(words), dtype=np.int64)[y] if multi_label else y


def help_of_sentences(
    X: np.ndarray, y: np.ndarray, X_sentences: np.ndarray, y_sentences: np.ndarray, *, n_classes: int, random_state: int
) -> float:
    """Measure what sentences of class names add to the labels, by cross-validation on frozen vectors.

    Parameters
    ----------
    X, y : ndarray
        Unit vectors and classes of the labelled texts.
    X_sentences, y_sentences : ndarray
        The same of the sentences.
    n_classes : int
    random_state : int
        Decides the folds.

    Returns
    -------
    float
        Gain in mean log-likelihood of held-out labels, averaged over five rounds of four folds, when class means take
        the sentences in. Positive: they help. Infinity where there are too few labels to find out: then the names are
        most of what is known.

    Notes
    -----
    Likelihood moves with every text, accuracy on 40 texts only in steps of 2.5 points: on samples of TREC (whose class
    names are codes), Emotion, AG News and SST-5 its sign agreed with what contrastive training then gained or lost.
    """
    if len(X) < 2 * _FOLDS or (y.ndim == 1 and np.bincount(y).max() < 2):
        return float("inf")
    gains = []
    for round_ in range(_ROUNDS):
        for train, test in _splits(y, random_state + round_):
            with_names = np.vstack([X[train], X_sentences]), np.concatenate([y[train], y_sentences])
            plain = _log_likelihood(X[train], y[train], X[test], y[test], n_classes)
            gains.append((_log_likelihood(*with_names, X[test], y[test], n_classes) - plain) * len(test))
    return float(np.sum(gains) / (_ROUNDS * len(X)))


def _splits(y: np.ndarray, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    rows = np.zeros(len(y))
    seed %= 2**32
    smallest = int(np.bincount(y)[np.unique(y)].min()) if y.ndim == 1 else 0
    if smallest >= _FOLDS:
        return list(StratifiedKFold(_FOLDS, shuffle=True, random_state=seed).split(rows, y))
    return list(KFold(_FOLDS, shuffle=True, random_state=seed).split(rows))


def _log_likelihood(X: np.ndarray, y: np.ndarray, X_test: np.ndarray, y_test: np.ndarray, n_classes: int) -> float:
    """Return the mean log-likelihood of held-out labels under class means of unit vectors."""
    member = np.eye(n_classes)[y] if y.ndim == 1 else y.astype(float)
    cosines = X_test @ _means(X, member).T
    if y.ndim == 1:
        return float(log_softmax(SHARPNESS * cosines, axis=1)[np.arange(len(y_test)), y_test].mean())
    logits = SHARPNESS * (cosines - X_test @ _means(X, 1.0 - member).T)
    return float((y_test * log_expit(logits) + (1 - y_test) * log_expit(-logits)).sum(axis=1).mean())


def _means(X: np.ndarray, member: np.ndarray) -> np.ndarray:
    means = member.T @ X
    return means / np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-12)
