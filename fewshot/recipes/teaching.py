"""Journeys 2 and 3, *teach* and *distil*: from labelled texts to a teacher's folder, and from it to a student's."""

import dataclasses
import time
from pathlib import Path
from typing import Any

from fewshot.classifiers.base import TextClassifier
from fewshot.classifiers.folder import check_output
from fewshot.core.artifacts import folder_bytes
from fewshot.data.texts import TextData
from fewshot.distillation.pairwise import DistillationTrainer
from fewshot.encoders.base import Encoder
from fewshot.encoders.cached import CachedEncoder, EmbeddingCache
from fewshot.encoders.resolve import DEFAULT_STUDENT, DEFAULT_TEACHER, load_encoder
from fewshot.recipes.methods import Surroundings, find_method, make_classifier
from fewshot.recipes.sources import Reading, content_hash, require_labels


@dataclasses.dataclass(frozen=True)
class TrainSettings:
    """How to train a classifier.

    Parameters
    ----------
    method : str, default "setfit"
    encoder : str, default "sentence-transformers/paraphrase-mpnet-base-v2"
    device : str, optional
    seed : int, default 0
    """

    method: str = "setfit"
    encoder: str = DEFAULT_TEACHER
    device: str | None = None
    seed: int = 0


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


@dataclasses.dataclass(frozen=True)
class Made:
    """What a journey made.

    Parameters
    ----------
    classifier : TextClassifier
    folder : Path
    facts : dict
        Numbers worth telling: texts, classes, seconds, megabytes, held-out figures.
    """

    classifier: TextClassifier
    folder: Path
    facts: dict[str, Any]


def train_classifier(
    labeled: Any,
    *,
    out: str | Path,
    settings: TrainSettings | None = None,
    reading: Reading | None = None,
    encoder: Encoder | None = None,
) -> Made:
    """Train a classifier on labelled texts and save it.

    Parameters
    ----------
    labeled : str, Path, DataFrame, Dataset or TextData
        Its unlabelled rows are left aside; ``distilled:`` methods take them as the pool.
    out : str or Path
        Folder of the model.
    settings : TrainSettings, optional
    reading : Reading, optional
        How to read files.
    encoder : Encoder, optional
        An encoder in memory instead of ``settings.encoder``.

    Returns
    -------
    Made
    """
    settings = settings or TrainSettings()
    check_output(out)
    method, _ = find_method(settings.method)
    data, report = (reading or Reading()).load_clean(labeled)
    rows = require_labels(data)
    if encoder is None and method.uses_encoder:
        encoder = load_encoder(settings.encoder, device=settings.device)
        encoder = CachedEncoder(encoder, EmbeddingCache())
    around = Surroundings(encoder, data.unlabeled.texts, settings.device, settings.seed)
    start = time.perf_counter()
    classifier = make_classifier(settings.method, around)
    classifier.fit(rows.texts, rows.labels)
    classifier = getattr(classifier, "student_", classifier)
    facts = {"texts": len(rows), "classes": len(classifier.classes_), "seconds": round(time.perf_counter() - start, 1)}
    provenance = {**_settings(settings), "labelled texts": len(rows), "data hash": content_hash(rows)}
    return _saved(classifier, out, facts, provenance, cleaning=report.summary())


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
    provenance = {**_settings(settings), "pool hash": content_hash(dataclasses.replace(pool, labels=[]))}
    if isinstance(teacher, (str, Path)):
        provenance["teacher"] = Path(teacher).name
    metrics = {name: value for name, value in trainer.report_.items() if value is not None}
    return _saved(trainer.student_, out, facts, provenance, cleaning=report.summary(), metrics=metrics)


def _saved(
    classifier: TextClassifier,
    out: str | Path,
    facts: dict[str, Any],
    provenance: dict[str, Any],
    *,
    cleaning: str,
    metrics: dict[str, Any] | None = None,
) -> Made:
    classifier.save(out, metrics=metrics, provenance=provenance)
    megabytes = round(folder_bytes(out) / 1e6, 1)
    return Made(classifier, Path(out), {**facts, "megabytes": megabytes, "cleaning": cleaning})


def _settings(settings: TrainSettings | DistillSettings) -> dict[str, Any]:
    given = dataclasses.asdict(settings)
    return {name: value for name, value in given.items() if value is not None and name != "device"}
