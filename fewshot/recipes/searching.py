"""Hyper-parameter search: many settings, each judged by cross-validation on the labels at hand, the default first.

Optuna proposes and prunes. Its journal is a file, so that a search that was killed at any moment goes on where it was,
and ends with the trials of one that was not: what a trial proposes depends on its number and on finished trials alone.
What may be searched is in ``search_space``, what a trial is worth in ``trial_judge``, the choice in ``search_result``.
"""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fewshot.core.artifacts import atomic_path, fingerprint
from fewshot.core.errors import InputError
from fewshot.core.optional import import_extra
from fewshot.core.progress import track
from fewshot.data.texts import check_lengths
from fewshot.encoders.base import check_texts
from fewshot.evaluation.store import ResultStore
from fewshot.recipes.search_result import SearchResult, conclude
from fewshot.recipes.search_space import SearchSpace, find_space
from fewshot.recipes.trial_judge import TrialJudge, Verdict

Make = Callable[[dict[str, Any]], Any]

JOURNAL = "journal.log"
_IDENTITY, _ERROR = "identity", "error"
# What Optuna raises on a journal of other content.
_DAMAGED = (ValueError, KeyError, TypeError, AttributeError, IndexError, AssertionError)
_NOT_COMPARED = ("device",)  # another machine may go on with a search


def search_settings(
    texts: Sequence[str],
    labels: Sequence[Any],
    *,
    make: Make,
    space: str | SearchSpace = "setfit",
    n_trials: int = 20,
    folds: int = 3,
    folder: str | Path,
    resume: bool = False,
    random_state: int = 0,
) -> SearchResult:
    """Search the settings of a classifier by cross-validation on labelled texts.

    Parameters
    ----------
    texts : sequence of str
    labels : sequence of (str or int), or of sequences of them
    make : callable
        ``make(params)`` gives a fresh, unfitted classifier with those arguments. It has ``fit``, ``predict_proba``,
        ``classes_`` and ``get_params``, and is seeded: the same arguments give the same classifier.
    space : "setfit" or SearchSpace, default "setfit"
        What to vary.
    n_trials : int, default 20
        How many settings to try. The first is that of ``make({})``.
    folds : int, default 3
        Trainings a trial. A trial that is worse than the median of earlier ones so far is stopped between two of them.
    folder : str or Path
        For the journal.
    resume : bool, default False
        Go on with the search in ``folder``; ``n_trials`` may differ. Otherwise an earlier one there is thrown away.
    random_state : int, default 0
        Decides folds and proposals.

    Returns
    -------
    SearchResult

    Raises
    ------
    InputError
        If there are too few labels to hold any out, or ``folder`` is in use, or has a search of other texts, labels or
        settings to resume.
    MissingExtraError
        If Optuna is not installed.
    Exception
        The last trial's, if all of them failed.

    References
    ----------
    Akiba et al. 2019, "Optuna: A Next-generation Hyperparameter Optimization Framework", arXiv:1907.10902.
    Watanabe 2023, "Tree-Structured Parzen Estimator: Understanding Its Algorithm Components", arXiv:2304.11127.
    """
    optuna = import_extra("optuna", extra="search", purpose="a search for settings")
    check_texts(texts)
    check_lengths(texts, labels)
    if n_trials < 1:
        raise InputError(f"n_trials must be at least 1, got {n_trials}")
    if random_state < 0:
        raise InputError(f"random_state must be at least 0, got {random_state}")
    space = find_space(space).starting_from(make({}).get_params(deep=False))
    judge = TrialJudge.of(texts, labels, folds, random_state)
    identity = _identity(judge, make, space, random_state)
    with ResultStore(folder).locked(), _quiet(optuna):
        study = _open_study(optuna, Path(folder) / JOURNAL, identity, resume=resume)
        return _Search(optuna, study, judge, make, space, random_state).run(n_trials)


def _identity(judge: TrialJudge, make: Make, space: SearchSpace, random_state: int) -> str:
    """Return a hash of all that decides what a trial comes to."""
    classifier = make({**space.defaults(), **dict(space.in_trials)})
    params = classifier.get_params(deep=False)
    known = [f"{name}={_plain(params[name])}" for name in sorted(params) if name not in _NOT_COMPARED]
    settings = [type(classifier).__name__, *known, repr(space), str(judge.folds), str(random_state)]
    return fingerprint([*judge.texts, *map(repr, judge.labels), *settings])


def _plain(value: Any) -> str:
    """Tell an argument by its content; an object of which nothing is known by its type, not by its address."""
    if value is None or isinstance(value, (str, int, float, Path)):
        return repr(value)
    if isinstance(value, (list, tuple)):
        return repr([_plain(item) for item in value])
    if isinstance(value, dict):
        return repr([(_plain(key), _plain(item)) for key, item in value.items()])
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
class _Search:
    """One run of trials on a study."""

    optuna: Any
    study: Any
    judge: TrialJudge
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
                self._try(self._ask(number))
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

    def _try(self, trial: Any) -> None:
        params = {**self.space.suggest(trial), **dict(self.space.in_trials)}
        states = self.optuna.trial.TrialState
        try:
            verdict, pruned = self._judged(trial, params)
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

    def _judged(self, trial: Any, params: dict[str, Any]) -> tuple[Verdict, bool]:
        last = self.judge.folds - 1
        for fold, verdict in enumerate(self.judge.verdicts(lambda: self.make(dict(params)))):
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
        return conclude(rows, right, self.judge.metric)


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
