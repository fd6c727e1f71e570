"""A transformer that classifies by a head of its own: transformers' "sequence classification" models as classifiers.

They are made elsewhere, by distillation or with transformers itself; this module opens, applies, adjusts and saves
them. Weights are read from safetensors alone, and no code from a model's folder is ever run.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np

from fewshot.classifiers.estimator import not_fitted
from fewshot.classifiers.folder import MARKER, ModelContent, read_content
from fewshot.classifiers.loading import restored
from fewshot.classifiers.sequence_models import open_whole
from fewshot.classifiers.sequence_outputs import classes_of_outputs
from fewshot.classifiers.transformer import TransformerClassifier
from fewshot.core.errors import InputError, ModelFormatError, SourceNotFoundError
from fewshot.data.labels import LabelSpace

_INSTEAD = "open a trained one with SequenceClassifier.from_pretrained, or train one with LogitDistillationTrainer"


class SequenceClassifier(TransformerClassifier):
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
        return self._take(model, tokenizer, space, columns, **self._settings)

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
        columns = np.arange(n_outputs) if columns is None else columns
        return self._take(model, tokenizer, space, columns, threshold, **self._settings)

    @property
    def model_name(self) -> str:
        """What the model is called in results."""
        return str(self.model)

    @property
    def _settings(self) -> dict[str, Any]:
        return {"batch_size": self.batch_size, "max_length": self.max_length, "device": self.device}

    def _learn(
        self, texts: list[str], y: np.ndarray, space: LabelSpace, validation: tuple[list[str], np.ndarray] | None
    ) -> None:
        raise InputError(f"a SequenceClassifier does not learn by fit: {_INSTEAD}")

    def _check_fitted(self) -> None:
        if not hasattr(self, "model_"):
            raise not_fitted(f"this SequenceClassifier holds no model yet: {_INSTEAD}")

    def _plain_params(self) -> dict[str, Any]:
        return super()._plain_params() | {"model": str(self.model), "device": None}

    def _restore(self, content: ModelContent, path: Path, **options: Any) -> None:
        self.device = options.get("device")
        self.batch_size = options.get("batch_size") or self.batch_size
        if options.get("max_length") is not None:
            self.max_length = options["max_length"]
        self._restore_model(
            content, path, max_length=options.get("max_length"), batch_size=self.batch_size, device=self.device
        )
