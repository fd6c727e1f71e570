"""The linear head as a value: coefficients and intercepts in, class probabilities out. Fitting it is left to others."""

import dataclasses
from typing import Any, ClassVar, Self

import numpy as np

from fewshot.core.errors import ModelFormatError
from fewshot.heads.logits import expit, softmax
from fewshot.heads.vectors import threshold_from, threshold_setting

NEVER = -200.0
"""Intercept of a class without a training row: no probability to speak of, even at the highest temperature."""


@dataclasses.dataclass(frozen=True)
class LinearHead:
    """Softmax (single-label) or independent sigmoids (multi-label) over a linear map.

    Parameters
    ----------
    coef : ndarray of shape (n_classes, dimension)
    intercept : ndarray of shape (n_classes,)
    multi_label : bool
    C : float or None
        The inverse regularization strength that was chosen; ``None`` where there was none to choose (prototypes).
    threshold : float or ndarray of shape (n_classes,), default=0.5
        The probability from which a label applies, one for all or one a label; multi-label only.

    Examples
    --------
    >>> head = LinearHead(np.array([[2.0, 0.0], [0.0, 2.0]]), np.zeros(2), multi_label=False, C=1.0)
    >>> head.predict_proba(np.array([[1.0, 0.0]])).round(2).tolist()
    [[0.88, 0.12]]
    """

    kind: ClassVar[str] = "linear"

    coef: np.ndarray
    intercept: np.ndarray
    multi_label: bool
    C: float | None
    threshold: float | np.ndarray = 0.5

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Return probabilities ``(n, n_classes)``; single-label rows sum to 1."""
        logits = X @ self.coef.T + self.intercept
        return expit(logits) if self.multi_label else softmax(logits)

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Return what :meth:`from_state` needs: arrays, and JSON values."""
        arrays = {"coef": self.coef, "intercept": self.intercept}
        return arrays, {"C": self.C, "threshold": threshold_setting(self.threshold)}

    @classmethod
    def from_state(cls, arrays: dict[str, np.ndarray], settings: dict[str, Any], multi_label: bool) -> Self:
        """Return the head that gave this state.

        Raises
        ------
        ModelFormatError
            If the shapes do not fit each other.
        """
        coef, intercept = arrays["coef"], arrays["intercept"]
        threshold = threshold_from(settings["threshold"])
        if coef.ndim != 2 or intercept.shape != (len(coef),) or np.shape(threshold) not in ((), intercept.shape):
            raise ModelFormatError(
                f"the head is damaged: coef {coef.shape}, intercept {intercept.shape} and threshold "
                f"{np.shape(threshold)} do not fit each other"
            )
        return cls(coef, intercept, multi_label=multi_label, C=settings["C"], threshold=threshold)
