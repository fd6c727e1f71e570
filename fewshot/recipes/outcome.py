"""The outcome of a comparison, and what it leaves behind: CSV files, plots and one self-contained page."""

import dataclasses
from collections.abc import Mapping, Sequence, Sized
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fewshot.core.artifacts import write_json, write_text
from fewshot.core.errors import InputError, did_you_mean
from fewshot.core.versions import library_versions
from fewshot.data.describe import describe
from fewshot.data.texts import TextData
from fewshot.evaluation.charts.frontier_plot import AXES, plot_frontier
from fewshot.evaluation.charts.plots import plot_learning_curves
from fewshot.evaluation.reports.cost_tables import SECONDS_TOLD, WORTH_TOLD, seconds_table, worth_table
from fewshot.evaluation.reports.headline import headline
from fewshot.evaluation.reports.report import Titled, write_report
from fewshot.evaluation.reports.score_table import FORMATS, score_table
from fewshot.evaluation.runner.prediction_set import PredictionSet
from fewshot.evaluation.statistics.contrasts import CONTRAST_COLUMNS
from fewshot.evaluation.statistics.summary import SUMMARY_COLUMNS
from fewshot.evaluation.tables import write_csv
from fewshot.recipes.insights import Insights

if TYPE_CHECKING:
    import datasets
    import pandas

TABLES = ("rows", "summary", "contrasts")
ENDINGS = dict(zip(FORMATS, (".md", ".tex"), strict=True))

CURVES = (
    "F1 against the number of labels. The band is one standard deviation over seeds: how far a single draw of training "
    "texts falls from the mean. It is no confidence band of the mean; that stands in summary.csv."
)
FRONTIER = (
    "What speed and size cost: each method at slice {}, the score against texts per second and against megabytes. The "
    "dashed line joins those, ringed, that none beats in both."
)


@dataclasses.dataclass(frozen=True)
class Comparison:
    """The outcome of a comparison.

    Parameters
    ----------
    rows : list of dict
        One a cell; the columns of ``results.csv``. In a cross-validation each is of one fold.
    summary : list of dict
        Mean, standard deviation over seeds, confidence band and verdict; the columns of ``summary.csv``.
    left_out : dict of str to str
        Methods that were not run, and why.
    notes : list of str
        What was done to the data.
    folder : Path
        Where ``results.csv``, ``summary.csv``, ``contrasts.csv``, ``frontier.json``, ``report.html`` and the plots are.
    contrasts : list of dict
        Every method against the best of its slice, on the same seeds and texts; the columns of ``contrasts.csv``, see
        :func:`fewshot.evaluation.statistics.contrasts.contrast_methods`.
    predictions : PredictionSet, optional
        What every cell predicted for every test text, beside the truth.
    insights : Insights
        Checks, forecasts, classes.
    frontier : list of dict
        What each method costs at the largest slice beside its macro F1, in multi-label tasks micro F1; see
        :func:`fewshot.evaluation.statistics.frontier.frontier`.
    n_missing : int
        How many cells have no result yet.
    seed_rows : list of dict
        One a method and seed, which the summary is made of: ``rows`` themselves, or in a cross-validation the folds of
        each seed put together, see :func:`fewshot.evaluation.runner.folds.read_sheets`.
    pool_sources : dict of int or str to object
        Where each pool came from, as it was given, by what the column ``pool`` calls it.
    """

    rows: list[dict[str, Any]]
    summary: list[dict[str, Any]]
    left_out: dict[str, str]
    notes: list[str]
    folder: Path
    contrasts: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    predictions: PredictionSet | None = dataclasses.field(default=None, repr=False)
    insights: Insights = dataclasses.field(default_factory=Insights, repr=False)
    frontier: list[dict[str, Any]] = dataclasses.field(default_factory=list, repr=False)
    n_missing: int = 0
    seed_rows: list[dict[str, Any]] = dataclasses.field(default_factory=list, repr=False)
    pool_sources: dict[Any, Any] = dataclasses.field(default_factory=dict, repr=False)

    @property
    def reasons(self) -> dict[str, list[str]]:
        """Why methods were left out, and which, in the order of :attr:`left_out`."""
        return {why: [name for name in self.left_out if self.left_out[name] == why] for why in self.left_out.values()}

    @property
    def n_test(self) -> int:
        """How many texts are judged; 0 where nothing was predicted."""
        return 0 if self.predictions is None else len(self.predictions.truth)

    def table(self, metric: str = "macro_f1", form: str = "markdown") -> str:
        """Return methods by size of slice, for a paper or a readme.

        Parameters
        ----------
        metric : {"accuracy", "micro_f1", "macro_f1", "mcc"}, default "macro_f1"
        form : {"markdown", "latex"}, default "markdown"
        """
        return score_table(self.summary, metric=metric, form=form)

    def to_pandas(self, what: str = "rows") -> "pandas.DataFrame":
        """Return ``"rows"``, ``"summary"`` or ``"contrasts"`` as a data frame.

        Raises
        ------
        InputError
            If there is no such table.
        """
        import pandas

        return pandas.DataFrame(self._rows_of(what))

    def to_dataset(self, what: str = "rows") -> "datasets.Dataset":
        """Return ``"rows"``, ``"summary"`` or ``"contrasts"`` as a dataset of the package ``datasets``.

        Raises
        ------
        InputError
            If there is no such table.
        """
        import datasets

        return datasets.Dataset.from_list(self._rows_of(what))

    def _rows_of(self, what: str) -> list[dict[str, Any]]:
        if what not in TABLES:
            raise InputError(f"what must be one of {', '.join(TABLES)}, got {what!r}.{did_you_mean(what, TABLES)}")
        return getattr(self, what)


