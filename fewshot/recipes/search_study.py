"""The study of a search: trials one after another, the default first, in a journal that survives a kill.

Optuna proposes and prunes. Its journal is a file, so that a search that was killed at any moment goes on where it was,
and ends with the trials of one that was not: what a trial proposes depends on its number and on finished trials alone.
What is searched is in ``search_space``, what a trial is worth says a judge, the choice is in ``search_result``.
"""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from fewshot.core.artifacts import atomic_path
from fewshot.core.errors import InputError
from fewshot.core.optional import import_extra
from fewshot.core.progress import track
from fewshot.evaluation.runner.store import ResultStore
from fewshot.recipes.search_result import SearchResult, conclude
from fewshot.recipes.search_space import SearchSpace
from fewshot.recipes.trial_judge import Verdict

Make = Callable[[dict[str, Any]], Any]

JOURNAL = "journal.log"
_IDENTITY, _ERROR = "identity", "error"
# What Optuna raises on a journal of other content.
_DAMAGED = (ValueError, KeyError, TypeError, AttributeError, IndexError, AssertionError)


class Judge(Protocol):
    """Whoever says what settings are worth."""

    @property
    def folds(self) -> int:
        """How many verdicts a trial has, each after a training."""
        ...

    @property
    def metric(self) -> str:
        """Name of the score."""
        ...

    def verdicts(self, make: Callable[[], Any]) -> Iterator[Verdict]:
        """Train what ``make`` gives, ``folds`` times, and judge after each."""
        ...


@dataclasses.dataclass(frozen=True)
class Study:
    """A search that is to be run, or gone on with.

    Parameters
    ----------
    n_trials : int
        How many settings to try, those of earlier runs counted.
    folder : str or Path
        For the journal. One search at a time holds it.
    resume : bool
        Go on with the search in ``folder``; otherwise an earlier one there is thrown away.
    random_state : int
        Decides the proposals.

    Raises
    ------
    InputError
        If a number is out of range.
    MissingExtraError
        If Optuna is not installed.
    """

    n_trials: int
    folder: str | Path
    resume: bool
    random_state: int

    def __post_init__(self) -> None:
        _ = self.optuna  # before any work is done
        if self.n_trials < 1:
            raise InputError(f"n_trials must be at least 1, got {self.n_trials}")
        if self.random_state < 0:
            raise InputError(f"random_state must be at least 0, got {self.random_state}")

    @cached_property
    def optuna(self) -> Any:
        """The library."""
        return import_extra("optuna", extra="search", purpose="a search for settings")

    def search(self, judge: Judge, make: Make, space: SearchSpace, identity: str) -> SearchResult:
        """Run the trials that are missing, and choose.

        Parameters
        ----------
        judge : Judge
        make : callable
            ``make(arguments)`` gives a fresh learner with those arguments, seeded. The first trial is ``make({})``, but
            for what ``space`` sets in trials alone.
        space : SearchSpace
            Starting from what ``make({})`` is.
        identity : str
            A hash of all that decides what a trial comes to.

        Raises
        ------
        InputError
            If ``folder`` is in use, or has a search of another identity to resume.
        Exception
            The last trial's, if all of them failed.
        """
        with ResultStore(self.folder).locked(), _quiet(self.optuna):
            study = _open_study(self.optuna, Path(self.folder) / JOURNAL, identity, resume=self.resume)
            return _Run(self.optuna, study, judge, make, space, self.random_state).run(self.n_trials)


def plain(value: Any) -> str:
    """Tell an argument by its content; an object of which nothing is known by its type, not by its address.

    Examples
    --------
    >>> plain({"cosine": 1.0}) == plain({"cosine": 1.0}), plain(object())
    (True, 'object')
    """
    if value is None or isinstance(value, (str, int, float, Path)):
        return repr(value)
    if isinstance(value, (list, tuple)):
        return repr([plain(item) for item in value])
    if isinstance(value, dict):
        return repr([(plain(key), plain(item)) for key, item in value.items()])
    return str(getattr(value, "fingerprint", type(value).__name__))


@contextlib.contextmanager
def _quiet(optuna: Any) -> Iterator[None]:
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(verbosity)


def _open_study(optuna: Any, journal: Path, identity: str, *, resume: bool) -> Any:
    """Return the study in a journal that no other process writes to: the folder is locked."""
    for left_over in journal.parent.glob(f"{journal.name}.lock*"):  # by a kill; Optuna would wait 30 s for it
        left_over.unlink()
    if not resume:
        journal.unlink(missing_ok=True)
    _mend(journal)
    store = optuna.storages.journal
    try:
        backend = store.JournalFileBackend(str(journal), lock_obj=store.JournalFileOpenLock(str(journal)))
        study = optuna.create_study(
            storage=store.JournalStorage(backend),
            study_name="search",
            direction="maximize",
            pruner=optuna.pruners.MedianPruner(),
            load_if_exists=True,
        )
        trials, found = study.get_trials(deepcopy=False), study.user_attrs.get(_IDENTITY)
    except _DAMAGED as error:
        raise InputError(
            f"the journal {str(journal)!r} is damaged ({type(error).__name__}: {error}); search afresh, without resume"
        ) from None
    if found != identity and (found is not None or trials):
        raise InputError(
            f"the search in {str(journal.parent)!r} had other texts, labels or settings than this one; give the same "
            "again to go on with it, or leave out resume to search afresh"
        )
    if found is None:
        study.set_user_attr(_IDENTITY, identity)
    return study


