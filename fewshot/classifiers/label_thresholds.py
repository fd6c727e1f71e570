"""Classifiers whose labels each apply from a probability of their own."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from fewshot.classifiers.base import TextClassifier
from fewshot.core.errors import InputError
from fewshot.data.texts import check_lengths
from fewshot.evaluation.thresholds import best_thresholds_per_label


class ThresholdClassifier(TextClassifier):
    """Base of classifiers with a threshold for each label, to be set or chosen after the training.

    Attributes
    ----------
    threshold_ : ndarray of shape (n_classes,)
        Probability from which each label applies; used in multi-label tasks alone.
    """

    threshold_: np.ndarray

    @property
    def _threshold(self) -> Any:
        return self.threshold_

    def set_thresholds(self, threshold: Any) -> Self:
        """Set the probability from which each label applies.

        Parameters
        ----------
        threshold : float or array of shape (n_classes,)
            From 0 to 1, for all labels or for each.

        Returns
        -------
        self

        Raises
        ------
        InputError
            If it is neither.
        """
        given = np.asarray(threshold, dtype=np.float64)
        if not are_thresholds(given, len(self.classes_)):
            raise InputError(
                f"threshold must be a number from 0 to 1, or one for each of the {len(self.classes_)} classes, got "
                f"{threshold!r}"
            )
        self.threshold_ = np.broadcast_to(given, (len(self.classes_),)).copy()
        return self

    def tune_thresholds(self, texts: Sequence[str], labels: Sequence[Any]) -> Self:
        """Choose each label's threshold for its best F1 on texts that the model did not learn from.

        Parameters
        ----------
        texts : sequence of str
        labels : sequence of sequences of (str or int)

        Returns
        -------
        self

        Raises
        ------
        InputError
            If the task is not multi-label, lengths differ, or a label is not one of the classes.
        """
        self._check_fitted()
        check_lengths(texts, labels)
        if not self.label_space_.multi_label:
            raise InputError("thresholds are for multi-label tasks; here the most probable class is the answer")
        y = self.label_space_.encode(labels)
        return self.set_thresholds(best_thresholds_per_label(y, self.predict_proba(texts)))


def are_thresholds(values: np.ndarray, n_classes: int) -> bool:
    """Return whether these are a probability, or one for each of ``n_classes``.

    Examples
    --------
    >>> are_thresholds(np.array(0.5), 3), are_thresholds(np.array([0.5, 1.5]), 2), are_thresholds(np.ones(2), 3)
    (True, False, False)
    """
    return values.shape in ((), (n_classes,)) and bool(((values >= 0) & (values <= 1)).all())
