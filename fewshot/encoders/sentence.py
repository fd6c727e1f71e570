"""A sentence-transformers model as an :class:`~fewshot.encoders.base.Encoder`: from the Hub, a folder, or memory."""

import contextlib
import copy
import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from tokenizers import Tokenizer

from fewshot.core.errors import InputError
from fewshot.encoders.base import Encoder
from fewshot.encoders.chunked import add_windows, check_max_length, fast_tokenizer, make_cutter, window_length
from fewshot.encoders.device import choose_device, computes_apart, has_native_bfloat16
from fewshot.encoders.opening import fingerprint_model, open_model, quiet
from fewshot.encoders.padding import tokenless
from fewshot.encoders.streamed import BATCH_TOKENS, STREAMED_TEXTS, TextStream, agreement, half_forward, half_weights
from fewshot.encoders.windows import CHARACTERS_PER_TOKEN, LONG_TEXTS, MAX_CHUNKS, WindowCutter

PRECISIONS = ("auto", "float32", "bfloat16")
LEAST_AGREEMENT = 0.999
"""bfloat16 is used only if every probe text's vector keeps at least this cosine with its float32 vector."""

LEAST_TOKENS = 64
"""A forward pass of no more tokens is not made smaller still when memory runs out."""

_HALF = "weights in bfloat16"

_PROBES = (
    "ok",
    "The card was charged twice last Tuesday.",
    "Why does it take eleven minutes to open one folder?",
    "12,5 % — çà & là",
    "A longer sentence, with a clause that goes on for a while, so that positions far from the start are used too.",
)


