"""The rungs of the ladder from a model to smaller ones: how each is called, what it is made from, and how.

A rung is a student, then what is done to it: ``layers:3+trimmed+int8`` is the student ``layers:3`` without the tokens
that the pool never uses, its graph rounded to int8. Without a student it is the model itself: ``int8``. What is done
stands in :data:`STEPS`, what is tried by default in :data:`LADDER`: one more rung is one more line there. A rung is
made from the one that its name begins with, which is then a rung, too: a student is distilled once.
"""

import dataclasses
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from fewshot.classifiers.base import EmbeddingClassifier, TextClassifier
from fewshot.classifiers.folder import MARKER, read_listing
from fewshot.classifiers.loading import load_classifier
from fewshot.classifiers.transformer import TransformerClassifier
from fewshot.compression.originals import check_exportable
from fewshot.compression.tables import has_table
from fewshot.compression.vocabulary import trim_classifier
from fewshot.core.errors import FewshotError, InputError, did_you_mean
from fewshot.data.pool import Pool
from fewshot.data.texts import TextData
from fewshot.distillation.cut_students import parse_cut
from fewshot.distillation.students import check_student, is_table, parse_pruned
from fewshot.distillation.table_students import TABLE_STUDENTS
from fewshot.encoders.resolve import unwrapped
from fewshot.encoders.sentence import SentenceEncoder
from fewshot.recipes.distill_settings import DistillSettings
from fewshot.recipes.distilling import distill_classifier
from fewshot.recipes.exporting import export_model
from fewshot.training.layer_rates import layer_list

LOOKED_AT = 1000
"""Texts of the pool that an exported graph is held against."""

FREQUENT = 8000
"""Tokens that are kept although the pool has none of them. On validation texts of CLINC150 a student of three layers
lost 0.4 points by the trimming then, 0.8 without them, 0.1 with twice as many."""

SENTENCE, SEQUENCE, TABLE, OTHER_ENCODER = "sentence encoder", "transformer with a head", "token table", "encoder given"


@dataclasses.dataclass(frozen=True)
class Job:
    """What rungs are made from, besides the rung beneath.

    Parameters
    ----------
    model : Path or str
        The folder of the model, or its name on the Hub.
    kinds : frozenset of str
        What kind of model it is.
    pool : Pool
        What students learn from; no text that they are judged on.
    gold : TextData, optional
        Labelled texts that students learn as well.
    settings : DistillSettings
        For the students; ``student`` and ``loss`` are the rung's own.
    resume : bool
        Whether a distillation that was interrupted goes on.
    """

    model: str | Path
    kinds: frozenset[str]
    pool: Pool
    gold: TextData | None
    settings: DistillSettings
    resume: bool = False


Make = Callable[[str | Path, Path, Job], None]
"""From the folder beneath to the rung's own."""


@dataclasses.dataclass(frozen=True)
class Rung:
    """One rung.

    Parameters
    ----------
    name : str
    base : str, optional
        The rung that it is made from; ``None``: the model itself.
    make : callable
    """

    name: str
    base: str | None
    make: Make


def _export(precision: str | None) -> Make:
    def make(source: str | Path, out: Path, job: Job) -> None:
        looked_at = list(job.pool[:LOOKED_AT])
        texts = TextData(looked_at, [None] * len(looked_at), False, list(range(len(looked_at))), source="the pool")
        export_model(source, out=out, quantize=precision, texts=texts)

    return make


def _trim(source: str | Path, out: Path, job: Job) -> None:
    made = trim_classifier(load_classifier(source, device="cpu"), job.pool, n_frequent=FREQUENT)
    told = dict(read_listing(source).get("provenance") or {}) if (Path(source) / MARKER).is_file() else {}
    made.save(
        out,
        provenance={
            **told,
            "vocabulary": f"trimmed to the tokens of {len(job.pool):,} texts, and {FREQUENT:,} frequent ones",
        },
    )


def _distil(student: str) -> Make:
    def make(source: str | Path, out: Path, job: Job) -> None:
        by_scores = SEQUENCE in job.kinds and not is_table(student)
        settings = dataclasses.replace(job.settings, student=student)
        if by_scores:
            settings = dataclasses.replace(settings, loss="kl", encoder=None)
        distill_classifier(source, job.pool, job.gold, out=out, settings=settings, resume=job.resume)

    return make


STEPS: dict[str, Make] = {
    "trimmed": _trim,
    "onnx": _export(None),
    "int8": _export("int8"),
    "int8-static": _export("int8-static"),
    "float16": _export("float16"),
}
"""What may be done to the model or a student, by name."""

FURTHER = frozenset({"trimmed"})
"""The steps that others may follow; what is exported is not changed any more."""

_TRANSFORMERS, _TEACHERS = {SENTENCE, SEQUENCE}, {SENTENCE, OTHER_ENCODER}

LADDER: dict[str, set[str]] = {
    "onnx": _TRANSFORMERS,
    "int8": _TRANSFORMERS | {TABLE},
    "float16": {TABLE},
    "trimmed+int8": _TRANSFORMERS,
    "layers:{half}": _TRANSFORMERS,
    "layers:{half}+int8": _TRANSFORMERS,
    "layers:{half}+trimmed+int8": _TRANSFORMERS,
    "pruned:0.5": {SENTENCE},
    "pruned:0.5+int8": {SENTENCE},
    "static": _TEACHERS,
    "static+int8": _TEACHERS,
    "static:words": _TEACHERS,
    "static:words+int8": _TEACHERS,
}
"""What is tried by default, and for which kinds of models; ``{half}`` is half of the model's layers."""


