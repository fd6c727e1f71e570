"""Errors as a person reads them: one line on standard error and an exit code, never a traceback for what we foresaw."""

import contextlib
import errno
import os
import sys
import warnings
from collections.abc import Iterator
from typing import Any

from fewshot.core.errors import DataWarning, FewshotError

FAILED, INTERRUPTED = 1, 130

_INTERRUPTED = (
    "interrupted; nothing half-written was left; a comparison or a prediction of a file goes on with the same command, "
    "a training with --resume"
)


@contextlib.contextmanager
def explained() -> Iterator[None]:
    """Turn foreseen errors inside this block into one line and exit code 1; show our warnings as one line each.

    With ``FEWSHOT_DEBUG=1`` in the environment errors keep their traceback.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", DataWarning)
        warnings.showwarning = _show_warning
        try:
            yield
        except SystemExit as stop:  # the command line's own end, also that of Ctrl-C
            if stop.code == INTERRUPTED:
                _say(_INTERRUPTED)
            raise
        except KeyboardInterrupt:  # Ctrl-C before or after the verb
            _say(_INTERRUPTED)
            sys.exit(INTERRUPTED)
        except (FewshotError, OSError, MemoryError, ModuleNotFoundError) as error:
            if os.environ.get("FEWSHOT_DEBUG"):
                raise
            _say(_one_line(error))
            sys.exit(FAILED)


def _one_line(error: BaseException) -> str:
    if isinstance(error, ModuleNotFoundError):
        return (
            f"{error.name} is needed for this and not installed; an environment made of a model's requirements.txt "
            "predicts with that model, from CSV, TSV and JSON files; for all else run: pip install fewshot"
        )
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        full = error.filename2 or error.filename or "while writing"  # of a copy the second is where it should go
        return (
            f"the disk is full ({full}); nothing half-written was left, and what is "
            "finished is kept: make room, then give the same command again"
        )
    if isinstance(error, PermissionError):
        return f"no permission for {error.filename!r}; check its rights, or choose another place"
    if isinstance(error, MemoryError):
        return "memory ran out; give fewer texts at a time, or take a machine with more memory"
    return " ".join(str(error).split()) or type(error).__name__


def _show_warning(message: Warning | str, category: type[Warning], *args: Any, **kwargs: Any) -> None:
    print(f"warning: {' '.join(str(message).split())}", file=sys.stderr)


def _say(line: str) -> None:
    print(f"fewshot: error: {line}", file=sys.stderr)
