"""Sums of a model directory's files: what was changed, cut short or lost since it was written is not opened.

Formats check themselves only so far: with one bit turned over, weights open as before and answer something else.
"""

import json
from pathlib import Path, PurePosixPath
from typing import Any

from fewshot.core.artifacts import sha256_file
from fewshot.core.errors import ModelFormatError
from fewshot.core.requirements import REQUIREMENTS

_SUFFIXES = (".safetensors", ".json", ".txt")
_ONNX = "onnx.json"


def file_sums(folder: Path, listing: str) -> dict[str, str]:
    """Return the SHA-256 of each file that predictions depend on, by its path in the folder.

    Weights, settings and vocabularies; not ``listing``, the file that the sums go to, the card, the list of packages,
    and what ``onnx.json`` has sums of.
    """
    onnx = folder / _ONNX
    elsewhere = {listing, REQUIREMENTS, *(json.loads(onnx.read_bytes())["files"] if onnx.is_file() else ())}
    found = {str(path.relative_to(folder).as_posix()): path for path in sorted(folder.rglob("*")) if path.is_file()}
    return {
        name: sha256_file(path) for name, path in found.items() if path.suffix in _SUFFIXES and name not in elsewhere
    }


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
    if not isinstance(sums, dict) or not all(_is_inside(name) for name in sums):
        raise ModelFormatError(f"{str(folder / listing)!r} is damaged: its files are no sums of files in the folder")
    for name, wanted in sums.items():
        try:
            found = sha256_file(folder / name)
        except OSError as error:
            raise ModelFormatError(
                f"the model in {str(folder)!r} is damaged: {name} cannot be read ({error.strerror}); copy it anew"
            ) from None
        if found != wanted:
            raise ModelFormatError(
                f"the model in {str(folder)!r} is damaged: {name} is not as it was written; copy the folder anew. If "
                f"the file was changed on purpose, take its line out of 'files' in {listing}"
            )


def _is_inside(name: str) -> bool:
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts and "\\" not in name
