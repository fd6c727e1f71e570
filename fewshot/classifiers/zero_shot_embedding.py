"""Zero-shot classification by similarity: the class whose name or description lies nearest to the text.

It takes class names, no labelled text, and one vector a text, whatever the number of classes.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np

from fewshot.classifiers.base import Labeled, certainty
from fewshot.classifiers.folder import ModelContent
from fewshot.classifiers.head_classifier import HeadClassifier
from fewshot.classifiers.label_rules import LabelRule
from fewshot.classifiers.zero_shot import ZeroShotClassifier, constant_labels, joined
from fewshot.core.errors import InputError
from fewshot.data.labels import LabelSpace
from fewshot.data.texts import Label
from fewshot.encoders.base import check_texts
from fewshot.encoders.resolve import DEFAULT_TEACHER
from fewshot.heads.calibration import PrecisionCurve, calibrated
from fewshot.heads.linear import LinearHead
from fewshot.heads.logistic import ALWAYS
from fewshot.heads.vectors import unit_rows

TEMPERATURES = {"plain": 0.07, "centered": 0.1}
"""What cosines are divided by, one class a text, where no label says better: the likeliest on train texts of AG News,
Emotion, Banking77 and SST-2 with all-MiniLM-L6-v2."""

MULTI_LABEL_TEMPERATURE = 0.1
MIDDLES = {"plain": 0.18, "centered": 0.12}
"""Where each label stands for itself: the cosine at which its probability is one half. On train texts of GoEmotions,
with that encoder, these cosines told labels from others best."""

LEAST_TEXTS_TO_CENTER = 50
"""From so many texts on, ``centering="auto"`` takes their mean for that of the texts to come."""


class ZeroShotEmbeddingClassifier(ZeroShotClassifier, HeadClassifier):
    """Similarity of a text to the names or descriptions of the classes.

    Each class is the mean of the vectors of its sentences: templates filled with its words.

    Parameters
    ----------
    encoder : str, Path, Encoder or SentenceTransformer
        Default: the Hub's ``sentence-transformers/paraphrase-mpnet-base-v2``; ``"bundled"`` needs no network.
        See :func:`fewshot.encoders.resolve.load_encoder`.
    classes : sequence of (str or int), optional
        Class names. Those of the labels and of ``label_words`` join them; none needs to be named where labels are
        given.
    multi_label : bool, optional
        Whether a text has any number of classes. Default: as the labels say, else exactly one.
    templates : "auto", None, str or sequence of str, default="auto"
        Sentences, each with one ``{}`` for the words of a class; ``"auto"`` is ``"This text is about {}."``, ``None``
        the bare words.
    label_words : mapping of label to str or to several, optional
        What a class is called in sentences, names or descriptions; default: its name, ``_`` and ``-`` as spaces.
    centering : {"auto", True, False}, default="auto"
        Whether to hold texts against their mean and classes against theirs. The mean of the texts is that of the
        ``unlabeled`` texts given to :meth:`fit`, else of the labelled ones. ``"auto"``: where these are 50 and more.
    temperature : float, optional
        What cosines are divided by before the softmax, or the logistic. Default: 0.07, with centering and with several
        labels a text 0.1; where there are labelled texts, what fits them best.
    decision : {"auto", "threshold", "per-label", "top-k"}, default="auto"
        How labels are told from others, multi-label only: by one threshold, one for each, or as the k most probable.
        It is chosen on labelled texts, where there are any; ``"auto"`` takes what is best on held-out ones of 5 and
        more. Without any, labels apply from a probability of 0.5 on.
    threshold : float, optional
        Probability from which labels apply.
    top_k : int, optional
        So many most probable labels apply.
    device : str, optional
        Where the encoder runs; default: the fastest there is.

    Attributes
    ----------
    head_ : LinearHead
        The classes' vectors, over the temperature.
    precision_curve_ : PrecisionCurve or None
        How often answers of a given confidence were right on the labelled texts; ``None`` without any.

    Notes
    -----
    Where each label stands for itself, its probability is ``expit((cosine - 0.18) / 0.1)``, with centering 0.12 for
    0.18; with labelled texts slope and offset, for all labels together, are fitted to them. Cosines differ from encoder
    to encoder: without labelled texts say ``top_k`` if you know it.

    The mean of 200 texts, subtracted, was worth 1.5 points of accuracy over seven data sets (−1.0 on Emotion, +3.5 on
    AG News; 400 train texts each, all-MiniLM-L6-v2).

    References
    ----------
    Veeranna, Nam, Loza Mencía, Fürnkranz 2016, "Using Semantic Similarity for Multi-label Zero-shot Classification of
    Text Documents", ESANN.

    Examples
    --------
    >>> names = {"refund": ["a refund", "money back"], "login": "a password that does not work"}
    >>> ZeroShotEmbeddingClassifier("bundled", label_words=names).fit().predict(["I want my money"])  # doctest: +SKIP
    array(['refund'], dtype='<U6')
    """

    kind = "zero-shot-embedding"

    def __init__(
        self,
        encoder: Any = DEFAULT_TEACHER,
        *,
        classes: Sequence[Label] | None = None,
        multi_label: bool | None = None,
        templates: str | Sequence[str] | None = "auto",
        label_words: Mapping[Label, str | Sequence[str]] | None = None,
        centering: bool | str = "auto",
        temperature: float | None = None,
        decision: str = "auto",
        threshold: float | None = None,
        top_k: int | None = None,
        device: str | None = None,
    ) -> None:
        self.encoder = encoder
        self.classes = classes
        self.multi_label = multi_label
        self.templates = templates
        self.label_words = label_words
        self.centering = centering
        self.temperature = temperature
        self.decision = decision
        self.threshold = threshold
        self.top_k = top_k
        self.device = device

    def fit(
        self,
        texts: Sequence[str] = (),
        labels: Sequence[Any] = (),
        *,
        validation: Labeled | None = None,
        unlabeled: Sequence[str] = (),
    ) -> Self:
        """Take in the class names; starts afresh at each call.

        Parameters
        ----------
        texts, labels, validation : optional
            As for every zero-shot classifier.
        unlabeled : sequence of str, optional
            Texts whose mean is subtracted, see ``centering``.

        Returns
        -------
        self
        """
        check_texts(unlabeled)
        self._unlabeled = list(unlabeled)
        try:
            return super().fit(texts, labels, validation=validation)
        finally:
            del self._unlabeled

    def check_params(self) -> None:
        """Raise :class:`~fewshot.core.errors.InputError` if a parameter is out of its range."""
        super().check_params()
        if self.centering not in ("auto", True, False):
            raise InputError(f"centering must be 'auto', True or False, got {self.centering!r}")
        if self.temperature is not None and not self.temperature > 0:
            raise InputError(f"temperature must be above 0, got {self.temperature}")

    def _learn(
        self, texts: list[str], y: np.ndarray, space: LabelSpace, validation: tuple[list[str], np.ndarray] | None
    ) -> None:
        self.takes_unit_vectors = True
        self.encoder_ = self._open_encoder()
        self.sentences_, self.sentence_classes_ = self._describe(space)
        self.report_ = {"notes": []}
        self.rule_, self.constant_ = LabelRule(0.5), np.zeros(len(space.classes), dtype=bool)
        center = self._center(texts)
        judges, truth = joined(texts, y, validation)
        X = self._embed(judges)
        self.head_, probabilities = self._fit_temperature(self._head(space, center), X, truth)
        if space.multi_label:
            self.constant_ = constant_labels(y)
            self.head_ = _with_constants(self.head_, self.constant_)
            self._settle(truth, np.where(self.constant_, 1.0, probabilities))
            self.head_ = dataclasses.replace(self.head_, threshold=self.rule_.threshold)
        self.precision_curve_ = self._curve(X, truth) if len(truth) else None

    def _center(self, texts: list[str]) -> np.ndarray | None:
        """Return the mean vector of texts like those to come, ``(dimension,)``, if it is to be subtracted."""
        source, some = ("unlabelled", self._unlabeled) if self._unlabeled else ("labelled", texts)
        if self.centering is True and not some:
            raise InputError(
                "centering=True needs texts to take the mean of: give fit(unlabeled=[...]) or labelled texts"
            )
        wanted = len(some) >= LEAST_TEXTS_TO_CENTER if self.centering == "auto" else self.centering
        if self._unlabeled and not wanted and self.centering == "auto":
            self.report_["notes"].append(
                f"the {len(some)} unlabelled texts are too few to take their mean; from {LEAST_TEXTS_TO_CENTER} on "
                "answers are held against it"
            )
        self.report_["centered_on"] = f"{len(some):,} {source} texts" if wanted else None
        return self._embed(some).mean(axis=0, dtype=np.float64) if wanted else None

    def _head(self, space: LabelSpace, center: np.ndarray | None) -> LinearHead:
        """Return the classes' mean vectors as a head, at the temperature that is given or the default one."""
        X = self._embed(self.sentences_).astype(np.float64)
        members = np.eye(len(space.classes))[self.sentence_classes_]
        prototypes = unit_rows(members.T @ X)
        way, bias = "plain", np.zeros(len(prototypes))
        if center is not None and len(prototypes) > 1:  # one alone is its own mean
            prototypes = unit_rows(prototypes - prototypes.mean(axis=0))
            way, bias = "centered", -prototypes @ center
        if space.multi_label:
            bias = bias - MIDDLES[way]
        temperature = self.temperature or (MULTI_LABEL_TEMPERATURE if space.multi_label else TEMPERATURES[way])
        return LinearHead(prototypes / temperature, bias / temperature, multi_label=space.multi_label, C=None)

    def _fit_temperature(self, head: LinearHead, X: np.ndarray, y: np.ndarray) -> tuple[LinearHead, np.ndarray]:
        """Return the head, its temperature fitted to labelled texts if none is given, and what it says of them."""
        probabilities = head.predict_proba(X)
        if self.temperature is None and len(y):
            head, probabilities = calibrated(head, probabilities, y)
        self.report_["temperature"] = float(1 / np.linalg.norm(head.coef, axis=1).max())
        return head, probabilities

    def _curve(self, X: np.ndarray, y: np.ndarray) -> PrecisionCurve:
        """Return how often answers were right, on texts that decided no more than a number or two."""
        probabilities = self.head_.predict_proba(X)
        if y.ndim == 1:
            return PrecisionCurve.of(certainty(probabilities), probabilities.argmax(axis=1) == y)
        right = (self.rule_.applies(probabilities) == y).all(axis=1)
        return PrecisionCurve.of(self.rule_.certainty(probabilities), right)

    def _state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        arrays, settings = super()._state()
        told, said = self._told()
        return arrays | told, settings | said

    def _restore_head(self, content: ModelContent) -> None:
        super()._restore_head(content)
        self._take_back(content)


def _with_constants(head: LinearHead, constant: np.ndarray) -> LinearHead:
    """Return a head whose ``constant`` labels have a probability of 1 for every text."""
    return dataclasses.replace(
        head, coef=np.where(constant[:, None], 0.0, head.coef), intercept=np.where(constant, ALWAYS, head.intercept)
    )
