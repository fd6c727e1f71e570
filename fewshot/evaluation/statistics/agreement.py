"""How far methods agree on texts without labels, and what their disagreement says of how right they can be."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fewshot.core.errors import InputError
from fewshot.data.labels import plain_label


@dataclasses.dataclass(frozen=True)
class PoolAgreement:
    """How far each two of several methods agree.

    Make it with :func:`pool_agreement`.

    Parameters
    ----------
    names : tuple of str
    n : int
        Texts.
    agreement : ndarray of shape (n_methods, n_methods)
        Share of the texts that both label alike.
    kappa : ndarray of shape (n_methods, n_methods)
        Cohen's kappa, from -1 to 1: agreement beyond what the methods' label frequencies alone would give. 1 for a
        method that gives one label to all texts, beside another that gives the same.
    mean_accuracy_at_most : float
        The methods' accuracies on these texts cannot be higher in the mean, whatever the true labels are.
    """

    names: tuple[str, ...]
    n: int
    agreement: np.ndarray
    kappa: np.ndarray
    mean_accuracy_at_most: float

    @property
    def worse_accuracy_at_most(self) -> np.ndarray:
        """Of each two methods, the accuracy that the worse one cannot pass, ``(n_methods, n_methods)``.

        Where two disagree one of them is wrong at least, so that their errors add up to the disagreement or more. They
        may both be wrong where they agree: no agreement, however high, says how good a method is.
        """
        return (1 + self.agreement) / 2

    def rows(self) -> list[dict[str, Any]]:
        """Return one row for each two methods, those that disagree most first."""
        pairs = [(a, b) for a in range(len(self.names)) for b in range(a + 1, len(self.names))]
        return [
            {
                "method": self.names[a],
                "other": self.names[b],
                "agreement": float(self.agreement[a, b]),
                "kappa": float(self.kappa[a, b]),
                "worse_accuracy_at_most": float(self.worse_accuracy_at_most[a, b]),
            }
            for a, b in sorted(pairs, key=lambda pair: self.agreement[pair])
        ]


def pool_agreement(predictions: Mapping[str, Sequence[Any]]) -> PoolAgreement:
    """Compare what several methods say of the same unlabelled texts.

    Parameters
    ----------
    predictions : mapping of str to sequence
        Name of a method → its label for each text, in the same order for all; where a text has several labels a
        sequence of them, which agree as whole sets.

    Returns
    -------
    PoolAgreement

    Raises
    ------
    InputError
        If there are fewer than two methods, no text, or their numbers differ.

    Notes
    -----
    On each text only the methods of the largest group that agrees can be right; the mean share of that group is the
    bound ``mean_accuracy_at_most``. For two methods that disagree on a share ``x`` it is ``1 - x / 2``.

    References
    ----------
    Cohen 1960, "A coefficient of agreement for nominal scales", Educational and Psychological Measurement 20.

    Examples
    --------
    >>> found = pool_agreement({"knn": ["a", "a", "b", "b"], "setfit": ["a", "b", "b", "b"]})
    >>> found.agreement[0, 1], found.kappa[0, 1], found.mean_accuracy_at_most
    (np.float64(0.75), np.float64(0.5), 0.875)
    """
    answers, n_answers = _encoded(predictions)
    n = answers.shape[1]
    agreement = (answers[:, None] == answers[None]).mean(axis=2)
    frequency = np.stack([np.bincount(given, minlength=n_answers) for given in answers]) / n
    chance = frequency @ frequency.T
    kappa = np.divide(agreement - chance, 1 - chance, out=np.ones_like(chance), where=chance < 1)
    largest = sum(max(np.bincount(column)) for column in answers.T)
    return PoolAgreement(tuple(predictions), n, agreement, kappa, float(largest / answers.size))


def _encoded(predictions: Mapping[str, Sequence[Any]]) -> tuple[np.ndarray, int]:
    """Return the answers ``(n_methods, n)`` as numbers, and how many different ones there are."""
    if len(predictions) < 2:
        raise InputError(f"predictions must be those of two methods at least, got {len(predictions)}")
    lengths = {name: len(labels) for name, labels in predictions.items()}
    if len(set(lengths.values())) > 1 or not all(lengths.values()):
        raise InputError(f"predictions must be for the same texts, one at least, got {lengths}")
    numbers: dict[Any, int] = {}
    rows = [[numbers.setdefault(_key(label), len(numbers)) for label in labels] for labels in predictions.values()]
    return np.array(rows), len(numbers)


def _key(label: Any) -> Any:
    label = plain_label(label)
    return frozenset(label) if isinstance(label, tuple) else label
