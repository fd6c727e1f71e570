"""What the cells of a comparison come to: all of them, or those that are there so far."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from fewshot.encoders.base import Encoder
from fewshot.evaluation.checks.findings import Used
from fewshot.evaluation.runner.contest import COLUMNS, Cell
from fewshot.evaluation.runner.folds import SEEDS, read_sheets
from fewshot.evaluation.runner.prediction_set import PredictionSet, read_predictions
from fewshot.evaluation.runner.store import ResultStore
from fewshot.evaluation.statistics.contrasts import contrast_methods
from fewshot.evaluation.statistics.frontier import frontier
from fewshot.evaluation.statistics.summary import summarize
from fewshot.evaluation.tables import write_csv
from fewshot.recipes.compared_texts import ComparedTexts, Slices
from fewshot.recipes.costs import read_costs
from fewshot.recipes.insights import look_into
from fewshot.recipes.outcome import Comparison, frontier_metric, write_comparison, write_page


@dataclasses.dataclass(frozen=True)
class Tally:
    """Counts up one comparison.

    Parameters
    ----------
    texts : ComparedTexts
    draws : mapping of Draw to mapping of int to ndarray
        Slices.
    cells : sequence of Cell
        All of the comparison.
    store : ResultStore
        Where their results are kept; the files of the comparison are written into its folder.
    settings : dict
        As they stand on the page; ``seed`` decides what is random.
    left_out : dict of str to str
        Methods that do not run, and why.
    encoder : Encoder, optional
        For checks of the texts.
    used : sequence of Used
        Texts that were used before.
    """

    texts: ComparedTexts
    draws: Slices
    cells: Sequence[Cell]
    store: ResultStore
    settings: dict[str, Any]
    left_out: dict[str, str]
    encoder: Encoder | None = None
    used: Sequence[Used] = ()

    def write(self, rows: list[dict[str, Any]]) -> Comparison:
        """Write all that the results say, and return it."""
        whole, kept = self._whole(rows)
        seed = self.settings["seed"]
        contrasts = contrast_methods(kept, random_state=seed)
        summary = summarize(whole, contrasts)
        costs = read_costs(self.cells, self.store.folder)
        comparison = Comparison(
            rows,
            summary,
            self.left_out,
            self.texts.notes,
            self.store.folder,
            contrasts=contrasts,
            predictions=kept,
            insights=look_into(
                whole, kept, self.texts, self.draws, encoder=self.encoder, used=self.used, random_state=seed
            ),
            frontier=frontier(summary, costs, metric=frontier_metric(self.texts.test)),
            n_missing=len(self.cells) - len(rows),
            seed_rows=whole,
            pool_sources=self.texts.pool_sources,
        )
        write_comparison(comparison, *self._data, settings=self.settings)
        return comparison

    def write_unfinished(self, rows: list[dict[str, Any]], n_missing: int) -> None:
        """Write the page while the comparison is under way: what is quickly told, without checks and forecasts."""
        folds = self.texts.folds
        whole = rows if folds is None else read_sheets(self.store, self.cells, self.texts.test, folds)[0]
        comparison = Comparison(
            rows,
            summarize(whole),
            self.left_out,
            self.texts.notes,
            self.store.folder,
            n_missing=n_missing,
            seed_rows=whole,
        )
        write_page(comparison, *self._data, settings=self.settings)

    @property
    def _data(self) -> tuple[Any, Any, Any]:
        return self.texts.labeled, self.texts.test, self.texts.pools

    def _whole(self, rows: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], PredictionSet]:
        """Return one row a seed, and the answers to all test texts."""
        test, folds = self.texts.test, self.texts.folds
        if folds is None:
            return rows, read_predictions(self.store, self.cells, test)
        whole, kept = read_sheets(self.store, self.cells, test, folds)
        write_csv(self.store.folder / SEEDS, whole, COLUMNS)
        return whole, kept
