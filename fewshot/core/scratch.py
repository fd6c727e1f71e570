"""Folders for what is needed only as long as a process uses it, and for no longer than that, however it ends."""

import os
import shutil
import tempfile
import time
import weakref
from pathlib import Path
from typing import IO

from fewshot.core.locks import take_lock

LOCK = "in-use"
"""Locked by the process that made the folder: where nobody holds this lock, nobody needs the folder."""

_YOUNG_SECONDS = 60.0


class ScratchFolder:
    """A new folder in the temporary folder (``TMPDIR``), removed when this object is no longer used.

    Those that killed processes left behind are removed when the next one of that prefix is made.

    Parameters
    ----------
    prefix : str
        Begins the folder's name.

    Attributes
    ----------
    path : Path

    Examples
    --------
    >>> scratch = ScratchFolder("fewshot-example-")
    >>> path = scratch.path
    >>> path.is_dir(), scratch.remove(), path.exists()
    (True, None, False)
    """

    def __init__(self, prefix: str) -> None:
        _sweep(prefix)
        self.path = Path(tempfile.mkdtemp(prefix=prefix))
        handle = (self.path / LOCK).open("ab")
        take_lock(handle)
        self._finalizer = weakref.finalize(self, _remove, self.path, handle, os.getpid())

    def remove(self) -> None:
        """Remove the folder now; again does nothing."""
        self._finalizer()


def _remove(folder: Path, handle: IO[bytes], owner: int) -> None:
    handle.close()
    if os.getpid() == owner:  # a forked worker leaves the folder to its parent, who still has the lock
        shutil.rmtree(folder, ignore_errors=True)


def _sweep(prefix: str) -> None:
    """Remove folders whose process is gone. Where there are no locks to tell by, and just made ones, they stay."""
    for folder in Path(tempfile.gettempdir()).glob(f"{prefix}*"):
        try:
            if time.time() - folder.stat().st_mtime < _YOUNG_SECONDS:
                continue  # it may be about to be locked
            with (folder / LOCK).open("r+b") as handle:
                if take_lock(handle, otherwise=False):
                    shutil.rmtree(folder, ignore_errors=True)
        except OSError:  # another user's, without a lock file, or just removed
            continue
