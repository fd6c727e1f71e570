"""Label cells to labels: several in a cell, none, null, numbers that pandas made floats, and the user's label map.

The columns are found by ``loading``; this module knows only what stands in one of them.
"""

import ast
import contextlib
import dataclasses
import json
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fewshot.core.artifacts import read_json
from fewshot.core.errors import DataWarning, InputError, ModelFormatError
from fewshot.data.labels import LabelSpace
from fewshot.data.tables import is_missing
from fewshot.data.texts import Label

_LISTS = (list, tuple, set, frozenset, np.ndarray)


@dataclasses.dataclass(frozen=True)
class LabelColumn:
    """How the cells of one column are to be read.

    Parameters
    ----------
    where : str
        Source and column, for messages.
    multi_label : bool
        Whether a cell holds any number of labels, or one at most.
    separator : str
        Between labels in one cell of text; the empty string says that there is none.
    empty_labels : str, optional
        ``"unlabeled"``, ``"none"`` or ``None``: see :func:`~fewshot.data.loading.load_texts`.
    label_map : mapping, optional
        Raw name → class name.

    Examples
    --------
    >>> LabelColumn("memory", multi_label=True).read(["a | b", "", []], rows=[0, 1, 2])
    [('a', 'b'), None, ()]
    """

    where: str
    multi_label: bool
    separator: str = "|"
    empty_labels: str | None = None
    label_map: Mapping[Any, Label] | None = None

    def read(self, cells: Sequence[Any], *, rows: Sequence[int]) -> list[Any]:
        """Return one entry a cell: a label, a tuple of labels (multi-label), or ``None`` for *unlabeled*.

        Raises
        ------
        InputError
            If a cell cannot be read as labels, or strings and integers are mixed.
        """
        names = [self._names(cell, row) for cell, row in zip(cells, rows, strict=True)]
        self._warn_of_other_separators(names)
        if self.label_map is not None:
            names = self._mapped(names, self.label_map)
        entries = [self._entry(*parts) for parts in zip(names, cells, rows, strict=True)]
        self._check_one_type(entries, rows)
        if any(entry is not None and entry != () for entry in entries):
            LabelSpace.of([entry for entry in entries if entry is not None])  # warns of classes that look alike
        return entries

    def _warn_of_other_separators(self, names: list[list[Label] | None]) -> None:
        """Warn where names are made of others, with a sign between them that often separates labels."""
        if not self.separator:  # it was said that cells hold one name each
            return
        known = {name for group in names if group for name in group if isinstance(name, str)}
        for sign in (";", ",", "|", "/"):
            parts = {name: [part.strip() for part in name.split(sign)] for name in known if sign in name}
            made = [name for name in sorted(parts) if known.issuperset(parts[name])]
            if made:
                warnings.warn(
                    f"{self.where}: {made[0]!r} is made of other labels there; if it stands for several, say "
                    f"--label-separator {sign!r} --multi-label (label_separator, multi_label=True)",
                    DataWarning,
                    stacklevel=4,
                )
                return

    def _names(self, cell: Any, row: int) -> list[Label] | None:
        """Return the raw labels in a cell, each once and in order; ``None`` where it is missing."""
        if isinstance(cell, (set, frozenset)):
            cell = sorted(cell, key=str)
        if isinstance(cell, _LISTS):
            parts = [_name_of(part) for part in cell]
        elif is_missing(cell):
            return None
        elif isinstance(cell, str) and self.separator and self.separator in cell:
            parts = self._split(cell, row)
        else:
            parts = [cell]
        return list(dict.fromkeys(self._label(part, row) for part in parts if not is_missing(part)))

    def _split(self, cell: str, row: int) -> list[Any]:
        if self.multi_label:
            return [part.strip() for part in cell.split(self.separator)]
        raise InputError(
            f"{self.where}, row {row}: several labels in one cell, {cell!r}; pass multi_label=True "
            "(--multi-label), or another label_separator (--label-separator); label_separator='' says that "
            f"{self.separator!r} belongs to the name"
        )

    def _label(self, value: Any, row: int) -> Label:
        if isinstance(value, np.generic):
            value = value.item()
        if isinstance(value, float) and value.is_integer():
            return int(value)  # pandas writes integers beside missing cells as floats
        if isinstance(value, bool) or not isinstance(value, (str, int)):
            raise InputError(
                f"{self.where}, row {row}: a label must be a string or an integer, "
                f"got {value!r} ({type(value).__name__}); write its name instead"
            )
        return value

    def _mapped(self, names: list[list[Label] | None], label_map: Mapping[Any, Label]) -> list[list[Label] | None]:
        raw = dict.fromkeys(name for group in names if group for name in group)
        target = {name: label_map.get(name, label_map.get(str(name))) for name in raw}
        if raw and all(label is None for label in target.values()):
            raise InputError(
                f"label_map names none of the labels in {self.where}; labels there: "
                f"{', '.join(map(repr, list(raw)[:20]))}; label_map knows: {', '.join(map(repr, list(label_map)[:20]))}"
            )
        return [group and _once(target[name] for name in group) for group in names]

    def _entry(self, names: list[Label] | None, cell: Any, row: int) -> Any:
        if self.multi_label:
            return self._entry_of_many(names, cell)
        if names and len(names) > 1:
            raise InputError(
                f"{self.where}, row {row}: several labels {names!r} in single-label data; pass multi_label=True "
                "(--multi-label), or a label_map that keeps one of them"
            )
        return names[0] if names else None

    def _entry_of_many(self, names: list[Label] | None, cell: Any) -> tuple[Label, ...] | None:
        if names:
            return tuple(names)
        # A data frame writes the empty cell as NaN; None is JSON's null, which always means "unlabeled".
        empty = names is not None or cell is not None
        none_applies = self.empty_labels == "none" if names is None else self.empty_labels != "unlabeled"
        return () if empty and none_applies else None

    def _check_one_type(self, entries: Sequence[Any], rows: Sequence[int]) -> None:
        first: dict[type, tuple[Any, int]] = {}
        for entry, row in zip(entries, rows, strict=True):
            for label in entry if isinstance(entry, tuple) else () if entry is None else (entry,):
                first.setdefault(type(label), (label, row))
        if len(first) > 1:
            (one, row), (other, other_row) = first.values()
            raise InputError(
                f"{self.where} mixes strings and integers: {one!r} in row {row}, {other!r} in row {other_row}; "
                "use one type"
            )


