"""Hyper-parameter search for distillation: many settings, each judged by its student, the default first.

How trials are run and remembered is in ``search_study``, what may be searched in ``distill_space``, what a student is
worth in ``student_judge``, the choice in ``search_result``.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fewshot.classifiers.base import Labeled
from fewshot.core.artifacts import fingerprint
from fewshot.core.errors import InputError
from fewshot.distillation.transfer_set import make_transfer_set
from fewshot.recipes.distill_space import check_students, default_space, own_settings
from fewshot.recipes.search_result import SearchResult
from fewshot.recipes.search_space import SearchSpace
from fewshot.recipes.search_study import Make, Study, plain
from fewshot.recipes.student_judge import StudentJudge

# Another machine may go on with a search, and keep the teacher's answers elsewhere; teachers are told by fingerprint.
_NOT_COMPARED = ("device", "teacher", "targets")


def search_distillation(
    unlabeled_texts: Sequence[str],
    texts: Sequence[str] | None = None,
    labels: Sequence[Any] | None = None,
    *,
    make: Make,
    space: SearchSpace | None = None,
    n_trials: int = 20,
    folder: str | Path,
    resume: bool = False,
    random_state: int = 0,
    validation: Labeled | None = None,
) -> SearchResult:
    """Search the settings of a distillation.

    Parameters
    ----------
    unlabeled_texts : sequence of str
        The pool. Of more than 100,000 texts a sample is taken, at which the trainers' own numbers of steps have stopped
        growing.
    texts, labels : sequences, optional
        Gold labels that each trial learns beside the pool.
    make : callable
        ``make(params)`` gives a fresh, unfitted trainer with those arguments, such as
        ``lambda params: DistillationTrainer(teacher, **{"student": "layers:3"} | params)``. It is seeded: the same
        arguments give the same student. Trainers that share an opened teacher and a
        :class:`~fewshot.distillation.target_store.TargetStore` ask the teacher about the pool once, not once a trial.
        A token table that :func:`~fewshot.distillation.students.build_student` made once and that all get as their
        ``student`` spares each trial a pass of the teacher over the vocabulary.
    space : SearchSpace, optional
        What to vary. Default: :data:`~fewshot.recipes.distill_space.EMBEDDINGS`, or for a ``LogitDistillationTrainer``
        :data:`~fewshot.recipes.distill_space.LOGITS`. What is decided is left out by ``space.without(steps=500)``;
        students are searched by ``space.varying(student=("layers:2", "layers:3"))``.
    n_trials : int, default 20
        How many settings to try. The first is that of ``make({})``.
    folder : str or Path
        For the journal.
    resume : bool, default False
        Go on with the search in ``folder``; ``n_trials`` may differ. Otherwise an earlier one there is thrown away.
    random_state : int, default 0
        Decides which texts are judged, and proposals.
    validation : (texts, labels), optional
        True labels, never learnt from. At least 250 of them judge the students; fewer are not used, as is said in
        ``notes``.

    Returns
    -------
    SearchResult
        ``params`` are arguments of the trainer, to train with on the whole pool. ``metric`` is ``"agreement"``, the
        share of texts with the teacher's label, or ``"accuracy"``; in multi-label tasks both are ``"micro_f1"``.

    Raises
    ------
    InputError
        If there are too few texts to hold any out, a label is not one of the teacher's classes, ``folder`` is in use,
        or has a search of other texts, labels or settings to resume.
    MissingExtraError
        If Optuna is not installed.
    Exception
        The last trial's, if all of them failed.

    Notes
    -----
    A fifth of the pool, at most 2,000 texts, is held out here, before any trial, and the teacher is asked about it
    once. A trainer reports its agreement on texts that it holds out itself, the same ones for all settings; but on
    those it chooses the regularization of the head, and when to stop. Of 20 such figures the highest would be that of
    the settings whose own choices were luckiest. On the texts held out here nothing is chosen but the trial, and
    :func:`~fewshot.recipes.search_result.conclude` allows for the luck in that.

    A larger student costs speed, of which agreement says nothing; and where no setting is clearly better, the first
    trial's are kept.

    Examples
    --------
    >>> make = lambda params: DistillationTrainer("runs/teacher", **{"student": "static"} | params)
    >>> found = search_distillation(pool, make=make, folder="runs/search")  # doctest: +SKIP
    >>> make(found.params).fit(pool).student_.save("runs/student")  # doctest: +SKIP
    """
    study = Study(n_trials, folder, resume, random_state)
    if (texts is None) != (labels is None):
        raise InputError("texts and labels must be given together, or neither")
    gold = None if texts is None or labels is None else (texts, labels)
    trainer = make({})
    judge = StudentJudge.of(trainer.teacher, unlabeled_texts, gold, validation, random_state)
    space = _starting_from(trainer, space or default_space(trainer), judge)
    result = study.search(judge, make, space, _identity(judge, make, space, random_state))
    return dataclasses.replace(result, notes=[*judge.notes, *result.notes])


def _starting_from(trainer: Any, space: SearchSpace, judge: StudentJudge) -> SearchSpace:
    if judge.gold is None and hasattr(trainer, "alpha"):  # it weighs gold labels
        space = space.without(alpha=trainer.alpha)
    check_students(space)
    texts, labels = judge.gold or (None, None)
    made = {name: getattr(trainer, name, 0) for name in ("generated", "random_state")}
    learned = make_transfer_set(judge.space, judge.pool, texts, labels, **made).train
    return space.starting_from(own_settings(trainer, len(learned)))


def _identity(judge: StudentJudge, make: Make, space: SearchSpace, random_state: int) -> str:
    """Return a hash of all that decides what a trial comes to."""
    trainer = make(space.arguments(space.defaults()) | dict(space.in_trials))
    params = {name: value for name, value in vars(trainer).items() if name not in _NOT_COMPARED}
    known = [f"{name}={plain(params[name])}" for name in sorted(params)]
    return fingerprint([type(trainer).__name__, *known, repr(space), str(random_state), *judge.facts])
