"""Journey 3, *distil*: from a teacher and unlabelled texts to a student's folder."""

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from fewshot.classifiers.folder import check_output
from fewshot.core.artifacts import folder_bytes
from fewshot.data.pool import Pool
from fewshot.data.texts import TextData
from fewshot.distillation.logit_teachers import open_logit_teacher, space_of
from fewshot.distillation.logits import LogitDistillationTrainer
from fewshot.distillation.pairwise import DistillationTrainer
from fewshot.distillation.sequence_students import build_sequence_student
from fewshot.distillation.students import check_student
from fewshot.distillation.target_store import TargetStore
from fewshot.distillation.vector_teacher import open_vector_teacher
from fewshot.evaluation.charts.training_curve import plot_training_curve
from fewshot.recipes.contenders import names_in
from fewshot.recipes.distill_searching import search_distillation
from fewshot.recipes.distill_settings import LOGIT_LOSSES, DistillSettings
from fewshot.recipes.distill_space import check_students, default_space
from fewshot.recipes.making import Made, Workshop, check_alone, saved, settings_as_facts
from fewshot.recipes.search_result import SearchResult, write_trials
from fewshot.recipes.search_space import SearchSpace
from fewshot.recipes.sources import Reading, content_hash, require_labels
from fewshot.recipes.student_table import student_table, told_gap
from fewshot.recipes.teacher_sources import NLI, open_teachers
from fewshot.recipes.used_texts import remember_used, warn_if_shared

CURVE = "training_curve.png"
PROBED = {"cosine_correlation": "cosine_correlation", "agreement": "probe_agreement"}
"""What a look at a student's vectors sees, and what its report calls that; a whole classifier has its own agreement."""


def distill_classifier(
    teacher: Any,
    unlabeled: Any,
    labeled: Any = None,
    *,
    out: str | Path,
    settings: DistillSettings | None = None,
    reading: Reading | None = None,
    test: Any = None,
    validation: Any = None,
    resume: bool = False,
) -> Made:
    """Distil a teacher into a student on unlabelled text and save the student.

    Parameters
    ----------
    teacher : str, Path, TextClassifier, teacher, or sequence of these
        See :func:`~fewshot.recipes.teacher_sources.open_teachers`.
    unlabeled : str, Path, DataFrame, Dataset, TextData or Pool
        The pool. Labels in it are not looked at.
    labeled : like ``unlabeled``, optional
        Gold labels, learnt beside the teacher's answers.
    out : str or Path
        Folder of the student. Beside it, in ``OUT.training``, lies what an interrupted run needs to go on; it is
        removed when the student is saved.
    settings : DistillSettings, optional
    reading : Reading, optional
        How to read files.
    test : like ``unlabeled``, optional
        Labelled texts to score teacher and student on, before and after; none of them is learnt from.
    validation : like ``unlabeled``, optional
        Labelled texts by which a search judges its trials; none of them is learnt from.
    resume : bool, default=False
        Go on with an interrupted run, to the same student as without a break.

    Returns
    -------
    Made
        ``facts["table"]`` has a row each for teacher, student before and student after.
    """
    settings, reading = settings or DistillSettings(), reading or Reading()
    check_output(out)
    check_alone()
    params = settings.trainer_params()
    gold, validated = _labeled(reading, labeled), _labeled(reading, validation)
    judged = None if test is None else require_labels(reading.load(test))
    if judged is not None and validated is not None:
        warn_if_shared(judged, validated)
    pool = _open_pool(unlabeled, reading, settings, [data for data in (judged, validated) if data is not None])
    opened = _open_teachers(teacher, reading, settings)
    names = {} if judged is None else names_in(judged, "the teacher", opened.label_space_)
    make = _maker(opened, params, TargetStore(settings.targets))
    space = _space(make, opened, settings) if settings.search else None
    own = (gold.texts, gold.labels) if gold is not None else (None, None)
    workshop = Workshop(Path(f"{out}.training"), resume=resume)
    told = workshop.told()
    start = time.perf_counter()
    searched = None if space is None else _search(make, space, pool, own, validated, settings, workshop)
    chosen = {} if searched is None else searched.params
    trainer = make(chosen).fit(pool, *own, checkpoints=workshop.folder / "checkpoints", resume=resume)
    facts = {**trainer.report_, "seconds": round(time.perf_counter() - start, 1)}
    facts["student"] = chosen.get("student", settings.students[0])
    facts["notes"] = [*told, *(searched.notes if searched else []), *facts.get("notes", [])]
    provenance = {**settings_as_facts(settings), "teacher": _told(teacher), "pool hash": pool.content_hash}
    if gold is not None:
        provenance["data hash"] = content_hash(gold)
    made = _save(trainer, out, facts, provenance, pool, searched)
    remember_used(
        out,
        teacher if isinstance(teacher, (list, tuple)) else [teacher],
        learnt=None if gold is None else gold.texts,
        chosen=None if validated is None else validated.texts,
        pool=pool,
    )
    workshop.clear()
    # The student is safe by now; what follows only tells how good it is.

    def untrained() -> Any:
        return make({**chosen, "steps": 0}).fit(pool, *own).student_

    table = student_table(opened, trainer, untrained, pool, judged, names)
    table[0]["megabytes"], table[-1]["megabytes"] = _megabytes(teacher), made.facts["megabytes"]
    made.facts["table"] = table
    made.facts["gap_closed"] = told_gap(table, trainer.report_, 0 if judged is None else len(judged))
    return made