class SentenceEncoder(Encoder):
    """Vectors from a sentence-transformers model.

    Parameters
    ----------
    model : SentenceTransformer
        The model. It is moved to ``device`` and used as it is, not copied.
    name : str
        How to call it in results.
    device : str, optional
        See :func:`fewshot.encoders.device.choose_device`.
    precision : {"auto", "float32", "bfloat16"}, default="auto"
        ``"auto"`` computes in bfloat16 where the processor does so natively *and* the vectors of a few probe texts
        keep a cosine of at least 0.999 with their float32 vectors. Vectors come out as float32 in any case. On a CUDA
        device, ``"bfloat16"`` is the type of the weights and of all that passes between layers, if those texts keep
        that cosine even so, and else of the products of matrices alone.
    batch_size : int, optional
        Texts a forward pass; halved, and kept so, when memory runs out. Default: 16 on a CPU, where small groups of
        like length pad little and stay in its cache; on a CUDA device as many as have 65,536 tokens; 128 elsewhere.
    max_length : int, optional
        Tokens that the model reads at once, special tokens included. Default: the model's own.
    long_texts : {"truncate", "chunk"}, default="truncate"
        What becomes of a text with more tokens: ``"truncate"`` reads its start; ``"chunk"`` reads up to ``max_chunks``
        consecutive windows of it, and its vector is the mean of their unit vectors weighted by their token counts, at
        the windows' (mean) length. A text that fits has the same vector either way.
    max_chunks : int, default=8
        Windows of a text at most, from its start on; what comes later is cut off. 1 is the same as ``"truncate"``.

    Notes
    -----
    A model's default prompt stands before the first window only. The folder that :meth:`save` writes holds
    ``max_length``, but opens as an encoder that truncates: keep :attr:`length_settings` beside it.
    """

    def __init__(
        self,
        model: SentenceTransformer,
        *,
        name: str,
        device: str | None = None,
        precision: str = "auto",
        batch_size: int | None = None,
        max_length: int | None = None,
        long_texts: str = "truncate",
        max_chunks: int = MAX_CHUNKS,
    ) -> None:
        if precision not in PRECISIONS:
            raise InputError(f"precision must be one of {', '.join(PRECISIONS)}, got {precision!r}")
        if batch_size is not None and batch_size < 1:
            raise InputError(f"batch_size must be at least 1, got {batch_size}")
        if long_texts not in LONG_TEXTS:
            raise InputError(f"long_texts must be one of {', '.join(LONG_TEXTS)}, got {long_texts!r}")
        if max_chunks < 1:
            raise InputError(f"max_chunks must be at least 1, got {max_chunks}")
        if max_length is not None and max_length != window_length(model):
            check_max_length(model, max_length)
        self.name = name
        self.device = choose_device(device)
        self.model = model.to(self.device).eval()
        if max_length is not None:
            self.model.max_seq_length = max_length
        self.long_texts = long_texts
        self.max_chunks = max_chunks
        self._made_cutter: WindowCutter | None = None
        self._made_stream: TextStream | None = None
        if long_texts == "chunk" and window_length(model) is not None and self._cutter is None:
            raise InputError(
                f"long_texts='chunk' needs a fast tokenizer that cuts on the right; {name!r} has none; "
                "choose long_texts='truncate'"
            )
        self.dimension = int(model.get_embedding_dimension() or 0)
        self._streams = computes_apart(self.device)
        self.batch_size = batch_size or (None if self._streams else 16 if self.device == "cpu" else 128)
        self.batch_tokens = BATCH_TOKENS
        self.precision = self._choose_precision() if precision == "auto" else precision
        self._fingerprint: str | None = None

    @classmethod
    def load(cls, source: str | Path, *, name: str | None = None, device: str | None = None, **options: Any) -> Any:
        """Load from a local folder or the Hub, safetensors only, running no code from the model.

        Parameters
        ----------
        source : str or Path
            A folder, or a Hub id such as ``"sentence-transformers/paraphrase-mpnet-base-v2"``.
        name, device, **options
            As for the class.

        Raises
        ------
        SourceNotFoundError
            If it is neither a folder nor reachable on the Hub.
        ModelFormatError
            If the folder asks for code of its own, or has no safetensors weights.
        """
        device = choose_device(device)
        return cls(open_model(source, device), name=name or str(source), device=device, **options)

    @property
    def fingerprint(self) -> str:
        """Hash of weights, module configuration, tokenizer, precision, length limit and treatment of long texts."""
        if self._fingerprint is None:
            self._fingerprint = fingerprint_model(self.model, self.precision)
        return self._fingerprint if self.long_texts == "truncate" else f"{self._fingerprint}-{self.max_chunks}-windows"

    @property
    def length_settings(self) -> dict[str, Any]:
        """The arguments that decide how long texts are read: ``max_length``, ``long_texts``, ``max_chunks``."""
        return {"max_length": window_length(self.model), "long_texts": self.long_texts, "max_chunks": self.max_chunks}

    @property
    def tokenizer(self) -> Tokenizer | None:
        """The model's fast tokenizer, or ``None`` where it has none."""
        return fast_tokenizer(self.model)

    @property
    def _cutter(self) -> WindowCutter | None:
        length = window_length(self.model)
        if self._made_cutter is None or self._made_cutter.max_length != length:
            self._made_cutter = make_cutter(self.model, self.max_chunks)
        return self._made_cutter

    def crop_texts(self, texts: Sequence[str], rng: np.random.Generator) -> list[str]:
        """Return texts with each long one replaced by one random window of it, as text; for training.

        Parameters
        ----------
        texts : sequence of str
        rng : numpy.random.Generator
            Draws among the windows that ``long_texts="chunk"`` reads, in proportion to their tokens.

        Returns
        -------
        list of str
            Texts that fit into a window are as they were, and draw nothing.
        """
        cutter = self._cutter
        return cutter.crop(texts, rng) if cutter else list(texts)

    @property
    def chunk_texts(self) -> int:
        """How many texts of like length are encoded at a time, at most."""
        return STREAMED_TEXTS if self._streams else super().chunk_texts

    def _encode_batch(self, texts: Sequence[str]) -> np.ndarray:
        blank = tokenless(self.model, texts)
        if not blank.any():
            return self._as_memory_allows(texts)
        vectors = np.zeros((len(texts), self.dimension), dtype=np.float32)  # what has no token is like nothing
        if not blank.all():
            vectors[~blank] = self._as_memory_allows([texts[row] for row in np.flatnonzero(~blank).tolist()])
        return vectors

    def _as_memory_allows(self, texts: Sequence[str]) -> np.ndarray:
        while True:
            try:
                return self._read(texts)
            except torch.OutOfMemoryError:
                if self.batch_size == 1 or (self.batch_size is None and self.batch_tokens <= LEAST_TOKENS):
                    raise
            if self.batch_size is None:  # not in the handler, which still holds what filled the memory
                self.batch_tokens //= 2
            else:
                self.batch_size //= 2
            torch.cuda.empty_cache()

    def _read(self, texts: Sequence[str]) -> np.ndarray:
        cutter = self._cutter if self.long_texts == "chunk" or self._are_very_long(texts) else None
        if cutter is None:
            return self._forward(texts)
        heads = cutter.heads(texts)  # the model's tokenizer reads the whole of a text before it cuts
        vectors = self._forward(heads)
        if self.long_texts == "truncate":
            return vectors
        batch_size = self.batch_size or max(1, self.batch_tokens // cutter.max_length)
        return add_windows(self.model, cutter, heads, vectors, batch_size=batch_size, autocast=self._autocast)

    def _are_very_long(self, texts: Sequence[str]) -> bool:
        length = window_length(self.model)
        return length is not None and max(map(len, texts)) > length * self.max_chunks * CHARACTERS_PER_TOKEN

    def _autocast(self, precision: str | None = None) -> contextlib.AbstractContextManager[Any]:
        if (precision or self.precision) != "bfloat16":
            return contextlib.nullcontext()
        return torch.autocast(self.device.partition(":")[0], dtype=torch.bfloat16)

    def _forward(self, texts: Sequence[str], precision: str | None = None) -> np.ndarray:
        precision = precision or self.precision
        if self._streams or (self.device == "cpu" and self._stream.tokens is not None):
            return self._streamed(texts, precision)
        assert self.batch_size is not None
        with self._autocast(precision):
            vectors = self.model.encode(
                list(texts), batch_size=self.batch_size, convert_to_tensor=True, show_progress_bar=False
            )
        return vectors.float().cpu().numpy()

    def _streamed(self, texts: Sequence[str], precision: str) -> np.ndarray:
        if precision == "bfloat16" and self._streams and self._is_near_in_half:
            precision = _HALF
        weights = half_weights(self.model) if precision == _HALF else None
        if self.model.training:  # as where a training looks at the model between two steps
            self.model.eval()

        def forward(features: dict[str, Any]) -> torch.Tensor:
            made = half_forward(self.model, weights, features) if weights else self.model(features)
            return made["sentence_embedding"][:, : self.dimension or None]

        with self._autocast(precision):
            vectors = self._stream.vectors(texts, forward, batch_size=self.batch_size, batch_tokens=self.batch_tokens)
        return vectors.cpu().numpy()

    @property
    def _stream(self) -> TextStream:
        if self._made_stream is None or self._made_stream.is_outdated:
            self._made_stream = TextStream(self.model, self.device)
        return self._made_stream

    @functools.cached_property
    def _is_near_in_half(self) -> bool:
        """Whether the vectors are near those of float32 where all that passes between layers is bfloat16."""
        return half_weights(self.model) is not None and self._is_near(_HALF)

    def _is_near(self, precision: str) -> bool:
        return agreement(self._forward(_PROBES, "float32"), self._forward(_PROBES, precision)) >= LEAST_AGREEMENT

    def _choose_precision(self) -> str:
        if not has_native_bfloat16(self.device):
            return "float32"
        return "bfloat16" if (self._streams and self._is_near_in_half) or self._is_near("bfloat16") else "float32"

    def trainable_copy(self) -> SentenceTransformer:
        """Return a deep copy of the model, for training; this encoder stays as it is."""
        return copy.deepcopy(self.model)

    def like(self, model: SentenceTransformer, **lengths: Any) -> "SentenceEncoder":
        """Return an encoder with another model of the same kind and all else as here.

        Parameters
        ----------
        model : SentenceTransformer
            Such as a trained copy; used as it is.
        **lengths
            ``max_length``, ``long_texts`` or ``max_chunks``, where they shall differ.
        """
        return SentenceEncoder(
            model,
            name=self.name,
            device=self.device,
            precision=self.precision,
            batch_size=self.batch_size,
            **{**self.length_settings, **lengths},
        )

    def save(self, folder: str | Path) -> None:
        """Write a sentence-transformers folder (safetensors), without that library's own model card."""
        with quiet():
            self.model.save(str(folder), create_model_card=False, safe_serialization=True)
