"""Which methods are worth what they cost: the score of each where most labels were, beside seconds and megabytes."""

from collections.abc import Mapping, Sequence
from typing import Any

from fewshot.evaluation.runner.prediction_set import Entrant
from fewshot.evaluation.statistics.summary import entrant_names

Row = Mapping[str, Any]

AS_CHEAP = 0.1
"""Costs that differ by less than this share count as equal: timings waver by so much from one run to the next."""

NEGLIGIBLE = {"fit_seconds": 1.0, "size_mb": 1.0}
"""So do these: nobody chooses a method because it trains in a hundredth of a second rather than in half a one."""

FRONTIER_COLUMNS = (
    *("name", "method", "encoder", "pool", "slice", "n_train", "score"),
    *("fit_seconds", "texts_per_second", "size_mb", "worth", "error"),
)
"""What a point of ``frontier.json`` holds."""


def frontier(summary: Sequence[Row], costs: Mapping[Entrant, Row], *, metric: str = "macro_f1") -> list[dict[str, Any]]:
    """Put score and costs of the methods beside each other, at the largest slice.

    Parameters
    ----------
    summary : sequence of mappings
        What ``summarize`` gives.
    costs : mapping of Entrant to mapping
        ``texts_per_second``, ``size_mb`` and ``error``, each of which may be ``None``; a method that is not there has
        neither.
    metric : {"accuracy", "micro_f1", "macro_f1"}, default "macro_f1"
        Which score.

    Returns
    -------
    list of dict
        A row each with :data:`FRONTIER_COLUMNS`, in the order of ``summary``. ``worth`` is ``"yes"`` where no other
        method has as good a mean for as little of every known cost; else it names the best one that has. Empty where
        nothing has finished.

    Examples
    --------
    >>> row = {"encoder": "e", "pool": None, "slice": 8, "n_train": 16.0}
    >>> slow = row | {"method": "setfit", "macro_f1_mean": 0.8, "fit_seconds": 20.0}
    >>> poor = row | {"method": "knn", "macro_f1_mean": 0.6, "fit_seconds": 25.0}
    >>> [(point["name"], point["worth"]) for point in frontier([slow, poor], {})]
    [('setfit', 'yes'), ('knn', 'no: setfit is as good and as cheap')]
    """
    finished = [row for row in summary if row[f"{metric}_mean"] is not None]
    largest = [row for row in finished if row["slice"] == max(one["slice"] for one in finished)]
    points = [_point(row, name, costs, metric) for row, name in zip(largest, entrant_names(largest), strict=True)]
    for point in points:
        better = [other for other in points if other is not point and _beats(other, point)]
        best = max(better, key=lambda other: other["score"], default=None)
        point["worth"] = "yes" if best is None else f"no: {best['name']} is as good and as cheap"
    return points


def _point(row: Row, name: str, costs: Mapping[Entrant, Row], metric: str) -> dict[str, Any]:
    cost = costs.get(Entrant(row["method"], row["encoder"], row["pool"]), {})
    point = dict.fromkeys(FRONTIER_COLUMNS) | {"name": name, "score": row[f"{metric}_mean"]}
    point |= {key: row[key] for key in ("method", "encoder", "pool", "slice", "n_train", "fit_seconds")}
    return point | {key: cost.get(key) for key in ("texts_per_second", "size_mb", "error")}


def _beats(one: Row, other: Row) -> bool:
    """Whether one is as good and as cheap as the other in all that is known of both, and better or cheaper in some."""
    gains = [_gain(one["texts_per_second"], other["texts_per_second"])]
    gains += [_gain(other[name], one[name], slack) for name, slack in NEGLIGIBLE.items()]
    better = (one["score"] > other["score"]) - (one["score"] < other["score"])
    return min(better, *gains) >= 0 and max(better, *gains) > 0


def _gain(more: float | None, less: float | None, slack: float = 0.0) -> int:
    """Return 1 where the first is clearly more than the second, -1 where it is clearly less; 0 if either is unknown."""
    if more is None or less is None or abs(more - less) <= max(slack, AS_CHEAP * max(more, less)):
        return 0
    return 1 if more > less else -1
