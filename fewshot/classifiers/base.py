"""The contract of every classifier: texts and labels in, a fitted estimator out, with scikit-learn's habits.

:class:`TextClassifier` holds what is the same for all: checks at the door, class names, single- and multi-label
prediction, scores, saving. :class:`EmbeddingClassifier` composes an encoder with a head once, for all that have one. A
method adds how it learns.
"""

import tempfile
from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from fewshot.classifiers.augmented import described
from fewshot.classifiers.estimator import Estimator, not_fitted
from fewshot.classifiers.folder import ModelContent, write_model
from fewshot.classifiers.hub import PREFIX, push_to_hub
from fewshot.core.errors import InputError, ModelFormatError
from fewshot.core.versions import library_versions
from fewshot.data.labels import LabelSpace
from fewshot.data.texts import check_lengths
from fewshot.encoders.base import Encoder, check_texts
from fewshot.encoders.resolve import load_encoder, unwrapped
from fewshot.evaluation.thresholds import with_one_label
from fewshot.heads.vectors import unit_rows

Labeled = tuple[Sequence[str], Sequence[Any]]


class TextClassifier(Estimator):
    """Base of all classifiers of texts.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class names, sorted; columns of :meth:`predict_proba` are in this order.
    label_space_ : LabelSpace
        The same, and whether the task is multi-label.
    """

    kind: ClassVar[str]

    def fit(self, texts: Sequence[str], labels: Sequence[Any], *, validation: Labeled | None = None) -> Self:
        """Learn from labelled texts; starts afresh at each call.

        Parameters
        ----------
        texts : sequence of str
        labels : sequence of (str or int), or of sequences of them
            One label a text, or any number of them a text (multi-label). Strings come out as those strings.
        validation : (texts, labels), optional
            Labelled texts to choose settings on, for methods that can use them. Never used to learn from. Without it
            settings are chosen by cross-validation or leave-one-out inside the training data.

        Returns
        -------
        self

        Raises
        ------
        InputError
            If a parameter is out of its range, lengths differ, there is no text, a label is missing or of an odd type,
            or only one class is there.
        """
        self.check_params()
        check_texts(texts)
        check_lengths(texts, labels)
        space = self._classes_of(labels)
        self._learn(list(texts), space.encode(labels), space, _encoded(validation, space))
        self._set_space(space)
        return self

    def check_params(self) -> None:
        """Raise :class:`~fewshot.core.errors.InputError` if a parameter is out of its range; ``fit`` does so first.

        What only a model can tell, such as how many tokens it reads, is not looked at.
        """

    def _classes_of(self, labels: Sequence[Any]) -> LabelSpace:
        """Return the classes to tell apart."""
        if not len(labels):
            raise InputError("texts must not be empty; give at least one labelled text a class")
        space = LabelSpace.of(labels)
        if len(space.classes) < 2 and not space.multi_label:
            raise InputError(
                f"labels hold one class only, {space.classes[0]!r}; a classifier needs at least two to tell apart"
            )
        return space

    @abstractmethod
    def _learn(
        self,
        texts: list[str],
        y: np.ndarray,
        space: LabelSpace,
        validation: tuple[list[str], np.ndarray] | None,
    ) -> None:
        """Fit on class numbers ``(n,)`` or a 0/1 matrix ``(n, n_classes)``."""

    @abstractmethod
    def _probabilities(self, texts: list[str]) -> np.ndarray:
        """Return probabilities ``(n, n_classes)``."""

    @property
    def _threshold(self) -> Any:
        """Probability from which a label applies, for all labels or for each; multi-label only."""
        return 0.5

    def _set_space(self, space: LabelSpace) -> None:
        self.label_space_ = space
        self.classes_ = np.array(space.classes)

    def predict_proba(self, texts: Sequence[str]) -> np.ndarray:
        """Return the probability of each class.

        Parameters
        ----------
        texts : sequence of str

        Returns
        -------
        ndarray of shape (n_texts, n_classes)
            In the order of ``classes_``. Single-label rows sum to 1; multi-label entries stand each for themselves.
        """
        self._check_fitted()
        check_texts(texts)
        if not len(texts):
            return np.empty((0, len(self.classes_)))
        return np.asarray(self._probabilities(list(texts)), dtype=np.float64)

    def predict(self, texts: Sequence[str], *, at_least_one: bool = False) -> Any:
        """Return the label of each text.

        Parameters
        ----------
        texts : sequence of str
        at_least_one : bool, default=False
            In multi-label tasks, give the most probable label to a text where none reaches its threshold.

        Returns
        -------
        ndarray of shape (n_texts,), or list of tuples
            The most probable class; in multi-label tasks a tuple of all labels whose probability reaches the
            threshold, possibly none.
        """
        return self.labels_from(self.predict_proba(texts), at_least_one=at_least_one)

    def labels_from(self, probabilities: np.ndarray, *, at_least_one: bool = False) -> Any:
        """Return the labels that :meth:`predict` would give for these rows of :meth:`predict_proba`."""
        if not self.label_space_.multi_label:
            return self.classes_[probabilities.argmax(axis=1)]
        applies = self._applying(probabilities)
        return self.label_space_.decode(with_one_label(applies, probabilities) if at_least_one else applies)

    def _applying(self, probabilities: np.ndarray) -> np.ndarray:
        """Return which labels apply, ``(n_texts, n_classes)``; multi-label tasks alone."""
        return np.asarray(probabilities >= self._threshold)

    def confidence_of(self, probabilities: np.ndarray) -> np.ndarray:
        """Return how sure these rows of :meth:`predict_proba` are.

        Returns
        -------
        ndarray of shape (n_texts,)
            The probability of the most probable class; in multi-label tasks that of the least certain of the row's
            decisions.
        """
        return certainty(probabilities, self._threshold if self.label_space_.multi_label else None)

    def score(self, texts: Sequence[str], labels: Sequence[Any], sample_weight: np.ndarray | None = None) -> float:
        """Return the share of texts whose label, or whole set of labels, is right.

        Raises
        ------
        InputError
            If there is no text, or lengths differ.
        """
        self._check_fitted()
        check_lengths(texts, labels)
        if not len(texts):
            raise InputError("texts must not be empty; there is no score of nothing")
        if self.label_space_.multi_label:
            right = [set(a) == set(b) for a, b in zip(self.predict(texts), labels, strict=True)]
        else:
            right = [a == b for a, b in zip(self.predict(texts), labels, strict=True)]
        return float(np.average(right, weights=sample_weight))

    def save(
        self, path: str | Path, *, metrics: dict[str, Any] | None = None, provenance: dict[str, Any] | None = None
    ) -> None:
        """Write a model directory that :func:`fewshot.load_classifier` opens.

        Parameters
        ----------
        path : str or Path
            A new folder, or one with an earlier model, which is replaced when the new one is complete;
            ``"hub:owner/name"`` uploads to a (private) repository of the Hub, see
            :func:`fewshot.classifiers.hub.push_to_hub`.
        metrics, provenance : dict, optional
            Scores, and where the model came from; written into ``fewshot.json`` and the model card.
        """
        self._check_fitted()
        if str(path).startswith(PREFIX):
            with tempfile.TemporaryDirectory(prefix="fewshot-") as folder:
                TextClassifier.save(self, Path(folder) / "model", metrics=metrics, provenance=provenance)
                push_to_hub(Path(folder) / "model", str(path))
            return
        arrays, settings = self._state()
        content = ModelContent(
            kind=self.kind,
            params=self._plain_params(),
            classes=list(self.label_space_.classes),
            multi_label=self.label_space_.multi_label,
            encoder=self._encoder_entry(),
            settings=settings,
            arrays=arrays,
        )
        write_model(
            path,
            content,
            versions=library_versions(),
            metrics=metrics,
            provenance=provenance,
            save_encoder=self._save_encoder if content.encoder else None,
            packages=self._packages(),
        )

    @classmethod
    def _from_content(cls, content: ModelContent, path: Path, **options: Any) -> Self:
        self = cls(**content.params)
        self._set_space(LabelSpace(tuple(content.classes), content.multi_label))
        self._restore(content, path, **options)
        return self

    @abstractmethod
    def _state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Return what was learnt: arrays, and JSON values."""

    @abstractmethod
    def _restore(self, content: ModelContent, path: Path, **options: Any) -> None:
        """Take back what :meth:`_state` gave."""

    def _encoder_entry(self) -> dict[str, Any] | None:
        return None

    def _save_encoder(self, folder: Path) -> None:
        """Write the encoder; classifiers without one have nothing to write."""

    def _packages(self) -> tuple[str, ...]:
        """Return what it predicts by, if it needs no torch and a folder of it opens without; empty if it does."""
        return ()

    def _plain_params(self) -> dict[str, Any]:
        params = dict(self.get_params(deep=False))
        objects = ("augment", "unlabeled_augment", "pruning", "quantization")
        return params | {name: described(params[name]) for name in objects if name in params}

    def _check_fitted(self) -> None:
        if not hasattr(self, "label_space_"):
            raise not_fitted(f"this {type(self).__name__} is not fitted yet; call fit(texts, labels) first")


class EmbeddingClassifier(TextClassifier):
    """Base of classifiers that are an encoder and a head on its unit vectors.

    Attributes
    ----------
    encoder_ : Encoder
        The encoder in use; after contrastive training the trained one.
    """

    encoder: Any
    device: str | None
    takes_unit_vectors = True
    """Whether the head takes vectors of length 1; only heads that setfit trained may take them as they are."""

    def head_input(self, vectors: np.ndarray) -> np.ndarray:
        """Return the encoder's vectors ``(n, dimension)`` as the head takes them."""
        return unit_rows(vectors) if self.takes_unit_vectors else vectors

    def _embed(self, texts: Sequence[str]) -> np.ndarray:
        return self.head_input(self.encoder_.encode(texts))

    def _probabilities(self, texts: list[str]) -> np.ndarray:
        return self.probabilities_from(self._embed(texts))

    @abstractmethod
    def probabilities_from(self, X: np.ndarray) -> np.ndarray:
        """Return class probabilities ``(n, n_classes)`` for vectors ``(n, dimension)``, see :meth:`head_input`."""

    def _open_encoder(self) -> Encoder:
        return load_encoder(self.encoder, device=self.device)

    def _encoder_entry(self) -> dict[str, Any] | None:
        encoder = unwrapped(self.encoder_)
        precision = getattr(encoder, "precision", None)
        entry = {"name": encoder.name, "dimension": encoder.dimension, "precision": precision}
        return entry | encoder.length_settings

    def _save_encoder(self, folder: Path) -> None:
        self.encoder_.save(folder)

    def _plain_params(self) -> dict[str, Any]:
        # The encoder itself lies in the folder; an object in its place would not be JSON.
        params = super()._plain_params()
        return params | {"encoder": self.encoder_.name, "device": None}

    def _restore(self, content: ModelContent, path: Path, **options: Any) -> None:
        if not (path / "modules.json").is_file():
            raise ModelFormatError(f"the model in {str(path)!r} is damaged: its encoder's modules.json is missing")
        entry = content.encoder or {}
        # A head fitted on float32 vectors gets these again; bfloat16 is asked for only where the processor has it.
        precision = "float32" if entry.get("precision") == "float32" else "auto"
        lengths = {name: entry[name] for name in ("long_texts", "max_chunks") if name in entry}
        self.encoder_ = load_encoder(path, device=options.get("device"), precision=precision, **lengths)
        self.encoder_.name = str(entry.get("name", self.encoder_.name))
        self._restore_head(content)

    @abstractmethod
    def _restore_head(self, content: ModelContent) -> None:
        """Take back the head's part of what :meth:`_state` gave."""


def certainty(probabilities: np.ndarray, threshold: Any = None) -> np.ndarray:
    """Return the largest probability of each row, or that of its least certain decision where ``threshold`` is given.

    Examples
    --------
    >>> certainty(np.array([[0.7, 0.4]])), certainty(np.array([[0.7, 0.4]]), 0.5)
    (array([0.7]), array([0.6]))
    """
    if not len(probabilities):
        return np.empty(0)
    if threshold is None:
        return probabilities.max(axis=1)
    return np.where(probabilities >= threshold, probabilities, 1 - probabilities).min(axis=1)


def _encoded(validation: Labeled | None, space: LabelSpace) -> tuple[list[str], np.ndarray] | None:
    if validation is None:
        return None
    texts, labels = validation
    check_texts(texts)
    check_lengths(texts, labels)
    if not len(texts):
        raise InputError("validation must not be empty; leave it out to choose settings by cross-validation")
    return list(texts), space.encode(labels)
