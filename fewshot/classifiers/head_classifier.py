"""Classifiers that are an encoder and a head chosen for it: what the linear probe, SetFit and their students share.

Besides labels and probabilities they can stay silent: where held-out predictions say that an answer as sure as this one
is wrong too often, and, if they remember what they learnt from as SetFit does, where a text is unlike all of that.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fewshot.classifiers.base import EmbeddingClassifier, certainty
from fewshot.classifiers.folder import ModelContent
from fewshot.core.errors import InputError, ModelFormatError
from fewshot.encoders.base import check_texts
from fewshot.encoders.resolve import unwrapped
from fewshot.heads.calibration import PrecisionCurve
from fewshot.heads.memory import Memory, remembered
from fewshot.heads.scope import ScopeDetector
from fewshot.heads.table import Head, NeighborHead, restore_head

if TYPE_CHECKING:
    from setfit import SetFitModel

    from fewshot.encoders.sentence import SentenceEncoder


_NO_MEMORY = "this classifier keeps no vectors of its training texts, so it cannot tell what is unlike them"


class HeadClassifier(EmbeddingClassifier):
    """Base of classifiers with an encoder and a head.

    Attributes
    ----------
    encoder_ : Encoder
    head_ : Head
        Class probabilities of unit vectors.
    precision_curve_ : PrecisionCurve or None
        How often answers of a given confidence were right on texts that were held out; ``None`` where there were too
        few labels to find out.
    memory_ : Memory or None
        Vectors and classes of training texts.
    scope_ : ScopeDetector or None
        How far a text is from those.
    """

    head_: Head
    _with_setfit_files = False
    precision_curve_: PrecisionCurve | None = None
    memory_: Memory | None = None
    scope_: ScopeDetector | None = None

    def probabilities_from(self, X: np.ndarray) -> np.ndarray:
        """Return class probabilities ``(n, n_classes)`` for unit vectors ``(n, dimension)`` of the encoder."""
        return self.head_.predict_proba(X)

    def abstention_threshold(self, precision: float) -> float:
        """Return the confidence from which answers are expected to be right with the wanted precision.

        Parameters
        ----------
        precision : float
            Wanted share of right answers among those given, above 0 and at most 1.

        Returns
        -------
        float
            Above 1 where no confidence reaches it: then every text is abstained from.

        Raises
        ------
        InputError
            If the classifier was trained on too few labels for held-out predictions.
        """
        self._check_fitted()
        if not 0 < precision <= 1:
            raise InputError(f"precision must be above 0 and at most 1, got {precision}")
        if self.precision_curve_ is None:
            raise InputError(
                "this classifier has no held-out predictions to tell precision from; train it on more labels a class "
                "(four, where folds=2), or give validation texts"
            )
        return self.precision_curve_.threshold_for(precision)

    def scope_scores(self, texts: Sequence[str]) -> np.ndarray:
        """Return how far each text is from those that were learnt from; larger is farther.

        Returns
        -------
        ndarray of shape (n_texts,)

        Raises
        ------
        InputError
            If the classifier keeps no vectors of its training texts.
        """
        self._check_fitted()
        check_texts(texts)
        if self.scope_ is None:
            raise InputError(
                "this classifier keeps no vectors of its training texts, so it cannot tell what is far off"
            )
        return self.scope_.score(self._embed(list(texts))) if len(texts) else np.empty(0)

    def in_scope(self, texts: Sequence[str]) -> np.ndarray:
        """Tell which texts are near enough to the training texts: about 95 % of texts like those are.

        Returns
        -------
        ndarray of bool, shape (n_texts,)
        """
        scores = self.scope_scores(texts)
        assert self.scope_ is not None
        return scores <= self.scope_.threshold

    def predict_selective(
        self, texts: Sequence[str], *, precision: float | None = None, in_scope_only: bool = False
    ) -> list[Any]:
        """Predict labels, and ``None`` where it is better to ask a person.

        Parameters
        ----------
        texts : sequence of str
        precision : float, optional
            Abstain from answers whose confidence is too low for this share of right ones.
        in_scope_only : bool, default=False
            Abstain from texts unlike the training texts.

        Returns
        -------
        list
            A label (in multi-label tasks a tuple) or ``None`` a text.

        References
        ----------
        Geifman, El-Yaniv 2017, "Selective classification for deep neural networks", arXiv:1705.08500.
        """
        probabilities, kept = self.judged(texts, precision=precision, in_scope_only=in_scope_only)
        labels = self.labels_from(probabilities)
        plain = labels if isinstance(labels, list) else labels.tolist()
        return [label if keep else None for label, keep in zip(plain, kept, strict=True)]

    def judged(
        self, texts: Sequence[str], *, precision: float | None = None, in_scope_only: bool = False
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return probabilities, and which answers to give; see :meth:`predict_selective`.

        Returns
        -------
        probabilities : ndarray of shape (n_texts, n_classes)
        kept : ndarray of bool, shape (n_texts,)
        """
        threshold = 0.0 if precision is None else self.abstention_threshold(precision)
        self._check_fitted()
        check_texts(texts)
        if in_scope_only and self.scope_ is None:
            raise InputError(_NO_MEMORY)
        if not len(texts):
            return np.empty((0, len(self.classes_))), np.empty(0, dtype=bool)
        X = self._embed(texts)
        probabilities = np.asarray(self.probabilities_from(X), dtype=np.float64)
        kept = self.confidence_of(probabilities) >= threshold
        if in_scope_only and self.scope_ is not None:
            kept &= self.scope_.score(X) <= self.scope_.threshold
        return probabilities, kept

    def to_setfit(self) -> "SetFitModel":
        """Return this classifier as a model of the package ``setfit``, with the same predictions.

        Returns
        -------
        setfit.SetFitModel
            With a copy of the encoder. Multi-label predictions are rows of 0 and 1 there.
        """
        from fewshot.interop.setfit_folder import to_setfit

        self._check_fitted()
        body = self._sentence_encoder().trainable_copy()
        model = to_setfit(body, self._setfit_head(), list(self.label_space_.classes), self.label_space_.multi_label)
        model.normalize_embeddings = self.takes_unit_vectors
        return model

    def save(
        self,
        path: str | Path,
        *,
        metrics: dict[str, Any] | None = None,
        provenance: dict[str, Any] | None = None,
        setfit_compatible: bool = False,
    ) -> None:
        """Write a model directory that :func:`fewshot.load_classifier` opens.

        Parameters
        ----------
        path, metrics, provenance
            As for every classifier.
        setfit_compatible : bool, default=False
            Also write ``config_setfit.json`` and ``model_head.pkl``, a pickle, so that
            ``setfit.SetFitModel.from_pretrained`` opens the folder with equal predictions.
        """
        if setfit_compatible:
            self._sentence_encoder()
            self._setfit_head()
        self._with_setfit_files = setfit_compatible
        try:
            super().save(path, metrics=metrics, provenance=provenance)
        finally:
            del self._with_setfit_files

    def _save_encoder(self, folder: Path) -> None:
        super()._save_encoder(folder)
        if self._with_setfit_files:
            from fewshot.interop.setfit_folder import write_setfit_head

            write_setfit_head(
                folder,
                classes=list(self.label_space_.classes),
                head=self._setfit_head(),
                multi_label=self.label_space_.multi_label,
                encoder_normalizes=self.takes_unit_vectors,
            )

    def _sentence_encoder(self) -> "SentenceEncoder":
        from fewshot.encoders.sentence import SentenceEncoder

        encoder = unwrapped(self.encoder_)
        if not isinstance(encoder, SentenceEncoder):
            raise InputError(f"setfit holds sentence-transformers models only, not {encoder.name!r}")
        return encoder

    def _setfit_head(self) -> Any:
        if self.head_.kind == NeighborHead.kind:
            raise InputError("setfit has no head that looks up neighbours; train with head='logistic' or 'prototype'")
        return self.head_

    def _promise(self, y: np.ndarray, probabilities: np.ndarray) -> None:
        """Learn from the head's answers to held-out texts from which confidence on they are right often enough."""
        threshold = self.head_.threshold if y.ndim == 2 else None
        right = (probabilities >= threshold) == y if y.ndim == 2 else probabilities.argmax(axis=1) == y
        correct = right.all(axis=1) if y.ndim == 2 else right
        self.precision_curve_ = PrecisionCurve.of(certainty(probabilities, threshold), correct) if len(y) else None

    def _remember(self, X: np.ndarray, y: np.ndarray, held_out_scores: np.ndarray | None = None) -> None:
        self.memory_ = Memory.of(X, y) if len(y) else None
        self.scope_ = self.memory_.scope(held_out_scores=held_out_scores) if self.memory_ else None

    @property
    def _threshold(self) -> Any:
        return self.head_.threshold

    def _state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        arrays, settings = self.head_.state()
        settings = {"head": self.head_.kind, **settings}
        if not self.takes_unit_vectors:
            settings["unit_vectors"] = False
        if self.precision_curve_ is not None:
            settings["precision_curve"] = self.precision_curve_.to_json()
        if self.memory_ is not None and self.scope_ is not None:
            arrays |= self.memory_.arrays()
            settings["scope_threshold"] = self.scope_.threshold
        return arrays, settings

    def _restore_head(self, content: ModelContent) -> None:
        arrays, settings = content.arrays, content.settings
        kind = str(settings.get("head", "linear"))  # folders of version 0.1.0 name none
        self.head_ = restore_head(kind, arrays, settings, content.multi_label)
        answers = self.head_.predict_proba(np.zeros((1, self.encoder_.dimension), dtype=np.float32))
        if answers.shape != (1, len(content.classes)):
            raise ModelFormatError(
                f"the head is damaged: it answers for {answers.shape[1]} classes, the model has {len(content.classes)}"
            )
        self.takes_unit_vectors = bool(settings.get("unit_vectors", True))
        if "precision_curve" in settings:
            self.precision_curve_ = PrecisionCurve.from_json(settings["precision_curve"])
        self.memory_ = remembered(arrays, n_classes=len(content.classes), multi_label=content.multi_label)
        if self.memory_ is not None:
            threshold = float(settings["scope_threshold"])
            if not np.isfinite(threshold):
                raise ModelFormatError(f"the model is damaged: its scope_threshold is {threshold}")
            self.scope_ = self.memory_.scope(threshold)
