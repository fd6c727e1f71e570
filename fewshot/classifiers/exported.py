"""Classifiers that are one ONNX graph: a transformer, its pooling and a linear head, without torch and transformers.

They are made by :mod:`fewshot.compression.onnx_export` from trained ones and learn nothing themselves. What else the
trained one knew goes along: thresholds, calibration, the held-out precision and the vectors that tell what is far off.
"""

from pathlib import Path
from typing import Any, Self

import numpy as np

from fewshot.classifiers.base import TextClassifier
from fewshot.classifiers.folder import ModelContent, read_content
from fewshot.classifiers.head_classifier import HeadClassifier
from fewshot.classifiers.label_thresholds import ThresholdClassifier, are_thresholds
from fewshot.classifiers.loading import restored
from fewshot.core.errors import InputError, ModelFormatError
from fewshot.core.requirements import PREDICTING
from fewshot.data.labels import LabelSpace
from fewshot.encoders.onnx import OnnxEncoder, OnnxModel
from fewshot.heads.linear import LinearHead

RUNTIMES = ("onnxruntime", "onnxruntime-gpu")
"""Packages of ONNX Runtime; what is installed at the export is what the folder asks for."""


class _Exported(TextClassifier):
    """What both kinds share: they only predict."""

    threads: int | None
    report_: dict[str, Any]

    def __init__(self, *, threads: int | None = None) -> None:
        self.threads = threads

    @classmethod
    def load(cls, path: str | Path, *, device: str | None = None, threads: int | None = None) -> Self:
        """Open a model directory, with a say in how many threads compute.

        Parameters
        ----------
        path : str or Path
        device : {"cpu", "cuda"}, optional
        threads : int, optional
            Threads of one pass. Default: one a core.

        Raises
        ------
        SourceNotFoundError, ModelFormatError, MissingExtraError, InputError
            As :func:`fewshot.load_classifier`.
        """
        content = read_content(path)
        if content.kind != cls.kind:
            raise ModelFormatError(f"{str(path)!r} holds a {content.kind!r}; open it with load_classifier")
        return restored(cls, content, Path(path), device=device, threads=threads)

    @property
    def n_parameters(self) -> int | None:
        """How many numbers the original had learnt; ``None`` where it was not written down."""
        return self.report_.get("n_parameters")

    def set_threads(self, threads: int | None) -> None:
        """Compute with so many threads from now on, at least 1; ``None``: one a core."""
        self._graph.set_threads(threads)
        self.threads = threads

    @property
    def _graph(self) -> OnnxModel:
        raise NotImplementedError

    def _learn(self, *arguments: Any) -> None:
        raise InputError(
            "an exported classifier does not learn by fit: train the classifier that it was made from, and export it"
        )

    def _open(self, path: Path, content: ModelContent, **options: Any) -> OnnxModel:
        self.threads = options.get("threads", self.threads)
        self.report_ = dict(content.settings.get("export", {}))
        model = OnnxModel(path, device=options.get("device"), threads=self.threads)
        columns = model.listing.outputs.get("probabilities")
        if columns != len(content.classes):
            raise ModelFormatError(
                f"the model in {str(path)!r} is damaged: {columns} probabilities for {len(content.classes)} classes"
            )
        return model

    def _packages(self) -> tuple[str, ...]:
        return (*PREDICTING, *RUNTIMES)

    def _plain_params(self) -> dict[str, Any]:
        return {"threads": None}  # another machine has others


