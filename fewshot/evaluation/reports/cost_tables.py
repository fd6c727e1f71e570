"""What methods cost, as tables to read: seconds by method and slice, and which methods are worth what they cost."""

from collections.abc import Mapping, Sequence
from typing import Any

from fewshot.evaluation.charts.plots import NAMES
from fewshot.evaluation.statistics.summary import entrant_names
from fewshot.evaluation.tables import format_score

Row = Mapping[str, Any]

SECONDS = {"train": "fit_seconds", "predict": "predict_seconds"}
SECONDS_TOLD = (
    "Means over seeds, in seconds, by slice; to predict is to answer all test texts. Vectors of an encoder that is not "
    "trained are kept from one cell to the next: this is what the comparison took. How fast a method is on texts that "
    "it never saw is told above, where it was measured."
)
WORTH_TOLD = (
    "Speed and size are measured once a method, after a cell of this slice was scored, on some test texts, with no "
    "vector kept from before; where cells ran side by side they shared the machine. Size is that of all files of the "
    "saved model, encoder included. A method is worth its cost unless another has as good a mean and is as fast, as "
    "small and as soon trained (differences below 10 %, below 1 s and below 1 MB count as none)."
)


def seconds_table(summary: Sequence[Row]) -> list[dict[str, Any]]:
    """Return a row a method, with a column for training and one for predicting on each slice.

    Parameters
    ----------
    summary : sequence of mappings
        What ``summarize`` gives.

    Examples
    --------
    >>> row = {"method": "knn", "encoder": "", "pool": None, "slice": 8, "fit_seconds": 0.5, "predict_seconds": 2.0}
    >>> seconds_table([row])
    [{'method': 'knn', 'train 8': 0.5, 'predict 8': 2.0}]
    """
    timed = [row for row in summary if row["fit_seconds"] is not None]
    slices = sorted({row["slice"] for row in timed})
    columns = {(what, size): f"{what} {size}" for what in SECONDS for size in slices}
    table: dict[str, dict[str, Any]] = {}
    for row, name in zip(timed, entrant_names(timed), strict=True):
        line = table.setdefault(name, {"method": name} | dict.fromkeys(columns.values()))
        line |= {columns[what, row["slice"]]: row[key] for what, key in SECONDS.items()}
    return list(table.values())


def worth_table(points: Sequence[Row], metric: str = "macro_f1") -> list[dict[str, Any]]:
    """Return what :func:`fewshot.evaluation.statistics.frontier.frontier` gives, for reading, the best first.

    Examples
    --------
    >>> point = {"name": "knn", "score": 0.5, "fit_seconds": 0.5, "texts_per_second": 90.0, "size_mb": 91.0}
    >>> worth_table([point | {"worth": "yes", "error": None}])
    [{'method': 'knn', 'macro F1, %': '50.0', 'seconds to train': 0.5, 'texts a second': 90.0, 'MB': 91.0, \
'worth its cost': 'yes'}]
    """
    names = {"fit_seconds": "seconds to train", "texts_per_second": "texts a second", "size_mb": "MB"}
    names |= {"worth": "worth its cost"} | ({"error": "not measured"} if any(p["error"] for p in points) else {})
    return [
        {"method": point["name"], f"{NAMES[metric]}, %": format_score(point["score"])}
        | {name: point[key] for key, name in names.items()}
        for point in sorted(points, key=lambda point: -point["score"])
    ]
