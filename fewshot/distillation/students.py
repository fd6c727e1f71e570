"""Small encoders for a teacher to teach: some of its own layers, a table of its tokens, or another encoder."""

import copy
from typing import Any

import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from sklearn.decomposition import PCA
from tokenizers import Tokenizer
from torch import nn

from fewshot.core.errors import InputError
from fewshot.core.progress import track
from fewshot.encoders.base import Encoder
from fewshot.encoders.resolve import load_encoder, unwrapped
from fewshot.encoders.sentence import SentenceEncoder
from fewshot.encoders.static import StaticEncoder

STATIC_DIMENSION = 256
SIF_A = 1e-4
_TOKEN_BATCH = 512


def build_student(teacher: Encoder, student: str | Encoder = "static", *, device: str | None = None) -> Encoder:
    """Return an untrained student for a teacher's encoder.

    Parameters
    ----------
    teacher : Encoder
        The teacher's sentence encoder; it is not changed.
    student : str or Encoder, default="static"
        ``"layers:N"`` keeps N of the teacher's transformer layers, evenly spaced; ``"static"`` makes a table with one
        vector a token of the teacher's vocabulary; anything else names an encoder to start from.
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
    if isinstance(student, Encoder):
        return student
    teacher = unwrapped(teacher)
    device = device or getattr(teacher, "device", None)
    kind, _, argument = student.partition(":")
    if kind not in ("static", "layers"):
        return load_encoder(student, device=device)
    if not isinstance(teacher, SentenceEncoder):
        raise InputError(
            f"student {student!r} is cut from a transformer, and the teacher's encoder is {teacher.name!r}"
        )
    if kind == "static" and not argument:
        return static_student(teacher)
    if kind == "layers" and argument.isdigit():
        model = keep_layers(teacher.trainable_copy(), int(argument))
        return SentenceEncoder(model, name=student, device=device, precision=teacher.precision)
    raise InputError(f"student must be 'static', 'layers:N' with a number N, or an encoder's name, got {student!r}")


def keep_layers(model: SentenceTransformer, n_layers: int) -> SentenceTransformer:
    """Keep ``n_layers`` evenly spaced transformer layers of ``model``, in place, the first and the last among them.

    References
    ----------
    Fan, Grave, Joulin 2020, "Reducing Transformer Depth on Demand with Structured Dropout", arXiv:1909.11556.
    """
    transformer = model[0].auto_model
    layers = _layer_list(transformer)
    if not 1 <= n_layers <= len(layers):
        raise InputError(f"student 'layers:{n_layers}': the teacher has {len(layers)} layers; keep 1 to {len(layers)}")
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


def _layer_list(transformer: nn.Module) -> nn.ModuleList:
    depth = transformer.config.num_hidden_layers
    lists = [m for m in transformer.modules() if isinstance(m, nn.ModuleList) and len(m) == depth]
    if not lists:
        raise InputError(f"student 'layers:N': {type(transformer).__name__} has no list of {depth} layers to cut from")
    return lists[0]


def static_student(teacher: SentenceEncoder, *, dimension: int = STATIC_DIMENSION) -> StaticEncoder:
    """Return a token table made from the teacher: each token's own vector, reduced by PCA, frequent ones made lighter.

    Parameters
    ----------
    teacher : SentenceEncoder
        Must have a fast tokenizer.
    dimension : int, default=256
        Length of a row; at most the teacher's.

    Notes
    -----
    Tokens pass through the teacher one by one, PCA removes what they share, and a weight ``a / (a + p)`` with ``p`` by
    Zipf's law from the token's rank makes frequent tokens lighter (smooth inverse frequency, Arora, Liang, Ma 2017, "A
    Simple but Tough-to-Beat Baseline for Sentence Embeddings"; van Dongen, Tulkens 2024, Model2Vec). Training on the
    pool then moves the rows.
    """
    tokenizer = _fast_tokenizer(teacher)
    table = _token_vectors(teacher, tokenizer.get_vocab_size())
    reduced = PCA(min(dimension, *table.shape), svd_solver="covariance_eigh", random_state=0).fit_transform(table)
    ranks = np.arange(1, len(reduced) + 1)
    frequency = 1.0 / (ranks * np.log(len(reduced) + 1.0))
    weights = SIF_A / (SIF_A + frequency)
    return StaticEncoder(reduced * weights[:, None], tokenizer, name="static")


def _fast_tokenizer(teacher: SentenceEncoder) -> Tokenizer:
    tokenizer = getattr(teacher.model.tokenizer, "backend_tokenizer", None)
    if tokenizer is None:
        raise InputError(f"student 'static' needs a fast tokenizer, and {teacher.name!r} has none; try 'layers:2'")
    return Tokenizer.from_str(tokenizer.to_str())


@torch.inference_mode()
def _token_vectors(teacher: SentenceEncoder, n_tokens: int) -> np.ndarray:
    before, after = _special_frame(teacher.model.tokenizer)
    frame = np.array([*before, -1, *after])
    vectors = np.empty((n_tokens, teacher.dimension), dtype=np.float32)
    with track("embedding the vocabulary", total=n_tokens) as advance:
        for start in range(0, n_tokens, _TOKEN_BATCH):
            tokens = np.arange(start, min(start + _TOKEN_BATCH, n_tokens))
            ids = np.where(frame == -1, tokens[:, None], frame)
            input_ids = torch.as_tensor(ids, device=teacher.device)
            features: dict[str, Any] = {"input_ids": input_ids, "attention_mask": torch.ones_like(input_ids)}
            vectors[tokens] = teacher.model(features)["sentence_embedding"].float().cpu().numpy()
            advance(len(tokens))
    return vectors


def _special_frame(tokenizer: Any) -> tuple[list[int], list[int]]:
    """Return the special tokens that the tokenizer puts before and after a text, such as [CLS] and [SEP]."""
    encoded = tokenizer("x", return_special_tokens_mask=True)
    ids, special = encoded["input_ids"], encoded["special_tokens_mask"]
    first = special.index(0)
    last = len(special) - special[::-1].index(0)
    return ids[:first], ids[last:]


def trainable_model(student: Encoder, device: str) -> SentenceTransformer:
    """Return a sentence-transformers model with the student's weights, for training."""
    student = unwrapped(student)
    if isinstance(student, SentenceEncoder):
        return student.trainable_copy()
    if isinstance(student, StaticEncoder):
        from sentence_transformers.sentence_transformer.modules import Normalize, StaticEmbedding

        embedding = StaticEmbedding(copy.deepcopy(student.tokenizer), embedding_weights=student.table.copy())
        return SentenceTransformer(modules=[embedding, Normalize()], device=device)
    raise InputError(f"student {student.name!r} cannot be trained; take 'static', 'layers:N' or an encoder's name")


def trained_encoder(student: Encoder, model: SentenceTransformer) -> Encoder:
    """Return the student's encoder with the weights of the trained ``model``."""
    student = unwrapped(student)
    if isinstance(student, StaticEncoder):
        table = model[0].embedding.weight.detach().float().cpu().numpy()
        return StaticEncoder(table.astype(np.float16).astype(np.float32), student.tokenizer, name=student.name)
    assert isinstance(student, SentenceEncoder)
    return SentenceEncoder(
        model,
        name=student.name,
        device=student.device,
        precision=student.precision,
        batch_size=student.batch_size,
    )
