"""Rows of a token table: sums over the tokens of texts, and rounding to what lies on disk.

Tokens of many texts stand in one array ``ids``, one text after the other; ``bounds`` says where each begins and the
last one ends: text ``i`` is ``ids[bounds[i] : bounds[i + 1]]``. SciPy adds up many texts twice as fast and is not
needed: NumPy alone gives the same sums to the last bit.
"""

import functools
from types import ModuleType

import numpy as np

from fewshot.core.errors import InputError, ModelFormatError

TABLE_DTYPES = ("float16", "int8")

MANY_TEXTS = 256
"""So many texts are worth the import of SciPy, where it is installed: a fifth of a second."""

_TOKENS_AT_ONCE = 2**12
_LARGEST_INT8 = 127
_SCALE_BITS = 16
_LEAST_SCALE = 1e-30


def sum_rows(table: np.ndarray, ids: np.ndarray, bounds: np.ndarray) -> np.ndarray:
    """Return the sum of each text's rows, added up from its first token to its last, in float32.

    Parameters
    ----------
    table : ndarray of shape (n_rows, dimension), float32
    ids : ndarray of shape (n_tokens,), int32
        Row numbers.
    bounds : ndarray of shape (n_texts + 1,), int32
        Where each text begins in ``ids``.

    Returns
    -------
    ndarray of shape (n_texts, dimension), float32
        Zeros for a text without tokens. A text's sum does not depend on the texts beside it.

    Examples
    --------
    >>> table = np.array([[1, 0], [0, 1]], dtype=np.float32)
    >>> sum_rows(table, np.array([0, 0, 1], dtype=np.int32), np.array([0, 2, 2, 3], dtype=np.int32))
    array([[2., 0.],
           [0., 0.],
           [0., 1.]], dtype=float32)
    """
    sparse = _scipy_sparse() if len(bounds) > MANY_TEXTS else None
    if sparse is None:
        return _sum_rows_alone(table, ids, bounds)
    counts = sparse.csr_array((np.ones(len(ids), dtype=np.float32), ids, bounds), shape=(len(bounds) - 1, len(table)))
    return counts @ table


@functools.cache
def _scipy_sparse() -> ModuleType | None:
    try:
        from scipy import sparse
    except ImportError:
        return None
    return sparse


def _sum_rows_alone(table: np.ndarray, ids: np.ndarray, bounds: np.ndarray) -> np.ndarray:
    """Add up as SciPy does: row after row, never in pairs, as NumPy would a single column."""
    sums = np.zeros((len(bounds) - 1, table.shape[1]), dtype=np.float32)
    ends = bounds.tolist()
    for text, total in enumerate(sums):
        for start in range(ends[text], ends[text + 1], _TOKENS_AT_ONCE):
            rows = table.take(ids[start : min(start + _TOKENS_AT_ONCE, ends[text + 1])], axis=0)
            rows[0] += total
            total[:] = np.add.reduce(rows, axis=0) if len(total) > 1 else np.add.accumulate(rows, axis=0)[-1]
    return sums


def check_table_dtype(table_dtype: str) -> None:
    """Raise :class:`InputError` unless ``table_dtype`` is one of :data:`TABLE_DTYPES`."""
    if table_dtype not in TABLE_DTYPES:
        raise InputError(f"table_dtype must be one of {', '.join(map(repr, TABLE_DTYPES))}, got {table_dtype!r}")


def rounded(table: np.ndarray, table_dtype: str) -> np.ndarray:
    """Return the table as float32, rounded to what is saved; a table rounded once stays as it is.

    Parameters
    ----------
    table : ndarray of shape (n_rows, dimension)
    table_dtype : {"float16", "int8"}

    Raises
    ------
    ModelFormatError
        If the rounded table holds NaN or infinity.
    """
    if table_dtype == "int8":
        table = from_int8(*to_int8(table))
    else:
        with np.errstate(over="ignore"):  # refused just below
            table = np.asarray(table, dtype=np.float16).astype(np.float32)
    if not np.isfinite(table).all():
        raise ModelFormatError(f"the token table holds NaN or numbers too large for {table_dtype}; train it again")
    return np.ascontiguousarray(table)


def to_int8(table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows as whole numbers from -127 to 127, and each row's scale.

    Returns
    -------
    rows : ndarray of shape (n_rows, dimension), int8
    scales : ndarray of shape (n_rows,), float32
        ``rows * scales[:, None]`` is the table, each entry within half a scale. Scales have 16 significant bits, so
        that the products are exact in float32 and a table that was rounded before comes out the same.

    Examples
    --------
    >>> rows, scales = to_int8(np.array([[0.5, -1.0], [0.0, 0.0]]))
    >>> rows.tolist(), scales.round(4).tolist()
    ([[63, -127], [0, 0]], [0.007899999618530273, 0.0])
    """
    table = np.asarray(table, dtype=np.float64)
    mantissa, exponent = np.frexp(np.abs(table).max(axis=1, initial=0.0) / _LARGEST_INT8)
    scales = np.ldexp(np.ceil(np.ldexp(mantissa, _SCALE_BITS)), exponent - _SCALE_BITS)
    scales = np.where(scales < _LEAST_SCALE, 0.0, scales)  # products of smaller ones would not be exact
    with np.errstate(invalid="ignore", over="ignore"):  # NaN and infinity stay in the scale
        rows = np.rint(np.divide(table, scales[:, None], out=np.zeros_like(table), where=scales[:, None] > 0))
        return rows.astype(np.int8), scales.astype(np.float32)


def from_int8(rows: np.ndarray, scales: np.ndarray) -> np.ndarray:
    """Return what :func:`to_int8` rounded, as float32 of shape (n_rows, dimension)."""
    with np.errstate(invalid="ignore"):
        return rows.astype(np.float32) * scales[:, None]
