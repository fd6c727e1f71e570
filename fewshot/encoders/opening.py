"""Opening sentence-transformers folders without running a line of theirs, and telling models apart."""

import contextlib
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import torch
from sentence_transformers import SentenceTransformer
from transformers.utils import logging as transformers_logging

from fewshot.core.errors import ModelFormatError, SourceNotFoundError
from fewshot.encoders.padding import make_paddable


def open_model(source: str | Path, device: str) -> SentenceTransformer:
    """Return the model in a local folder or on the Hub, from safetensors only, running no code from it.

    Raises
    ------
    SourceNotFoundError
        If it is neither a folder nor reachable on the Hub.
    ModelFormatError
        If the folder asks for code of its own, or has no safetensors weights.
    """
    if Path(source).is_dir():
        check_modules(Path(source))
    with explaining(source), quiet():
        model = SentenceTransformer(
            str(source), device=device, trust_remote_code=False, model_kwargs={"use_safetensors": True}
        )
    make_paddable(model)
    return model


@contextlib.contextmanager
def explaining(source: str | Path) -> Iterator[None]:
    """Turn what goes wrong while the model ``source`` is opened into an error of ours.

    Raises
    ------
    SourceNotFoundError
        If ``source`` is neither a folder nor to be had from the Hub.
    ModelFormatError
        If the folder cannot be opened.
    """
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except Exception as error:  # safetensors and tokenizers raise classes of their own at a damaged file
        if not isinstance(error, (OSError, ValueError)) and not Path(source).is_dir():
            raise
        raise _explained(source, error) from None


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
def quiet() -> Iterator[None]:
    """Keep transformers' own progress bar off: loading takes a moment and a pipe shall stay clean."""
    shown = transformers_logging.is_progress_bar_enabled()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            transformers_logging.enable_progress_bar()


@contextlib.contextmanager
def unreported() -> Iterator[None]:
    """Keep transformers' progress bar and its table of new weights off: those that matter are refused by name."""
    before = transformers_logging.get_verbosity()
    transformers_logging.set_verbosity_error()
    try:
        with quiet():
            yield
    finally:
        transformers_logging.set_verbosity(before)


def _explained(source: str | Path, error: Exception) -> Exception:
    if Path(source).is_dir():
        return ModelFormatError(f"the model in {str(source)!r} cannot be opened: {_first_line(error)}")
    return SourceNotFoundError(
        f"encoder {str(source)!r} is neither a local folder nor to be had from the Hub ({_first_line(error)}); "
        "check the name and the network, or use the one that needs no network: --encoder bundled"
    )


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
