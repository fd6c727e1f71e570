"""Size, speed and accuracy of classifiers side by side: what ``fewshot benchmark`` does.

Models are opened by ``contenders``, scored and timed by the judge, started anew by ``cold_start``, weighed by
``model_size``; what is left behind is ``benchmark_outcome``'s.
"""

import dataclasses
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fewshot.classifiers.base import TextClassifier
from fewshot.core.config import change_settings
from fewshot.core.errors import FewshotError, InputError
from fewshot.core.progress import track
from fewshot.data.cells import read_label_map
from fewshot.data.texts import TextData
from fewshot.evaluation.speed.answers import score_answers
from fewshot.evaluation.speed.contender import Answers, Failure
from fewshot.evaluation.speed.timings import speeds_by_setting, summarize_turns
from fewshot.evaluation.speed.turns import Schedule, Setting, TooSlow, Turn, take_turns
from fewshot.recipes.benchmark_outcome import Benchmark
from fewshot.recipes.cold_start import measure_cold_starts
from fewshot.recipes.contenders import Opened, open_contender
from fewshot.recipes.machine import count_cores
from fewshot.recipes.model_size import count_parameters, size_on_disk
from fewshot.recipes.sources import Reading, content_hash, require_labels
from fewshot.recipes.threads import adjustable_threads

ANSWERED_AT_ONCE = 256
MEMORY_TEXTS = 32
"""Texts of the one call up to which memory is watched."""


@dataclasses.dataclass(frozen=True)
class BenchmarkSettings:
    """How models are measured.

    Parameters
    ----------
    seconds : float, default 20
        For the speed of one model, over all rounds; at most about twice as long, unless single texts alone take longer.
    rounds : int, default 6
        How often the models take turns; an even number lets each order be followed by its reverse.
    batch_sizes : tuple of int, default (1, 32, 128)
        Texts a call. One text alone is always measured; sizes beyond the number of different test texts are left out.
    threads : tuple of int, optional
        Default: 1, and all cores.
    cold_starts : int, default 3
        Processes in which each model is started anew; 0 leaves out cold start, loading and memory.
    max_texts : int, optional
        Score on so many test texts at most, drawn at random; default: all.
    random_state : int, default 0
        Decides the texts that are drawn and the order of turns.
    device : str, optional
        Where models run; default: the fastest there is.
    """

    seconds: float = 20.0
    rounds: int = 6
    batch_sizes: tuple[int, ...] = (1, 32, 128)
    threads: tuple[int, ...] | None = None
    cold_starts: int = 3
    max_texts: int | None = None
    random_state: int = 0
    device: str | None = None

    def __post_init__(self) -> None:
        least = {"rounds": (self.rounds, 1), "cold_starts": (self.cold_starts, 0), "max_texts": (self.max_texts, 1)}
        least |= {"batch_sizes": (min(self.batch_sizes, default=0), 1), "random_state": (self.random_state, 0)}
        if self.threads is not None:
            least["threads"] = (min(self.threads, default=0), 1)
        for name, (value, minimum) in least.items():
            if value is not None and value < minimum:
                raise InputError(f"{name} must be at least {minimum}, got {getattr(self, name)!r}")
        if not 0 < self.seconds < float("inf"):
            raise InputError(f"seconds must be above 0, got {self.seconds}")


