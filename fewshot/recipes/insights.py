"""What follows from the results of a comparison: checks, forecasts, classes, and texts to read."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from fewshot.encoders.base import Encoder
from fewshot.evaluation.charts.class_plot import plot_classes
from fewshot.evaluation.charts.forecast_plot import plot_forecasts
from fewshot.evaluation.checks.disagreements import disagreements
from fewshot.evaluation.checks.findings import WARNING, Evidence, Finding, Used
from fewshot.evaluation.checks.register import run_checks
from fewshot.evaluation.forecasts.curve_forecast import Forecast
from fewshot.evaluation.forecasts.forecast import forecast_classes, forecast_scores, readable_forecasts
from fewshot.evaluation.runner.prediction_set import Entrant, PredictionSet, entrant_of
from fewshot.evaluation.statistics.class_scores import f1_by_class
from fewshot.evaluation.statistics.summary import entrant_names
from fewshot.recipes.compared_texts import ComparedTexts, Slices

METRIC = "macro_f1"
POOL_TEXTS = 300
"""So many texts of a pool are embedded to see whether it is like the labelled ones."""

CLASSES_TOLD = 10


@dataclasses.dataclass(frozen=True)
class Insights:
    """What follows from the results.

    Parameters
    ----------
    findings : list of Finding
        Of all checks, by number.
    forecasts : list of Forecast
        Of macro F1, one a method.
    classes : list of Forecast
        Of F1, one a class, by the best method: which class wants labels most comes first.
    tables : list of (str, list of dict)
        For the report, each with its caption.
    figures : list of (str, bytes)
        PNG files for the report, each with its caption.
    """

    findings: list[Finding] = dataclasses.field(default_factory=list)
    forecasts: list[Forecast] = dataclasses.field(default_factory=list)
    classes: list[Forecast] = dataclasses.field(default_factory=list)
    tables: list[tuple[str, list[dict[str, Any]]]] = dataclasses.field(default_factory=list)
    figures: list[tuple[str, bytes]] = dataclasses.field(default_factory=list)

    @property
    def warnings(self) -> list[Finding]:
        """The findings that are warnings."""
        return [finding for finding in self.findings if finding.verdict == WARNING]


def look_into(
    rows: list[dict[str, Any]],
    predictions: PredictionSet,
    texts: ComparedTexts,
    draws: Slices,
    *,
    encoder: Encoder | None,
    used: Sequence[Used] = (),
    random_state: int = 0,
) -> Insights:
    """Check and forecast a comparison, and look at its classes.

    Parameters
    ----------
    rows : list of dict
        Result rows, one a seed.
    predictions : PredictionSet
    texts : ComparedTexts
    draws : mapping of Draw to mapping of int to ndarray
        Rows of the labelled texts by draw and slice.
    encoder : Encoder or None
        Gives the vectors that texts are compared by.
    used : sequence of Used, optional
        What is known of texts that were used before.
    random_state : int, default 0
    """
    answers = _answers(rows, predictions)
    evidence = Evidence(
        *(texts.labeled, texts.test, {draw.name: slices for draw, slices in draws.items()}, rows, answers),
        left_out=texts.left_out,
        random_state=random_state,
        cross_validated=texts.fold_of is not None,
        used=used,
    )
    if encoder is not None:
        evidence = dataclasses.replace(evidence, vectors=_vectors(evidence, texts, encoder))
    findings = run_checks(evidence)
    forecasts = forecast_scores(rows, metric=METRIC, random_state=random_state)
    classes = _wanting(rows, predictions, random_state)
    tables = [("Checks", [finding.as_row() for finding in findings])]
    tables += [_of_finding(finding) for finding in findings if finding.evidence]
    if any(forecast.seen for forecast in forecasts):
        tables.append(("What more labels would bring: macro F1, % (80 % interval)", readable_forecasts(forecasts)))
    if any(not forecast.refusal for forecast in classes):
        caption = "Which class wants labels most: F1 by the best method, %, with all slices that much larger"
        tables.append((caption, readable_forecasts(classes[:CLASSES_TOLD])))
    differing = disagreements(evidence)
    if differing:
        tables.append(("Test texts on which the best methods disagree", differing))
    return Insights(findings, forecasts, classes, tables, _figures(forecasts, predictions))


def _of_finding(finding: Finding) -> tuple[str, list[dict[str, Any]]]:
    return f"Check {finding.number}: {finding.title}", [dict(row) for row in finding.evidence]


def _answers(rows: list[dict[str, Any]], predictions: PredictionSet) -> list[tuple[dict[str, Any], list[Any]]]:
    """Return the finished rows of the largest slice, each with what was said of every test text."""
    by_cell = {(*(row[name] for name in Entrant._fields), row["slice"], row["seed"]): row for row in rows}
    return [
        (by_cell[(*entrant_of(cell), cell.slice, cell.seed)], predictions.space.decode(codes))
        for cell, codes in predictions.answers.items()
        if cell.slice == predictions.slices[-1]
    ]


def _vectors(evidence: Evidence, texts: ComparedTexts, encoder: Encoder) -> dict[str, np.ndarray]:
    """Embed what is compared by its vectors."""
    sides = {"labeled": [texts.labeled.texts[row] for row in evidence.drawn], "test": texts.test.texts}
    pools = texts.pools
    if all(isinstance(name, int) for name in pools):  # parts of one pool: the largest stands for all
        sides["pool"] = next(reversed(pools.values()), [])
    else:
        sides |= {f"pool {name}": pool for name, pool in pools.items()}
    return {
        name: encoder.encode(_some(side, evidence.random_state) if name.startswith("pool") else side)
        for name, side in sides.items()
        if side
    }


def _some(pool: Sequence[str], random_state: int) -> list[str]:
    n = min(len(pool), POOL_TEXTS)
    return [pool[row] for row in np.sort(np.random.default_rng(random_state).permutation(len(pool))[:n])]


def _wanting(rows: list[dict[str, Any]], predictions: PredictionSet, random_state: int) -> list[Forecast]:
    """Return forecasts of the classes by the method that is best at the largest slice."""
    at_largest = [row for row in rows if row["status"] == "ok" and row["slice"] == max(predictions.slices, default=0)]
    sums: dict[Entrant, list[float]] = {}
    for row in at_largest:
        sums.setdefault(Entrant(row["method"], row["encoder"], row["pool"]), []).append(row[METRIC])
    sums = {entrant: scores for entrant, scores in sums.items() if entrant in predictions.entrants}
    if not sums:
        return []
    best = max(sums, key=lambda entrant: np.mean(sums[entrant]))
    scores = f1_by_class(predictions, best.method, encoder=best.encoder, pool=best.pool)
    labeled = [place for place, size in enumerate(scores.slices) if size]
    known = np.flatnonzero(scores.n_true)
    if not labeled:
        return []
    return forecast_classes(
        scores.f1[:, labeled][:, :, known],
        np.nanmean(scores.n_train[:, labeled], axis=0),
        [scores.classes[place] for place in known],
        random_state=random_state,
    )


def _figures(forecasts: list[Forecast], predictions: PredictionSet) -> list[tuple[str, bytes]]:
    figures = []
    if any(not forecast.refusal for forecast in forecasts):
        caption = "Learning curves and what more labels would bring (dashed, 80 % interval)"
        figures.append((caption, plot_forecasts(forecasts)))
    if predictions.answers:
        figures.append(_classes_figure(predictions))
    return figures


def _classes_figure(predictions: PredictionSet) -> tuple[str, bytes]:
    """Return the heat map of classes by method at the largest slice, means over seeds."""
    largest = predictions.slices[-1]
    entrants = [entrant for entrant in predictions.entrants if predictions.cells_of(entrant, largest)]
    names = entrant_names(entrant._asdict() for entrant in entrants)
    scores = [f1_by_class(predictions, one.method, encoder=one.encoder, pool=one.pool) for one in entrants]
    means = [np.nanmean(of_one.f1[:, of_one.slices.index(largest)], axis=0) for of_one in scores]
    known = np.flatnonzero(scores[0].n_true)
    classes = [str(predictions.space.classes[place]) for place in known]
    title = f"F1 of each class on slices of {largest}"
    return f"{title}: means over seeds, %; hardest classes first", plot_classes(
        np.array(means)[:, known], names, classes, title=title
    )
