"""Stop a contrastive training on what it is for: right answers on validation texts."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from fewshot.classifiers.selection import right
from fewshot.classifiers.templates import Examples
from fewshot.encoders.sentence import SentenceEncoder
from fewshot.heads.table import fit_head
from fewshot.heads.vectors import unit_rows

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

CHECKS = 4
"""How often a training is checked, evenly spread."""

PATIENCE = 2
"""Checks without a better score after which training stops."""


class ValidationStop:
    """Checks an encoder while it trains, stops it when it gets no better, and puts the best weights back.

    Parameters
    ----------
    base : SentenceEncoder
        The frozen encoder; how to encode is taken from it.
    train : Examples
        What class means are made of.
    texts, y : sequence of str, ndarray
        Validation texts and their classes.
    n_classes : int

    Attributes
    ----------
    scores : dict of int to float
        Share of right answers by step.

    References
    ----------
    Prechelt 1998, "Early Stopping — But When?", in "Neural Networks: Tricks of the Trade".
    """

    def __init__(
        self, base: SentenceEncoder, train: Examples, texts: Sequence[str], y: np.ndarray, *, n_classes: int
    ) -> None:
        self.base, self.train, self.texts, self.y, self.n_classes = base, train, texts, y, n_classes
        self.scores: dict[int, float] = {}
        self._best: dict[str, object] | None = None

    def __call__(self, step: int, model: "SentenceTransformer") -> bool:
        """Score the model as it is after ``step``; return True to stop."""
        encoder = self.base.like(model)
        X, X_test = unit_rows(encoder.encode(self.train.texts)), unit_rows(encoder.encode(self.texts))
        head = fit_head("prototype", X, self.train.y, n_classes=self.n_classes)
        score = float(right(self.y, head.predict_proba(X_test)).mean())
        if score > max(self.scores.values(), default=-1.0):
            self._best = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
        self.scores[step] = score
        return sum(at > self.best_step for at in self.scores) >= PATIENCE

    @property
    def best_step(self) -> int:
        """The first step with the best score; 0 before the first check."""
        return max(self.scores, key=lambda at: (self.scores[at], -at), default=0)

    def restore(self, model: "SentenceTransformer") -> None:
        """Put the best weights seen into ``model``."""
        if self._best is not None:
            model.load_state_dict(self._best)
