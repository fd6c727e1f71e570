"""Journey 4, *shrink and ship*, in one step: down a ladder of smaller models, to the best within what it may cost.

The chapter "Making transformers efficient in production" of Tunstall, von Werra, Wolf 2022, "Natural Language
Processing with Transformers", goes this way by hand.
"""

import dataclasses
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fewshot.classifiers.folder import MARKER, check_output
from fewshot.classifiers.loading import load_classifier, model_folder
from fewshot.core.artifacts import atomic_directory, folder_fingerprint
from fewshot.core.config import change_settings
from fewshot.core.errors import FewshotError, InputError
from fewshot.core.progress import track
from fewshot.recipes.benchmarking import BenchmarkSettings, benchmark_models
from fewshot.recipes.distill_settings import DistillSettings
from fewshot.recipes.rung_store import RungStore
from fewshot.recipes.rungs import Job, Rung, choose_rungs, kinds_of
from fewshot.recipes.shrink_judge import Judge, hold_out, load_labeled, take_pool, warn_of_known
from fewshot.recipes.shrink_outcome import MODEL, Shrunk, choose
from fewshot.recipes.shrink_settings import ShrinkSettings
from fewshot.recipes.sources import Reading, content_hash
from fewshot.recipes.student_table import score_of
from fewshot.recipes.used_texts import remember_used, warn_if_shared

FIGURES = ("size_bytes", "gzip_bytes", "parameters", "latency_p50_ms", "texts_per_second", "latency_speedup")
"""What the path takes from the benchmark, besides the score."""


def shrink_model(
    model: str | Path,
    unlabeled: Any,
    labeled: Any = None,
    *,
    out: str | Path,
    validation: Any = None,
    test: Any = None,
    reading: Reading | None = None,
    settings: ShrinkSettings | None = None,
    resume: bool = False,
    **changes: Any,
) -> Shrunk:
    """Make a model smaller in many ways, measure them, and keep the best within a loss and a size.

    Parameters
    ----------
    model : str or Path
        Folder of a classifier with a linear head, or its name on the Hub: a linear probe, SetFit, a distilled student,
        a fine-tuned transformer.
    unlabeled : str, Path, DataFrame, Dataset, TextData or Pool
        The pool that students learn from. Labels in it are not looked at.
    labeled : like ``unlabeled``, optional
        Labelled texts that students learn as well.
    out : str or Path
        Folder of the kept model. Beside it, in ``OUT.path``, stand the path (``path.json``, ``path.md``, ``path.png``)
        and all rungs, in ``rungs``; remove these when no other size or loss is to be tried.
    validation : like ``unlabeled``, optional
        Labelled texts on which rungs are judged: a loss is then what a rung loses of the model's accuracy (where texts
        have several labels, of its micro F1). Default: a fifth of the pool is held out, at most 2,000 texts, and a
        loss is the share of them that get another label than from the model (with several labels, what micro F1
        against the model's answers lacks to 1), which says nothing of how right either is.
    test : like ``unlabeled``, optional
        Labelled texts on which the model and the kept rung, and no other, are scored once, at the end: what was chosen
        on ``validation`` looks better there than it is.
    reading : Reading, optional
        How to read files.
    settings : ShrinkSettings, optional
    resume : bool, default=False
        Make only the rungs that an earlier run for the same ``out`` did not finish, and go on with an interrupted
        distillation. Otherwise all are made afresh.
    **changes
        Single settings, such as ``target_size="10MB"``, ``max_loss=1.0``.

    Returns
    -------
    Shrunk
        ``kept`` is ``None`` if no rung meets both wishes; ``out`` is then left as it was.

    Raises
    ------
    InputError
        If a setting, a rung or a file does not fit the model; before any work. A rung that fails is recorded with its
        reason, and the others go on.
    SourceNotFoundError, ModelFormatError
        If something cannot be opened.

    Examples
    --------
    >>> found = shrink_model("runs/teacher", "pool.csv", out="runs/small", target_size="10MB")  # doctest: +SKIP
    >>> print(found.table())  # doctest: +SKIP
    """
    settings, reading = change_settings(settings or ShrinkSettings(), changes), reading or Reading()
    folder = model_folder(model)
    if Path(out).resolve() == folder.resolve():
        raise InputError(f"out must be another folder than the model's, got {str(out)!r} for both")
    check_output(out)
    classifier = load_classifier(model, device="cpu")
    kinds = kinds_of(classifier, settings.encoder)
    rungs = choose_rungs(classifier, kinds, settings.rungs)
    gold, judged, tested = (
        load_labeled(source, classifier, reading, role)
        for source, role in ((labeled, "labeled"), (validation, "validation"), (test, "test"))
    )
    warn_of_known(folder, gold, {"validation": judged, "test": tested})
    if tested is not None and judged is not None:
        warn_if_shared(tested, judged)
    pool = take_pool(unlabeled, reading, (judged, tested), settings.max_pool, settings.seed)
    judge = None if judged is None else Judge(judged, by_labels=True)
    if judge is None:
        pool, judge = hold_out(pool, classifier, settings.seed)
    store = RungStore(Path(f"{out}.path") / "rungs")
    if not resume:
        store.clear()
    store.sweep()
    students = DistillSettings(
        encoder=settings.encoder, steps=settings.steps, device=settings.device, seed=settings.seed
    )
    climb = _Climb(Job(folder, kinds, pool, gold, students), store, judge)
    climb.make(rungs)
    found = _outcome(climb, rungs, settings, Path(out))
    if found.kept is not None:
        _keep(store.path(found.kept), Path(out))
        if tested is not None:
            kept = load_classifier(out, device="cpu")
            scores = {"model": score_of(classifier, tested, {}), "kept": score_of(kept, tested, {}), "n": len(tested)}
            found = dataclasses.replace(found, test=scores)
    found.write()
    return found


