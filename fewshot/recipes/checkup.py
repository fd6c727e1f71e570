"""What a machine has for the work at hand: packages, processor, GPU, models, folders."""

import dataclasses
import itertools
import os
import platform
import tempfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from fewshot.core.errors import FewshotError
from fewshot.recipes.machine import look_at_machine

CORE = (
    "fewshot",
    "torch",
    "transformers",
    "sentence-transformers",
    "setfit",
    "datasets",
    "scikit-learn",
    "scikit-multilearn",
    "faiss-cpu",
)

OPTIONAL = {
    "optuna": "fewshot[search], to search for settings",
    "onnxruntime": "fewshot[onnx], for exported models",
    "ray": "fewshot[ray], for clusters",
    "sentencepiece": "fewshot[translation], for the tokenizers of some translation models",
}


@dataclasses.dataclass(frozen=True)
class Finding:
    """One line of the check-up.

    Parameters
    ----------
    topic, found : str
    advice : str
        What to do about it; empty where nothing is to be done.
    """

    topic: str
    found: str
    advice: str = ""


def check_machine() -> list[Finding]:
    """Return what was found, topic by topic."""
    python = Finding("python", f"{platform.python_version()} on {platform.system()} {platform.machine()}")
    return [python, *_packages(), *_processors(), *_models(), *_folders()]


def _packages() -> list[Finding]:
    return [*map(_package, CORE), *itertools.starmap(_optional, OPTIONAL.items())]


def _optional(name: str, purpose: str) -> Finding:
    try:
        return Finding(name, version(name))
    except PackageNotFoundError:
        return Finding(name, f"not installed ({purpose})")


def _package(name: str) -> Finding:
    try:
        return Finding(name, version(name))
    except PackageNotFoundError:
        return Finding(name, "not installed", f"pip install {name}")


def _processors() -> list[Finding]:
    import torch

    from fewshot.encoders.device import choose_device, has_native_bfloat16

    device, machine = choose_device(), look_at_machine()
    bf16 = "native" if has_native_bfloat16(device) else "not native: float32 is used"
    return [
        Finding("cores", f"{machine.cores} ({torch.get_num_threads()} threads used by torch)"),
        Finding("memory", "unknown" if machine.memory_gb is None else f"{machine.memory_gb:.0f} GB"),
        Finding("gpu", machine.gpu or "none"),
        Finding("device used", device),
        Finding("bfloat16", bf16),
    ]


def _models() -> list[Finding]:
    from fewshot.encoders.bundled import bundled_folder

    try:
        bundled_folder()
        bundled = Finding("encoder bundled", "verified (all-MiniLM-L6-v2; English)")
    except FewshotError as error:
        bundled = Finding("encoder bundled", "not usable", str(error).rpartition("run: ")[2])
    return [bundled, Finding("models from the Hub", ", ".join(_hub_models()) or "none cached")]


def _hub_models() -> list[str]:
    from huggingface_hub import constants

    folder = Path(constants.HF_HUB_CACHE)
    names = sorted(item.name for item in folder.glob("models--*")) if folder.is_dir() else []
    return [name.removeprefix("models--").replace("--", "/") for name in names]


def _folders() -> list[Finding]:
    from fewshot.encoders.cached import EmbeddingCache, default_cache_folder

    cache = default_cache_folder()
    used = EmbeddingCache(cache).size() / 1e6 if _is_writable(cache) else 0.0
    return [
        _folder("working folder", Path.cwd()),
        _folder("embedding cache", cache, f", {used:.1f} MB used"),
        _folder("temporary folder", Path(tempfile.gettempdir())),
    ]


def _folder(topic: str, path: Path, note: str = "") -> Finding:
    if _is_writable(path):
        return Finding(topic, f"{path} (writable{note})")
    return Finding(topic, f"{path} (not writable)", "set FEWSHOT_CACHE or TMPDIR, or change to a folder of yours")


def _is_writable(path: Path) -> bool:
    while not path.exists() and path != path.parent:
        path = path.parent
    return os.access(path, os.W_OK)