def benchmark_models(
    models: Sequence[Any] | Mapping[str, Any],
    test: Any,
    *,
    out: str | Path | None = None,
    model_labels: Mapping[Any, Any] | str | Path | None = None,
    reading: Reading | None = None,
    settings: BenchmarkSettings | None = None,
    **changes: Any,
) -> Benchmark:
    """Measure size, speed and accuracy of classifiers side by side.

    Parameters
    ----------
    models : sequence, or mapping of str
        Model directories of this package, folders of ``setfit``, folders or Hub ids of transformers' sequence
        classification models, classifiers, ``text-classification`` pipelines, or any objects with ``predict`` (and
        ``predict_proba``). A mapping names them; else folders are called by their last part, where that tells them
        apart, and objects by their class. All are compared with the first.
    test : str, Path, DataFrame, Dataset or TextData
        Labelled texts: all labelled rows are scored, and the different ones among them are what speed is measured with.
    out : str or Path, optional
        Folder for ``benchmark.json``, ``benchmark.csv``, ``speeds.csv``, ``accuracy_latency.png`` and
        ``benchmark.html``. Ctrl-C leaves there what was finished.
    model_labels : mapping or path of a JSON file, optional
        A model's name of a class → the test set's, as where a model of transformers says ``LABEL_0``.
    reading : Reading, optional
        How to read ``test``.
    settings : BenchmarkSettings, optional
    **changes
        Single settings, such as ``seconds=5``.

    Returns
    -------
    Benchmark
        With ``rows``, one a model, see :class:`~fewshot.recipes.benchmark_outcome.Benchmark`.

    Raises
    ------
    SourceNotFoundError, ModelFormatError
        If a model or the test set cannot be opened.
    InputError
        If there is no model, two have one name, the test set has no labels, or its classes are not a model's. A model
        that fails later is recorded, and the others go on.

    Notes
    -----
    Models take turns in rounds, in an order that is shuffled and then reversed, so that a machine that slows down slows
    all of them alike; figures are medians over rounds with quartiles, and ratios are taken round by round. All models
    get the same texts, of the lengths that the test set has, a call's all different: nothing is saved on repeated ones.
    Figures of different runs or machines should not be compared.

    Examples
    --------
    >>> class Echo:
    ...     classes_ = ["a", "b"]
    ...     def predict(self, texts):
    ...         return [text[0] for text in texts]
    >>> rows = [{"text": f"{label} {i}", "label": label} for label in "ab" for i in range(2)]
    >>> found = benchmark_models({"echo": Echo()}, rows, seconds=0.01, rounds=2, batch_sizes=(1,), threads=(1,))
    >>> found.rows[0]["accuracy"], found.rows[0]["latency_p50_ms"] < 1
    (1.0, True)
    """
    settings = change_settings(settings or BenchmarkSettings(), changes)
    data = require_labels((reading or Reading()).load(test))
    if settings.max_texts is not None and len(data) > settings.max_texts:
        drawn = np.random.default_rng(settings.random_state).permutation(len(data))[: settings.max_texts]
        data = data.select(np.sort(drawn))
    names, renaming = _named(models), read_label_map(model_labels)
    opened = {
        name: open_contender(name, source, data, model_labels=renaming, device=settings.device)
        for name, source in names.items()
    }
    bench = _Bench(opened, data, settings)
    try:
        bench.run()
    finally:  # also what Ctrl-C left unfinished
        found = bench.outcome({name: str(source) for name, source in names.items() if _is_path(source)})
        if out is not None:
            found.write(out)
    return found


class _Bench:
    """One run, step by step; each step adds to the rows, so that whatever ends it leaves what was finished."""

    def __init__(self, opened: Mapping[str, Opened], data: TextData, settings: BenchmarkSettings) -> None:
        self.opened, self.data, self.settings = dict(opened), data, settings
        self.rows: dict[str, dict[str, Any]] = {name: {"model": name, "status": "unfinished"} for name in opened}
        self.notes = [note for each in opened.values() for note in each.notes]
        self.answers: dict[str, Answers] = {}
        self.turns: list[Turn] = []

    def run(self) -> None:
        for step in (self._answer, self._weigh, self._time):
            step()
        for name in self.opened:
            self.rows[name].setdefault("error", None)
            if self.rows[name]["status"] == "unfinished":
                self.rows[name]["status"] = "ok"

    def _fail(self, failure: Failure) -> None:
        self.opened.pop(failure.name)
        self.rows[failure.name] |= {"status": "failed", "error": failure.error}

    def _answer(self) -> None:
        """Have every model answer all test texts, and score the answers."""
        for name, each in list(self.opened.items()):
            try:
                self.answers[name] = _all_answers(each, self.data.texts)
                first = next(iter(self.answers.values()))
                self.rows[name] |= score_answers(each.contender, self.answers[name], self.data, first)
            except Exception as error:  # whatever a model raises, the others go on
                self.answers.pop(name, None)
                self._fail(Failure.of(name, error))

    def _weigh(self) -> None:
        """Measure files, parameters, cold starts and memory."""
        with tempfile.TemporaryDirectory(prefix="fewshot-") as scratch:
            folders = {}
            for number, (name, each) in enumerate(self.opened.items()):
                folder = each.folder or _saved(each.model, Path(scratch) / str(number))
                self.rows[name] |= {"parameters": count_parameters(each.model), **size_on_disk(folder)}
                if folder is not None:
                    folders[name] = folder
            if not self.settings.cold_starts:
                return
            facts, notes = measure_cold_starts(
                folders,
                self._drawn_texts()[:MEMORY_TEXTS],
                repeats=self.settings.cold_starts,
                device=self.settings.device,
            )
        self.notes += notes
        for name, found in facts.items():
            self.rows[name] |= found

    def _time(self) -> None:
        """Let the models take turns."""
        contenders = [each.contender for each in self.opened.values()]
        texts = self._drawn_texts()
        if not contenders:
            return
        schedule = self._schedule(len(texts))
        with adjustable_threads() as set_threads:
            for event in take_turns(contenders, texts, schedule, set_threads=self._setter(set_threads)):
                if isinstance(event, Turn):
                    self.turns.append(event)
                elif isinstance(event, Failure):
                    self._fail(event)
                else:
                    self.notes.append(_told(event))

    def _setter(self, set_threads: Callable[[int], None]) -> Callable[[int], None]:
        own = [each.model.set_threads for each in self.opened.values() if hasattr(each.model, "set_threads")]
        now: list[int] = []

        def set_all(n: int) -> None:
            set_threads(n)
            if now == [n]:
                return  # graphs are opened anew for it, all of them in every turn
            for setter in own:
                setter(n)
            now[:] = [n]

        return set_all

    def _drawn_texts(self) -> list[str]:
        texts = list(dict.fromkeys(self.data.texts))
        order = np.random.default_rng(self.settings.random_state).permutation(len(texts))
        return [texts[row] for row in order]

    def _schedule(self, n_texts: int) -> Schedule:
        given = self.settings
        sizes = sorted({1, *given.batch_sizes})
        if too_large := [size for size in sizes if size > n_texts]:
            self.notes.append(
                f"the test set has {n_texts} different texts: calls of {', '.join(map(str, too_large))} were left out"
            )
        threads = sorted(set(given.threads or (1, count_cores())))
        settings = tuple(Setting(size, n) for size in sizes if size <= n_texts for n in threads)
        return Schedule(settings, given.rounds, given.seconds, given.random_state)

    def outcome(self, sources: Mapping[str, str]) -> Benchmark:
        """Return what has been finished so far."""
        names = [name for name in self.rows if name in self.answers]
        speeds = summarize_turns(self.turns, names)
        return Benchmark(
            rows=[row | speeds.get(name, {}) for name, row in self.rows.items()],
            speeds=speeds_by_setting(self.turns),
            notes=self.notes,
            settings=dataclasses.asdict(self.settings) | {"cores": count_cores()},
            data={
                "source": self.data.source,
                "texts": len(self.data),
                "hash": content_hash(self.data),
                "multi_label": self.data.multi_label,
            },
            sources=dict(sources),
        )


