"""What a teacher's tokens look like in context: summed while it reads a pool for its targets, and kept beside these."""

import functools
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from sentence_transformers.sentence_transformer.modules import Pooling
from tokenizers import Tokenizer
from torch import nn

from fewshot.core.artifacts import atomic_path, fingerprint
from fewshot.core.errors import InputError
from fewshot.core.progress import track
from fewshot.distillation.teacher_targets import TeacherTargets
from fewshot.encoders.sentence import SentenceEncoder

MOST_TEXTS = 20_000
"""About so many texts of a large pool are looked at: frequent tokens are known well by then, rare ones stay rare."""


_TOKEN_BATCH = 512


class TokenStatistics:
    """Sums, for each token, its vectors in the texts that an encoder encodes inside a ``with`` block.

    Parameters
    ----------
    encoder : SentenceEncoder

    Attributes
    ----------
    sums : Tensor of shape (n_tokens, dimension)
    counts : Tensor of shape (n_tokens,)
    alone : ndarray of shape (n_tokens, dimension)
        The vector of each token alone; found on first use.
    """

    def __init__(self, encoder: SentenceEncoder) -> None:
        self.encoder = encoder
        n_tokens = fast_tokenizer(encoder).get_vocab_size()
        self.sums = torch.zeros(n_tokens, encoder.dimension)
        self.counts = torch.zeros(n_tokens)

    @functools.cached_property
    def alone(self) -> np.ndarray:
        """The vector of each token as a text of its own."""
        return vectors_alone(self.encoder)

    def __enter__(self) -> Self:
        pooling = next((module for module in self.encoder.model if isinstance(module, Pooling)), None)
        self._hook = pooling.register_forward_hook(self._add) if pooling is not None else None
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._hook is not None:
            self._hook.remove()

    def _add(self, module: nn.Module, inputs: Any, features: dict[str, torch.Tensor]) -> None:
        tokens, pooled = features["token_embeddings"].float(), features["sentence_embedding"].float()
        if tokens.shape[-1] != self.sums.shape[1]:
            return  # a later module changes the dimension: a token has no vector in that space
        seen = features["attention_mask"].bool()
        scaled = tokens / pooled.norm(dim=1).clamp_min(1e-12)[:, None, None]
        ids = features["input_ids"][seen].cpu()
        self.sums.index_add_(0, ids, scaled[seen].cpu())
        self.counts.index_add_(0, ids, torch.ones(len(ids)))

    def save(self, path: Path) -> None:
        """Write what was summed, the tokens that were seen alone."""
        seen = self.counts.nonzero()[:, 0]
        with atomic_path(path) as temporary:
            save_file({"ids": seen, "sums": self.sums[seen], "counts": self.counts[seen]}, str(temporary))

    def add_saved(self, path: Path) -> bool:
        """Add what :meth:`save` wrote; return whether it was there and whole."""
        try:
            arrays = load_file(str(path))
            self.sums.index_add_(0, arrays["ids"], arrays["sums"])
            self.counts.index_add_(0, arrays["ids"], arrays["counts"])
        except (OSError, SafetensorError, KeyError, IndexError, RuntimeError):
            return False
        return True


class ObservedTeacher:
    """A teacher whose tokens are summed while it gives its targets, chunk by chunk of a pool, into files.

    Chunks that are asked for in another run are summed there; whichever they are, the sums of all come out the same.

    Parameters
    ----------
    teacher : Teacher
        Its vectors are those of ``encoder``.
    encoder : SentenceEncoder
    texts : sequence of str
        The pool, in chunks of ``chunk_texts``, of which the first some are looked at.
    chunk_texts : int
    folder : Path
        For the files.
    """

    def __init__(
        self, teacher: Any, encoder: SentenceEncoder, texts: Sequence[str], chunk_texts: int, folder: Path
    ) -> None:
        self.teacher, self.encoder, self.folder = teacher, encoder, folder
        some = list(texts[: max(chunk_texts, MOST_TEXTS // chunk_texts * chunk_texts)])
        self.chunks = [some[start : start + chunk_texts] for start in range(0, len(some), chunk_texts)]
        self.files = [self._file_of(chunk) for chunk in self.chunks]

    def __getattr__(self, name: str) -> Any:
        if name == "teacher":  # while it is being copied, there is none yet
            raise AttributeError(name)
        return getattr(self.teacher, name)

    def targets(self, texts: Sequence[str]) -> TeacherTargets:
        """Return the teacher's targets."""
        file = self._file_of(texts)
        if file not in self.files or file.is_file():
            return self.teacher.targets(texts)
        with TokenStatistics(self.encoder) as statistics:
            targets: TeacherTargets = self.teacher.targets(texts)
        self._save(statistics, file)
        return targets

    def statistics(self) -> TokenStatistics:
        """Return the sums of all chunks; texts are encoded again where no file has them."""
        total = TokenStatistics(self.encoder)
        for chunk, file in zip(self.chunks, self.files, strict=True):
            if not total.add_saved(file):
                with TokenStatistics(self.encoder) as statistics:
                    self.encoder.encode(chunk)
                self._save(statistics, file)
                total.add_saved(file)
        total.alone = self._alone()
        return total

    def _alone(self) -> np.ndarray:
        """Return the vectors of single tokens, out of their file where there is one; the pool has no part in them."""
        file = self.folder / f"{fingerprint([self.encoder.fingerprint])}.npy"
        try:
            return np.asarray(np.load(file, allow_pickle=False))
        except (OSError, ValueError, EOFError):
            alone = vectors_alone(self.encoder)
        with atomic_path(file) as temporary, temporary.open("wb") as handle:
            np.save(handle, alone)
        return alone

    def _save(self, statistics: TokenStatistics, file: Path) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        statistics.save(file)

    def _file_of(self, texts: Sequence[str]) -> Path:
        return self.folder / f"{fingerprint([self.encoder.fingerprint, *texts])}.safetensors"


def fast_tokenizer(teacher: SentenceEncoder) -> Tokenizer:
    """Return a copy of the encoder's tokenizer as ``tokenizers`` knows it."""
    tokenizer = getattr(teacher.model.tokenizer, "backend_tokenizer", None)
    if tokenizer is None:
        raise InputError(f"student 'static' needs a fast tokenizer, and {teacher.name!r} has none; try 'layers:2'")
    return Tokenizer.from_str(tokenizer.to_str())


@torch.inference_mode()
def vectors_alone(teacher: SentenceEncoder) -> np.ndarray:
    """Return the vector of each token of an encoder's vocabulary as a text of its own, ``(n_tokens, dimension)``."""
    n_tokens = fast_tokenizer(teacher).get_vocab_size()
    before, after = _special_frame(teacher.model.tokenizer)
    frame = np.array([*before, -1, *after])
    vectors = np.empty((n_tokens, teacher.dimension), dtype=np.float32)
    half = teacher.precision == "bfloat16"
    with (
        track("embedding the vocabulary", total=n_tokens) as advance,
        torch.autocast(teacher.device.partition(":")[0], dtype=torch.bfloat16, enabled=half),
    ):
        for start in range(0, n_tokens, _TOKEN_BATCH):
            tokens = np.arange(start, min(start + _TOKEN_BATCH, n_tokens))
            input_ids = torch.as_tensor(np.where(frame == -1, tokens[:, None], frame), device=teacher.device)
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
