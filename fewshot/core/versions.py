"""The versions that a result depends on, for provenance."""

import platform
from importlib.metadata import version

_NAMES = ("fewshot", "torch", "transformers", "sentence-transformers", "scikit-learn", "numpy")


def library_versions() -> dict[str, str]:
    """Return the versions that a result depends on: of Python, of this package and of the libraries that compute.

    Examples
    --------
    >>> "torch" in library_versions()
    True
    """
    return {"python": platform.python_version(), **{name: version(name) for name in _NAMES}}
