"""A transformer that classifies by a head of its own: transformers' "sequence classification" models as classifiers.

They are made elsewhere, by distillation or with transformers itself; this module opens, applies, adjusts and saves
them. Weights are read from safetensors alone, and no code from a model's folder is ever run.
"""

import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from scipy.special import expit, softmax
from transformers import PreTrainedConfig

from fewshot.classifiers.base import TextClassifier
from fewshot.classifiers.folder import MARKER, ModelContent, read_content
from fewshot.classifiers.sequence_models import (
    DEFAULT_LENGTH,
    length_limit,
    open_tokenizer,
    open_whole,
    with_new_head,
    with_random_weights,
)
from fewshot.core.errors import FewshotError, InputError, ModelFormatError, SourceNotFoundError
from fewshot.core.progress import track
from fewshot.data.labels import LabelSpace
from fewshot.data.texts import check_lengths
from fewshot.encoders.base import check_texts
from fewshot.encoders.device import choose_device
from fewshot.encoders.opening import quiet
from fewshot.evaluation.thresholds import best_thresholds_per_label
from fewshot.training.seeding import seeded


class SequenceClassifier(TextClassifier):
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
        space, columns = _space_of(names, model.config.num_labels, several)
        return self._take(model, tokenizer, space, columns)

    @classmethod
    def _of_ours(cls, path: Path, **options: Any) -> Self:
        content = read_content(path)
        if content.kind != cls.kind:
            raise ModelFormatError(f"{str(path)!r} holds a {content.kind!r}; open it with load_classifier")
        try:
            return cls._from_content(content, path, **options)
        except FewshotError:
            raise
        except (KeyError, TypeError, ValueError) as error:
            raise ModelFormatError(f"the model in {str(path)!r} is damaged: {type(error).__name__}: {error}") from None

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
        """
        self = cls(name or "in-memory model", batch_size=batch_size, max_length=max_length, device=device)
        n_outputs = int(model.config.num_labels)
        if n_outputs != len(space.classes):
            raise InputError(f"model has {n_outputs} outputs for {len(space.classes)} classes; make them equal")
        return self._take(model, tokenizer, space, np.arange(n_outputs) if columns is None else columns, threshold)

    @classmethod
    def untrained(
        cls,
        model: "str | Path | PreTrainedConfig",
        space: LabelSpace,
        *,
        tokenizer: Any = None,
        device: str | None = None,
        random_state: int = 0,
    ) -> Self:
        """Return a pretrained transformer with a new head for these classes, or one with random weights throughout.

        Parameters
        ----------
        model : str, Path or PreTrainedConfig
            ``"bundled"``, a folder or a Hub id to take the weights of; or a configuration, for random ones.
        space : LabelSpace
        tokenizer : PreTrainedTokenizer, optional
            Needed beside a configuration, and used there alone.
        device : str, optional
        random_state : int, default=0
            Decides the random weights.

        Raises
        ------
        SourceNotFoundError
            If ``model`` is neither a folder nor to be had from the Hub.
        ModelFormatError
            If it cannot be opened, or weights below the head are missing.
        """
        with seeded(random_state):
            if isinstance(model, PreTrainedConfig):
                made, name = with_random_weights(model, tokenizer, space), f"a new {model.model_type}"
            else:
                made, name, tokenizer = with_new_head(model, space), str(model), open_tokenizer(model)
        return cls.from_parts(made, tokenizer, space, name=name, device=device)

    def _take(self, model: Any, tokenizer: Any, space: LabelSpace, columns: np.ndarray, threshold: Any = 0.5) -> Self:
        if tokenizer.pad_token is None:
            raise InputError(
                "tokenizer has no padding token, so texts cannot share a batch; set tokenizer.pad_token, and "
                "model.config.pad_token_id to its number"
            )
        if self.batch_size is not None and self.batch_size < 1:
            raise InputError(f"batch_size must be at least 1, got {self.batch_size}")
        self._set_space(space)
        device = choose_device(self.device)
        self.model_ = model.to(device).eval()
        if model.config.pad_token_id is None:  # GPT-2 and its kin look for the last token that is no padding
            model.config.pad_token_id = tokenizer.pad_token_id
        self.tokenizer_ = tokenizer
        self.columns_ = np.asarray(columns, dtype=np.int64)
        self.max_length_ = self._choose_length()
        self._batch_size = self.batch_size or (16 if device == "cpu" else 128)
        self._inputs = set(inspect.signature(model.forward).parameters)
        self._name_outputs()
        self.set_thresholds(threshold)
        return self

    def _choose_length(self) -> int:
        most = length_limit(self.model_, self.tokenizer_)
        least = 1 + self.tokenizer_.num_special_tokens_to_add()
        length = min(most, DEFAULT_LENGTH) if self.max_length is None else self.max_length
        if not least <= length <= most:
            raise InputError(f"max_length must be {least} to {most} for this model, got {length}")
        return length

    def _name_outputs(self) -> None:
        names = [""] * len(self.columns_)
        for name, column in zip(self.label_space_.classes, self.columns_, strict=True):
            names[column] = str(name)
        config = self.model_.config
        config.id2label = dict(enumerate(names))
        config.label2id = {name: number for number, name in enumerate(names)}
        several = self.label_space_.multi_label
        config.problem_type = "multi_label_classification" if several else "single_label_classification"

    def set_thresholds(self, threshold: Any) -> Self:
        """Set the probability from which each label applies.

        Parameters
        ----------
        threshold : float or array of shape (n_classes,)
            From 0 to 1, for all labels or for each.

        Returns
        -------
        self
        """
        given = np.asarray(threshold, dtype=np.float64)
        if given.shape not in ((), (len(self.classes_),)) or not ((given >= 0) & (given <= 1)).all():
            raise InputError(
                f"threshold must be a number from 0 to 1, or one for each of the {len(self.classes_)} classes, got "
                f"{threshold!r}"
            )
        self.threshold_ = np.broadcast_to(given, (len(self.classes_),)).copy()
        return self

    def tune_thresholds(self, texts: Sequence[str], labels: Sequence[Any]) -> Self:
        """Choose each label's threshold for its best F1 on texts that the model did not learn from.

        Raises
        ------
        InputError
            If the task is not multi-label, or a label is not one of the classes.
        """
        self._check_fitted()
        check_lengths(texts, labels)
        if not self.label_space_.multi_label:
            raise InputError("thresholds are for multi-label tasks; here the most probable class is the answer")
        y = self.label_space_.encode(labels)
        return self.set_thresholds(best_thresholds_per_label(y, self.predict_proba(texts)))

    def features(self, texts: Sequence[str]) -> dict[str, torch.Tensor]:
        """Return the arguments of the model's ``forward`` for a batch of texts, padded to the longest."""
        tokens = self.tokenizer_(
            list(texts), padding=True, truncation=True, max_length=self.max_length_, return_tensors="pt"
        )
        return {name: tensor for name, tensor in tokens.items() if name in self._inputs}

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
        unique = list(dict.fromkeys(texts))
        order = sorted(range(len(unique)), key=lambda i: (-len(unique[i]), i))  # like lengths pad little
        scores = np.empty((len(unique), len(self.columns_)), dtype=np.float32)
        start = 0
        with track(f"classifying with {self.model}", total=len(unique)) as advance:
            while start < len(order):
                rows = order[start : start + self._batch_size]
                try:
                    scores[rows] = self._forward([unique[row] for row in rows])
                except torch.OutOfMemoryError:
                    if self._batch_size == 1:
                        raise
                    self._batch_size //= 2
                    torch.cuda.empty_cache()
                    continue
                start += len(rows)
                advance(len(rows))
        position = {text: row for row, text in enumerate(unique)}
        return scores[[position[text] for text in texts]][:, self.columns_]

    @torch.inference_mode()
    def _forward(self, texts: list[str]) -> np.ndarray:
        device = next(self.model_.parameters()).device
        tokens = {name: tensor.to(device) for name, tensor in self.features(texts).items()}
        return self.model_(**tokens).logits.float().cpu().numpy()

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

    @property
    def _threshold(self) -> Any:
        return self.threshold_

    def _learn(
        self, texts: list[str], y: np.ndarray, space: LabelSpace, validation: tuple[list[str], np.ndarray] | None
    ) -> None:
        raise InputError(
            "a SequenceClassifier does not learn by fit: open a trained one with SequenceClassifier.from_pretrained, "
            "or train one with LogitDistillationTrainer"
        )

    def _encoder_entry(self) -> dict[str, Any] | None:
        return {"name": str(self.model), "max_length": self.max_length_}

    def _plain_params(self) -> dict[str, Any]:
        return super()._plain_params() | {"model": str(self.model), "device": None}

    def _save_encoder(self, folder: Path) -> None:
        with quiet():
            self.model_.save_pretrained(folder)
            self.tokenizer_.save_pretrained(folder)

    def _state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        return {"columns": self.columns_, "threshold": self.threshold_}, {"max_length": self.max_length_}

    def _restore(self, content: ModelContent, path: Path, **options: Any) -> None:
        self.device = options.get("device")
        self.batch_size = options.get("batch_size") or self.batch_size
        self.max_length = options.get("max_length") or int(content.settings["max_length"])
        model, tokenizer = open_whole(path)
        columns, n_classes = content.arrays["columns"], len(content.classes)
        if sorted(columns.tolist()) != list(range(n_classes)) or model.config.num_labels != n_classes:
            raise ModelFormatError(
                f"the model in {str(path)!r} is damaged: {model.config.num_labels} outputs, {n_classes} classes"
            )
        space = LabelSpace(tuple(content.classes), content.multi_label)
        self._take(model, tokenizer, space, columns, content.arrays["threshold"])


def _space_of(names: list[Any], n_outputs: int, multi_label: bool) -> tuple[LabelSpace, np.ndarray]:
    """Return the classes, sorted, and which output of the model belongs to each."""
    if len(names) != n_outputs:
        raise InputError(f"classes must name the model's {n_outputs} outputs in their order, got {len(names)} names")
    if n_outputs < 2 and not multi_label:
        raise ModelFormatError(
            "the model has one output, as for regression; pass multi_label=True if it is the score of one label"
        )
    space = LabelSpace(LabelSpace.of(names).classes, multi_label)
    if len(space.classes) != len(names):
        raise InputError("classes must all be different")
    return space, np.array([names.index(name) for name in space.classes])
