"""Pages of made-up comparisons: a large one, as 10 methods on 6 slices with 10 seeds leave it, and a hostile one."""

from pathlib import Path
from typing import Any

import numpy as np

from fewshot.data.texts import TextData
from fewshot.evaluation.charts.class_plot import plot_classes
from fewshot.evaluation.charts.forecast_plot import plot_forecasts
from fewshot.evaluation.forecasts.forecast import forecast_scores, readable_forecasts
from fewshot.evaluation.metrics import COMPARED, SCORES
from fewshot.evaluation.runner.contest import COLUMNS
from fewshot.evaluation.runner.prediction_set import Entrant
from fewshot.evaluation.statistics.contrasts import BEST, CONTRAST_COLUMNS, NEAR
from fewshot.evaluation.statistics.frontier import frontier
from fewshot.evaluation.statistics.summary import summarize
from fewshot.recipes.insights import Insights
from fewshot.recipes.outcome import Comparison, write_page

METHODS, SLICES, SEEDS, N_CLASSES = 10, (2, 4, 8, 16, 32, 64), 10, 77
EVIL = "<script>window.hacked=1</script>"
EVIL_IMAGE = '"><img src=x onerror="window.hacked=1">'


def made_up_rows(
    n_methods: int = METHODS, slices: tuple[int, ...] = SLICES, seeds: int = SEEDS
) -> list[dict[str, Any]]:
    """Return a result row for each method, slice and seed: scores that rise, no two alike."""
    rng = np.random.default_rng(0)
    rows = []
    for number in range(n_methods):
        for size in slices:
            for seed in range(seeds):
                score = float(0.3 + 0.09 * np.log2(size) + 0.012 * number + rng.normal(0, 0.02))
                row = dict.fromkeys(COLUMNS) | {"method": f"method-{number}", "encoder": "bundled", "slice": size}
                row |= {"n_train": N_CLASSES * size, "seed": seed, "status": "ok"} | dict.fromkeys(SCORES, score)
                rows.append(row | {"fit_seconds": 0.1 * size * (number + 1), "predict_seconds": 1.25 + number})
    return rows


def write_large_page(folder: Path) -> Path:
    """Write the page of 600 cells with every part that a comparison has, and return where it is."""
    rows = made_up_rows()
    contrasts = _contrasts(rows)
    costs = {
        Entrant(f"method-{number}", "bundled", None): {"texts_per_second": 3e5 / 3**number, "size_mb": 0.5 * 2**number}
        for number in range(METHODS)
    }
    summary = summarize(rows, contrasts)
    means = np.random.default_rng(0).random((METHODS, N_CLASSES))
    names = [f"method-{number}" for number in range(METHODS)]
    forecasts = forecast_scores(rows)
    figures = [
        ("What more labels would bring", plot_forecasts(forecasts)),
        ("F1 of each class", plot_classes(means, names, [f"class number {n}" for n in range(N_CLASSES)])),
    ]
    disagreeing = [{"row": n, "text": "a long text of a customer " * 12, "label": f"class {n}"} for n in range(20)]
    tables = [("What more labels would bring", readable_forecasts(forecasts)), ("Disagreements", disagreeing)]
    insights = Insights(forecasts=forecasts, tables=tables, figures=figures)
    found = frontier(summary, costs)
    comparison = Comparison(
        rows, summary, {}, ["a note"], folder, contrasts=contrasts, insights=insights, frontier=found, seed_rows=rows
    )
    return _written(comparison, settings={"methods": tuple(names), "seeds": SEEDS})


def _contrasts(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    groups = dict.fromkeys((row["slice"], row["method"]) for row in rows)
    made = dict.fromkeys(CONTRAST_COLUMNS, 0.12345) | {
        "encoder": "bundled",
        "pool": None,
        "resampled": "seeds and texts",
    }
    return [
        made
        | {"slice": size, "metric": metric, "method": method, "best": "method-9"}
        | {"verdict": {"method-9": BEST, "method-8": NEAR}.get(method, "worse")}
        for metric in COMPARED
        for size, method in groups
    ]


def write_hostile_page(folder: Path) -> Path:
    """Write a page with code in every place that others fill: names, labels, texts, errors, notes, settings."""
    rows = made_up_rows(2, (2, 4), 2)
    for row in rows:
        row["method"] = f"{row['method']}{EVIL}{EVIL_IMAGE}"
    failed = (
        rows[0] | dict.fromkeys(SCORES) | {"status": "failed", "error": f"ValueError: {EVIL}{EVIL_IMAGE}", "seed": 9}
    )
    summary = summarize([*rows, failed])
    texts = [{"text": f"{EVIL}{EVIL_IMAGE} of a customer", "label": EVIL, EVIL: "a column"}]
    png = plot_classes(np.array([[0.5, 0.9]]), [EVIL], [EVIL_IMAGE, "ham"], title=EVIL)
    insights = Insights(tables=[(f"Texts {EVIL}", texts)], figures=[(f"Classes {EVIL}{EVIL_IMAGE}", png)])
    comparison = Comparison(
        [*rows, failed], summary, {EVIL: EVIL_IMAGE}, [EVIL, EVIL_IMAGE], folder, insights=insights,
        frontier=frontier(summary, {}), n_missing=3, seed_rows=rows,
    )  # fmt: skip
    return _written(comparison, settings={"methods": (EVIL, EVIL_IMAGE), "encoder": f"{EVIL}{EVIL_IMAGE}"})


def _written(comparison: Comparison, settings: dict[str, Any]) -> Path:
    data = TextData(["a", "b"], [EVIL, "ham"], multi_label=False, rows=[0, 1])
    write_page(comparison, data, data, {}, settings=settings)
    return comparison.folder / "report.html"
