"""Why a text was labelled as it was, where neighbours decide: who they are, how near, and what each vote weighed."""

import dataclasses
from typing import Any

SHOWN_SIGNS = 60


@dataclasses.dataclass(frozen=True)
class Neighbor:
    """One training text that voted.

    Parameters
    ----------
    row : int
        Its place among the training texts, from 0.
    label : str, int, or tuple of them
        Its label; in multi-label tasks a tuple.
    similarity : float
        The cosine, or with the metric ``"l2"`` minus the distance: the larger, the nearer.
    share : float
        Its share of all votes, from 0 to 1.
    text : str, optional
        The text itself, where the classifier keeps texts.
    """

    row: int
    label: Any
    similarity: float
    share: float
    text: str | None = None


@dataclasses.dataclass(frozen=True, repr=False)
class Explanation:
    """The neighbours that decided on one text; shown as a table.

    Parameters
    ----------
    prediction : str, int, or tuple of them
        What :meth:`~fewshot.KNNClassifier.predict` answers.
    confidence : float
        Share of the votes that speak for it; in multi-label tasks for the least certain of the decisions.
    neighbors : tuple of Neighbor
        The nearest first. Their shares sum to 1.

    Examples
    --------
    >>> Explanation("refund", 0.7, (Neighbor(4, "refund", 0.81, 0.7), Neighbor(0, "delivery", 0.35, 0.3)))
    refund (confidence 0.70)
    share  similarity  row  label
     0.70       0.810    4  refund
     0.30       0.350    0  delivery
    """

    prediction: Any
    confidence: float
    neighbors: tuple[Neighbor, ...]

    def __repr__(self) -> str:
        has_texts = any(neighbor.text is not None for neighbor in self.neighbors)
        titles = ("share", "similarity", "row", "label", "text")[: 5 if has_texts else 4]
        lines = [titles, *(_cells(neighbor)[: len(titles)] for neighbor in self.neighbors)]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        table = [
            "  ".join(
                cell.ljust(width) if place >= 3 else cell.rjust(width)  # numbers to the right, words to the left
                for place, (cell, width) in enumerate(zip(line, widths, strict=True))
            ).rstrip()
            for line in lines
        ]
        return "\n".join([f"{_named(self.prediction)} (confidence {self.confidence:.2f})", *table])


def _cells(neighbor: Neighbor) -> tuple[str, ...]:
    share, similarity = f"{neighbor.share:.2f}", f"{neighbor.similarity:.3f}"
    return share, similarity, str(neighbor.row), _named(neighbor.label), _shortened(neighbor.text or "")


def _named(label: Any) -> str:
    return (", ".join(map(str, label)) or "(none)") if isinstance(label, tuple) else str(label)


def _shortened(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= SHOWN_SIGNS else f"{line[: SHOWN_SIGNS - 1]}…"
