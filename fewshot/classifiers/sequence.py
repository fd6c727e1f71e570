"""A transformer that classifies by a head of its own: transformers' "sequence classification" models as classifiers.

They are made elsewhere, by distillation or with transformers itself; this module opens, applies, adjusts and saves
them. Weights are read from safetensors alone, and no code from a model's folder is ever run.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from scipy.special import expit, softmax
from sklearn.exceptions import NotFittedError

from fewshot.classifiers.folder import MARKER, ModelContent, read_content
from fewshot.classifiers.label_thresholds import ThresholdClassifier, are_thresholds
from fewshot.classifiers.loading import restored
from fewshot.classifiers.sequence_models import model_fingerprint, open_whole
from fewshot.classifiers.sequence_outputs import classes_of_outputs, name_outputs
from fewshot.classifiers.sequence_scorer import SequenceScorer
from fewshot.core.errors import InputError, ModelFormatError, SourceNotFoundError
from fewshot.data.labels import LabelSpace
from fewshot.encoders.base import check_texts
from fewshot.encoders.opening import quiet
from fewshot.encoders.transformer_opening import length_limit

_INSTEAD = "open a trained one with SequenceClassifier.from_pretrained, or train one with LogitDistillationTrainer"
_TOKENIZER = "tokenizer_config.json"


class SequenceClassifier(ThresholdClassifier):
    """A transformer with a classification head, and its tokenizer.

    Parameters
    ----------
    model : str, optional
        What the model is called in results.
    batch_size : int, optional
        Texts a forward pass; halved, and kept so, when memory runs out. Default: 16 on a CPU, 128 elsewhere.
    max_length : int, optional
        Tokens that are read of a text. Default: as many as the model can read, at most 512.
    device : str, optional
        Where it runs; default: the fastest there is.

    Attributes
    ----------
    model_ : PreTrainedModel
    tokenizer_ : PreTrainedTokenizer
    threshold_ : ndarray of shape (n_classes,)
        Probability from which each label applies; used in multi-label tasks alone.
    max_length_ : int

    Notes
    -----
    It learns nothing by :meth:`fit`: open one by :meth:`from_pretrained`, wrap one by :meth:`from_parts`, or train one
    by :class:`~fewshot.distillation.logits.LogitDistillationTrainer`.

    Examples
    --------
    >>> classifier = SequenceClassifier.from_pretrained("runs/bert", classes=["spam", "ham"])  # doctest: +SKIP
    >>> classifier.predict(["a text"])  # doctest: +SKIP
    """

    kind = "sequence"

    def __init__(
        self,
        model: str | None = None,
        *,
        batch_size: int | None = None,
        max_length: int | None = None,
        device: str | None = None,
    ) -> None:
        self.model = model
        self.batch_size = batch_size
        self.max_length = max_length
        self.device = device

    @classmethod
    def from_pretrained(
        cls,
        folder: str | Path,
        classes: Sequence[Any] | None = None,
        *,
        multi_label: bool | None = None,
        batch_size: int | None = None,
        max_length: int | None = None,
        device: str | None = None,
    ) -> Self:
        """Open a local folder of a sequence classification model, of ours or of transformers.

        Parameters
        ----------
        folder : str or Path
            With ``config.json``, ``model.safetensors`` and a tokenizer.
        classes : sequence of (str or int), optional
            What the outputs stand for, in the model's order. Default: the names in its ``id2label``.
        multi_label : bool, optional
            Default: what its ``problem_type`` says; else one label a text.
        batch_size, max_length, device
            As for the class.

        Returns
        -------
        SequenceClassifier

        Raises
        ------
        SourceNotFoundError
            If there is no such folder.
        ModelFormatError
            If it holds no such model, weights of its head are missing, or it would need a pickle or its own code.
        InputError
            If ``classes`` does not fit the model.
        """
        path = Path(folder)
        if not path.is_dir():
            raise SourceNotFoundError(f"no model folder {str(folder)!r}")
        if classes is None and multi_label is None and (path / MARKER).is_file():
            return cls._of_ours(path, batch_size=batch_size, max_length=max_length, device=device)
        self = cls(str(folder), batch_size=batch_size, max_length=max_length, device=device)
        model, tokenizer = open_whole(path)
        several = model.config.problem_type == "multi_label_classification" if multi_label is None else multi_label
        names = list(model.config.id2label.values()) if classes is None else list(classes)
        space, columns = classes_of_outputs(names, model.config.num_labels, multi_label=several)
        return self._take(model, tokenizer, space, columns)

    @classmethod
    def _of_ours(cls, path: Path, **options: Any) -> Self:
        content = read_content(path)
        if content.kind != cls.kind:
            raise ModelFormatError(f"{str(path)!r} holds a {content.kind!r}; open it with load_classifier")
        return restored(cls, content, path, **options)

    @classmethod
    def from_parts(
        cls,
        model: Any,
        tokenizer: Any,
        space: LabelSpace,
        *,
        name: str | None = None,
        threshold: Any = 0.5,
        columns: np.ndarray | None = None,
        batch_size: int | None = None,
        max_length: int | None = None,
        device: str | None = None,
    ) -> Self:
        """Wrap a model and a tokenizer in memory.

        Parameters
        ----------
        model : PreTrainedModel
            With ``space``'s classes for outputs; used as it is, not copied. Its configuration gets their names.
        tokenizer : PreTrainedTokenizer
        space : LabelSpace
        name : str, optional
            What the model is called in results.
        threshold : float or ndarray of shape (n_classes,), default=0.5
            In multi-label tasks, probability from which a label applies.
        columns : ndarray of shape (n_classes,), optional
            Which output belongs to each class; default: the same order.
        batch_size, max_length, device
            As for the class.

        Returns
        -------
        SequenceClassifier

        Raises
        ------
        InputError
            If the model has another number of outputs, the tokenizer has no padding token, or a number is out of range.
        """
        n_outputs = int(model.config.num_labels)
        if n_outputs != len(space.classes):
            raise InputError(f"model has {n_outputs} outputs for {len(space.classes)} classes; make them equal")
        self = cls(name or "in-memory model", batch_size=batch_size, max_length=max_length, device=device)
        return self._take(model, tokenizer, space, np.arange(n_outputs) if columns is None else columns, threshold)

    def _take(
        self, model: Any, tokenizer: Any, space: LabelSpace, columns: np.ndarray, threshold: Any = 0.5, **options: Any
    ) -> Self:
        settings = {"batch_size": self.batch_size, "max_length": self.max_length, "device": self.device} | options
        self._scorer = SequenceScorer(model, tokenizer, name=str(self.model), **settings)
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

    def _learn(
        self, texts: list[str], y: np.ndarray, space: LabelSpace, validation: tuple[list[str], np.ndarray] | None
    ) -> None:
        raise InputError(f"a SequenceClassifier does not learn by fit: {_INSTEAD}")

    def _check_fitted(self) -> None:
        if not hasattr(self, "model_"):
            raise NotFittedError(f"this SequenceClassifier holds no model yet: {_INSTEAD}")

    def _encoder_entry(self) -> dict[str, Any] | None:
        return {"name": str(self.model), "max_length": self.max_length_}

    def _plain_params(self) -> dict[str, Any]:
        return super()._plain_params() | {"model": str(self.model), "device": None}

    def _save_encoder(self, folder: Path) -> None:
        with quiet():
            self.model_.save_pretrained(folder)
            self.tokenizer_.save_pretrained(folder)

    def _state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        arrays = {"columns": self.columns_, "threshold": self.threshold_}
        weights = model_fingerprint(self.model_, self.tokenizer_)  # two students differ, though all else be equal
        return arrays, {"max_length": self.max_length_, "fingerprint": weights}

    def _restore(self, content: ModelContent, path: Path, **options: Any) -> None:
        self.device = options.get("device")
        self.batch_size = options.get("batch_size") or self.batch_size
        if not (path / _TOKENIZER).is_file():  # transformers would make one up, by the kind of the model
            raise ModelFormatError(f"the model in {str(path)!r} is damaged: {_TOKENIZER} is missing")
        model, tokenizer = open_whole(path)
        columns, threshold = content.arrays["columns"], content.arrays["threshold"]
        length, n_classes = int(content.settings["max_length"]), len(content.classes)
        if sorted(columns.tolist()) != list(range(n_classes)) or model.config.num_labels != n_classes:
            found = f"{model.config.num_labels} outputs, {n_classes} classes"
            raise ModelFormatError(f"the model in {str(path)!r} is damaged: {found}")
        if not are_thresholds(threshold, n_classes) or not 1 <= length <= length_limit(model, tokenizer):
            raise ModelFormatError(f"the model in {str(path)!r} is damaged: its thresholds or max_length are no such")
        if options.get("max_length") is not None:
            self.max_length = length = options["max_length"]
        space = LabelSpace(tuple(content.classes), content.multi_label)
        self._take(model, tokenizer, space, columns, threshold, max_length=length)
