"""The files of an exported model, and the listing that tells what they must be: sizes, sums, inputs and outputs.

::

    onnx.json         the listing; what is not in it is not opened
    model.onnx        the graph: numbers of tokens in, vectors and probabilities out
    model.onnx.data   its weights, where they are too many for one file
    tokenizer.json    texts to numbers of tokens
"""

import dataclasses
import hashlib
import shutil
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from fewshot.core.artifacts import MAX_JSON_BYTES, atomic_path, fingerprint, read_json, sha256_file, write_json
from fewshot.core.errors import ModelFormatError
from fewshot.encoders.onnx_file import check_graph
from fewshot.encoders.token_reader import TokenSettings
from fewshot.encoders.windows import LONG_TEXTS

LISTING = "onnx.json"
GRAPH = "model.onnx"
WEIGHTS = "model.onnx.data"
TOKENIZER = "tokenizer.json"
FORMAT = 1
PRECISIONS = ("float32", "float16", "int8", "int8-static")

LARGEST = {GRAPH: 2**31 - 1, WEIGHTS: 2**36, TOKENIZER: MAX_JSON_BYTES}
"""Bytes that each file may have; protocol buffers end at 2 GiB."""

WHOLE_GRAPH = 2**31 - 2**20
"""A graph with fewer bytes of weights is one file; from so many on they lie beside it."""

_LARGEST_LISTING = 2**20
_LONGEST_OUTPUT = 2**20


@dataclasses.dataclass(frozen=True)
class OnnxListing:
    """What an exported model is.

    Parameters
    ----------
    precision : {"float32", "float16", "int8", "int8-static"}
        What most of its weights are.
    inputs : tuple of str
        Arrays of :class:`~fewshot.encoders.token_reader.TokenReader` that the graph takes.
    outputs : dict of str to int
        Columns of each output; ``"probabilities"``, ``"embeddings"``.
    tokens : TokenSettings
    long_texts : {"truncate", "chunk"}, default="truncate"
    max_chunks : int, default=1
        Windows of a text at most, where they are cut into windows.
    files : dict of str to dict
        ``bytes`` and ``sha256`` of each file.
    """

    precision: str
    inputs: tuple[str, ...]
    outputs: dict[str, int]
    tokens: TokenSettings
    long_texts: str = "truncate"
    max_chunks: int = 1
    files: dict[str, dict[str, Any]] = dataclasses.field(default_factory=dict)

    def of_files(self, folder: Path) -> "OnnxListing":
        """Return the same for the files that lie in ``folder``."""
        found = [name for name in LARGEST if (folder / name).is_file()]
        facts = {n: {"bytes": (folder / n).stat().st_size, "sha256": sha256_file(folder / n)} for n in found}
        return dataclasses.replace(self, files=facts)

    @property
    def fingerprint(self) -> str:
        """Hexadecimal digits that change whenever an output would."""
        facts = [self.files[name]["sha256"] for name in sorted(self.files)]
        return fingerprint([*facts, repr(self.tokens), self.long_texts, str(self.max_chunks)])

    def write(self, folder: Path) -> None:
        """Write the listing."""
        told = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        write_json(folder / LISTING, {"format": FORMAT, **told, "tokens": self.tokens.to_json()})


def read_onnx_listing(folder: Path) -> OnnxListing:
    """Read ``onnx.json``.

    Raises
    ------
    ModelFormatError
        If it is missing, damaged, or a later version's.
    """
    if not (folder / LISTING).is_file():
        raise ModelFormatError(f"the model in {str(folder)!r} is damaged: {LISTING} is missing")
    told = read_json(folder / LISTING, max_bytes=_LARGEST_LISTING)
    if not isinstance(told, dict) or type(told.get("format")) is not int:
        raise ModelFormatError(f"{LISTING} is damaged: it names no format")
    if told.pop("format") > FORMAT:
        raise ModelFormatError(f"{LISTING} is of a later format, this version reads up to {FORMAT}; update")
    try:
        listing = OnnxListing(
            **{**told, "tokens": TokenSettings.from_json(told["tokens"]), "inputs": tuple(told["inputs"])}
        )
        _check(listing)
    except (KeyError, TypeError, AttributeError) as error:
        raise ModelFormatError(f"{LISTING} is damaged: {type(error).__name__}: {error}") from None
    return listing


def _check(listing: OnnxListing) -> None:
    known = listing.precision in PRECISIONS and listing.long_texts in LONG_TEXTS
    counts = [listing.max_chunks, *listing.outputs.values()]
    known = known and all(type(count) is int and 1 <= count <= _LONGEST_OUTPUT for count in counts)
    known = known and all(isinstance(name, str) for name in listing.inputs)
    files = listing.files
    known = known and {GRAPH, TOKENIZER} <= files.keys() <= LARGEST.keys()
    if not known:
        raise ModelFormatError(f"{LISTING} is damaged: {listing!r:.300}")
    for name, facts in files.items():
        if type(facts["bytes"]) is not int or not 0 <= facts["bytes"] <= LARGEST[name]:
            raise ModelFormatError(f"{name} would have {facts['bytes']!r} bytes; at most {LARGEST[name]} are read")


def read_graph(folder: Path, listing: OnnxListing) -> bytes:
    """Return the graph, after looking at all files: each is what the listing says, and none leads elsewhere.

    Raises
    ------
    ModelFormatError
        If a file is missing, a link, of another size or content, or the graph asks for what it may not.
    """
    for name in listing.files:
        _check_size(folder / name, listing.files[name]["bytes"])
    data = (folder / GRAPH).read_bytes()
    for name, facts in listing.files.items():
        found = hashlib.sha256(data).hexdigest() if name == GRAPH else sha256_file(folder / name)
        if found != facts["sha256"]:
            raise ModelFormatError(
                f"{name} in {str(folder)!r} is not the file that was exported (its SHA-256 differs); export again"
            )
    check_graph(data, [name for name in listing.files if name == WEIGHTS])
    return data


def _check_size(path: Path, size: int) -> None:
    if path.is_symlink() or not path.is_file():
        what = "a link" if path.is_symlink() else "missing"
        raise ModelFormatError(f"the model in {str(path.parent)!r} is damaged: {path.name} is {what}")
    if path.stat().st_size != size:
        raise ModelFormatError(
            f"the model in {str(path.parent)!r} is damaged: {path.name} has {path.stat().st_size} bytes and not {size}"
        )


def read_tokenizer(folder: Path) -> Tokenizer:
    """Return the tokenizer in the folder, whose file was looked at before.

    Raises
    ------
    ModelFormatError
        If it cannot be opened.
    """
    try:
        return Tokenizer.from_file(str(folder / TOKENIZER))
    except Exception as error:  # tokenizers raises bare exceptions
        raise ModelFormatError(f"{TOKENIZER} in {str(folder)!r} cannot be opened: {error!s:.200}") from None


def copy_files(source: Path, folder: Path, listing: OnnxListing) -> None:
    """Copy an exported model; what arrives is held against the listing.

    Raises
    ------
    ModelFormatError
        If the files are gone from where they were opened, or are others by now.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, facts in listing.files.items():
        _check_size(source / name, facts["bytes"])
        with atomic_path(folder / name) as temporary:
            shutil.copyfile(source / name, temporary)
            if sha256_file(temporary) != facts["sha256"]:
                raise ModelFormatError(f"{name} in {str(source)!r} was changed since it was opened; export again")
    listing.write(folder)
