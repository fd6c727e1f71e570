"""Hyper-parameter search: many settings, each judged by cross-validation on the labels at hand, the default first.

How trials are run and remembered is in ``search_study``, what may be searched in ``search_space``, what a trial is
worth in ``trial_judge``, the choice in ``search_result``.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fewshot.core.artifacts import fingerprint
from fewshot.data.texts import check_lengths
from fewshot.encoders.base import check_texts
from fewshot.recipes.search_result import SearchResult
from fewshot.recipes.search_space import SearchSpace, find_space
from fewshot.recipes.search_study import Make, Study, plain
from fewshot.recipes.trial_judge import TrialJudge

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
    study = Study(n_trials, folder, resume, random_state)
    check_texts(texts)
    check_lengths(texts, labels)
    space = find_space(space).starting_from(make({}).get_params(deep=False))
    judge = TrialJudge.of(texts, labels, folds, random_state)
    return study.search(judge, make, space, _identity(judge, make, space, random_state))


def _identity(judge: TrialJudge, make: Make, space: SearchSpace, random_state: int) -> str:
    """Return a hash of all that decides what a trial comes to."""
    classifier = make(space.arguments(space.defaults()) | dict(space.in_trials))
    params = classifier.get_params(deep=False)
    known = [f"{name}={plain(params[name])}" for name in sorted(params) if name not in _NOT_COMPARED]
    settings = [type(classifier).__name__, *known, repr(space), str(judge.folds), str(random_state)]
    return fingerprint([*judge.texts, *map(repr, judge.labels), *settings])
