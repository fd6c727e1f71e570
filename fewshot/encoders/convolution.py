"""What neighbouring tokens say together: one convolution over a text's rows, whose largest answers join their sum.

A sum of rows does not know in which order words stood; filters over three neighbours do, and at a table's speed, since
a filter's answer to a token is computed once for all places where it stands. NumPy alone.
"""

from collections.abc import Iterator

import numpy as np

from fewshot.core.errors import ModelFormatError

MOST_WIDTH, MOST_FILTERS = 15, 4096
SHORTEST = 1e-3
"""A shorter row has no direction worth reading; the most frequent tokens have rows three times as long."""

_TOKENS_AT_ONCE = 2**11
_LARGEST_FLOAT16 = float(np.finfo(np.float16).max)


class Convolution:
    """Filters over neighbouring tokens, the largest answer of each in a text, and what these answers add to its vector.

    Parameters
    ----------
    kernel : ndarray of shape (width, dimension, n_filters)
        What each filter looks for in the tokens before, at and after a place; ``width`` is odd. It reads the directions
        of the tokens' rows, not their lengths, which say how much a token weighs in the sum.
    bias : ndarray of shape (n_filters,)
    output : ndarray of shape (n_filters, dimension)
        What each filter adds to a text's vector, times its largest answer; answers below 0 count as 0.

    Attributes
    ----------
    kernel, bias, output
        As float32, rounded to the float16 that is saved.
    width, dimension, n_filters : int

    Raises
    ------
    ModelFormatError
        If shapes do not fit, there is too much of it, or it holds NaN or infinity.

    References
    ----------
    Kim 2014, "Convolutional Neural Networks for Sentence Classification", arXiv:1408.5882; as students: Tang et al.
    2019, arXiv:1903.12136.

    Examples
    --------
    A filter that looks for the second token right after the first:

    >>> kernel = np.zeros((3, 2, 1))
    >>> kernel[0, 0], kernel[1, 1] = 1, 1
    >>> filters = Convolution(kernel, np.array([-1.0]), np.array([[0.0, 9.0]]))
    >>> table = np.array([[0, 0], [5, 0], [0, 7]], dtype=np.float32)
    >>> filters.vectors(table, np.array([1, 2, 2, 1]), np.array([0, 2, 4, 4]))  # "1 2", "2 1" and an empty text
    array([[0., 9.],
           [0., 0.],
           [0., 0.]], dtype=float32)
    """

    def __init__(self, kernel: np.ndarray, bias: np.ndarray, output: np.ndarray) -> None:
        _check(kernel, bias, output)
        with np.errstate(over="ignore"):  # refused just below
            rounded = [array.astype(np.float16).astype(np.float32) for array in (kernel, bias, output)]
        if not all(np.isfinite(array).all() for array in rounded):
            raise ModelFormatError(
                f"the convolution holds NaN or numbers beyond {_LARGEST_FLOAT16:,.0f}; train it again"
            )
        self.kernel, self.bias, self.output = rounded
        self.width, self.dimension, self.n_filters = kernel.shape

    @property
    def size(self) -> int:
        """How many numbers there are."""
        return self.kernel.size + self.bias.size + self.output.size

    def arrays(self) -> dict[str, np.ndarray]:
        """Return what is saved, by name, as float16."""
        named = {"kernel": self.kernel, "bias": self.bias, "output": self.output}
        return {f"convolution_{name}": array.astype(np.float16) for name, array in named.items()}

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> "Convolution":
        """Return the one that :meth:`arrays` told of."""
        return cls(*(arrays[f"convolution_{name}"] for name in ("kernel", "bias", "output")))

    def vectors(self, table: np.ndarray, ids: np.ndarray, bounds: np.ndarray) -> np.ndarray:
        """Return what is added to each text's vector.

        Parameters
        ----------
        table : ndarray of shape (n_rows, dimension), float32
        ids : ndarray of shape (n_tokens,), integer
            Row numbers, one text after the other.
        bounds : ndarray of shape (n_texts + 1,), integer
            Where each text begins in ``ids``.

        Returns
        -------
        ndarray of shape (n_texts, dimension), float32
            Zeros for a text without tokens. The texts beside it change a text's vector by rounding alone.
        """
        largest = np.full((len(bounds) - 1, self.n_filters), -np.inf, dtype=np.float32)
        if len(ids):
            answers, at = self._answers(table, ids)
            places = _places(at, bounds, self.width, nowhere=len(answers[0]) - 1)
            room = np.empty((2, min(_TOKENS_AT_ONCE, len(ids)), self.n_filters), dtype=np.float32)
            for tokens, texts, starts in _blocks(bounds):
                found, more = room[:, : tokens.stop - tokens.start]
                # NumPy copies twice unless it may clip; all places are inside.
                answers[0].take(places[0][tokens], axis=0, out=found, mode="clip")
                for of_neighbour, place in zip(answers[1:], places[1:], strict=True):
                    found += of_neighbour.take(place[tokens], axis=0, out=more, mode="clip")
                largest[texts] = np.maximum(largest[texts], np.maximum.reduceat(found, starts, axis=0))
        return np.maximum(largest + self.bias, 0.0) @ self.output

    def _answers(self, table: np.ndarray, ids: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
        """Return the filters' answers to each token as each neighbour, a last row of zeros, and each token's row."""
        stands = np.zeros(len(table), dtype=bool)
        stands[ids] = True
        seen = np.flatnonzero(stands)
        row_of = np.empty(len(table), dtype=np.int64)
        row_of[seen] = np.arange(len(seen))
        rows = table[seen]
        directions = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), SHORTEST)
        answers = [np.zeros((len(seen) + 1, self.n_filters), dtype=np.float32) for _ in range(self.width)]
        for part, answer in zip(self.kernel, answers, strict=True):
            np.matmul(directions, part, out=answer[:-1])
        return answers, row_of[ids]


