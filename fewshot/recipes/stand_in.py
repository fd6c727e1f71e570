"""Methods that make a classifier by another one's fit: estimators that answer as what they made."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from sklearn.exceptions import NotFittedError


class StandIn:
    """Answers as the classifier that its ``fit`` made.

    Attributes
    ----------
    made_as : str
        Name of the attribute that holds it.
    """

    made_as: ClassVar[str]

    @property
    def made(self) -> Any:
        """The classifier that was made.

        Raises
        ------
        NotFittedError
            If ``fit`` was not called.
        """
        found = getattr(self, self.made_as, None)
        if found is None:
            raise NotFittedError(f"this {type(self).__name__} is not fitted; call fit(texts, labels) first")
        return found

    def predict(self, texts: Sequence[str], *, at_least_one: bool = False) -> Any:
        """Return its labels."""
        return self.made.predict(texts, at_least_one=at_least_one)

    def predict_proba(self, texts: Sequence[str]) -> np.ndarray:
        """Return its probabilities ``(n, n_classes)``."""
        return self.made.predict_proba(texts)

    def score(self, texts: Sequence[str], labels: Sequence[Any]) -> float:
        """Return the share of texts whose label, or whole set of labels, it gets right."""
        return float(self.made.score(texts, labels))

    def save(self, path: str | Path) -> None:
        """Write it as a model directory."""
        self.made.save(path)