def _mend(journal: Path) -> None:
    """Cut off a last line that was not written to its end; Optuna would append to it."""
    content = journal.read_bytes() if journal.is_file() else b""
    if content and not content.endswith(b"\n"):
        with atomic_path(journal) as temporary:
            temporary.write_bytes(content[: content.rfind(b"\n") + 1])


@dataclasses.dataclass
class _Run:
    """One run of trials on a study."""

    optuna: Any
    study: Any
    judge: Judge
    make: Make
    space: SearchSpace
    random_state: int
    last_error: Exception | None = None

    def run(self, n_trials: int) -> SearchResult:
        self._give_up_interrupted()
        folds, n_done = self.judge.folds, len(self._finished())
        with track("searching settings", total=n_trials * folds) as advance:
            advance(min(n_done, n_trials) * folds)
            for number in range(n_done, n_trials):
                self._try(number, self._ask(number))
                advance(folds)
        return self._conclude()

    def _give_up_interrupted(self) -> None:
        states = self.optuna.trial.TrialState
        for trial in self.study.get_trials(deepcopy=False, states=(states.RUNNING,)):
            self.study.tell(trial.number, state=states.FAIL)

    def _finished(self) -> list[Any]:
        """Return trials that came to an end: a failure without an error was an interruption, and is repeated."""
        states = self.optuna.trial.TrialState
        ended = self.study.get_trials(deepcopy=False, states=(states.COMPLETE, states.PRUNED, states.FAIL))
        return [trial for trial in ended if trial.state != states.FAIL or _ERROR in trial.user_attrs]

    def _ask(self, number: int) -> Any:
        # A sampler's random state is not in the journal: a fresh one for each trial makes a resumed search the same.
        seed = int(np.random.SeedSequence([self.random_state, number]).generate_state(1)[0])
        self.study.sampler = self.optuna.samplers.TPESampler(seed=seed)
        waiting = (self.optuna.trial.TrialState.WAITING,)
        if number == 0 and not self.study.get_trials(deepcopy=False, states=waiting):
            self.study.enqueue_trial(self.space.defaults())
        return self.study.ask()

    def _try(self, number: int, trial: Any) -> None:
        params = self.space.suggest(trial)
        # The default is what is made without a search, even where its own values are only known by description.
        arguments = (self.space.arguments(params) if number else {}) | dict(self.space.in_trials)
        states = self.optuna.trial.TrialState
        try:
            verdict, pruned = self._judged(trial, arguments)
        except Exception as error:
            self.last_error = error
            trial.set_user_attr(_ERROR, f"{type(error).__name__}: {error}"[:1000])
            self.study.tell(trial, state=states.FAIL)
            return
        trial.set_user_attr("score", verdict.score)
        trial.set_user_attr("likelihood", verdict.likelihood)
        if pruned:
            self.study.tell(trial, state=states.PRUNED)
            return
        trial.set_user_attr("right", verdict.right)
        self.study.tell(trial, verdict.value)

    def _judged(self, trial: Any, arguments: dict[str, Any]) -> tuple[Verdict, bool]:
        last = self.judge.folds - 1
        for fold, verdict in enumerate(self.judge.verdicts(lambda: self.make(dict(arguments)))):
            trial.report(verdict.value, fold)
            if fold == last or trial.should_prune():
                break
        return verdict, fold < last

    def _conclude(self) -> SearchResult:
        finished = self._finished()
        rows = [_row(number, trial) for number, trial in enumerate(finished)]
        right = {n: trial.user_attrs["right"] for n, trial in enumerate(finished) if "right" in trial.user_attrs}
        if not any(row["state"] == "complete" for row in rows):
            raise self.last_error or InputError(f"all {len(rows)} trials failed, the last with {rows[-1]['error']}")
        result = conclude(rows, right, self.judge.metric)
        return dataclasses.replace(result, params=self.space.arguments(result.params))


def _row(number: int, trial: Any) -> dict[str, Any]:
    attributes = trial.user_attrs
    return {
        "number": number,
        "state": {"FAIL": "failed"}.get(trial.state.name, trial.state.name.lower()),
        "value": trial.value,
        "score": attributes.get("score"),
        "likelihood": attributes.get("likelihood"),
        "folds": len(trial.intermediate_values),
        "seconds": round(trial.duration.total_seconds(), 3),
        "error": attributes.get(_ERROR),
        "params": dict(trial.params),
    }
