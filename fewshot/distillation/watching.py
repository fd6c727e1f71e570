"""Looking at a student while it learns: a curve of held-out figures, and the end where these no longer rise."""

from collections.abc import Mapping
from typing import Any

from fewshot.training.watching import BestWatch


class StudentWatch(BestWatch):
    """Watches ``agreement`` and ``cosine_correlation``, each ``None`` where it is not known.

    The best look is that of the highest agreement, and of equal ones that of the higher correlation.
    """

    def rank(self, row: Mapping[str, Any]) -> tuple[float, ...] | None:
        """Return agreement, then correlation."""
        return None if row["agreement"] is None else (row["agreement"], row["cosine_correlation"] or -1.0)

    def in_words(self, figures: Mapping[str, float | None]) -> str:
        """Return both figures, where they are known."""
        correlation, agreement = figures.get("cosine_correlation"), figures.get("agreement")
        parts = []
        if correlation is not None:
            parts.append(f"cosines {correlation:.3f}")
        if agreement is not None:
            parts.append(f"agreement {100 * agreement:.1f} %")
        return ", ".join(parts)
