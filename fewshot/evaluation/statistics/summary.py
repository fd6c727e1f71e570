"""Many seeds in one line: mean, standard deviation, confidence band and verdict of each score; how many failed."""

import statistics
from collections.abc import Iterable, Mapping
from typing import Any

from fewshot.evaluation.metrics import COMPARED, SCORES

GROUP = ("method", "encoder", "pool", "slice")
SPREADS = ("mean", "sd")
CONTRASTED = ("low", "high", "verdict")
SCORE_COLUMNS = tuple(
    f"{score}_{what}" for score in SCORES for what in (*SPREADS, *(CONTRASTED if score in COMPARED else ()))
)
SUMMARY_COLUMNS = (*GROUP, "n_train", "n_seeds", "n_failed", *SCORE_COLUMNS, "fit_seconds", "predict_seconds")
"""What ``summary.csv`` holds, in order."""


def summarize(rows: Iterable[Mapping[str, Any]], contrasts: Iterable[Mapping[str, Any]] = ()) -> list[dict[str, Any]]:
    """Give one row for each method, encoder, pool and slice, in the order of their first appearance.

    Parameters
    ----------
    rows : iterable of mappings
        Result rows, as ``run_comparison`` returns them.
    contrasts : iterable of mappings, optional
        What ``contrasts.contrast_methods`` gives for the same cells.

    Returns
    -------
    list of dict
        One value for each of ``SUMMARY_COLUMNS``: ``n_seeds`` counts the cells that went well, ``n_failed`` the
        others; means are over the former. The standard deviation (``ddof=1``) of a single seed is ``None``, as are the
        means of no seed. ``n_train`` is a mean too: slices of a multi-label task differ in size. The confidence band
        of a mean, from ``…_low`` to ``…_high``, and the verdict on the method within its slice are those of
        ``contrasts``, ``None`` where it has none.

    Examples
    --------
    >>> rows = [{"method": "knn", "slice": 8, "n_train": 16, "status": "ok", "accuracy": score} for score in (0.5, 0.7)]
    >>> row = summarize(rows)[0]
    >>> row["n_seeds"], round(row["accuracy_mean"], 3), round(row["accuracy_sd"], 3)
    (2, 0.6, 0.141)
    """
    groups: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault(tuple(row.get(name) for name in GROUP), []).append(row)
    found = {(*(row[name] for name in GROUP), row["metric"]): row for row in contrasts}
    return [_summary_of(group, members, found) for group, members in groups.items()]


def _summary_of(
    group: tuple[Any, ...], rows: list[Mapping[str, Any]], contrasts: Mapping[tuple[Any, ...], Mapping[str, Any]]
) -> dict[str, Any]:
    finished = [row for row in rows if row["status"] == "ok"]
    summary: dict[str, Any] = dict(zip(GROUP, group, strict=True))
    summary["n_train"] = _mean(finished or rows, "n_train")
    summary |= {"n_seeds": len(finished), "n_failed": len(rows) - len(finished)}
    for score in SCORES:
        summary[f"{score}_mean"] = _mean(finished, score)
        summary[f"{score}_sd"] = _sd(finished, score)
        if score in COMPARED:
            contrast = contrasts.get((*group, score), {})
            summary |= {f"{score}_{what}": contrast.get(what) for what in CONTRASTED}
    return summary | {name: _mean(finished, name) for name in ("fit_seconds", "predict_seconds")}


def variant_words(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """Say of each row which variant of its method it is; empty where the method has one alone.

    Parameters
    ----------
    rows : iterable of mappings
        Each with ``method``, ``encoder`` and ``pool``.

    Returns
    -------
    list of str
        Encoder and pool are named only if they tell a method's variants apart.

    Examples
    --------
    >>> variant_words([{"method": "uda", "encoder": "e", "pool": pool} for pool in (100, 2000)])
    ['100 unlabeled', '2,000 unlabeled']
    """
    rows = list(rows)
    methods = {row["method"] for row in rows}
    kinds = {name: len({(row["method"], row.get(name)) for row in rows}) for name in ("encoder", "pool")}
    several = [name for name, n_kinds in kinds.items() if n_kinds > len(methods)]
    return [", ".join(_variant(row[name]) for name in several if row[name]) for row in rows]


def entrant_names(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """Name each row by its method, and where that has several variants, by encoder and pool.

    Parameters
    ----------
    rows : iterable of mappings
        All that are shown together, each with ``method``, ``encoder`` and ``pool``.

    Examples
    --------
    >>> rows = [("naive-bayes", ""), ("knn", "bundled"), ("knn", "my/encoder")]
    >>> entrant_names([{"method": method, "encoder": encoder, "pool": None} for method, encoder in rows])
    ['naive-bayes', 'knn (bundled)', 'knn (my/encoder)']
    """
    rows = list(rows)
    return [
        f"{row['method']} ({variant})" if variant else str(row["method"])
        for row, variant in zip(rows, variant_words(rows), strict=True)
    ]


def with_names(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return rows that have their name of :func:`entrant_names` under ``"name"``, too."""
    rows = list(rows)
    return [{**row, "name": name} for row, name in zip(rows, entrant_names(rows), strict=True)]


def _variant(value: Any) -> str:
    return f"{value:,} unlabeled" if isinstance(value, int) else str(value)


def _values(rows: list[Mapping[str, Any]], name: str) -> list[float]:
    return [row[name] for row in rows if row.get(name) is not None]


def _mean(rows: list[Mapping[str, Any]], name: str) -> float | None:
    values = _values(rows, name)
    return float(statistics.mean(values)) if values else None


def _sd(rows: list[Mapping[str, Any]], name: str) -> float | None:
    values = _values(rows, name)
    return float(statistics.stdev(values)) if len(values) > 1 else None
