"""Optional packages: import one, or say exactly which ``pip install`` brings it."""

import importlib
from types import ModuleType

from fewshot.core.errors import MissingExtraError


def import_extra(module: str, *, extra: str, purpose: str) -> ModuleType:
    """Import an optional module.

    Parameters
    ----------
    module : str
        The module to import.
    extra : str
        The extra of this package that installs it.
    purpose : str
        What it is needed for, to complete the sentence "... is needed for".

    Returns
    -------
    module

    Raises
    ------
    MissingExtraError
        If it is not installed.

    Examples
    --------
    >>> import_extra("not_a_module", extra="bundled", purpose="the bundled encoder")
    Traceback (most recent call last):
    ...
    fewshot.core.errors.MissingExtraError: not_a_module is needed for the bundled encoder and is not installed; run: pip install 'fewshot[bundled]'
    """  # noqa: E501 - the error is one line
    try:
        return importlib.import_module(module)
    except ImportError as error:
        if error.name != module.partition(".")[0]:
            raise
        raise MissingExtraError(
            f"{module} is needed for {purpose} and is not installed; run: pip install 'fewshot[{extra}]'"
        ) from None
