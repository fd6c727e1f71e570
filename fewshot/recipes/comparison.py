"""Journey 1, *compare*: methods × slices × seeds, each text embedded once, results written as they come."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from fewshot.core.errors import InputError
from fewshot.core.versions import library_versions
from fewshot.data.labels import LabelSpace
from fewshot.data.slices import training_slices
from fewshot.data.splits import balanced_split
from fewshot.data.texts import TextData
from fewshot.encoders.base import Encoder
from fewshot.encoders.cached import CachedEncoder, EmbeddingCache
from fewshot.encoders.resolve import DEFAULT_TEACHER, load_encoder
from fewshot.evaluation.runner.compare import run_comparison
from fewshot.evaluation.runner.contest import Cell
from fewshot.evaluation.runner.pace import seconds_in
from fewshot.evaluation.runner.prediction_set import Entrant, PredictionSet, read_predictions
from fewshot.evaluation.runner.store import ResultStore
from fewshot.evaluation.statistics.contrasts import contrast_methods
from fewshot.evaluation.statistics.frontier import frontier
from fewshot.evaluation.statistics.summary import summarize
from fewshot.recipes.contests import Draws, Ring, enter
from fewshot.recipes.costs import Costing, read_costs
from fewshot.recipes.insights import Texts, look_into
from fewshot.recipes.methods import choose_methods, find_method, split_by_labels
from fewshot.recipes.once_adapted import OnceAdapted
from fewshot.recipes.outcome import Comparison, frontier_metric, write_comparison, write_page
from fewshot.recipes.sources import Reading, content_hash, require_labels, without_texts_of
from fewshot.recipes.watching import Watch
from fewshot.recipes.workers import Workers

DEFAULT_METHODS = ("naive-bayes", "knn", "linear-probe", "setfit")


@dataclasses.dataclass(frozen=True)
class CompareSettings:
    """What to compare.

    Parameters
    ----------
    methods : tuple of str
        See :mod:`fewshot.recipes.methods`; ``"all-applicable"`` takes all that task and files allow.
    slices : tuple of int, default (8, 16)
        Labels per class; in all where ``total``. On slice 0 methods run that need no label, told the class names.
    total : bool, optional
        Slices count labels in all. Default: in multi-label tasks.
    seeds : int, default 5
        How many random draws of slices.
    encoder : str, default "sentence-transformers/paraphrase-mpnet-base-v2"
    device : str, optional
    test_size : float, default 0.33
        Share of the labelled texts that is held out where there is no test set.
    seed : int, default 0
        The first seed; decides everything.
    """

    methods: tuple[str, ...] = DEFAULT_METHODS
    slices: tuple[int, ...] = (8, 16)
    total: bool | None = None
    seeds: int = 5
    encoder: str = DEFAULT_TEACHER
    device: str | None = None
    test_size: float = 0.33
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.slices:
            raise InputError("slices must name at least one size, such as 8,16")
        if self.seeds < 1:
            raise InputError(f"seeds must be at least 1, got {self.seeds}")


@dataclasses.dataclass(frozen=True)
class _Field:
    """The texts of one comparison."""

    labeled: TextData
    test: TextData
    pool: TextData | None
    notes: list[str]
    left_out: dict[str, int]

    @property
    def pool_texts(self) -> list[str]:
        """The unlabelled texts; empty where there are none."""
        return [] if self.pool is None else self.pool.texts


def compare_methods(
    labeled: Any,
    test: Any = None,
    unlabeled: Any = None,
    *,
    out: str | Path,
    settings: CompareSettings | None = None,
    reading: Reading | None = None,
    encoder: Encoder | str | None = None,
    workers: int = 1,
    engine: str = "joblib",
    budget: float | str | None = None,
    on_result: Callable[[Cell, dict[str, Any]], None] | None = None,
    **changes: Any,
) -> Comparison:
    """Compare methods on training slices of growing size.

    Parameters
    ----------
    labeled : str, Path, DataFrame, Dataset or TextData
        Labelled texts to draw slices from; see :func:`fewshot.load_texts`. Its unlabelled rows join the pool.
    test : like ``labeled``, optional
        Labelled texts to score on. Without it a stratified part of ``labeled`` is held out.
    unlabeled : like ``labeled``, optional
        The pool, for methods that learn from unlabelled text.
    out : str or Path
        Folder for the results. An interrupted comparison in it goes on where it stopped.
    settings : CompareSettings, optional
        Or give its fields as keywords: ``methods``, ``slices``, ``seeds``, ``encoder``, ...
    reading : Reading, optional
        How to read files.
    encoder : Encoder or str, optional
        An encoder in memory instead of ``settings.encoder``; a name goes to the settings.
    workers : int, default 1
        How many processes run cells, each with an equal share of the cores. Their results are the same, save for times
        and for what numbers of threads change in the last digits. A cell whose process dies has failed; the others go
        on.
    engine : {"joblib", "ray"}, default "joblib"
        Whose processes, where there are several: of this machine, or Ray's, which may be a cluster (the one that
        ``RAY_ADDRESS`` names, or with which ``ray.init`` connected). All results are written here.
    budget : float or str, optional
        How long to begin new cells: seconds, or a time such as ``"30m"``. Cheap methods are run first. Calling again
        with the same ``out`` goes on with what is left.
    on_result : callable, optional
        Called as ``on_result(cell, row)`` for each result as it comes.

    Returns
    -------
    Comparison

    Raises
    ------
    InputError
        If a method is unknown, a class has too few labels for a slice, or ``out`` holds results of other data; or with
        workers, if an encoder in memory cannot be sent to them.
    MissingExtraError
        If Ray is asked for and not installed.
    WorkerError
        If workers cannot open the comparison. What is finished is kept.
    """
    crew = Workers(workers, engine)
    if "methods" in changes and isinstance(changes["methods"], str):
        changes["methods"] = tuple(name.strip() for name in changes["methods"].split(","))
    if isinstance(encoder, str):
        changes["encoder"], encoder = encoder, None
    if encoder is not None:
        changes["encoder"] = encoder.name
    settings = dataclasses.replace(settings or CompareSettings(), **changes)
    source = crew.source_of(encoder, settings.encoder)
    seconds = None if budget is None else seconds_in(budget)
    field = _read(labeled, test, unlabeled, settings, reading or Reading())
    chosen, left_out = choose_methods(settings.methods, has_pool=field.pool is not None)
    if 0 in settings.slices:
        unlearned, others = split_by_labels(chosen)
        chosen = chosen if any(settings.slices) else unlearned
        left_out |= others
    draws = _draw(field.labeled, settings)
    store = ResultStore.open(out, _manifest(field, settings))
    with store.locked():
        ring = _ring(chosen, draws, field, settings, encoder, store.folder / "adapted")
        ring = dataclasses.replace(ring, costing=Costing.within(seconds, store.folder))
        cells = [entry.cell for entry in ring.entries]
        watch = Watch(cells, partial(_write_unfinished, field, settings, left_out, store.folder), on_result)
        with crew.engine_for(ring, source) as runs, watch.shown():
            rows = run_comparison(
                *(ring.contests(), field.test, store),
                engine=runs,
                budget=seconds,
                on_result=watch.note,
                on_start=watch.started,
            )
        if len(rows) < len(cells):
            field.notes.append(
                f"{len(cells) - len(rows)} of {len(cells)} cells were not run within the budget of {budget}; the "
                "same command goes on with them"
            )
        kept = read_predictions(store, cells, field.test)
        texts = Texts(field.labeled, field.test, field.pool_texts, draws, field.left_out, ring.encoder)
        facts = {"left_out": left_out, "notes": field.notes, "folder": Path(out), "n_missing": len(cells) - len(rows)}
        comparison = _judged(rows, kept, texts, settings, costs=read_costs(cells, store.folder), **facts)
        write_comparison(comparison, field.labeled, field.test, field.pool, settings=dataclasses.asdict(settings))
    return comparison


def _judged(
    rows: list[dict[str, Any]],
    kept: PredictionSet,
    texts: Texts,
    settings: CompareSettings,
    *,
    costs: dict[Entrant, Mapping[str, Any]],
    **facts: Any,
) -> Comparison:
    """Return the comparison that some results make: how sure its differences are, and what follows."""
    contrasts = contrast_methods(kept, random_state=settings.seed)
    summary = summarize(rows, contrasts)
    return Comparison(
        rows,
        summary,
        contrasts=contrasts,
        predictions=kept,
        insights=look_into(rows, kept, texts, random_state=settings.seed),
        frontier=frontier(summary, costs, metric=frontier_metric(texts.test)),
        **facts,
    )


def _write_unfinished(
    field: _Field,
    settings: CompareSettings,
    left_out: dict[str, str],
    folder: Path,
    rows: list[dict[str, Any]],
    n_missing: int,
) -> None:
    """Write the page of a comparison that is under way: what is quickly told, without checks and forecasts."""
    comparison = Comparison(rows, summarize(rows), left_out, field.notes, folder, n_missing=n_missing)
    write_page(comparison, field.labeled, field.test, field.pool, settings=dataclasses.asdict(settings))


def _read(labeled: Any, test: Any, unlabeled: Any, settings: CompareSettings, reading: Reading) -> _Field:
    data, report = reading.load_clean(labeled)
    notes = [f"{data.source}: {report.summary()}"]
    pools = [data.unlabeled] if len(data.unlabeled) else []
    rows, left_out = require_labels(data), {}
    if test is None:
        split = balanced_split(rows.labels, settings.test_size, random_state=settings.seed)
        judged, rows = rows.select(split.test), rows.select(split.train)
        notes.append(f"no test set was given: {len(judged)} of the labelled texts were held out as one")
    else:
        judged = require_labels(reading.load_clean(test)[0])
        n_before = len(rows)
        rows = without_texts_of(rows, judged, role="labelled")
        left_out["labelled"] = n_before - len(rows)
    if unlabeled is not None:
        extra, report = reading.load_clean(unlabeled)
        notes.append(f"{extra.source}: {report.summary()}")
        pools.append(extra)
    pool = _joined(pools)
    if pool is not None:
        n_before = len(pool)
        pool = without_texts_of(pool, judged, role="unlabelled")
        left_out["unlabelled"] = n_before - len(pool)
    return _Field(rows, judged, pool, notes, left_out)


def _joined(pools: list[TextData]) -> TextData | None:
    if not pools:
        return None
    texts = list(dict.fromkeys(text for pool in pools for text in pool.texts))
    return TextData(
        texts, [None] * len(texts), multi_label=False, rows=list(range(len(texts))), source=pools[-1].source
    )


def _draw(labeled: TextData, settings: CompareSettings) -> dict[int, dict[int, np.ndarray]]:
    seeds = range(settings.seed, settings.seed + settings.seeds)
    return {
        seed: training_slices(labeled.labels, settings.slices, random_state=seed, total=settings.total)
        for seed in seeds
    }


def _manifest(field: _Field, settings: CompareSettings) -> dict[str, Any]:
    data = {"labeled": content_hash(field.labeled), "test": content_hash(field.test)}
    return {"data": data, "settings": dataclasses.asdict(settings), "versions": library_versions()}


def _ring(
    chosen: Sequence[str],
    draws: Draws,
    field: _Field,
    settings: CompareSettings,
    encoder: Encoder | None,
    adapted: Path,
) -> Ring:
    """Embed every text once, and say who meets which slice; ``adapted`` is where adapted encoders are kept."""
    methods = [find_method(name)[0] for name in chosen]
    if encoder is None and any(method.uses_encoder for method in methods):
        encoder = load_encoder(settings.encoder, device=settings.device)
    space = LabelSpace.of(field.labeled.labels, warn=False)
    ring = Ring([], field.test, field.pool_texts, space, settings.device)
    if encoder is not None:
        encoder = CachedEncoder(encoder, EmbeddingCache())
        used = np.unique(np.concatenate([rows for slices in draws.values() for rows in slices.values()]))
        encoder.encode([field.labeled.texts[i] for i in used] + field.test.texts)
        once = OnceAdapted(ring.pool, encoder, adapted, settings.device, settings.seed)
        ring = dataclasses.replace(ring, encoder=encoder, adapted=once)
    return enter(
        chosen, settings.slices, draws, field.labeled, ring, encoder=settings.encoder, first_seed=settings.seed
    )
