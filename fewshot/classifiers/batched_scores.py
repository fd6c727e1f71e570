"""Scores of many texts by a model that takes a few at once.

Each text is read once, texts of like length together, and fewer at a time when memory runs out.
"""

from collections.abc import Callable, Hashable, Sequence
from typing import Any, TypeVar

import numpy as np
import torch

from fewshot.core.progress import track

Item = TypeVar("Item", bound=Hashable)


def batched_scores(
    forward: Callable[[list[Item]], np.ndarray],
    texts: Sequence[Item],
    n_columns: int,
    *,
    batch_size: int,
    description: str,
    length: Callable[[Any], int] = len,
    most: int | None = None,
) -> tuple[np.ndarray, int]:
    """Return the scores of texts, and the batch size that memory was enough for.

    Parameters
    ----------
    forward : callable
        ``forward(list of texts)`` returns scores ``(n_texts, n_columns)``.
    texts : sequence of str
        Or of whatever ``length`` can measure, such as pairs of texts.
    n_columns : int
    batch_size : int
        Texts a call; halved for good when torch is out of memory.
    description : str
        Label of the progress bar.
    length : callable, default=len
        How much there is to read of a text.
    most : int, optional
        So much to read a call, at most, once all texts of it are as long as the longest; one text is always read.

    Returns
    -------
    scores : ndarray of shape (n_texts, n_columns), float32
        Equal texts have equal rows.
    batch_size : int

    Raises
    ------
    torch.OutOfMemoryError
        If there is no memory for one text.

    Examples
    --------
    >>> def lengths(texts):
    ...     return np.array([[len(text)] for text in texts])
    >>> scores, batch_size = batched_scores(lengths, ["ab", "c", "ab"], 1, batch_size=2, description="counting")
    >>> scores.ravel(), batch_size
    (array([2., 1., 2.], dtype=float32), 2)
    """
    position = {text: row for row, text in enumerate(dict.fromkeys(texts))}
    unique = list(position)
    order = sorted(range(len(unique)), key=lambda row: (-length(unique[row]), row))  # a batch pads to its longest text
    scores = np.empty((len(unique), n_columns), dtype=np.float32)
    start = 0
    with track(description, total=len(unique)) as advance:
        while start < len(order):
            longest = max(1, length(unique[order[start]]))
            size = batch_size if most is None else max(1, min(batch_size, most // longest))
            rows = order[start : start + size]
            try:
                scores[rows] = forward([unique[row] for row in rows])
            except torch.OutOfMemoryError:
                if len(rows) == 1:
                    raise
                batch_size = len(rows) // 2
                torch.cuda.empty_cache()
                continue
            start += len(rows)
            advance(len(rows))
    return scores[[position[text] for text in texts]], batch_size
