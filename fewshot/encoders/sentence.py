"""A sentence-transformers model as an :class:`~fewshot.encoders.base.Encoder`: from the Hub, a folder, or memory."""

import contextlib
import copy
import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from transformers.utils import logging as transformers_logging

from fewshot.core.errors import InputError, ModelFormatError, SourceNotFoundError
from fewshot.encoders.base import Encoder
from fewshot.encoders.device import choose_device, has_native_bfloat16

PRECISIONS = ("auto", "float32", "bfloat16")
LEAST_AGREEMENT = 0.999
"""bfloat16 is used only if every probe text's vector keeps at least this cosine with its float32 vector."""

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
        keep a cosine of at least 0.999 with their float32 vectors. Vectors come out as float32 in any case.
    batch_size : int, optional
        Texts a forward pass; halved, and kept so, when memory runs out. Default: 16 on a CPU, where small groups of
        like length pad little and stay in its cache, 128 elsewhere.
    max_length : int, optional
        Longest text in tokens; the rest is cut off. Default: the model's own.
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
    ) -> None:
        if precision not in PRECISIONS:
            raise InputError(f"precision must be one of {', '.join(PRECISIONS)}, got {precision!r}")
        if batch_size is not None and batch_size < 1:
            raise InputError(f"batch_size must be at least 1, got {batch_size}")
        if max_length is not None and max_length < 1:
            raise InputError(f"max_length must be at least 1, got {max_length}")
        self.name = name
        self.device = choose_device(device)
        self.model = model.to(self.device).eval()
        if max_length is not None:
            self.model.max_seq_length = max_length
        self.batch_size = batch_size or (16 if self.device == "cpu" else 128)
        self.dimension = int(model.get_embedding_dimension() or 0)
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
        folder = Path(source)
        if folder.is_dir():
            check_modules(folder)
        try:
            with _quiet():
                model = SentenceTransformer(
                    str(source), device=device, trust_remote_code=False, model_kwargs={"use_safetensors": True}
                )
        except torch.OutOfMemoryError:
            raise
        except Exception as error:  # safetensors and tokenizers raise classes of their own at a damaged file
            if not isinstance(error, (OSError, ValueError)) and not folder.is_dir():
                raise
            raise _explained(source, error) from None
        return cls(model, name=name or str(source), device=device, **options)

    @property
    def fingerprint(self) -> str:
        """Hash of weights, module configuration, tokenizer, precision and length limit."""
        if self._fingerprint is None:
            self._fingerprint = fingerprint_model(self.model, self.precision)
        return self._fingerprint

    def _encode_batch(self, texts: Sequence[str]) -> np.ndarray:
        while True:
            try:
                return self._forward(texts)
            except torch.OutOfMemoryError:
                if self.batch_size == 1:
                    raise
                self.batch_size = max(1, self.batch_size // 2)
                torch.cuda.empty_cache()

    def _forward(self, texts: Sequence[str], precision: str | None = None) -> np.ndarray:
        half = (precision or self.precision) == "bfloat16"
        kind = self.device.partition(":")[0]
        autocast = torch.autocast(kind, dtype=torch.bfloat16) if half else contextlib.nullcontext()
        with autocast:
            vectors = self.model.encode(
                list(texts), batch_size=self.batch_size, convert_to_tensor=True, show_progress_bar=False
            )
        return vectors.float().cpu().numpy()

    def _choose_precision(self) -> str:
        if not has_native_bfloat16(self.device):
            return "float32"
        exact, half = self._forward(_PROBES, "float32"), self._forward(_PROBES, "bfloat16")
        norms = np.linalg.norm(exact, axis=1) * np.linalg.norm(half, axis=1)
        agreement = (exact * half).sum(axis=1) / np.maximum(norms, 1e-12)
        return "bfloat16" if agreement.min() >= LEAST_AGREEMENT else "float32"

    def trainable_copy(self) -> SentenceTransformer:
        """Return a deep copy of the model, for training; this encoder stays as it is."""
        return copy.deepcopy(self.model)

    def save(self, folder: str | Path) -> None:
        """Write a sentence-transformers folder (safetensors), without that library's own model card."""
        with _quiet():
            self.model.save(str(folder), create_model_card=False, safe_serialization=True)


def fingerprint_model(model: SentenceTransformer, precision: str) -> str:
    """Return a hash of everything that decides a model's vectors."""
    digest = hashlib.blake2b(digest_size=16)
    digest.update(f"{model} {model.max_seq_length} {model.default_prompt_name} {model.prompts} {precision}".encode())
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    tokenizer = getattr(model.tokenizer, "backend_tokenizer", model.tokenizer)
    if hasattr(tokenizer, "to_str"):
        described = json.loads(tokenizer.to_str()) | {"padding": None, "truncation": None}  # set anew by each call
        digest.update(json.dumps(described).encode())
    return digest.hexdigest()


def check_modules(folder: Path) -> None:
    """Raise unless every module of a sentence-transformers folder is one of that library's own."""
    listing = folder / "modules.json"
    if not listing.is_file():
        if (folder / "config.json").is_file():
            return
        raise ModelFormatError(f"{str(folder)!r} is no model folder: it has neither modules.json nor config.json")
    try:
        modules = [(str(module["type"]), str(module["path"])) for module in json.loads(listing.read_text("utf-8"))]
    except (ValueError, KeyError, TypeError) as error:
        raise ModelFormatError(f"{str(listing)!r} is damaged: {type(error).__name__}: {error}") from None
    for kind, path in modules:
        if not kind.startswith("sentence_transformers."):
            raise ModelFormatError(f"{str(listing)!r} asks to run code of its own ({kind!r}); this is never done")
        inside = (folder / path).resolve()
        if folder.resolve() not in (inside, *inside.parents):
            raise ModelFormatError(f"{str(listing)!r} points outside its folder ({path!r})")
        if list(inside.glob("pytorch_model*.bin")) and not list(inside.glob("model*.safetensors")):
            raise ModelFormatError(
                f"{str(inside)!r} holds its weights as a pickle (pytorch_model.bin); convert them to safetensors first"
            )


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep transformers' own progress bar off: loading takes a moment and a pipe shall stay clean."""
    shown = transformers_logging.is_progress_bar_enabled()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            transformers_logging.enable_progress_bar()


def _explained(source: str | Path, error: Exception) -> Exception:
    if Path(source).is_dir():
        return ModelFormatError(f"the model in {str(source)!r} cannot be opened: {_first_line(error)}")
    return SourceNotFoundError(
        f"encoder {str(source)!r} is neither a local folder nor to be had from the Hub ({_first_line(error)}); "
        "check the name and the network, or use the one that needs no network: --encoder bundled"
    )


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
