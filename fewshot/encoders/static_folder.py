"""The folder of a token table: a sentence-transformers folder, and our own files beside it where there is more.

::

    model.safetensors     the table as float16, and tokenizer.json, modules.json: what SentenceTransformer opens
    static.json           what more there is; without it, nothing
    static.safetensors    the table as int8, rows of bigrams, a convolution
"""

import dataclasses
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file
from tokenizers import Tokenizer

from fewshot.core.artifacts import MAX_JSON_BYTES, atomic_path, read_json, write_json
from fewshot.core.errors import FewshotError, ModelFormatError
from fewshot.encoders.bigrams import BigramTable
from fewshot.encoders.convolution import Convolution
from fewshot.encoders.rows import TABLE_DTYPES, from_int8, to_int8
from fewshot.encoders.words import UNKNOWN, WordTokenizer

SETTINGS = "static.json"
ARRAYS = "static.safetensors"
FORMAT = 2
"""Folders without a convolution have format 1 and are read by every version."""

MOST_DIMENSIONS = 2**14

_MAX_SETTINGS_BYTES = 2**16
_LARGEST_FLOAT16 = float(np.finfo(np.float16).max)
_MODULES = [
    {
        "idx": 0,
        "name": "0",
        "path": "",
        "type": "sentence_transformers.sentence_transformer.modules.static_embedding.StaticEmbedding",
    },
    {
        "idx": 1,
        "name": "1",
        "path": "1_Normalize",
        "type": "sentence_transformers.base.modules.normalize.Normalize",
    },
]


@dataclasses.dataclass(frozen=True)
class TableParts:
    """What makes a token table.

    Parameters
    ----------
    table : ndarray of shape (n_tokens, dimension)
    tokenizer : tokenizers.Tokenizer or WordTokenizer
    bigrams : BigramTable or None
    table_dtype : {"float16", "int8"}
    convolution : Convolution, optional
    """

    table: np.ndarray
    tokenizer: Tokenizer | WordTokenizer
    bigrams: BigramTable | None
    table_dtype: str
    convolution: Convolution | None = None


@dataclasses.dataclass(frozen=True)
class _Settings:
    """What ``static.json`` says; the defaults are those of a folder without it."""

    table_dtype: str = "float16"
    bigrams: bool = False
    n_buckets: int | None = None
    """Number of buckets where tokens are whole words."""
    convolution: bool = False
    """Not told in format 1."""


_NAMES = [field.name for field in dataclasses.fields(_Settings)]


def is_static_folder(folder: str | Path) -> bool:
    """Return whether ``folder`` holds a token table as :func:`write_table` writes it."""
    listing = Path(folder) / "modules.json"
    if not listing.is_file():
        return False
    try:
        kinds = [module["type"].rpartition(".")[2] for module in read_json(listing)]
    except (ValueError, KeyError, TypeError, AttributeError):
        return False
    return kinds == ["StaticEmbedding", "Normalize"]


def write_table(folder: str | Path, parts: TableParts) -> None:
    """Write the folder, each file whole or not at all; what an earlier table left there is removed."""
    folder = Path(folder)
    (folder / "1_Normalize").mkdir(parents=True, exist_ok=True)
    for name in (SETTINGS, ARRAYS):
        (folder / name).unlink(missing_ok=True)
    plain = np.clip(parts.table, -_LARGEST_FLOAT16, _LARGEST_FLOAT16).astype(np.float16)
    _save_arrays({"embedding.weight": plain}, folder / "model.safetensors")
    tokenizer = parts.tokenizer.tokenizer if isinstance(parts.tokenizer, WordTokenizer) else parts.tokenizer
    with atomic_path(folder / "tokenizer.json") as temporary:
        tokenizer.save(str(temporary))
    general: dict[str, object] = {"prompts": {}, "default_prompt_name": None, "similarity_fn_name": "cosine"}
    write_json(folder / "config_sentence_transformers.json", general)
    if arrays := _own_arrays(parts):
        _save_arrays(arrays, folder / ARRAYS)
    n_buckets = parts.tokenizer.n_buckets if isinstance(parts.tokenizer, WordTokenizer) else None
    settings = _Settings(parts.table_dtype, parts.bigrams is not None, n_buckets, parts.convolution is not None)
    if settings != _Settings():
        told = dataclasses.asdict(settings)
        told = {name: told[name] for name in _NAMES[: None if settings.convolution else -1]}
        write_json(folder / SETTINGS, {"format": FORMAT if settings.convolution else 1, **told})
    write_json(folder / "modules.json", _MODULES)


def _own_arrays(parts: TableParts) -> dict[str, np.ndarray]:
    arrays: dict[str, np.ndarray] = {}
    if parts.table_dtype == "int8":
        arrays["rows"], arrays["scales"] = to_int8(parts.table)
    if parts.bigrams is not None:
        arrays["pairs"] = parts.bigrams.pairs
        if parts.table_dtype == "int8":
            arrays["bigram_rows"], arrays["bigram_scales"] = to_int8(parts.bigrams.table)
        else:
            arrays["bigram_rows"] = parts.bigrams.table.astype(np.float16)
    return arrays if parts.convolution is None else arrays | parts.convolution.arrays()


