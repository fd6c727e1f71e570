"""What one fitted method answered to each test text, and how that is kept in a few bytes a text.

Codes say nothing without their classes: both travel together, with a fingerprint of the test texts in their order.
Labels that no test text has are classes too, for a method may predict them.
"""

import base64
import binascii
import dataclasses
import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from fewshot.core.errors import ModelFormatError
from fewshot.data.labels import LabelSpace

FIELDS = {"texts", "n", "multi_label", "classes", "codes"}


@dataclasses.dataclass(frozen=True, eq=False)
class Predictions:
    """The answers of one fitted method to the test texts.

    Parameters
    ----------
    space : LabelSpace
        What the codes mean: every label of the test texts, and every label that was predicted.
    codes : ndarray of shape (n_texts,), or (n_texts, n_classes) of 0 and 1 in multi-label tasks
        One number, or one row, a test text.
    texts : str
        Fingerprint of the test texts in their order (``core.artifacts.fingerprint``).

    Examples
    --------
    >>> made = Predictions(LabelSpace(("neg", "new", "pos"), False), np.array([2, 1]), "3f2a")
    >>> made.labels
    ['pos', 'new']
    >>> made.to_json()["codes"], Predictions.from_json(made.to_json()).labels
    ('AgE=', ['pos', 'new'])
    """

    space: LabelSpace
    codes: np.ndarray
    texts: str

    @property
    def labels(self) -> list[Any]:
        """The predicted labels, one entry a test text, as the method gave them (in multi-label data: sorted tuples)."""
        return self.space.decode(self.codes)

    def codes_in(self, space: LabelSpace) -> np.ndarray:
        """Return the codes in a space that holds all of these classes.

        Examples
        --------
        >>> made = Predictions(LabelSpace(("b", "c"), False), np.array([0, 1]), "3f2a")
        >>> made.codes_in(LabelSpace(("a", "b", "c"), False))
        array([1, 2])
        """
        places = LabelSpace(space.classes, multi_label=False).encode(self.space.classes)
        if not space.multi_label:
            return places[self.codes]
        recoded = np.zeros((len(self.codes), len(space.classes)), dtype=self.codes.dtype)
        recoded[:, places] = self.codes
        return recoded

    def to_json(self) -> dict[str, Any]:
        """Return JSON values: codes in base64: 1, 2 or 4 bytes a text (little-endian), or 1 bit a text and class."""
        if self.space.multi_label:
            packed = np.packbits(self.codes.astype(np.uint8, copy=False)).tobytes()
        else:
            packed = self.codes.astype(_width(len(self.space.classes))).tobytes()
        return {
            "texts": self.texts,
            "n": len(self.codes),
            "multi_label": self.space.multi_label,
            "classes": list(self.space.classes),
            "codes": base64.b64encode(packed).decode("ascii"),
        }

    @classmethod
    def from_json(cls, value: Any) -> "Predictions":
        """Read what :meth:`to_json` made.

        Raises
        ------
        ModelFormatError
            If it is anything else: fields missing, classes that are not sorted labels of one type, codes of another
            length than the texts, or codes that name no class.
        """
        if not isinstance(value, dict) or set(value) != FIELDS or not _fields_fit(**value):
            raise ModelFormatError("predictions must have the fields texts, n, multi_label, classes and codes")
        space = LabelSpace(tuple(value["classes"]), value["multi_label"])
        try:
            packed = base64.b64decode(value["codes"], validate=True)
        except (binascii.Error, ValueError) as error:
            raise ModelFormatError(f"the codes of predictions are not base64: {error}") from None
        return cls(space, _unpacked(packed, value["n"], space), value["texts"])


def _width(n_classes: int) -> np.dtype[Any]:
    return np.min_scalar_type(max(n_classes - 1, 0)).newbyteorder("<")


def _unpacked(packed: bytes, n: int, space: LabelSpace) -> np.ndarray:
    n_classes = len(space.classes)
    size = -(-n * n_classes // 8) if space.multi_label else n * _width(n_classes).itemsize
    if len(packed) != size:
        raise ModelFormatError(f"the codes of predictions must have {size} bytes, got {len(packed)}")
    if space.multi_label:
        bits = np.unpackbits(np.frombuffer(packed, dtype=np.uint8), count=n * n_classes)
        return bits.reshape(n, n_classes)
    codes = np.frombuffer(packed, dtype=_width(n_classes))
    if codes.max() >= n_classes:
        raise ModelFormatError(f"the codes of predictions must be below {n_classes}, got {codes.max()}")
    return codes


def _fields_fit(*, texts: Any, n: Any, multi_label: Any, classes: Any, codes: Any) -> bool:
    whole = isinstance(n, int) and not isinstance(n, bool) and n > 0
    known = isinstance(multi_label, bool) and isinstance(classes, list) and (multi_label or bool(classes))
    return whole and known and isinstance(texts, str) and isinstance(codes, str) and _are_classes(classes)


def _are_classes(classes: Sequence[Any]) -> bool:
    kinds = {type(label) for label in classes}
    return kinds in (set(), {str}, {int}) and all(a < b for a, b in itertools.pairwise(classes))