class _Climb:
    """The making of rungs; each is a folder in the store, or an error."""

    def __init__(self, job: Job, store: RungStore, judge: Judge) -> None:
        self.job, self.store, self.judge = job, store, judge
        self.errors: dict[str, str] = {}
        self.seconds: dict[str, float] = {}
        self.n_found = 0
        self._keys: dict[str, dict[str, Any]] = {}
        self._common = self._determined()

    def _determined(self) -> dict[str, Any]:
        """Return what all rungs depend on."""
        job, settings = self.job, dataclasses.asdict(self.job.settings)
        return {
            "model": folder_fingerprint(job.model),
            "pool": job.pool.content_hash,
            "labeled": None if job.gold is None else content_hash(job.gold),
            "chosen_on": content_hash(self.judge.data) if self.judge.by_labels else None,
            "settings": {name: value for name, value in settings.items() if name != "device" and value is not None},
        }

    def make(self, rungs: list[Rung]) -> None:
        """Make all rungs, save those that are there already."""
        with track("rungs", total=len(rungs)) as advance:
            for rung in rungs:
                if rung.base in self.errors:
                    self.errors[rung.name] = f"{rung.base} failed, which it is made from"
                else:
                    self._make(rung)
                advance(1)

    def _make(self, rung: Rung) -> None:
        key = {"rung": rung.name, **self._common}
        there = self.store.seconds(rung.name, key)
        if there is not None:
            self.seconds[rung.name], self.n_found = there, self.n_found + 1
            return
        job = dataclasses.replace(self.job, resume=self.store.begun(rung.name, key))
        self.store.begin(rung.name, key)
        source = self.job.model if rung.base is None else self.store.path(rung.base)
        path, start = self.store.path(rung.name), time.perf_counter()
        try:
            rung.make(source, path, job)
            chosen = self.judge.data.texts if self.judge.by_labels else None
            gold = None if job.gold is None else job.gold.texts
            remember_used(path, [source], learnt=gold, chosen=chosen, pool=job.pool)
        except Exception as error:
            if isinstance(error, (OSError, MemoryError)) and not isinstance(error, FewshotError):
                raise  # the disk or memory is full: no other rung would do better
            self.errors[rung.name] = f"{type(error).__name__}: {' '.join(str(error).split())}"
            return
        self.seconds[rung.name] = round(time.perf_counter() - start, 1)
        self.store.finish(rung.name, key, self.seconds[rung.name])