class ExportedClassifier(_Exported, HeadClassifier):
    """An encoder and a linear head as one ONNX graph.

    Parameters
    ----------
    threads : int, optional
        Threads of one pass. Default: one a core.

    Attributes
    ----------
    encoder_ : OnnxEncoder
        The same graph as an encoder.
    head_ : LinearHead
        What the graph computes of vectors; used by itself where a text's vector is that of several windows.
    report_ : dict
        How it was made: ``kind`` of the original, ``precision``, what it was held against.

    Examples
    --------
    >>> from fewshot import load_classifier
    >>> load_classifier("runs/exported").predict(["a text"])  # doctest: +SKIP
    array(['billing'], dtype='<U8')
    """

    kind = "exported"
    encoder_: OnnxEncoder
    head_: LinearHead

    @classmethod
    def from_parts(cls, encoder: OnnxEncoder, trained: HeadClassifier, report: dict[str, Any]) -> Self:
        """Return the exported form of a trained classifier.

        Parameters
        ----------
        encoder : OnnxEncoder
            Of its graph, which gives probabilities, too.
        trained : HeadClassifier
            With a linear head.
        report : dict
            JSON values that say how it was made.
        """
        self = cls()
        self.encoder_, self.report_ = encoder, report
        assert isinstance(trained.head_, LinearHead)
        self.head_, self.takes_unit_vectors = trained.head_, trained.takes_unit_vectors
        self.precision_curve_, self.memory_, self.scope_ = trained.precision_curve_, trained.memory_, trained.scope_
        self._set_space(trained.label_space_)
        return self

    @property
    def _graph(self) -> OnnxModel:
        return self.encoder_.model

    def _probabilities(self, texts: list[str]) -> np.ndarray:
        model = self._graph
        if model.always_one_pass:
            return model.rows(texts, "probabilities", name=self.encoder_.name)
        return super()._probabilities(texts)

    def _state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        arrays, settings = super()._state()
        return arrays, {**settings, "export": self.report_}

    def _restore(self, content: ModelContent, path: Path, **options: Any) -> None:
        model = self._open(path, content, **options)
        self.encoder_ = OnnxEncoder(model, name=str((content.encoder or {}).get("name", "onnx")))
        self._restore_head(content)
        shape = (len(content.classes), self.encoder_.dimension)
        if not isinstance(self.head_, LinearHead) or self.head_.coef.shape != shape:
            raise ModelFormatError(f"the model in {str(path)!r} is damaged: its head does not fit its graph")


class ExportedSequenceClassifier(_Exported, ThresholdClassifier):
    """A transformer with a classification head of its own as one ONNX graph.

    Parameters
    ----------
    threads : int, optional
        Threads of one pass. Default: one a core.

    Attributes
    ----------
    threshold_ : ndarray of shape (n_classes,)
        Probability from which each label applies; used in multi-label tasks alone.
    report_ : dict
        How it was made.
    """

    kind = "exported-sequence"
    _model: OnnxModel

    @property
    def _graph(self) -> OnnxModel:
        return self._model

    @classmethod
    def from_parts(
        cls, model: OnnxModel, space: LabelSpace, threshold: np.ndarray, report: dict[str, Any], *, name: str
    ) -> Self:
        """Return the exported form of a trained classifier.

        Parameters
        ----------
        model : OnnxModel
            Its graph, which gives probabilities in the order of the classes.
        space : LabelSpace
        threshold : ndarray of shape (n_classes,)
        report : dict
            JSON values that say how it was made.
        name : str
            What the model is called in results.
        """
        self = cls()
        self._model, self.report_, self._name = model, report, name
        self._set_space(space)
        return self.set_thresholds(threshold)

    @property
    def model_name(self) -> str:
        """What the model is called in results."""
        return self._name

    def _probabilities(self, texts: list[str]) -> np.ndarray:
        return self._model.rows(texts, "probabilities", name=self._name)

    def _encoder_entry(self) -> dict[str, Any] | None:
        return {"name": self._name, "max_length": self._model.listing.tokens.max_length}

    def _save_encoder(self, folder: Path) -> None:
        self._model.save(folder)

    def _state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        return {"threshold": self.threshold_}, {"export": self.report_}

    def _restore(self, content: ModelContent, path: Path, **options: Any) -> None:
        self._model = self._open(path, content, **options)
        self._name = str((content.encoder or {}).get("name", "onnx"))
        threshold = content.arrays["threshold"]
        if not are_thresholds(threshold, len(content.classes)):
            raise ModelFormatError(f"the model in {str(path)!r} is damaged: its thresholds are no such")
        self.set_thresholds(threshold)
