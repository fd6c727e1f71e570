"""Journey 1, *compare*: methods × encoders × pools × slices × seeds, each text embedded once by each encoder.

Results are written as they come. What is compared on stands in ``compared_texts``, what methods are crossed with in
``crossing``.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fewshot.classifiers.templates import check_descriptions
from fewshot.core.artifacts import fingerprint
from fewshot.core.config import change_settings
from fewshot.core.errors import InputError, did_you_mean
from fewshot.core.versions import library_versions
from fewshot.data.labels import LabelSpace
from fewshot.encoders.base import Encoder
from fewshot.encoders.resolve import DEFAULT_TEACHER
from fewshot.evaluation.runner.compare import run_comparison
from fewshot.evaluation.runner.contest import Cell
from fewshot.evaluation.runner.pace import seconds_in
from fewshot.evaluation.runner.store import ResultStore
from fewshot.recipes.class_words import read_words, words_like
from fewshot.recipes.compared_texts import ComparedTexts, Slices, read_compared
from fewshot.recipes.contests import Ring, enter
from fewshot.recipes.costs import Costing
from fewshot.recipes.crossing import check_pools, encoder_names, open_encoders
from fewshot.recipes.methods import choose_methods, find_method, split_by_labels
from fewshot.recipes.once_adapted import OnceAdapted
from fewshot.recipes.outcome import Comparison
from fewshot.recipes.sources import Reading, content_hash
from fewshot.recipes.tally import Tally
from fewshot.recipes.used_texts import texts_used_before
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
    slices : tuple of int, optional
        Labels per class; in all where ``total``. On slice 0 methods run that need no label, told the class names.
        Default: 4, 8 and 16; with fewer labels a quarter, half and all of what the rarest class has, or of all where
        slices count these. Three sizes are the fewest that say what more labels would bring.
    total : bool, optional
        Slices count labels in all. Default: in multi-label tasks.
    seeds : int, default 5
        How many random draws of slices.
    encoder : str or tuple of str, default "sentence-transformers/paraphrase-mpnet-base-v2"
        Of several, in a tuple or with commas between, each method that uses one runs with each.
    pool_sizes : tuple of int, optional
        Take so many unlabelled texts of each pool: methods that learn from it run with each size. Default: all.
    folds : int, optional
        Without a test set: cross-validate with so many folds, dealt anew for each seed. 0 holds out a part once, and so
        does the default, which warns where fewer than 100 texts are held out. Folds are not taken unasked: they cost so
        many times the trainings, and their results are others than those that a folder may hold.
    label_words : str, Path or mapping, optional
        What classes mean, for methods that read it (zero-shot, SetFit, its students): a JSON file, or its content, of
        names to a text or several; SetFit takes the first.
    device : str, optional
    test_size : float, default 0.33
        Share of the labelled texts that is held out where there are neither test set nor folds.
    seed : int, default 0
        The first seed; decides everything.
    """

    methods: tuple[str, ...] = DEFAULT_METHODS
    slices: tuple[int, ...] | None = None
    total: bool | None = None
    seeds: int = 5
    encoder: str | tuple[str, ...] = DEFAULT_TEACHER
    pool_sizes: tuple[int, ...] | None = None
    folds: int | None = None
    label_words: str | Path | Mapping[str, Any] | None = None
    device: str | None = None
    test_size: float = 0.33
    seed: int = 0

    def __post_init__(self) -> None:
        if self.slices is not None and not self.slices:
            raise InputError("slices must name at least one size, such as 4,8,16")
        if self.seeds < 1:
            raise InputError(f"seeds must be at least 1, got {self.seeds}")