def _outcome(climb: _Climb, rungs: list[Rung], settings: ShrinkSettings, out: Path) -> Shrunk:
    """Measure the model and what was made of it, in turns, and choose."""
    judge, store = climb.judge, climb.store
    folders = {MODEL: climb.job.model} | {name: store.path(name) for name in climb.seconds}
    measured = {row["model"]: row for row in benchmark_models(folders, judge.data, settings=_speeds(settings)).rows}
    rows = [_row(Rung(MODEL, None, lambda *_: None), measured, climb, settings)]
    rows += [_row(rung, measured, climb, settings) for rung in rungs]
    kept, nearest = choose(rows[1:], settings.objective)
    return Shrunk(
        rows=rows,
        kept=kept,
        nearest=nearest,
        folder=None if kept is None else out,
        path_folder=store.folder.parent,
        metric=judge.metric,
        told=judge.told,
        notes=_notes(climb, settings),
        settings=dataclasses.asdict(settings),
    )


def _speeds(settings: ShrinkSettings) -> BenchmarkSettings:
    """Return how speed is measured: on one thread of the CPU, which all rungs can have."""
    return BenchmarkSettings(
        seconds=settings.seconds,
        batch_sizes=(1, 32),
        threads=(1,),
        cold_starts=0,
        random_state=settings.seed,
        device="cpu",
    )


def _row(rung: Rung, measured: Mapping[str, Any], climb: _Climb, settings: ShrinkSettings) -> dict[str, Any]:
    row: dict[str, Any] = {"rung": rung.name, "base": rung.base, "status": "failed"}
    found = measured.get(rung.name, {})
    if rung.name in climb.errors or found.get("status") != "ok" or "latency_p50_ms" not in found:
        error = climb.errors.get(rung.name) or found.get("error") or "one call takes more than its share of the time"
        return row | {"error": error}
    metric, judge = climb.judge.metric, climb.judge
    loss = judge.loss(found[metric], measured[MODEL].get(metric, 1.0))
    most = settings.most_bytes
    return {
        **row,
        "status": "ok",
        metric: found[metric],
        "loss": None if rung.name == MODEL else loss,
        "standard_error": None if rung.name == MODEL else judge.standard_error(loss, found["agreement"]),
        **{name: found.get(name) for name in FIGURES},
        "made_seconds": climb.seconds.get(rung.name),
        "small_enough": most is None or found["size_bytes"] <= most,
        "good_enough": loss <= settings.max_loss + 1e-9,
        "error": None,
    }


def _notes(climb: _Climb, settings: ShrinkSettings) -> list[str]:
    judge, n = climb.judge, len(climb.judge.data)
    notes = [f"rungs that were there already: {climb.n_found}"] if climb.n_found else []
    if judge.by_labels:
        notes.append("rungs were chosen by these figures, so they flatter the kept one: a test (--test) tells")
    else:
        notes.append("to agree with the model is not to be right; labelled texts (--validation) tell what is lost")
    if settings.max_loss < 100 / n:
        notes.append(f"one text of {n} is {100 / n:.1f} points: more texts would tell losses apart")
    return notes


def _keep(rung: Path, out: Path) -> None:
    """Copy a rung to where the kept model goes, whole or not at all."""
    with atomic_directory(out, marker=MARKER) as temporary:
        shutil.copytree(rung, temporary, dirs_exist_ok=True)
