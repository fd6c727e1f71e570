"""Checkpoints of one run: which count, which to go on from, and which to throw away.

A checkpoint is a folder ``checkpoint-STEP`` that transformers' trainer fills. It counts once its ``manifest.json``,
written last and renamed into place, names every file with size and SHA-256, and all of them match: without that, one
torn between model and optimizer would silently resume into other weights. The folder is private to a run: optimizer and
random states are in torch's format, read with ``weights_only``.
"""

import hashlib
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fewshot.core.artifacts import fingerprint, read_json, sha256_file, write_json
from fewshot.core.errors import FewshotError, InputError

MANIFEST = "manifest.json"
KEPT = 2
_PREFIX = "checkpoint-"
_FORMAT = 1


class CheckpointFolder:
    """The checkpoints of one run in one folder.

    Parameters
    ----------
    folder : Path
        Only the folders ``checkpoint-STEP`` in it are ever touched.
    identity : str
        Changes with whatever decides the run's outcome; see :func:`run_identity`.

    Examples
    --------
    >>> import tempfile
    >>> run = CheckpointFolder(Path(tempfile.mkdtemp()), identity="a")
    >>> run.folder_of(10).mkdir()
    >>> print(run.newest())  # not sealed
    None
    >>> run.seal(10)
    >>> run.newest().name
    'checkpoint-10'
    """

    def __init__(self, folder: Path, identity: str) -> None:
        self.folder = folder
        self.identity = identity

    def folder_of(self, step: int) -> Path:
        """Return the folder of the checkpoint after ``step`` steps."""
        return self.folder / f"{_PREFIX}{step}"

    def prepare(self, *, resume: bool) -> Path | None:
        """Return the checkpoint to go on from, if any, and throw away all that come after it.

        Raises
        ------
        InputError
            If ``resume`` and the folder holds checkpoints of another run only.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        found = self.newest() if resume else None
        for checkpoint in self._all():
            if found is None or _step(checkpoint) > _step(found):
                shutil.rmtree(checkpoint)
        return found

    def newest(self) -> Path | None:
        """Return the newest whole checkpoint of this run; torn and damaged ones are passed over."""
        foreign = False
        for checkpoint in self._all():
            identity = _identity_if_whole(checkpoint)
            if identity == self.identity:
                return checkpoint
            foreign = foreign or identity is not None
        if foreign:
            raise InputError(
                f"checkpoints {str(self.folder)!r} belong to other texts, targets, settings or initial weights; "
                "resume with those, choose another folder, or start afresh with resume=False, which removes them"
            )
        return None

    def seal(self, step: int) -> None:
        """Make the checkpoint count, by its manifest; then keep the newest two."""
        checkpoint = self.folder_of(step)
        files = {
            file.name: {"bytes": file.stat().st_size, "sha256": sha256_file(file)}
            for file in sorted(checkpoint.iterdir())
            if file.name != MANIFEST
        }
        manifest = {"format": _FORMAT, "identity": self.identity, "step": step, "files": files}
        write_json(checkpoint / MANIFEST, manifest)
        sealed = [checkpoint for checkpoint in self._all() if (checkpoint / MANIFEST).is_file()]
        for checkpoint in self._all():
            if checkpoint not in sealed[:KEPT]:
                shutil.rmtree(checkpoint)

    def _all(self) -> list[Path]:
        """Return all checkpoint folders, whole or not, newest first."""
        folders = [path for path in self.folder.glob(f"{_PREFIX}*") if _is_checkpoint(path)]
        return sorted(folders, key=_step, reverse=True)


def run_identity(texts: Iterable[str], loss: Iterable[str], model: torch.nn.Module, settings: Iterable[Any]) -> str:
    """Return a hash of what decides a run's outcome.

    Parameters
    ----------
    texts : iterable of str
    loss : iterable of str
        The loss's name, settings and targets.
    model : Module
        Its weights, before the first step.
    settings : iterable
        Schedule, batches and seed; anything whose ``repr`` tells its value.
    """
    parts = [fingerprint(texts), fingerprint(loss), _weights(model), *(repr(setting) for setting in settings)]
    return fingerprint(parts)


def batches_fingerprint(batches: Iterable[list[int]]) -> str:
    """Return a hash of all batches that a sampler yields, whatever made it yield them."""
    digest = hashlib.blake2b(digest_size=16)
    for batch in batches:
        digest.update(np.asarray([len(batch), *batch], dtype="<i8").tobytes())
    return digest.hexdigest()


def _weights(model: torch.nn.Module) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for name, tensor in model.state_dict().items():
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)} ".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _is_checkpoint(path: Path) -> bool:
    return path.name.removeprefix(_PREFIX).isdecimal() and path.is_dir() and not path.is_symlink()


def _step(checkpoint: Path) -> int:
    return int(checkpoint.name.removeprefix(_PREFIX))


def _identity_if_whole(checkpoint: Path) -> str | None:
    """Return the identity in the manifest if every file is there as it says and no other is, else ``None``."""
    try:
        manifest = read_json(checkpoint / MANIFEST)
        files, identity = dict(manifest["files"]), str(manifest["identity"])
        if manifest["format"] != _FORMAT or manifest["step"] != _step(checkpoint):
            return None
        if {file.name for file in checkpoint.iterdir()} != {*files, MANIFEST}:
            return None
        whole = all(_matches(checkpoint / name, entry) for name, entry in files.items())
    except (FewshotError, OSError, KeyError, TypeError, ValueError):
        return None
    return identity if whole else None


def _matches(file: Path, entry: dict[str, Any]) -> bool:
    return file.stat().st_size == entry["bytes"] and sha256_file(file) == entry["sha256"]
