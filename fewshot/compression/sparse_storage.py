"""Weights with many zeros on disk: a bit for each number, and the values of those that are not zero; nothing is lost.

A file is a safetensors file: of an array ``NAME`` that is smaller so, ``NAME:mask`` has the bits and ``NAME:values``
the values; other arrays lie there as they are. Zeros make a file smaller, never a model faster: opened, the arrays are
whole again. A file of n bytes opens to less than 65 n, and what it says of itself is checked before it is believed.
"""

import gzip
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from fewshot.core.artifacts import atomic_path
from fewshot.core.errors import InputError, ModelFormatError, SourceNotFoundError, did_you_mean

FORMAT = "fewshot-sparse-1"
PRECISIONS = ("as is", "float16")
MOST_BYTES = 64 * 2**30
"""Bytes of all opened arrays together, at most."""

_MASK, _VALUES = ":mask", ":values"
_BITS = {2: np.uint16, 4: np.uint32, 8: np.uint64}


def save_sparse(
    arrays: Mapping[str, np.ndarray],
    path: str | Path,
    *,
    precision: str = "as is",
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write arrays of floating-point numbers, zeros left out where that is smaller, whole or not at all.

    Parameters
    ----------
    arrays : mapping of str to ndarray
        Of float16, float32 or float64; other kinds are written as they are. No name holds ``":"``.
    path : str or Path
    precision : {"as is", "float16"}, default="as is"
        ``"float16"`` rounds values of float32 and float64 to half precision, in which they are stored; they open in
        their own type.
    metadata : mapping of str to str, optional
        Kept with the arrays.

    Raises
    ------
    InputError
        If a name holds ``":"``, or a value is too large for half precision.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "weights.safetensors"
    >>> weight = np.random.default_rng(0).normal(size=(100, 100)).astype(np.float32)
    >>> weight[:, 20:] = 0
    >>> save_sparse({"weight": weight}, path)
    >>> np.array_equal(load_sparse(path)["weight"], weight), path.stat().st_size < 0.25 * weight.nbytes
    (True, True)
    """
    if precision not in PRECISIONS:
        raise InputError(
            f"precision must be one of {', '.join(PRECISIONS)}, got {precision!r}.{did_you_mean(precision, PRECISIONS)}"
        )
    stored: dict[str, np.ndarray] = {}
    listing: dict[str, dict[str, Any]] = {}
    for name, array in arrays.items():
        if ":" in name:
            raise InputError(f"arrays: the name {name!r} holds a colon, by which masks and values are known")
        parts = _packed(name, np.ascontiguousarray(array).reshape(array.shape), precision)
        stored |= parts
        listing[name] = {"shape": list(array.shape), "dtype": array.dtype.name, "sparse": name not in parts}
    told = {"format": FORMAT, "arrays": json.dumps(listing), "metadata": json.dumps(dict(metadata or {}))}
    with atomic_path(path) as temporary:
        save_file(stored, temporary, metadata=told)


def _packed(name: str, array: np.ndarray, precision: str) -> dict[str, np.ndarray]:
    """Return what is stored of an array: itself, or mask and values where these take less."""
    if array.dtype.kind != "f":
        return {name: array}
    value_type = np.dtype(np.float16) if precision == "float16" else array.dtype
    values = _rounded(name, array.reshape(-1), value_type)
    kept = values.view(_BITS[values.itemsize]) != 0  # of a negative zero, too, one bit is not zero
    if values.nbytes <= math.ceil(len(values) / 8) + int(kept.sum()) * values.itemsize:
        return {name: values.reshape(array.shape)}
    return {f"{name}{_MASK}": np.packbits(kept), f"{name}{_VALUES}": values[kept]}


def _rounded(name: str, values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    with np.errstate(over="ignore"):
        rounded = values.astype(dtype, copy=False)
    if np.isinf(rounded).sum() > np.isinf(values).sum():
        raise InputError(f"arrays: {name!r} holds values above 65504, too large for float16; take precision='as is'")
    return rounded


def load_sparse(path: str | Path, *, max_bytes: int = MOST_BYTES) -> dict[str, np.ndarray]:
    """Return the arrays of a file that :func:`save_sparse` wrote.

    Parameters
    ----------
    path : str or Path
    max_bytes : int, default=64 GiB
        Refuse a file whose arrays take more.

    Returns
    -------
    dict of str to ndarray
        Bit by bit those that were written, values rounded to float16 apart.

    Raises
    ------
    SourceNotFoundError
        If there is no such file.
    ModelFormatError
        If it is of another kind, damaged or altered, or opens to more than ``max_bytes``.
    """
    return _load(path, max_bytes)[0]


def sparse_metadata(path: str | Path) -> dict[str, str]:
    """Return the metadata that :func:`save_sparse` was given. Raises as :func:`load_sparse`."""
    _, told = _opened(path)
    try:
        found = json.loads(told["metadata"])
        return {str(name): str(value) for name, value in found.items()}
    except (KeyError, ValueError, AttributeError) as error:
        raise _damaged(path, f"its metadata cannot be read ({error})") from None


def _load(path: str | Path, max_bytes: int) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    stored, told = _opened(path)
    try:
        listing = {
            str(name): (tuple(int(n) for n in entry["shape"]), np.dtype(str(entry["dtype"])), bool(entry["sparse"]))
            for name, entry in json.loads(told["arrays"]).items()
        }
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise _damaged(path, f"its listing cannot be read ({type(error).__name__}: {error})") from None
    needed = sum(math.prod(shape) * dtype.itemsize for shape, dtype, _ in listing.values())
    if needed > max_bytes or any(n < 0 for shape, _, _ in listing.values() for n in shape):
        raise _damaged(path, f"it says that its arrays take {needed} bytes; at most {max_bytes} are opened")
    expected = {part for name, (_, _, sparse) in listing.items() for part in _parts(name, sparse)}
    if expected != set(stored):
        odd = min(expected ^ set(stored))
        raise _damaged(path, f"its listing and its arrays differ in {odd!r}")
    return {name: _unpacked(path, name, stored, *entry) for name, entry in listing.items()}, told


def _opened(path: str | Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    path = Path(path)
    if not path.is_file():
        raise SourceNotFoundError(f"no file {str(path)!r}")
    try:
        with safe_open(str(path), framework="numpy") as file:
            told = dict(file.metadata() or {})
            if told.get("format") != FORMAT:
                raise ModelFormatError(
                    f"{str(path)!r} is no file of sparse weights: its format is {told.get('format')!r}, not {FORMAT!r}"
                )
            return {name: file.get_tensor(name) for name in file.keys()}, told  # noqa: SIM118 - it is no mapping
    except (SafetensorError, OSError, ValueError, TypeError, KeyError) as error:
        if isinstance(error, ModelFormatError):
            raise
        raise _damaged(path, f"safetensors says: {error}") from None


def _unpacked(
    path: str | Path, name: str, stored: Mapping[str, np.ndarray], shape: tuple[int, ...], dtype: np.dtype, sparse: bool
) -> np.ndarray:
    if not sparse:
        if stored[name].shape != shape:
            raise _damaged(path, f"{name!r} has the shape {stored[name].shape}, not {shape}")
        return _widened(path, name, stored[name], dtype)
    mask, values = stored[f"{name}{_MASK}"], _widened(path, name, stored[f"{name}{_VALUES}"], dtype)
    size = math.prod(shape)
    if mask.dtype != np.uint8 or mask.shape != (math.ceil(size / 8),) or values.ndim != 1:
        raise _damaged(path, f"the mask of {name!r} does not fit its shape {shape}")
    bits = np.unpackbits(mask).view(bool)
    if bits[size:].any() or int(bits.sum()) != len(values):
        raise _damaged(path, f"the mask of {name!r} asks for {int(bits.sum())} values, and there are {len(values)}")
    array = np.zeros(size, dtype=dtype)
    array[bits[:size]] = values
    return array.reshape(shape)


def _widened(path: str | Path, name: str, values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Return values in their own type; only half precision may have been stored in its place."""
    if values.dtype == dtype:
        return values
    if values.dtype != np.float16 or dtype.kind != "f":
        raise _damaged(path, f"{name!r} is of {values.dtype.name}, not {dtype.name}")
    return values.astype(dtype)


def _parts(name: str, sparse: bool) -> tuple[str, ...]:
    return (f"{name}{_MASK}", f"{name}{_VALUES}") if sparse else (name,)


def _damaged(path: str | Path, why: str) -> ModelFormatError:
    return ModelFormatError(f"the sparse weights in {str(path)!r} are damaged or were altered: {why}")


def stored_sizes(arrays: Mapping[str, np.ndarray], folder: str | Path) -> dict[str, int]:
    """Return the bytes of arrays as they are, compressed with gzip, and as :func:`save_sparse` writes them.

    Parameters
    ----------
    arrays : mapping of str to ndarray
    folder : str or Path
        For a file that is removed again.

    Returns
    -------
    dict of str to int
        ``dense``, ``gzip``, ``sparse`` and ``sparse_float16``.
    """
    sizes = {"dense": sum(array.nbytes for array in arrays.values())}
    sizes["gzip"] = sum(len(gzip.compress(np.ascontiguousarray(array).tobytes(), 6)) for array in arrays.values())
    for name, precision in (("sparse", "as is"), ("sparse_float16", "float16")):
        path = Path(folder) / f"{name}.safetensors"
        save_sparse(arrays, path, precision=precision)
        sizes[name] = path.stat().st_size
        path.unlink()
    return sizes