def compare_methods(
    labeled: Any,
    test: Any = None,
    unlabeled: Any = None,
    *,
    out: str | Path,
    settings: CompareSettings | None = None,
    reading: Reading | None = None,
    encoder: Encoder | str | Sequence[Encoder | str] | None = None,
    validation: Any = None,
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
        Labelled texts to score on. Without it a stratified part of ``labeled`` is held out; or each part in its turn,
        with ``folds``.
    unlabeled : like ``labeled``, or list or tuple of such, optional
        The pool, for methods that learn from unlabelled text. With each of several pools such methods run once.
    out : str or Path
        Folder for the results. An interrupted comparison in it goes on where it stopped.
    settings : CompareSettings, optional
        Or give its fields as keywords: ``methods``, ``slices``, ``seeds``, ``encoder``, ``folds``, ...
    reading : Reading, optional
        How to read files.
    encoder : Encoder, str, or sequence of these, optional
        Encoders in memory instead of ``settings.encoder``; names go to the settings. Methods that use one run once with
        each of several.
    validation : like ``labeled``, optional
        Texts that settings were chosen on before, to check that none of them is reported on. Nothing learns from them.
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

    Warns
    -----
    DataWarning
        If there is no test set, nor folds, and fewer than 100 texts are held out.
    """
    crew, reading = Workers(workers, engine), reading or Reading()
    settings, given = _settled(settings, changes, _listed(encoder))
    seconds = None if budget is None else seconds_in(budget)
    seeds = range(settings.seed, settings.seed + settings.seeds)
    options = {name: getattr(settings, name) for name in ("folds", "test_size", "pool_sizes")}
    texts = read_compared(labeled, test, _pools_of(unlabeled), reading=reading, seeds=seeds, **options)
    words = _words(settings.label_words, texts)
    if settings.slices is None:
        settings = dataclasses.replace(settings, slices=texts.usual_sizes(seeds, total=settings.total))
    sizes = settings.slices or ()
    chosen, left_out = _chosen(settings.methods, sizes, has_pool=bool(texts.pools))
    used = texts_used_before(validation, [*given, *chosen], texts.test, texts.judged_hash, reading)
    draws = texts.draw_slices(sizes, seeds, total=settings.total)
    pool_hashes = {name: fingerprint(pool) for name, pool in texts.pools.items()}
    check_pools(pool_hashes)
    needed = _needed(given, chosen)
    sources = crew.sources_of(needed)
    store = ResultStore.open(out, _manifest(texts, pool_hashes, settings))
    with store.locked():
        encoders = open_encoders(needed, device=settings.device)
        _embed(encoders, texts, draws)
        ring = _ring(chosen, sizes, draws, texts, settings, encoders, Costing.within(seconds, store.folder), words)
        cells = [entry.cell for entry in ring.entries]
        first = next(iter(encoders.values()), None)
        tally = Tally(texts, draws, cells, store, dataclasses.asdict(settings), left_out, encoder=first, used=used)
        watch = Watch(cells, tally.write_unfinished, on_result)
        with crew.engine_for(ring, sources) as runs, watch.shown():
            rows = run_comparison(
                *(ring.contests(), texts.test, store),
                engine=runs,
                folds=texts.folds,
                budget=seconds,
                on_result=watch.note,
                on_start=watch.started,
            )
        if len(rows) < len(cells):
            texts.notes.append(
                f"{len(cells) - len(rows)} of {len(cells)} cells were not run within the budget of {budget}; the same "
                "command goes on with them"
            )
        return tally.write(rows)


def _words(given: Any, texts: ComparedTexts) -> dict[Any, Any] | None:
    """Return what classes mean, by name, if that is told; a note names what is described and no class here."""
    if given is None:
        return None
    described = read_words(given)
    check_descriptions(described)
    classes = LabelSpace.of(texts.labeled.labels, warn=False).classes
    words = words_like(described, classes)
    others = [name for name in words if name not in classes]
    if others:
        hint = did_you_mean(str(others[0]), [str(name) for name in classes])
        told = f"label_words describes {', '.join(map(repr, others))}, which no labelled text has.{hint}"
        if len(others) == len(words):
            raise InputError(told)
        texts.notes.append(told)
    return {name: words[name] for name in classes if name in words}


def _chosen(methods: Sequence[str], sizes: Sequence[int], *, has_pool: bool) -> tuple[list[str], dict[str, str]]:
    """Return the methods that run, and why others do not."""
    chosen, left_out = choose_methods(methods, has_pool=has_pool)
    if 0 not in sizes:
        return list(chosen), left_out
    unlearned, others = split_by_labels(chosen)
    return list(chosen if any(sizes) else unlearned), left_out | others


def _settled(
    settings: CompareSettings | None, changes: dict[str, Any], encoders: list[Encoder | str]
) -> tuple[CompareSettings, list[Encoder | str]]:
    """Return the settings with the changes in them, and the encoders that are meant."""
    if isinstance(changes.get("methods"), str):
        changes["methods"] = tuple(name.strip() for name in changes["methods"].split(","))
    if encoders:
        names = tuple(one if isinstance(one, str) else one.name for one in encoders)
        changes["encoder"] = names[0] if len(names) == 1 else names
    settings = change_settings(settings or CompareSettings(), changes)
    named = all(isinstance(one, str) for one in encoders)
    return settings, list(encoder_names(settings.encoder)) if named else encoders


def _needed(encoders: Sequence[Encoder | str], methods: Sequence[str]) -> list[Encoder | str]:
    """Return the encoders to open; where no method uses one, those that are open already, which serve the checks."""
    used = any(find_method(name)[0].uses_encoder for name in methods)
    return [one for one in encoders if used or not isinstance(one, str)]


def _listed(encoder: Encoder | str | Sequence[Encoder | str] | None) -> list[Encoder | str]:
    if encoder is None:
        return []
    return list(encoder) if isinstance(encoder, (list, tuple)) else [encoder]  # type: ignore[list-item]


def _pools_of(unlabeled: Any) -> list[Any]:
    """Return the pools that are meant: a list of records is one, a list of files and tables several."""
    if unlabeled is None:
        return []
    several = isinstance(unlabeled, (list, tuple)) and not any(isinstance(one, Mapping) for one in unlabeled)
    return list(unlabeled) if several else [unlabeled]


def _embed(encoders: Mapping[str, Encoder], texts: ComparedTexts, draws: Slices) -> None:
    """Encode at once what cells will ask for one after the other."""
    used = np.unique(np.concatenate([rows for slices in draws.values() for rows in slices.values()]))
    for encoder in encoders.values():
        encoder.encode(list(dict.fromkeys([*(texts.labeled.texts[i] for i in used), *texts.test.texts])))


def _manifest(texts: ComparedTexts, pool_hashes: Mapping[int | str, str], settings: CompareSettings) -> dict[str, Any]:
    data = {"labeled": content_hash(texts.labeled), "test": content_hash(texts.test)}
    pools = {str(name): hash_ for name, hash_ in pool_hashes.items()}
    return {
        "data": data,
        "pools": pools,
        "settings": dataclasses.asdict(settings),
        "versions": library_versions(),
    }


def _ring(
    chosen: Sequence[str],
    sizes: Sequence[int],
    draws: Slices,
    texts: ComparedTexts,
    settings: CompareSettings,
    encoders: Mapping[str, Encoder],
    costing: Costing,
    label_words: Mapping[Any, Any] | None,
) -> Ring:
    """Say who meets which slice; adapted encoders are kept in the comparison's folder."""
    parent = costing.folder / "adapted"
    ring = Ring(
        [],
        texts.test,
        LabelSpace.of(texts.labeled.labels, warn=False),
        pools=texts.pools,
        encoders=encoders,
        adapted={
            (name, key): OnceAdapted(pool, encoder, parent, settings.device, settings.seed)
            for name, encoder in encoders.items()
            for key, pool in texts.pools.items()
        },
        device=settings.device,
        folds=texts.folds,
        costing=costing,
        label_words=label_words,
    )
    return enter(chosen, sizes, draws, texts, ring, first_seed=settings.seed)
