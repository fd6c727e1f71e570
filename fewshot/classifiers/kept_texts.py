"""Texts as arrays, for a model directory that shall hold them: safetensors knows numbers only."""

import operator
from collections.abc import Sequence

import numpy as np

from fewshot.core.errors import ModelFormatError


def pack_texts(texts: Sequence[str]) -> dict[str, np.ndarray]:
    """Return texts as two arrays: their UTF-8 bytes one after the other, and where each text ends.

    Examples
    --------
    >>> arrays = pack_texts(["é", ""])
    >>> arrays["texts"].tolist(), arrays["text_ends"].tolist()
    ([195, 169], [2, 2])
    >>> unpack_texts(arrays)
    ['é', '']
    """
    encoded = [text.encode("utf-8", "surrogatepass") for text in texts]
    ends = np.cumsum([len(data) for data in encoded], dtype=np.int64)
    return {"texts": np.frombuffer(b"".join(encoded), dtype=np.uint8), "text_ends": ends}


def unpack_texts(arrays: dict[str, np.ndarray]) -> list[str] | None:
    """Return the texts that :func:`pack_texts` took; ``None`` if ``arrays`` hold none.

    Raises
    ------
    ModelFormatError
        If the arrays are not what it gives.
    """
    if "texts" not in arrays:
        return None
    data, ends = arrays["texts"].tobytes(), arrays["text_ends"].astype(np.int64).tolist()
    starts = [0, *ends[:-1]]
    if not ends or any(map(operator.gt, starts, ends)) or ends[-1] != len(data):
        raise ModelFormatError("the training texts in the model are damaged: they do not end where they should")
    try:
        return [data[start:end].decode("utf-8", "surrogatepass") for start, end in zip(starts, ends, strict=True)]
    except UnicodeDecodeError as error:
        raise ModelFormatError(f"the training texts in the model are damaged: {error}") from None
