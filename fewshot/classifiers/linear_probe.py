"""Linear probe: a frozen encoder and a logistic regression whose regularization is chosen by cross-validation."""

from typing import Any

import numpy as np

from fewshot.classifiers.head_classifier import HeadClassifier
from fewshot.data.labels import LabelSpace
from fewshot.encoders.base import Encoder
from fewshot.encoders.resolve import DEFAULT_TEACHER
from fewshot.heads.table import LinearHead, fit_linear


class LinearProbeClassifier(HeadClassifier):
    """Logistic regression on the vectors of a frozen encoder.

    Parameters
    ----------
    encoder : str, Path, Encoder or SentenceTransformer
        Default: the Hub's ``sentence-transformers/paraphrase-mpnet-base-v2``; ``"bundled"`` needs no network.
        See :func:`fewshot.encoders.resolve.load_encoder`.
    device : str, optional
        Where the encoder runs; default: the fastest there is.
    random_state : int, default=0
        Decides the cross-validation folds.

    Attributes
    ----------
    head_ : LinearHead
        Coefficients, and the regularization strength ``C`` that was chosen.

    Examples
    --------
    >>> probe = LinearProbeClassifier(encoder="bundled", random_state=0)
    >>> probe.get_params()["encoder"]
    'bundled'
    """

    kind = "linear-probe"

    def __init__(self, encoder: Any = DEFAULT_TEACHER, *, device: str | None = None, random_state: int = 0) -> None:
        self.encoder = encoder
        self.device = device
        self.random_state = random_state

    def _learn(
        self, texts: list[str], y: np.ndarray, space: LabelSpace, validation: tuple[list[str], np.ndarray] | None
    ) -> None:
        self.encoder_ = self._open_encoder()
        self.head_ = self._fit_head(texts, y, space)

    def _fit_head(self, texts: list[str], y: np.ndarray, space: LabelSpace) -> LinearHead:
        return fit_linear(self._embed(texts), y, n_classes=len(space.classes), random_state=self.random_state)

    @classmethod
    def from_parts(cls, encoder: Encoder, head: LinearHead, space: LabelSpace) -> "LinearProbeClassifier":
        """Return a fitted classifier made of an encoder and a head that were trained elsewhere.

        Parameters
        ----------
        encoder : Encoder
        head : LinearHead
        space : LabelSpace
            The classes, in the order of the head's rows.
        """
        self = cls(encoder=encoder)
        self.encoder_ = encoder
        self.head_ = head
        self._set_space(space)
        return self
