"""Transformers that classify by a head of their own: what all of them share, however they were made.

Weights are read from safetensors alone, and no code from a model's folder is ever run.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from scipy.special import expit, softmax

from fewshot.classifiers.folder import ModelContent
from fewshot.classifiers.label_thresholds import ThresholdClassifier, are_thresholds
from fewshot.classifiers.sequence_models import model_fingerprint, open_saved, save_whole
from fewshot.classifiers.sequence_outputs import name_outputs
from fewshot.classifiers.sequence_scorer import SequenceScorer
from fewshot.core.errors import InputError, ModelFormatError
from fewshot.data.labels import LabelSpace
from fewshot.encoders.base import check_texts
from fewshot.encoders.transformer_opening import length_limit


class TransformerClassifier(ThresholdClassifier):
    """Base of classifiers that are a transformer with a classification head, and its tokenizer.

    Attributes
    ----------
    model_ : PreTrainedModel or PooledModel
    tokenizer_ : PreTrainedTokenizer
    columns_ : ndarray of shape (n_classes,)
        Which output of the model belongs to each class.
    threshold_ : ndarray of shape (n_classes,)
        Probability from which each label applies; used in multi-label tasks alone.
    max_length_ : int
        Tokens that are read of a text.
    """

    device: str | None

    @property
    def model_name(self) -> str:
        """What the model is called in results."""
        raise NotImplementedError

    def _take(
        self, model: Any, tokenizer: Any, space: LabelSpace, columns: np.ndarray, threshold: Any = 0.5, **options: Any
    ) -> Self:
        """Take a trained model for one's own; ``options`` go to the scorer."""
        self._scorer = SequenceScorer(model, tokenizer, name=self.model_name, **options)
        self.model_, self.tokenizer_ = self._scorer.model, tokenizer
        self.max_length_ = self._scorer.max_length
        self.columns_ = np.asarray(columns, dtype=np.int64)
        self._set_space(space)
        name_outputs(model.config, space, self.columns_)
        return self.set_thresholds(threshold)

    def features(self, texts: Sequence[str]) -> dict[str, torch.Tensor]:
        """Return the arguments of the model's ``forward`` for a batch of texts.

        Parameters
        ----------
        texts : sequence of str

        Returns
        -------
        dict of str to Tensor
            ``input_ids``, ``attention_mask`` and what else the model takes, each ``(n_texts, n_tokens)``: padded to the
            longest text, at most ``max_length_``.
        """
        self._check_fitted()
        return self._scorer.features(texts)

    def logits(self, texts: Sequence[str]) -> np.ndarray:
        """Return the scores before softmax or sigmoid.

        Parameters
        ----------
        texts : sequence of str
            Any length; what is beyond ``max_length_`` tokens is cut off.

        Returns
        -------
        ndarray of shape (n_texts, n_classes), float32
            In the order of ``classes_``; equal texts have equal rows.
        """
        self._check_fitted()
        check_texts(texts)
        return self._scorer.logits(texts)[:, self.columns_]

    def _probabilities(self, texts: list[str]) -> np.ndarray:
        logits = self.logits(texts).astype(np.float64)
        return expit(logits) if self.label_space_.multi_label else softmax(logits, axis=1)

    def top_k(self, texts: Sequence[str], k: int = 5) -> list[list[tuple[Any, float]]]:
        """Return the ``k`` most probable classes of each text, best first, each with its probability.

        Parameters
        ----------
        texts : sequence of str
        k : int, default=5
            At least 1; all classes where there are fewer.

        Returns
        -------
        list of lists of (class, float)

        Raises
        ------
        InputError
            If ``k`` is under 1.
        """
        if k < 1:
            raise InputError(f"k must be at least 1, got {k}")
        probabilities = self.predict_proba(texts)
        best = np.argsort(-probabilities, axis=1, kind="stable")[:, :k]
        names = self.label_space_.classes
        return [
            [(names[column], float(row[column])) for column in columns]
            for row, columns in zip(probabilities, best, strict=True)
        ]

    def _encoder_entry(self) -> dict[str, Any] | None:
        return {"name": self.model_name, "max_length": self.max_length_}

    def _save_encoder(self, folder: Path) -> None:
        save_whole(folder, self.model_, self.tokenizer_)

    def _state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        arrays = {"columns": self.columns_, "threshold": self.threshold_}
        weights = model_fingerprint(self.model_, self.tokenizer_)  # two students differ, though all else be equal
        return arrays, {"max_length": self.max_length_, "fingerprint": weights}

    def _restore_model(
        self, content: ModelContent, path: Path, *, max_length: int | None = None, **options: Any
    ) -> None:
        """Take back model, tokenizer and thresholds from a model directory; ``options`` go to the scorer."""
        model, tokenizer = open_saved(path)
        columns, threshold = content.arrays["columns"], content.arrays["threshold"]
        length, n_classes = int(content.settings["max_length"]), len(content.classes)
        if sorted(columns.tolist()) != list(range(n_classes)) or model.config.num_labels != n_classes:
            found = f"{model.config.num_labels} outputs, {n_classes} classes"
            raise ModelFormatError(f"the model in {str(path)!r} is damaged: {found}")
        if not are_thresholds(threshold, n_classes) or not 1 <= length <= length_limit(model, tokenizer):
            raise ModelFormatError(f"the model in {str(path)!r} is damaged: its thresholds or max_length are no such")
        space = LabelSpace(tuple(content.classes), content.multi_label)
        length = length if max_length is None else max_length
        self._take(model, tokenizer, space, columns, threshold, max_length=length, **options)