def write_comparison(
    comparison: Comparison,
    labeled: TextData,
    test: TextData,
    pools: Mapping[Any, Sized],
    *,
    settings: dict[str, Any],
    tables: Sequence[Titled | tuple[str, list[dict[str, Any]]]] = (),
    figures: Sequence[tuple[str, bytes]] = (),
) -> None:
    """Write CSV files, ``frontier.json``, ``data.txt``, the plots and ``report.html`` into the comparison's folder."""
    folder = comparison.folder
    write_csv(folder / "summary.csv", comparison.summary, SUMMARY_COLUMNS)
    write_csv(folder / "contrasts.csv", comparison.contrasts, CONTRAST_COLUMNS)
    write_json(folder / "frontier.json", {"metric": frontier_metric(test), "points": comparison.frontier})
    write_text(folder / "data.txt", f"Labelled texts\n{describe(labeled)}\n\nTest texts\n{describe(test)}\n")
    if comparison.summary:
        for form, ending in ENDINGS.items():
            write_text(folder / f"scores{ending}", comparison.table(form=form) + "\n")
    write_page(comparison, labeled, test, pools, settings=settings, tables=tables, figures=figures)


def write_page(
    comparison: Comparison,
    labeled: TextData,
    test: TextData,
    pools: Mapping[Any, Sized],
    *,
    settings: dict[str, Any],
    tables: Sequence[Titled | tuple[str, list[dict[str, Any]]]] = (),
    figures: Sequence[tuple[str, bytes]] = (),
) -> None:
    """Write ``report.html`` and the plots on it, also of a comparison that is not finished."""
    drawn: list[tuple[str, bytes]] = []
    if any(row["status"] == "ok" for row in comparison.seed_rows):
        drawn.append((CURVES, plot_learning_curves(comparison.seed_rows, comparison.folder / "learning_curves.png")))
    drawn += _frontier_figure(comparison, frontier_metric(test))
    unlabeled = ", ".join(f"{name}: {len(pool):,}" for name, pool in pools.items() if isinstance(name, str))
    most = max(map(len, pools.values()), default=0)
    sizes = {"labelled texts": len(labeled), "test texts": len(test), "unlabelled texts": unlabeled or most}
    write_report(
        comparison.folder / "report.html",
        title="Comparison of methods",
        rows=comparison.rows,
        n_missing=comparison.n_missing,
        summary=comparison.summary,
        contrasts=comparison.contrasts,
        data_description=sizes | {"classes": describe(labeled).n_classes},
        provenance={**_readable(settings), **library_versions()},
        tables=[*tables, *_cost_tables(comparison, frontier_metric(test)), *comparison.insights.tables],
        lead=headline(comparison.summary, comparison.insights.forecasts),
        figures=[*figures, *drawn, *comparison.insights.figures],
        notes=[
            *(f"Check {finding.number}: {finding.text}" for finding in comparison.insights.warnings),
            *comparison.notes,
            *(
                f"{', '.join(names)} {'was' if len(names) == 1 else 'were'} left out: {why}"
                for why, names in comparison.reasons.items()
            ),
        ],
    )


def frontier_metric(test: TextData) -> str:
    """Return the score that is set against costs: macro F1, in multi-label tasks micro F1."""
    return "micro_f1" if test.multi_label else "macro_f1"


def _frontier_figure(comparison: Comparison, metric: str) -> list[tuple[str, bytes]]:
    points = [point | {metric: point["score"]} for point in comparison.frontier]
    if not any(point[cost] is not None for point in points for cost in AXES):
        return []
    png = plot_frontier(points, comparison.folder / "frontier.png", metric=metric, title="What speed and size cost")
    return [(FRONTIER.format(points[0]["slice"]), png)]


def _cost_tables(comparison: Comparison, metric: str) -> list[Titled]:
    tables: list[Titled] = []
    if comparison.frontier:
        heading = f"What methods cost to use, at slice {comparison.frontier[0]['slice']}"
        tables.append(Titled(heading, worth_table(comparison.frontier, metric), WORTH_TOLD))
    seconds = seconds_table(comparison.summary)
    return [*tables, Titled("Seconds to train and to predict", seconds, SECONDS_TOLD)] if seconds else tables


def _readable(settings: dict[str, Any]) -> dict[str, Any]:
    """Return the settings that were made, lists on one line."""
    joined = {
        name: ", ".join(map(str, value)) if isinstance(value, tuple) else value for name, value in settings.items()
    }
    return {name: value for name, value in joined.items() if value is not None}
