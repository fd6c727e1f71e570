"""What the trainers of distillation have of scikit-learn: parameters, a readable form, copies."""

from typing import Any, Self

from sklearn.base import BaseEstimator


class Distiller(BaseEstimator):
    """Base of trainers whose parameters are fitted models.

    ``sklearn.base.clone`` would give an unfitted copy of the teacher; a copy of these keeps it, by reference.
    """

    def __sklearn_clone__(self) -> Self:
        params: dict[str, Any] = self.get_params(deep=False)
        return type(self)(**params)