def listed(cell: Any) -> Any:
    """Return the list that a cell of text is, written as JSON or as Python writes it; anything else unchanged.

    Examples
    --------
    >>> listed('["a", "b"]'), listed("['a']"), listed("[draft] a"), listed(3)
    (['a', 'b'], ['a'], '[draft] a', 3)
    """
    if not isinstance(cell, str) or not (cell.strip().startswith("[") and cell.strip().endswith("]")):
        return cell
    for read in (json.loads, ast.literal_eval):
        with contextlib.suppress(ValueError, SyntaxError, RecursionError, MemoryError):
            found = read(cell.strip())
            if isinstance(found, list) and all(isinstance(label, str | int) for label in found):
                return found
    return cell


def holds_lists(cells: Sequence[Any]) -> bool:
    """Return whether any cell is a list of labels.

    Examples
    --------
    >>> holds_lists(["a", None]), holds_lists([["a"], None])
    (False, True)
    """
    return any(isinstance(cell, _LISTS) for cell in cells)


def read_label_map(label_map: Mapping[Any, Label] | str | Path | None) -> Mapping[Any, Label] | None:
    """Return a checked label map, read from a JSON file if need be.

    Raises
    ------
    InputError
        If it is no object of raw name → class name.

    Examples
    --------
    >>> read_label_map({"type: bug": "bug"})
    {'type: bug': 'bug'}
    """
    where = "label_map"
    if isinstance(label_map, (str, Path)):
        where = f"label_map file {str(label_map)!r}"
        try:
            label_map = read_json(label_map)
        except ModelFormatError as error:
            raise InputError(f"label_map: {error}") from None
    if label_map is None:
        return None
    if not isinstance(label_map, Mapping) or not label_map:
        raise InputError(f"{where} must map raw names to class names, got {label_map!r}")
    for name, label in label_map.items():
        if isinstance(label, bool) or not isinstance(label, (str, int)):
            raise InputError(f"{where} maps {name!r} to {label!r}; expected a string or an integer")
    return label_map


def _name_of(part: Any) -> Any:
    """Return the name of a GitHub label object; anything else unchanged."""
    return part["name"] if isinstance(part, Mapping) and "name" in part else part


def _once(labels: Any) -> list[Label]:
    return list(dict.fromkeys(label for label in labels if label is not None))