def _is_path(source: Any) -> bool:
    return isinstance(source, (str, Path))


def _named(models: Sequence[Any] | Mapping[str, Any]) -> dict[str, Any]:
    """Return models by name; folders by their last part where that tells them apart."""
    if isinstance(models, Mapping):
        named = {str(name): model for name, model in models.items()}
    elif isinstance(models, (str, Path)):
        raise InputError(f"models must be a sequence of models or a mapping, got {str(models)!r}; put it in a list")
    else:
        names = [_name_of(model) for model in models]
        short = [Path(name).name if _is_path(model) else name for name, model in zip(names, models, strict=True)]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise InputError(f"two models are called {twice[0]!r}; give a mapping of different names to models")
        named = {
            name if short.count(last) > 1 else last: model
            for name, last, model in zip(names, short, models, strict=True)
        }
    if not named:
        raise InputError("models must hold at least one model, got none")
    return named


def _name_of(model: Any) -> str:
    return str(model).rstrip("/") if _is_path(model) else type(model).__name__


def _all_answers(each: Opened, texts: Sequence[str]) -> Answers:
    """Return the answers to all texts, asked for some at a time, so that progress is seen and memory bounded."""
    labels: list[Any] = []
    probabilities: list[np.ndarray] = []
    with track(f"answers of {each.contender.name}", total=len(texts)) as advance:
        for start in range(0, len(texts), ANSWERED_AT_ONCE):
            part = list(texts[start : start + ANSWERED_AT_ONCE])
            said = each.contender.answer(part)
            if len(said.labels) != len(part):
                raise InputError(f"predict gave {len(said.labels)} labels for {len(part)} texts")
            labels += said.labels
            if said.probabilities is not None:
                probabilities.append(said.probabilities)
            advance(len(part))
    return Answers(labels, np.concatenate(probabilities) if probabilities else None)


def _saved(model: Any, folder: Path) -> Path | None:
    """Return the folder in which a classifier of this package was saved, ``None`` of what cannot be saved."""
    if not isinstance(model, TextClassifier):
        return None
    try:
        model.save(folder)
    except (FewshotError, NotImplementedError):
        return None
    return folder


def _told(event: TooSlow) -> str:
    setting = event.setting
    return (
        f"{event.name} was not measured with {setting.batch_size} texts a call and {setting.threads} thread(s): one "
        "call takes more than its share of the time; give more seconds"
    )