def kinds_of(classifier: TextClassifier, encoder: str | None) -> frozenset[str]:
    """Return what kind of model this is, by which rungs are chosen.

    Parameters
    ----------
    classifier : TextClassifier
        Fitted.
    encoder : str, optional
        The encoder that was given for it.

    Raises
    ------
    InputError
        If it cannot be made smaller, with what to do instead.
    """
    check_exportable(classifier)
    if encoder is not None and not isinstance(classifier, TransformerClassifier):
        raise InputError(f"encoder is for models without vectors of texts; a {classifier.kind!r} model has its own")
    if isinstance(classifier, TransformerClassifier):
        return frozenset({SEQUENCE} | ({OTHER_ENCODER} if encoder is not None else set()))
    if has_table(classifier):
        return frozenset({TABLE})
    assert isinstance(classifier, EmbeddingClassifier)
    whole = unwrapped(classifier.encoder_)
    if not isinstance(whole, SentenceEncoder):
        raise InputError(f"an encoder of type {type(whole).__name__} cannot be made smaller; train on another encoder")
    return frozenset({SENTENCE})


def choose_rungs(classifier: TextClassifier, kinds: frozenset[str], names: Iterable[str] | None = None) -> list[Rung]:
    """Return the rungs to try, each after the one that it is made from.

    Parameters
    ----------
    classifier : TextClassifier
    kinds : frozenset of str
        Of :func:`kinds_of`.
    names : iterable of str, optional
        Default: all of :data:`LADDER` that fit.

    Raises
    ------
    InputError
        If there is no rung of such a name, or this model has none such.
    """
    depth = _depth(classifier)
    if names is None:
        names = [line for line, fits in LADDER.items() if kinds & fits and ("{half}" not in line or depth > 1)]
    rungs: dict[str, Rung] = {}
    for name in names:
        for rung in _path_to(name.strip().format(half=depth // 2) if "{half}" in name else name.strip()):
            if rung.base is None and rung.name not in STEPS:
                _check_student(classifier, kinds, rung.name)
            rungs.setdefault(rung.name, rung)
    return list(rungs.values())


def _path_to(name: str) -> list[Rung]:
    """Return the rungs that lead to one, it last."""
    base, _, last = name.rpartition("+")
    if last not in STEPS:
        return [Rung(name, None, _distil(name))]
    if not base:
        return [Rung(name, None, STEPS[last])]
    before = _path_to(base)
    done = base.rpartition("+")[2]
    if done in STEPS and done not in FURTHER:
        raise InputError(f"rung {name!r}: after {done!r} nothing more can be done; put it last")
    return [*before, Rung(name, base, STEPS[last])]


def _check_student(classifier: TextClassifier, kinds: frozenset[str], student: str) -> None:
    """Raise unless this is a student that can be had of the model; long work may follow."""
    if not student:
        raise InputError(f"unknown rung ''; a name is missing before or after '+'; there are {', '.join(LADDER)}")
    known = dict.fromkeys(name.format(half=3) for name in (*STEPS, *LADDER))
    try:
        is_cut = parse_cut(student) is not None or parse_pruned(student) is not None
    except InputError as error:
        raise InputError(f"rung {student!r}: {error}") from None
    if not (is_cut or is_table(student) or student == "bundled" or Path(student).is_dir()):
        raise InputError(
            f"unknown rung {student!r}; a rung is a student ({', '.join(TABLE_STUDENTS)}, layers:N, width:N, "
            f"pruned:S, bundled, a folder of an encoder) or the model itself, then {', '.join(STEPS)}, joined by '+'."
            f"{did_you_mean(student, known)}"
        )
    if TABLE in kinds:
        raise InputError(f"rung {student!r}: the model is a token table already; it has the rungs int8 and float16")
    try:
        if isinstance(classifier, EmbeddingClassifier):
            check_student(classifier.encoder_, student)
        elif is_table(student) and OTHER_ENCODER not in kinds:
            raise InputError(f"a {classifier.kind!r} model has no vectors of texts; name an encoder (--encoder)")
        elif is_cut and not (student.startswith("layers:") and 1 <= int(student[7:]) <= _depth(classifier)):
            raise InputError(f"a {classifier.kind!r} model can be cut to layers:1 to layers:{_depth(classifier)}")
    except (FewshotError, ValueError) as error:
        raise InputError(f"rung {student!r}: {error}") from None


def _depth(classifier: Any) -> int:
    """Return how many layers a model has, 0 for a table."""
    if isinstance(classifier, TransformerClassifier):
        model: Any = getattr(classifier.model_, "base_model", classifier.model_)
    else:
        encoder = unwrapped(classifier.encoder_)
        if not isinstance(encoder, SentenceEncoder):
            return 0
        model = getattr(encoder.model[0], "auto_model", None)
    layers = None if model is None or not hasattr(model, "config") else layer_list(model)
    return 0 if layers is None else len(layers)
