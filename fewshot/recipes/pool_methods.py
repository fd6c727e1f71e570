"""Classifiers that learn from a pool, as estimators like any other: a comparison gives them labels alone."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from fewshot.classifiers.base import Labeled
from fewshot.recipes.stand_in import StandIn


class WithPool(StandIn):
    """Fits a classifier with a pool, and answers as it does.

    Parameters
    ----------
    classifier : TextClassifier
        Unfitted; its ``fit`` takes ``unlabeled``. It is fitted itself, not a copy.
    pool : sequence of str
        Unlabelled texts.
    """

    made_as = "classifier"

    def __init__(self, classifier: Any, pool: Sequence[str]) -> None:
        self.classifier = classifier
        self.pool = pool

    def fit(
        self, texts: Sequence[str], labels: Sequence[Any], *, validation: Labeled | None = None, **options: Any
    ) -> Self:
        """Fit the classifier on labels and pool; ``options``, such as ``checkpoints``, are its own."""
        self.classifier.fit(texts, labels, unlabeled=self.pool, validation=validation, **options)
        return self

    def check_params(self) -> None:
        """Raise :class:`~fewshot.core.errors.InputError` unless the classifier's settings are in their range."""
        self.classifier.check_params()

    @property
    def resumable(self) -> bool:
        """Whether an interrupted training can be gone on with."""
        return bool(getattr(self.classifier, "resumable", False))

    @property
    def classes_(self) -> np.ndarray:
        """The classifier's class names."""
        return self.classifier.classes_

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the classifier's settings."""
        return self.classifier.get_params(deep=deep)

    def set_params(self, **params: Any) -> Self:
        """Set some of the classifier's settings."""
        self.classifier.set_params(**params)
        return self
