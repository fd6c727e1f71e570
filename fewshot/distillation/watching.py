"""Looking at a student while it learns: a curve of held-out figures, and the end where these no longer rise."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fewshot.training.watching import BestWatch

LOOKS = 10
"""A student is looked at about so often in a training."""

MOST_LOOKED_AT = 200
"""Held-out texts of a look at a transformer; a token table reads all of them in no time."""


class StudentWatch(BestWatch):
    """Watches ``agreement`` and, of students with vectors, ``cosine_correlation``, each ``None`` where it is not known.

    The best look is that of the highest agreement, and of equal ones that of the higher correlation.
    """

    def rank(self, row: Mapping[str, Any]) -> tuple[float, ...] | None:
        """Return agreement, then correlation."""
        return None if row["agreement"] is None else (row["agreement"], row.get("cosine_correlation") or -1.0)

    def in_words(self, figures: Mapping[str, float | None]) -> str:
        """Return both figures, where they are known."""
        correlation, agreement = figures.get("cosine_correlation"), figures.get("agreement")
        parts = []
        if correlation is not None:
            parts.append(f"cosines {correlation:.3f}")
        if agreement is not None:
            parts.append(f"agreement {100 * agreement:.1f} %")
        return ", ".join(parts)


def with_losses(rows: Sequence[Mapping[str, Any]], losses: Sequence[float]) -> list[dict[str, Any]]:
    """Return the rows of a curve with the mean loss since the row before.

    Examples
    --------
    >>> with_losses([{"step": 2}, {"step": 3}], [3.0, 1.0, 0.5])
    [{'step': 2, 'loss': 2.0}, {'step': 3, 'loss': 0.5}]
    """
    before, curve = 0, []
    for row in rows:
        curve.append({"step": row["step"], "loss": float(np.mean(losses[before : row["step"]])), **row})
        before = row["step"]
    return curve
