"""What a model needs to predict and no more, as a file for pip beside the model."""

import re
from collections.abc import Collection, Iterable

from fewshot.core.versions import installed_version

REQUIREMENTS = "requirements.txt"

PREDICTING = ("numpy", "safetensors", "threadpoolctl", "tokenizers", "typer")
"""Packages that every model without torch predicts by, on the command line, too; each with what it needs itself."""

UNUSED = ("coloredlogs", "huggingface-hub", "sympy")
"""What those name as needed for other uses than ours: ``tokenizers`` for downloads, ``onnxruntime`` for tools."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def pinned(names: Iterable[str], *, without: Collection[str] = UNUSED) -> list[str]:
    """Return packages and all that they need in turn, each with the version that is installed here.

    Parameters
    ----------
    names : iterable of str
        What is not installed here is left out.
    without : collection of str
        Packages that are left out, and what only these need.

    Returns
    -------
    list of str
        Sorted, such as ``"numpy==2.4.6"``.

    Examples
    --------
    >>> [line.partition("==")[0] for line in pinned(["rich"])]
    ['markdown-it-py', 'mdurl', 'pygments', 'rich']
    """
    found: dict[str, str] = {}
    waiting = [_plain(name) for name in names]
    while waiting:
        name = waiting.pop()
        if name in found or name in without or (version := installed_version(name)) is None:
            continue
        found[name] = version
        waiting += _needed_by(name)
    return [f"{name}=={found[name]}" for name in sorted(found)]


def _needed_by(name: str) -> list[str]:
    from importlib.metadata import requires

    lines = [line for line in requires(name) or [] if "extra" not in line.partition(";")[2]]
    return [_plain(match.group()) for line in lines if (match := _NAME.match(line))]


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def install_commands() -> list[str]:
    """Return the commands that make an environment for a model which lies with its file of requirements."""
    version = installed_version("fewshot")
    package = f"fewshot=={version}" if version else "fewshot"
    return [f"pip install --no-deps -r {REQUIREMENTS}", f"pip install --no-deps {package}"]


def requirements_text(names: Iterable[str]) -> str:
    """Return the file: the commands that use it, as remarks, and the packages.

    Examples
    --------
    >>> print(requirements_text(["mdurl"]))
    # All that this model needs to predict; torch and transformers are not among it. In a new environment:
    #   pip install --no-deps -r requirements.txt
    #   pip install --no-deps fewshot==...
    mdurl==...
    <BLANKLINE>
    """
    told = "All that this model needs to predict; torch and transformers are not among it. In a new environment:"
    lines = [f"# {told}", *(f"#   {command}" for command in install_commands()), *pinned(names)]
    return "\n".join([*lines, ""])
