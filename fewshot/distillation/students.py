"""Small encoders for a teacher to teach: a part of its own, a table of its tokens, or another encoder."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from sentence_transformers import SentenceTransformer
from transformers import PreTrainedConfig

from fewshot.core.errors import InputError, SourceNotFoundError, did_you_mean
from fewshot.distillation.cut_students import check_cut, from_config, keep, parse_cut
from fewshot.distillation.table_students import TABLE_STUDENTS, table_student
from fewshot.distillation.table_training import trainable_table, trained_table
from fewshot.distillation.token_statistics import TokenStatistics
from fewshot.encoders.base import Encoder
from fewshot.encoders.resolve import DEFAULT_STUDENT, load_encoder, unwrapped
from fewshot.encoders.sentence import SentenceEncoder
from fewshot.encoders.static import StaticEncoder
from fewshot.encoders.transformer_shape import shape_of
from fewshot.training.structure import TOKENS, Reduction, reduce_model

_NAMES = (*TABLE_STUDENTS, "layers:3", "width:192", "pruned:0.5", "bundled")
"""What a misspelt student may have been meant for."""


def build_student(
    teacher: Encoder,
    student: str | PreTrainedConfig | Encoder = DEFAULT_STUDENT,
    *,
    texts: Sequence[str] | None = None,
    statistics: TokenStatistics | None = None,
    device: str | None = None,
    random_state: int = 0,
) -> Encoder:
    """Return an untrained student for a teacher's encoder.

    Parameters
    ----------
    teacher : Encoder
        The teacher's sentence encoder; it is not changed.
    student : str, PreTrainedConfig or Encoder, default="sentence-transformers/paraphrase-MiniLM-L3-v2"
        ``"layers:N"`` keeps N of the teacher's transformer layers, evenly spaced, ``"width:N"`` N dimensions of its
        hidden states, ``"layers:N+width:M"`` both. ``"pruned:S"``, as in ``"pruned:0.5"``, saves that share of the
        transformer's operations: the layers and feed-forward units go that matter least for the vectors of ``texts``;
        see :func:`~fewshot.training.structure.reduce_model`. ``"static"`` makes a table with one
        vector a token of the teacher's vocabulary, ``"static:words"`` one with a vector a word of ``texts``; both take
        ``bigrams``, vectors of frequent pairs, or ``conv``, filters over three neighbours, as in ``"static:conv"`` and
        ``"static:words+bigrams"``. A configuration of transformers makes a new model of random weights, with the
        teacher's tokenizer. Any other string names an encoder to start from.
    texts : sequence of str, optional
        Unlabelled texts in which a table looks at tokens in context, and on which ``"pruned:S"`` measures what matters;
        tables of words or bigrams need them, the other kinds do not.
    statistics : TokenStatistics, optional
        What the teacher's tokens looked like in ``texts``, where that is known already.
    device : str, optional
        Where the student shall run; default: where the teacher does.
    random_state : int, default=0
        Decides the weights of a student made from a configuration, the filters of ``conv``, and what ``"pruned:S"``
        looks at.

    Returns
    -------
    Encoder

    Raises
    ------
    InputError
        If ``student`` cannot be built from this teacher.
    """
    check_student(teacher, student)
    if isinstance(student, Encoder):
        return student
    teacher = unwrapped(teacher)
    if is_table(student) and isinstance(teacher, SentenceEncoder):
        if statistics is None and texts:
            with TokenStatistics(teacher) as statistics:
                teacher.encode(texts)
        return table_student(cast(str, student), teacher, texts or (), statistics, random_state=random_state)
    device = device or getattr(teacher, "device", None)
    if isinstance(teacher, SentenceEncoder) and (model := _made(teacher, student, texts, random_state)) is not None:
        name = student if isinstance(student, str) else student.model_type
        same_kind = device is None or device.partition(":")[0] == teacher.device.partition(":")[0]
        precision = teacher.precision if same_kind else "auto"  # what one kind of device computes well another may not
        return SentenceEncoder(model, name=name, device=device, precision=precision)
    try:
        return load_encoder(cast(str, student), device=device)
    except SourceNotFoundError as error:
        raise SourceNotFoundError(f"{error}{did_you_mean(cast(str, student), _NAMES)}") from None


def _made(
    teacher: SentenceEncoder, student: str | PreTrainedConfig, texts: Sequence[str] | None, random_state: int
) -> SentenceTransformer | None:
    """Return a student that is cut from the teacher, or new with its tokenizer; ``None`` for the name of an encoder."""
    if isinstance(student, PreTrainedConfig):
        return from_config(student, teacher.model, random_state)
    reduction = parse_pruned(student)
    if reduction is not None:
        return reduce_model(teacher.trainable_copy(), texts, reduction, random_state=random_state)
    cut = parse_cut(student)
    return None if cut is None else keep(teacher.trainable_copy(), cut)


def check_student(teacher: Encoder, student: str | PreTrainedConfig | Encoder) -> None:
    """Raise :class:`InputError` if ``student`` is misspelt or cannot be cut from this teacher; long work may follow."""
    if isinstance(student, Encoder):
        return
    if isinstance(student, PreTrainedConfig):
        if not isinstance(unwrapped(teacher), SentenceEncoder):
            raise InputError(f"student takes the teacher's tokenizer, and its encoder is {teacher.name!r}")
        return
    if not isinstance(student, str) or not student.strip():
        raise InputError(f"student must be 'static', 'layers:N' or an encoder's name, got {student!r}")
    cut, reduction = parse_cut(student), parse_pruned(student)
    if cut is None and reduction is None and not is_table(student):
        if ":" in student and not Path(student).exists():  # there are none in the names of the Hub
            raise InputError(
                f"student must be {', '.join(map(repr, TABLE_STUDENTS))}, 'layers:N', 'width:N', 'layers:N+width:M', "
                f"'pruned:S' or an encoder's name, got {student!r}.{did_you_mean(student, _NAMES)}"
            )
        return
    teacher = unwrapped(teacher)
    if not isinstance(teacher, SentenceEncoder):
        raise InputError(
            f"student {student!r} is cut from a transformer, and the teacher's encoder is {teacher.name!r}"
        )
    if cut is not None:
        check_cut(teacher.model, cut)
    if reduction is not None:
        reduction.shapes(shape_of(teacher.model[0].auto_model), TOKENS)


def parse_pruned(student: str) -> Reduction | None:
    """Return what ``"pruned:0.5"`` asks for, ``None`` for other names.

    Raises
    ------
    InputError
        If it begins like one and is none.

    Examples
    --------
    >>> parse_pruned("pruned:0.5"), parse_pruned("bundled")
    (Reduction(share=0.5, layers=None, importance='taylor'), None)
    """
    kind, _, share = student.partition(":")
    if kind != "pruned":
        return None
    try:
        return Reduction(float(share))
    except ValueError:
        raise InputError(
            f"student must be 'pruned:S' with the share S of operations to save, as in 'pruned:0.5', got {student!r}"
        ) from None


def needs_texts(student: Any) -> bool:
    """Return whether ``student`` names one that is made of what a pool's texts say: a table, or a pruned teacher."""
    return is_table(student) or (isinstance(student, str) and parse_pruned(student) is not None)


