"""Every exception that this package raises on purpose.

::

    FewshotError                     something we can explain in one line; the command line prints it and exits 1
    ├── InputError (ValueError)      a value, column, label or file content that cannot be used
    ├── SourceNotFoundError (OSError) a file, folder, data set or model that is not there
    ├── ModelFormatError (ValueError) a folder that is not a model of ours, or one that is damaged or unsafe
    ├── TeacherError (ValueError)    a teacher that has nothing to teach: constant or NaN outputs
    ├── WorkerError (RuntimeError)   a process that was to do a part of the work and is gone, or could not begin
    └── MissingExtraError (ImportError) an optional package that is not installed

    DataWarning (UserWarning)        the input can be used, but probably is not what was meant

Each message names the argument, what came, what was expected and what to do next.
"""

import difflib
from collections.abc import Iterable


class FewshotError(Exception):
    """Base of all errors that this package raises on purpose."""


class InputError(FewshotError, ValueError):
    """A value, column, label or file content that cannot be used."""


class SourceNotFoundError(FewshotError, OSError):
    """A file, folder, data set or model that is not there."""


class ModelFormatError(FewshotError, ValueError):
    """A folder that is not a model directory, or one that is damaged or unsafe to open."""


class TeacherError(FewshotError, ValueError):
    """A teacher whose outputs are constant or not finite: a student would train quietly on nonsense."""


class WorkerError(FewshotError, RuntimeError):
    """A process that was to do a part of the work and is gone, as when memory runs out, or could not begin."""


class MissingExtraError(FewshotError, ImportError):
    """An optional package that is not installed; the message holds the exact ``pip install``."""


class DataWarning(UserWarning):
    """The input can be used, but probably is not what was meant."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return a clause that names the nearest known names, for the end of an error message.

    Parameters
    ----------
    name : str
        What was given.
    known : iterable of str
        What there is.

    Returns
    -------
    str
        ``" Did you mean 'x'?"``, or the empty string where nothing is near.

    Examples
    --------
    >>> did_you_mean("lable", ["text", "label"])
    " Did you mean 'label'?"
    >>> did_you_mean("zzz", ["text", "label"])
    ''
    """
    lowered = {option.casefold(): option for option in known}
    near = difflib.get_close_matches(name.casefold(), lowered, n=2, cutoff=0.5)
    return f" Did you mean {' or '.join(repr(lowered[option]) for option in near)}?" if near else ""
