"""Small encoders for a teacher to teach: some of its own layers, a table of its tokens, or another encoder."""

from collections.abc import Sequence
from typing import Any, cast

from sentence_transformers import SentenceTransformer
from torch import nn

from fewshot.core.errors import InputError
from fewshot.distillation.token_table import TokenStatistics, static_student, trainable_table, trained_table
from fewshot.encoders.base import Encoder
from fewshot.encoders.resolve import DEFAULT_STUDENT, load_encoder, unwrapped
from fewshot.encoders.sentence import SentenceEncoder
from fewshot.encoders.static import StaticEncoder


def build_student(
    teacher: Encoder,
    student: str | Encoder = DEFAULT_STUDENT,
    *,
    texts: Sequence[str] | None = None,
    device: str | None = None,
) -> Encoder:
    """Return an untrained student for a teacher's encoder.

    Parameters
    ----------
    teacher : Encoder
        The teacher's sentence encoder; it is not changed.
    student : str or Encoder, default="sentence-transformers/paraphrase-MiniLM-L3-v2"
        ``"layers:N"`` keeps N of the teacher's transformer layers, evenly spaced; ``"static"`` makes a table with one
        vector a token of the teacher's vocabulary; anything else names an encoder to start from.
    texts : sequence of str, optional
        Unlabelled texts in which ``"static"`` looks at tokens in context; the other kinds do not need them.
    device : str, optional
        Where the student shall run; default: where the teacher does.

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
    if student == "static" and isinstance(teacher, SentenceEncoder):
        if not texts:
            return static_student(teacher)
        with TokenStatistics(teacher) as statistics:
            teacher.encode(texts)
        return static_student(teacher, statistics)
    device = device or getattr(teacher, "device", None)
    if student.startswith("layers:") and isinstance(teacher, SentenceEncoder):
        model = keep_layers(teacher.trainable_copy(), int(student.partition(":")[2]))
        return SentenceEncoder(model, name=student, device=device, precision=teacher.precision)
    return load_encoder(student, device=device)


def check_student(teacher: Encoder, student: str | Encoder) -> None:
    """Raise :class:`InputError` if ``student`` is misspelt or cannot be cut from this teacher; long work may follow."""
    if isinstance(student, Encoder):
        return
    if not isinstance(student, str) or not student.strip():
        raise InputError(f"student must be 'static', 'layers:N' or an encoder's name, got {student!r}")
    kind, _, argument = student.partition(":")
    if kind not in ("static", "layers"):
        return
    if student != "static" and not (kind == "layers" and argument.isdecimal()):
        raise InputError(f"student must be 'static', 'layers:N' with a number N, or an encoder's name, got {student!r}")
    teacher = unwrapped(teacher)
    if not isinstance(teacher, SentenceEncoder):
        raise InputError(
            f"student {student!r} is cut from a transformer, and the teacher's encoder is {teacher.name!r}"
        )
    if kind == "layers":
        check_depth(len(layer_list(cast(nn.Module, teacher.model[0].auto_model))), int(argument))


def keep_layers(model: SentenceTransformer, n_layers: int) -> SentenceTransformer:
    """Keep ``n_layers`` evenly spaced transformer layers of ``model``, in place, the first and the last among them.

    References
    ----------
    Fan, Grave, Joulin 2020, "Reducing Transformer Depth on Demand with Structured Dropout", arXiv:1909.11556.
    """
    transformer: Any = model[0].auto_model
    layers = layer_list(transformer)
    check_depth(len(layers), n_layers)
    for index in sorted(set(range(len(layers))) - set(kept_layers(len(layers), n_layers)), reverse=True):
        del layers[index]
    transformer.config.num_hidden_layers = n_layers
    return model


def kept_layers(n_layers: int, n_kept: int) -> list[int]:
    """Return which layers to keep, evenly spaced from the first to the last.

    Examples
    --------
    >>> kept_layers(6, 3), kept_layers(12, 4), kept_layers(6, 1)
    ([0, 2, 5], [0, 4, 7, 11], [0])
    """
    return [round(i * (n_layers - 1) / max(1, n_kept - 1)) for i in range(n_kept)]


def check_depth(there: int, wanted: int) -> None:
    """Raise :class:`InputError` unless ``wanted`` of ``there`` layers can be kept."""
    if not 1 <= wanted <= there:
        raise InputError(f"student 'layers:{wanted}': the teacher has {there} layers; keep 1 to {there}")


def layer_list(transformer: nn.Module) -> nn.ModuleList:
    """Return the list of layers of a transformer: the first list as long as its configuration says."""
    depth = cast(Any, transformer).config.num_hidden_layers
    lists = [m for m in transformer.modules() if isinstance(m, nn.ModuleList) and len(m) == depth]
    if not lists:
        raise InputError(f"student 'layers:N': {type(transformer).__name__} has no list of {depth} layers to cut from")
    return lists[0]


def trainable_model(student: Encoder, device: str) -> SentenceTransformer:
    """Return a sentence-transformers model with the student's weights, for training; the student stays as it is."""
    student = unwrapped(student)
    if isinstance(student, SentenceEncoder):
        return student.trainable_copy()
    if isinstance(student, StaticEncoder):
        return trainable_table(student, device)
    raise InputError(f"student {student.name!r} cannot be trained; take 'static', 'layers:N' or an encoder's name")


def trained_encoder(student: Encoder, model: SentenceTransformer) -> Encoder:
    """Return the student's encoder with the weights of the trained ``model``."""
    student = unwrapped(student)
    if isinstance(student, StaticEncoder):
        return trained_table(student, model)
    assert isinstance(student, SentenceEncoder)
    return SentenceEncoder(
        model,
        name=student.name,
        device=student.device,
        precision=student.precision,
        batch_size=student.batch_size,
    )