def _save(
    trainer: Any,
    out: str | Path,
    facts: dict[str, Any],
    provenance: dict[str, Any],
    pool: Pool,
    searched: SearchResult | None,
) -> Made:
    metrics = {name: value for name, value in trainer.report_.items() if isinstance(value, (int, float))}
    made = saved(trainer.student_, out, facts, provenance, cleaning=pool.report.summary(), metrics=metrics)
    if trainer.losses_:
        _draw_curve(trainer, made.folder / CURVE)
    if searched is not None:
        write_trials(searched, out)
    return made


def _labeled(reading: Reading, source: Any) -> TextData | None:
    return None if source is None else require_labels(reading.load_clean(source)[0])


def _open_pool(unlabeled: Any, reading: Reading, settings: DistillSettings, judged: Sequence[TextData]) -> Pool:
    """Open the pool without the texts that students are judged on."""
    exclude = [text for data in judged for text in data.texts]
    return reading.open_pool(unlabeled, exclude=exclude, max_rows=settings.max_pool, random_state=settings.seed)


def _open_teachers(teacher: Any, reading: Reading, settings: DistillSettings) -> Any:
    return open_teachers(
        teacher,
        classes=settings.classes,
        template=settings.template,
        multi_label=bool(reading.multi_label),
        layers=settings.by_logits,
        device=settings.teacher_device or settings.device,
    )


def _maker(teacher: Any, params: Mapping[str, Any], store: TargetStore) -> Callable[[dict[str, Any]], Any]:
    kind = LogitDistillationTrainer if params["loss"] in LOGIT_LOSSES else DistillationTrainer

    def make(chosen: dict[str, Any]) -> Any:
        return kind(teacher, targets=store, **{**params, **chosen})

    return make


def _space(make: Callable[[dict[str, Any]], Any], teacher: Any, settings: DistillSettings) -> SearchSpace:
    """Return what is left to a search: the settings that are not given, and the students, if several are named."""
    given = ("temperature", "alpha", "mining", "confidence", "steps", "learning_rate")
    known = {name: getattr(settings, name) for name in given if getattr(settings, name) is not None}
    if settings.loss != DistillSettings.loss:
        known["loss"] = settings.loss
    space = default_space(make({}))
    if len(settings.students) == 1:
        return space.without(**known)
    _check_each(teacher, settings)
    space = space.varying(student=settings.students).without(**known)
    check_students(space)
    return space


def _check_each(teacher: Any, settings: DistillSettings) -> None:
    """Raise if a student among several cannot be made: it would cost the trials that draw it."""
    if settings.by_logits:
        with_scores = open_logit_teacher(teacher)
        for student in settings.students:
            build_sequence_student(with_scores, student, space_of(with_scores), device=settings.device)
        return
    encoder = open_vector_teacher(teacher, settings.encoder, settings.device).encoder_
    for student in settings.students:
        check_student(encoder, student)


def _search(
    make: Callable[[dict[str, Any]], Any],
    space: SearchSpace,
    pool: Pool,
    own: tuple[Any, Any],
    validated: TextData | None,
    settings: DistillSettings,
    workshop: Workshop,
) -> SearchResult:
    return search_distillation(
        pool,
        *own,
        make=make,
        space=space,
        n_trials=settings.search,
        folder=workshop.folder / "search",
        resume=workshop.resume,
        random_state=settings.seed,
        validation=None if validated is None else (validated.texts, validated.labels),
    )


def _draw_curve(trainer: Any, path: Path) -> None:
    report = trainer.report_
    by_vectors = hasattr(trainer.student_, "encoder_")
    names = PROBED if by_vectors else {"agreement": "agreement"}
    before = {name: report.get(f"{key}_before") for name, key in names.items()}
    plot_training_curve(
        trainer.losses_,
        trainer.curve_,
        path,
        before=before if any(value is not None for value in before.values()) else None,
        kept_step=report.get("kept_step"),
        title=f"Distilling into {trainer.student_.encoder_.name}" if by_vectors else "Distilling into a classifier",
    )


def _told(teacher: Any) -> Any:
    """Return what the model card says of the teacher: names of folders, not their paths."""
    listed = list(teacher) if isinstance(teacher, (list, tuple)) else [teacher]
    names = [Path(name).name if isinstance(name, (str, Path)) else type(name).__name__ for name in listed]
    return names[0] if len(names) == 1 else names


def _megabytes(teacher: Any) -> float | None:
    (name, *others) = teacher if isinstance(teacher, (list, tuple)) else (teacher,)
    if others or not isinstance(name, (str, Path)):
        return None
    if (folder := Path(str(name).removeprefix(NLI))).is_dir():
        return round(folder_bytes(folder) / 1e6, 1)
    return None