def _places(at: np.ndarray, bounds: np.ndarray, width: int, *, nowhere: int) -> list[np.ndarray]:
    """Return for each neighbour in turn which row each token sees there; ``nowhere`` beyond its text's ends."""
    lengths = np.diff(bounds)
    first, end = np.repeat(bounds[:-1], lengths), np.repeat(bounds[1:], lengths)
    here = np.arange(len(at))
    places = []
    for offset in range(-(width // 2), width // 2 + 1):
        there = here + offset
        inside = (there >= first) & (there < end)
        places.append(np.where(inside, at[there.clip(0, len(at) - 1)], nowhere))
    return places


def _blocks(bounds: np.ndarray) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
    """Cut tokens into blocks that stay in the processor's cache.

    Gives the tokens of each, the texts that have some there, and where these texts' tokens begin in the block. A long
    text stands in several.
    """
    texts = np.flatnonzero(np.diff(bounds))
    starts = np.asarray(bounds, dtype=np.int64)[texts]
    for start in range(0, int(bounds[-1]), _TOKENS_AT_ONCE):
        stop = min(start + _TOKENS_AT_ONCE, int(bounds[-1]))
        low, high = np.searchsorted(starts, start, side="right") - 1, np.searchsorted(starts, stop)
        yield slice(start, stop), texts[low:high], np.maximum(starts[low:high] - start, 0)


def _check(kernel: np.ndarray, bias: np.ndarray, output: np.ndarray) -> None:
    fits = kernel.ndim == 3 and kernel.shape[0] % 2 == 1 and kernel.size > 0
    if not fits or bias.shape != kernel.shape[2:] or output.shape != (kernel.shape[2], kernel.shape[1]):
        raise ModelFormatError(
            f"a convolution has a kernel of (width, dimension, filters) of odd width, a bias of (filters,) and an "
            f"output of (filters, dimension), got {kernel.shape}, {bias.shape} and {output.shape}"
        )
    if kernel.shape[0] > MOST_WIDTH or kernel.shape[2] > MOST_FILTERS:
        raise ModelFormatError(
            f"the convolution has {kernel.shape[2]} filters over {kernel.shape[0]} tokens; at most {MOST_FILTERS} over "
            f"{MOST_WIDTH} are read"
        )
    kinds = {str(array.dtype) for array in (kernel, bias, output) if not np.issubdtype(array.dtype, np.floating)}
    if kinds:
        raise ModelFormatError(f"a convolution holds floating point numbers, got {', '.join(sorted(kinds))}")
