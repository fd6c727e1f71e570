"""Journey 3, *distil*: from a teacher and unlabelled texts to a student's folder."""

import dataclasses
import time
from pathlib import Path
from typing import Any

from fewshot.classifiers.base import TextClassifier
from fewshot.classifiers.folder import check_output
from fewshot.data.texts import TextData
from fewshot.distillation.pairwise import DistillationTrainer
from fewshot.encoders.resolve import DEFAULT_STUDENT
from fewshot.recipes.making import Made, saved, settings_as_facts
from fewshot.recipes.sources import Reading, content_hash, require_labels


@dataclasses.dataclass(frozen=True)
class DistillSettings:
    """How to distil a teacher.

    Parameters
    ----------
    student : str, default "sentence-transformers/paraphrase-MiniLM-L3-v2"
    steps : int, optional
    batch_size : int, optional
    learning_rate : float, optional
        See :class:`fewshot.DistillationTrainer`.
    device : str, optional
    seed : int, default 0
    """

    student: str = DEFAULT_STUDENT
    steps: int | None = None
    batch_size: int | None = None
    learning_rate: float | None = None
    device: str | None = None
    seed: int = 0


def distill_classifier(
    teacher: str | Path | TextClassifier,
    unlabeled: Any,
    labeled: Any = None,
    *,
    out: str | Path,
    settings: DistillSettings | None = None,
    reading: Reading | None = None,
) -> Made:
    """Distil a teacher into a student on unlabelled text and save the student.

    Parameters
    ----------
    teacher : str, Path or TextClassifier
        A model directory, or a fitted classifier with a sentence encoder.
    unlabeled : str, Path, DataFrame, Dataset or TextData
        The pool. Labels in it are not looked at.
    labeled : like ``unlabeled``, optional
        Gold labels, learnt beside the teacher's answers.
    out : str or Path
        Folder of the student.
    settings : DistillSettings, optional
    reading : Reading, optional
        How to read files.

    Returns
    -------
    Made
    """
    settings = settings or DistillSettings()
    reading = reading or Reading()
    check_output(out)
    pool, report = reading.load_clean(unlabeled)
    gold: TextData | None = require_labels(reading.load_clean(labeled)[0]) if labeled is not None else None
    trainer = DistillationTrainer(
        teacher,
        settings.student,
        steps=settings.steps,
        batch_size=settings.batch_size,
        learning_rate=settings.learning_rate,
        device=settings.device,
        random_state=settings.seed,
    )
    start = time.perf_counter()
    trainer.fit(pool.texts, gold.texts if gold else None, gold.labels if gold else None)
    facts = {**trainer.report_, "seconds": round(time.perf_counter() - start, 1)}
    provenance = {**settings_as_facts(settings), "pool hash": content_hash(dataclasses.replace(pool, labels=[]))}
    if isinstance(teacher, (str, Path)):
        provenance["teacher"] = Path(teacher).name
    metrics = {name: value for name, value in trainer.report_.items() if value is not None}
    return saved(trainer.student_, out, facts, provenance, cleaning=report.summary(), metrics=metrics)
