"""The versions that a result depends on, for provenance."""

import functools
import platform

_NAMES = ("fewshot", "torch", "transformers", "sentence-transformers", "scikit-learn", "numpy")


def library_versions() -> dict[str, str]:
    """Return the versions that a result depends on: of Python, of this package and of the libraries that compute.

    What is not installed, as where a model only predicts, is left out.

    Examples
    --------
    >>> "torch" in library_versions()
    True
    """
    found = {name: installed_version(name) for name in _NAMES}
    return {"python": platform.python_version(), **{name: version for name, version in found.items() if version}}


@functools.cache
def installed_version(name: str) -> str | None:
    """Return the version of a package, ``None`` if it is not installed.

    Examples
    --------
    >>> installed_version("no-such-package") is None
    True
    """
    from importlib.metadata import PackageNotFoundError, version  # slow to import, and not needed to predict

    try:
        return version(name)
    except PackageNotFoundError:
        return None
