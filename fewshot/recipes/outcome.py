"""The outcome of a comparison, and what it leaves behind: CSV files, plots and one self-contained page."""

import dataclasses
from collections.abc import Mapping, Sized
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fewshot.core.artifacts import write_text
from fewshot.core.errors import InputError, did_you_mean
from fewshot.core.versions import library_versions
from fewshot.data.describe import describe
from fewshot.data.texts import TextData
from fewshot.evaluation.charts.plots import plot_learning_curves
from fewshot.evaluation.reports.headline import headline
from fewshot.evaluation.reports.report import write_report
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
        Where ``results.csv``, ``summary.csv``, ``contrasts.csv``, ``report.html`` and the plots are.
    contrasts : list of dict
        Every method against the best of its slice, on the same seeds and texts; the columns of ``contrasts.csv``, see
        :func:`fewshot.evaluation.statistics.contrasts.contrast_methods`.
    predictions : PredictionSet, optional
        What every cell predicted for every test text, beside the truth.
    insights : Insights
        Checks, forecasts, classes.
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
    seed_rows: list[dict[str, Any]] = dataclasses.field(default_factory=list, repr=False)
    pool_sources: dict[Any, Any] = dataclasses.field(default_factory=dict, repr=False)

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
    tables: list[tuple[str, list[dict[str, Any]]]] | None = None,
    figures: list[tuple[str, bytes]] | None = None,
) -> None:
    """Write CSV files, ``learning_curves.png``, ``data.txt`` and ``report.html`` into the comparison's folder."""
    folder = comparison.folder
    write_csv(folder / "summary.csv", comparison.summary, SUMMARY_COLUMNS)
    write_csv(folder / "contrasts.csv", comparison.contrasts, CONTRAST_COLUMNS)
    write_text(folder / "data.txt", f"Labelled texts\n{describe(labeled)}\n\nTest texts\n{describe(test)}\n")
    if comparison.summary:
        for form, ending in ENDINGS.items():
            write_text(folder / f"scores{ending}", comparison.table(form=form) + "\n")
    curves: list[tuple[str, bytes]] = []
    if any(row["status"] == "ok" for row in comparison.seed_rows):
        png = plot_learning_curves(comparison.seed_rows, folder / "learning_curves.png")
        curves.append((CURVES, png))
    unlabeled = ", ".join(f"{name}: {len(pool):,}" for name, pool in pools.items() if isinstance(name, str))
    most = max(map(len, pools.values()), default=0)
    sizes = {"labelled texts": len(labeled), "test texts": len(test), "unlabelled texts": unlabeled or most}
    write_report(
        folder / "report.html",
        title="Comparison of methods",
        rows=comparison.rows,
        summary=comparison.summary,
        contrasts=comparison.contrasts,
        data_description=sizes | {"classes": describe(labeled).n_classes},
        provenance={**_readable(settings), **library_versions()},
        tables=[*(tables or []), *comparison.insights.tables],
        lead=headline(comparison.summary, comparison.insights.forecasts),
        figures=[*(figures or []), *curves, *comparison.insights.figures],
        notes=[
            *(f"Check {finding.number}: {finding.text}" for finding in comparison.insights.warnings),
            *comparison.notes,
            *(f"{name} was left out: {why}" for name, why in comparison.left_out.items()),
        ],
    )


def _readable(settings: dict[str, Any]) -> dict[str, Any]:
    """Return the settings that were made, lists on one line."""
    joined = {
        name: ", ".join(map(str, value)) if isinstance(value, tuple) else value for name, value in settings.items()
    }
    return {name: value for name, value in joined.items() if value is not None}
