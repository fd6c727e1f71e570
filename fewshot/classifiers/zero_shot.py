"""What classifiers by class names share: the names, the sentences made of them, and the little that labels decide.

Nothing is learnt from texts but when a label applies (multi-label), and that a label which all of them have is a
constant.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np

from fewshot.classifiers.base import Labeled, TextClassifier
from fewshot.classifiers.folder import ModelContent
from fewshot.classifiers.label_rules import LabelRule, check_rule, choose_rule
from fewshot.classifiers.label_thresholds import are_thresholds
from fewshot.classifiers.templates import (
    check_descriptions,
    check_templates,
    descriptions_of,
    keyed_by_class,
    sentences,
)
from fewshot.core.errors import InputError, ModelFormatError
from fewshot.data.labels import LabelSpace, plain_label
from fewshot.data.texts import Label

LEAST_FOR_CONSTANT = 2
"""A label that all of so many texts have is taken for one that every text has."""


class ZeroShotClassifier(TextClassifier):
    """Base of classifiers that are told class names and need no labelled text.

    Attributes
    ----------
    sentences_ : list of str
        What each class is described by.
    sentence_classes_ : ndarray of shape (n_sentences,)
        The class, by its number, that each of them describes.
    rule_ : LabelRule
        When a label applies; multi-label only.
    constant_ : ndarray of bool, shape (n_classes,)
        Labels that all training texts had, of two and more; multi-label only.
    report_ : dict
        ``chosen`` and ``judged_by``: the rule, and on what it was chosen; ``rules_held_out``: micro-F1 by kind of rule;
        ``notes`` in words.
    """

    classes: Sequence[Label] | None
    multi_label: bool | None
    templates: str | Sequence[str] | None
    label_words: Mapping[Label, str | Sequence[str]] | None
    decision: str
    threshold: float | None
    top_k: int | None

    def fit(self, texts: Sequence[str] = (), labels: Sequence[Any] = (), *, validation: Labeled | None = None) -> Self:
        """Take in the class names; starts afresh at each call.

        Parameters
        ----------
        texts : sequence of str, optional
            May be left out where ``classes`` or ``label_words`` name the classes.
        labels : sequence of (str or int), or of sequences of them, optional
            Of the texts. Their classes join those that are named.
        validation : (texts, labels), optional
            More labelled texts: what is chosen on labels is chosen on both.

        Returns
        -------
        self

        Raises
        ------
        InputError
            If there is neither a label nor a name, only one class, or labels are not of the kind that
            ``multi_label`` says.
        """
        return super().fit(texts, labels, validation=validation)

    def check_params(self) -> None:
        """Raise :class:`~fewshot.core.errors.InputError` if a parameter is out of its range."""
        check_templates(self.templates)
        check_descriptions(self.label_words)
        check_rule(self.decision, self.threshold, self.top_k)
        if isinstance(self.classes, str):
            raise InputError(f"classes must be a sequence of class names, got one string {self.classes!r}")

    def _classes_of(self, labels: Sequence[Any]) -> LabelSpace:
        classes = () if self.classes is None else self.classes
        named = list(dict.fromkeys([*map(plain_label, classes), *(self.label_words or {})]))
        if not named and not len(labels):
            raise InputError("texts must not be empty, or name the classes: classes=[...] or label_words={...}")
        given = {isinstance(plain_label(label), tuple) for label in labels}
        several = True in given if self.multi_label is None else self.multi_label
        if self.multi_label is not None and given - {several}:
            raise InputError(
                f"labels must be {'lists of labels' if several else 'single labels'}, as multi_label={several} says"
            )
        extra: list[Any] = ([tuple(named)] if named else []) if several else named
        return super()._classes_of([*labels, *extra])

    def _describe(self, space: LabelSpace) -> tuple[list[str], np.ndarray]:
        """Return the sentences that stand for the classes, and which class each stands for."""
        words = descriptions_of(space, self.label_words)
        owners = np.repeat(np.arange(len(words)), [len(some) for some in words])
        made, which = sentences(
            check_templates(self.templates) or ("{}",), [word for some in words for word in some], multi_label=False
        )
        return made, owners[which]

    def _settle(self, y: np.ndarray, probabilities: np.ndarray) -> None:
        """Choose the rule on labelled texts, and say so."""
        self.rule_, held_out = choose_rule(
            y, probabilities, decision=self.decision, threshold=self.threshold, top_k=self.top_k
        )
        given = self.threshold is not None or self.top_k is not None
        judged_by = "what was given" if given else f"{len(y):,} labelled texts" if len(y) else "no labelled text"
        self.report_ |= {"chosen": str(self.rule_), "judged_by": judged_by, "rules_held_out": held_out}
        self.report_["notes"].append(f"a text is given {self.rule_}; judged by {judged_by}")

    @property
    def _threshold(self) -> Any:
        return self.rule_.threshold

    def _applying(self, probabilities: np.ndarray) -> np.ndarray:
        return self.rule_.applies(probabilities)

    def confidence_of(self, probabilities: np.ndarray) -> np.ndarray:
        """Return how sure these rows of :meth:`predict_proba` are, as every classifier does."""
        if self.label_space_.multi_label and len(probabilities):
            return self.rule_.certainty(probabilities)
        return super().confidence_of(probabilities)

    def _plain_params(self) -> dict[str, Any]:
        params, words = super()._plain_params(), self.label_words
        plain: dict[str, Any] = {
            "classes": None if self.classes is None else [plain_label(name) for name in self.classes],
            "templates": self.templates if isinstance(self.templates, (str, type(None))) else list(self.templates),
            "label_words": None if words is None else {str(name): _plain_words(said) for name, said in words.items()},
        }
        return params | plain

    def _told(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Return what :meth:`_take_back` needs."""
        rule = self.rule_
        threshold = np.broadcast_to(np.asarray(rule.threshold, dtype=np.float64), (len(self.classes_),)).copy()
        arrays = {"threshold": threshold, "constant": self.constant_, "sentence_classes": self.sentence_classes_}
        return arrays, {"top_k": rule.top_k, "sentences": self.sentences_, "report": self.report_}

    def _take_back(self, content: ModelContent) -> None:
        arrays, settings = content.arrays, content.settings
        threshold, top_k = arrays["threshold"], settings["top_k"]
        self.constant_, self.sentence_classes_ = arrays["constant"].astype(bool), arrays["sentence_classes"]
        self.sentences_, self.report_ = list(settings["sentences"]), dict(settings["report"])
        n_classes, described = len(content.classes), set(self.sentence_classes_.tolist())
        fits = self.constant_.shape == (n_classes,) and are_thresholds(threshold, n_classes)
        if not fits or described != set(range(n_classes)) or len(self.sentences_) != len(self.sentence_classes_):
            raise ModelFormatError("the model is damaged: its classes, sentences and thresholds do not fit each other")
        self.rule_ = LabelRule(threshold, None if top_k is None else int(top_k))
        self.label_words = keyed_by_class(self.label_words, content.classes)


def constant_labels(y: np.ndarray) -> np.ndarray:
    """Return which labels all of several texts have, ``(n_classes,)`` for a 0/1 matrix ``(n_texts, n_classes)``.

    Examples
    --------
    >>> constant_labels(np.array([[1, 0], [1, 1]])), constant_labels(np.array([[1, 0]]))
    (array([ True, False]), array([False, False]))
    """
    return np.asarray(y.all(axis=0)) & (len(y) >= LEAST_FOR_CONSTANT)


def joined(
    texts: Sequence[str], y: np.ndarray, validation: tuple[list[str], np.ndarray] | None
) -> tuple[list[str], np.ndarray]:
    """Return all labelled texts: a model that learns from none may be judged by each.

    Examples
    --------
    >>> joined(["a"], np.array([1]), (["b"], np.array([0])))
    (['a', 'b'], array([1, 0]))
    """
    if validation is None:
        return list(texts), y
    return [*texts, *validation[0]], np.concatenate([y, validation[1]])


def _plain_words(said: str | Sequence[str]) -> str | list[str]:
    return said if isinstance(said, str) else list(said)
