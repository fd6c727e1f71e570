"""The stages of one long fit on disk: what is finished is read back, what was begun goes on.

The folder is private to a run. An identity, a hash of data and settings, binds it to that run, so that nobody
resumes one run with the stages of another.
"""

import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from fewshot.core.artifacts import atomic_path, read_json, write_json
from fewshot.core.errors import FewshotError, InputError

MARKER = "stages.json"


class Stages:
    """Finished results and checkpoint folders of a run's stages; remembers nothing where there is no folder.

    Parameters
    ----------
    folder : Path or None
    identity : str
        Changes with whatever decides the outcome.
    resume : bool
        Whether to keep what an interrupted run left there. Otherwise it is thrown away.

    Raises
    ------
    InputError
        If the folder holds files of another kind, or of a run with other data or settings.

    Examples
    --------
    >>> import tempfile
    >>> stages = Stages(Path(tempfile.mkdtemp()), "a", resume=False)
    >>> stages.finish("fold-0", {"x": np.ones(2)})
    >>> Stages(stages.folder, "a", resume=True).finished("fold-0")
    {'x': array([1., 1.])}
    """

    def __init__(self, folder: Path | None, identity: str, *, resume: bool) -> None:
        self.folder, self.resume = folder, resume
        if folder is None:
            return
        self._check(folder, identity)
        if not resume and folder.is_dir():
            shutil.rmtree(folder)
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / MARKER, {"identity": identity})

    def _check(self, folder: Path, identity: str) -> None:
        if folder.is_file():
            raise InputError(f"checkpoints: {str(folder)!r} is a file; give a folder")
        if not folder.is_dir() or not any(folder.iterdir()):
            return
        try:
            known = read_json(folder / MARKER)["identity"]
        except (FewshotError, KeyError, TypeError):
            raise InputError(
                f"checkpoints: {str(folder)!r} holds files, but none of an interrupted training; give another folder"
            ) from None
        if self.resume and known != identity:
            raise InputError(
                f"the interrupted training in {str(folder)!r} had other texts, labels or settings than this one; "
                "give the same again to go on with it, or leave out resume to start afresh"
            )

    def checkpoints(self, stage: str) -> Path | None:
        """Return the folder for the checkpoints of a stage."""
        return None if self.folder is None else self.folder / stage

    def finished(self, stage: str) -> dict[str, np.ndarray] | None:
        """Return the result that a stage left, or ``None`` if it is still to be done."""
        path = None if self.folder is None else self.folder / f"{stage}.safetensors"
        if path is None or not path.is_file():
            return None
        try:
            return dict(load_file(path))
        except (OSError, SafetensorError):
            return None

    def finish(self, stage: str, result: Mapping[str, np.ndarray]) -> None:
        """Keep the result of a stage and throw its checkpoints away."""
        if self.folder is None:
            return
        with atomic_path(self.folder / f"{stage}.safetensors") as temporary:
            save_file({name: np.ascontiguousarray(array) for name, array in result.items()}, temporary)
        shutil.rmtree(self.folder / stage, ignore_errors=True)