def _save_arrays(arrays: dict[str, np.ndarray], path: Path) -> None:
    with atomic_path(path) as temporary:
        save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, temporary)


def read_table(folder: str | Path) -> TableParts:
    """Read what :func:`write_table` wrote.

    Raises
    ------
    ModelFormatError
        If the folder is not a token table, is damaged, or was written by a later version.
    """
    folder = Path(folder)
    try:
        return _read(folder)
    except FewshotError as error:
        raise ModelFormatError(f"the token table in {str(folder)!r} cannot be opened: {error}") from None
    except Exception as error:  # tokenizers and safetensors raise classes of their own
        raise ModelFormatError(
            f"the token table in {str(folder)!r} cannot be opened: {type(error).__name__}: {error}"
        ) from None


def _read(folder: Path) -> TableParts:
    settings = _read_settings(folder)
    has_own = settings.table_dtype == "int8" or settings.bigrams or settings.convolution
    own = load_file(folder / ARRAYS) if has_own else {}
    if settings.table_dtype == "int8":
        table = _int8_table(own, "rows", "scales")
    else:
        table = _float_table(load_file(folder / "model.safetensors"), "embedding.weight")
    tokenizer, n_tokens = _read_tokenizer(folder / "tokenizer.json", settings.n_buckets)
    bigrams = None
    if settings.bigrams:
        int8 = settings.table_dtype == "int8"
        rows = _int8_table(own, "bigram_rows", "bigram_scales") if int8 else _float_table(own, "bigram_rows")
        bigrams = BigramTable(own["pairs"], rows, n_tokens=n_tokens)
    convolution = Convolution.from_arrays(own) if settings.convolution else None
    return TableParts(table, tokenizer, bigrams, settings.table_dtype, convolution)


def _read_settings(folder: Path) -> _Settings:
    if not (folder / SETTINGS).is_file():
        return _Settings()
    told = read_json(folder / SETTINGS, max_bytes=_MAX_SETTINGS_BYTES)
    number = told.get("format") if isinstance(told, dict) else None
    if type(number) is int and number > FORMAT:
        raise ModelFormatError(f"{SETTINGS} has format {number}, this version reads up to {FORMAT}; update")
    known = _NAMES[:-1] if number == 1 else _NAMES
    if type(number) is not int or not set(known) <= told.keys():
        raise ModelFormatError(f"{SETTINGS} is damaged: it must name format, {', '.join(sorted(known))}")
    settings = _Settings(**{name: told[name] for name in known})
    buckets_fit = settings.n_buckets is None or type(settings.n_buckets) is int
    flags = (settings.bigrams, settings.convolution)
    flags_fit = all(type(flag) is bool for flag in flags) and not all(flags)
    if settings.table_dtype not in TABLE_DTYPES or not flags_fit or not buckets_fit:
        raise ModelFormatError(f"{SETTINGS} is damaged: {settings}")
    return settings


def _read_tokenizer(path: Path, n_buckets: int | None) -> tuple[Tokenizer | WordTokenizer, int]:
    if path.stat().st_size > MAX_JSON_BYTES:
        raise ModelFormatError(f"{path.name} has {path.stat().st_size} bytes; at most {MAX_JSON_BYTES} are read")
    tokenizer = Tokenizer.from_file(str(path))
    if n_buckets is None:
        return tokenizer, tokenizer.get_vocab_size()
    numbers = tokenizer.get_vocab(with_added_tokens=False)
    words = sorted(numbers, key=numbers.__getitem__)
    if words[:1] != [UNKNOWN] or [numbers[word] for word in words] != list(range(len(words))):
        raise ModelFormatError(f"{path.name} does not number {UNKNOWN} and the words from 0 on")
    found = WordTokenizer(words[1:], n_buckets=n_buckets)
    return found, found.n_tokens


def _float_table(arrays: dict[str, np.ndarray], name: str) -> np.ndarray:
    table = arrays[name]
    if not np.issubdtype(table.dtype, np.floating):
        raise ModelFormatError(f"{name} must hold floating point numbers, got {table.dtype}")
    return _checked(table, name)


def _int8_table(arrays: dict[str, np.ndarray], name: str, scales_name: str) -> np.ndarray:
    rows, scales = _checked(arrays[name], name), arrays[scales_name]
    if rows.dtype != np.int8 or scales.dtype != np.float32 or scales.shape != (len(rows),):
        raise ModelFormatError(
            f"{name} must be int8 with a float32 scale a row, got {rows.dtype} of {rows.shape} and {scales.dtype} of "
            f"{scales.shape}"
        )
    return from_int8(rows, scales)


def _checked(table: np.ndarray, name: str) -> np.ndarray:
    if table.ndim != 2 or not 1 <= table.shape[1] <= MOST_DIMENSIONS:
        raise ModelFormatError(f"{name} must be a matrix of up to {MOST_DIMENSIONS} columns, got shape {table.shape}")
    return table
