"""Sums of a model directory's files: what was changed, cut short or lost since it was written is not opened.

Formats check themselves only so far: with one bit turned over, weights open as before and answer something else.
"""

import hashlib
import json
from pathlib import Path, PureWindowsPath
from typing import Any

from fewshot.core.artifacts import sha256_file
from fewshot.core.errors import ModelFormatError
from fewshot.core.requirements import REQUIREMENTS

WEIGHTS = ".safetensors"
_TEXTS = (".json", ".txt")
_ONNX = "onnx.json"


def file_sums(folder: Path, listing: str) -> dict[str, str]:
    """Return the SHA-256 of weights, settings and vocabularies, by their paths in the folder.

    Not of ``listing``, the file that the sums go to, the list of packages, and what ``onnx.json`` has sums of. The line
    ends of texts count as line feeds: version control may turn them over.
    """
    onnx = folder / _ONNX
    elsewhere = {listing, REQUIREMENTS, *(json.loads(onnx.read_bytes())["files"] if onnx.is_file() else ())}
    paths = [path for path in sorted(folder.rglob("*")) if path.suffix in (WEIGHTS, *_TEXTS) and path.is_file()]
    names = {path.relative_to(folder).as_posix(): path for path in paths}
    return {name: _sum_of(path) for name, path in names.items() if name not in elsewhere}


def check_sums(folder: Path, sums: Any, listing: str) -> None:
    """Compare the files of a folder with what :func:`file_sums` gave.

    Parameters
    ----------
    folder : Path
    sums : dict of str to str
        As read from a file: it may be anything.
    listing : str
        The name of that file, for messages.

    Raises
    ------
    ModelFormatError
        If a file is not as it was written, or is not there, or a sum is that of a file outside the folder.
    """
    if not isinstance(sums, dict) or not all(map(_is_inside, sums)):
        raise ModelFormatError(f"{str(folder / listing)!r} is damaged: its files are no sums of files in the folder")
    for name, wanted in sums.items():
        path = folder / name
        if not path.is_file():  # a device or a pipe could be read for ever
            raise ModelFormatError(
                f"the model in {str(folder)!r} is damaged: {name} is missing; copy the folder anew, or unpack it if it "
                f"was packed. {_WAY_OUT.format(listing)}"
            )
        try:
            found = _sum_of(path)
        except OSError as error:
            raise ModelFormatError(f"the model in {str(folder)!r} cannot be read: {name}: {error.strerror}") from None
        if found != wanted:
            raise ModelFormatError(
                f"the model in {str(folder)!r} is damaged: {name} is not as it was written; copy the folder anew. "
                f"{_WAY_OUT.format(listing)}"
            )


_WAY_OUT = "If that was done on purpose, take the file's line out of 'files' in {}"


def _sum_of(path: Path) -> str:
    if path.suffix in _TEXTS:
        return hashlib.sha256(path.read_bytes().replace(b"\r\n", b"\n")).hexdigest()
    return sha256_file(path)


def _is_inside(name: str) -> bool:
    """Return whether a path stays in its folder, on every system: Windows knows drives and two kinds of slashes."""
    path = PureWindowsPath(name)
    return name.isprintable() and not path.drive and not path.root and ".." not in path.parts
