"""Domain adaptation and a classifier as one estimator, so that a comparison can name it like any other method."""

from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np
from sklearn.base import clone

from fewshot.adaptation.adapter import DomainAdapter
from fewshot.classifiers.base import Labeled
from fewshot.encoders.base import Encoder


class AdaptedClassifier:
    """Fits a classifier on an encoder that was adapted to the pool.

    Parameters
    ----------
    classifier : TextClassifier
        Unfitted, with an ``encoder``; a copy of it is fitted.
    adapted : callable
        ``adapted()`` gives the encoder; see :func:`adapt_to`.
    """

    def __init__(self, classifier: Any, adapted: Callable[[], Encoder]) -> None:
        self.classifier = classifier
        self.adapted = adapted

    def fit(self, texts: Sequence[str], labels: Sequence[Any], *, validation: Labeled | None = None) -> Self:
        """Adapt the encoder unless that was done, and fit the classifier on it."""
        classifier = clone(self.classifier).set_params(encoder=self.adapted())
        self.classifier_ = classifier.fit(texts, labels, validation=validation)
        return self

    def predict(self, texts: Sequence[str]) -> Any:
        """Return the classifier's labels."""
        return self.classifier_.predict(texts)

    def predict_proba(self, texts: Sequence[str]) -> np.ndarray:
        """Return the classifier's probabilities."""
        return self.classifier_.predict_proba(texts)


def adapt_to(pool: Sequence[str], encoder: Any, *, device: str | None = None, random_state: int = 0) -> Encoder:
    """Return an encoder that was adapted to unlabelled texts with the default settings."""
    return DomainAdapter(encoder, device=device, random_state=random_state).fit(pool).encoder_