def is_part(student: Any) -> bool:
    """Return whether ``student`` names a part of the teacher whose vectors mean what the teacher's do.

    Examples
    --------
    >>> is_part("layers:3"), is_part("pruned:0.5"), is_part("width:192"), is_part("bundled")
    (True, True, False, False)
    """
    if not isinstance(student, str):
        return False
    cut = parse_cut(student)
    return parse_pruned(student) is not None or (cut is not None and cut.width is None)


def is_table(student: Any) -> bool:
    """Return whether ``student`` names a token table."""
    return isinstance(student, str) and student in TABLE_STUDENTS


def make_student(
    teacher: Encoder,
    student: str | PreTrainedConfig | Encoder,
    *,
    device: str | None = None,
    random_state: int = 0,
) -> Encoder | None:
    """Return an untrained student, or ``None`` for one that is made of what the teacher says of a pool.

    See :func:`build_student` for the parameters.

    Raises
    ------
    InputError
        If the student cannot be built from this teacher, or is larger than it and not given as an encoder.
    """
    check_student(teacher, student)
    if needs_texts(student):
        return None
    made = build_student(teacher, student, device=device, random_state=random_state)
    if not isinstance(student, Encoder):
        check_size(teacher, made)
    return made


def check_size(teacher: Encoder, student: Encoder) -> None:
    """Raise :class:`InputError` if a student has more parameters than the teacher's encoder."""
    ours, theirs = _n_parameters(student), _n_parameters(teacher)
    if ours is not None and theirs is not None and ours > theirs:
        raise InputError(
            f"student {student.name!r} has {ours:,} parameters, more than the {theirs:,} of the teacher's encoder "
            f"{teacher.name!r}; choose a smaller one, such as 'layers:3' or 'static', or give it as an Encoder, not by "
            "name, if you mean it"
        )


def _n_parameters(encoder: Encoder) -> int | None:
    """Return how many numbers were learnt, ``None`` for an encoder of the user's own."""
    encoder = unwrapped(encoder)
    if isinstance(encoder, SentenceEncoder):
        return sum(parameter.numel() for parameter in encoder.model.parameters())
    return encoder.n_parameters if isinstance(encoder, StaticEncoder) else None


def trainable_model(student: Encoder, device: str, texts: Sequence[str] | None = None) -> SentenceTransformer:
    """Return a sentence-transformers model with the student's weights, for training; the student stays as it is."""
    student = unwrapped(student)
    if isinstance(student, SentenceEncoder):
        return student.trainable_copy()
    if isinstance(student, StaticEncoder):
        return trainable_table(student, device, texts)
    raise InputError(f"student {student.name!r} cannot be trained; take 'static', 'layers:N' or an encoder's name")


def trained_encoder(student: Encoder, model: SentenceTransformer) -> Encoder:
    """Return the student's encoder with the weights of the trained ``model``."""
    student = unwrapped(student)
    if isinstance(student, StaticEncoder):
        return trained_table(model)
    assert isinstance(student, SentenceEncoder)
    return SentenceEncoder(
        model,
        name=student.name,
        device=student.device,
        precision=student.precision,
        batch_size=student.batch_size,
    )
