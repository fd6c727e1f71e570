"""What a file of predictions holds: the columns of the input under names that collide with none of ours, and ours."""

import dataclasses
import io
import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from fewshot.data.labels import LabelSpace
from fewshot.data.row_blocks import RowBlock
from fewshot.data.row_sources import RowSource
from fewshot.data.row_writers import Columns, Layout
from fewshot.recipes.judging import Answers

CONFIDENCE = "confidence"
_OURS = ("label", "labels", CONFIDENCE)


class OutputColumns:
    """Turns blocks of rows and their answers into the columns of the files written.

    Parameters
    ----------
    rows : RowSource
    space : LabelSpace
        Of the classifier.
    named : str
        A name that says the format of the output.
    separator : str
        Between several labels of one cell.

    Attributes
    ----------
    layouts : dict of str to Layout
        Of the output (``part``), of rows left without a label (``review``) and of rejected ones.

    Raises
    ------
    InputError
        If a class name holds the separator that would stand between several of them.
    """

    def __init__(self, rows: RowSource, space: LabelSpace, named: str, separator: str) -> None:
        self._names = kept_names(rows.columns)
        self._column = "labels" if space.multi_label else "label"
        columns = [*self._names.values(), self._column, CONFIDENCE]
        self._row = "row"
        while self._row in columns:
            self._row += "_number"
        joined = {"labels", *(new for name, new in self._names.items() if name == "labels")}
        schema = self._schema(rows, space) if named.endswith((".parquet", ".parquet.gz")) else None
        self.layouts = {
            "part": Layout(named, columns, separator=separator, joined=joined, schema=schema),
            "review": Layout(
                named, [self._row, *columns], separator=separator, joined=joined, schema=_with_number(schema, self._row)
            ),
            "rejected": Layout("rejected.csv", ["row", "reason"]),
        }
        trial = Layout(named, [self._column], separator=separator)
        if space.multi_label and trial.form in ("csv", "tsv"):  # found now, not at the first row of such a class
            trial.writer(io.BytesIO()).write({self._column: [list(space.classes)]})

    def of(self, block: RowBlock, good: Sequence[int], answers: Answers) -> "BlockColumns":
        """Return the columns of one block, of which the rows at the places ``good`` were answered."""
        given = {new: block.columns[name] for name, new in self._names.items()}
        if len(good) < len(block):
            answers = _spread(answers, good, len(block))
        return BlockColumns(block.start, given, answers, self._column, self._row)

    def _schema(self, rows: RowSource, space: LabelSpace) -> Any:
        import pyarrow as pa

        types = [pa.string()] * len(self._names) if rows.schema is None else rows.schema.types
        label = pa.int64() if isinstance(space.classes[0], int) else pa.string()
        ours = {self._column: pa.list_(label) if space.multi_label else label, CONFIDENCE: pa.float64()}
        return pa.schema([*zip(self._names.values(), types, strict=True), *ours.items()])


@dataclasses.dataclass(frozen=True)
class BlockColumns:
    """The columns of one block.

    Parameters
    ----------
    start : int
        Number of the first row.
    given : dict of str to sequence
        Columns of the input.
    answers : Answers
        One a row; ``None`` where a row was rejected.
    column, row : str
        What the columns of the label and, among rows for review, of the row's number are called.
    """

    start: int
    given: Columns
    answers: Answers
    column: str
    row: str

    @property
    def rows(self) -> dict[str, Sequence[Any]]:
        """All rows, as they are written."""
        return {**self.given, self.column: self._labels, CONFIDENCE: self.answers.confidence}

    @property
    def _labels(self) -> list[Any]:
        answers = self.answers
        if all(answers.kept):
            return answers.labels
        return [label if keep else None for label, keep in zip(answers.labels, answers.kept, strict=True)]

    @property
    def _abstained(self) -> list[int]:
        return [place for place, keep in enumerate(self.answers.kept) if keep is False]

    @property
    def n_abstained(self) -> int:
        """How many rows are left without a label though they could be predicted."""
        return self.answers.kept.count(False)

    def rejected(self, reasons: Mapping[int, str]) -> dict[str, list[Any]]:
        """Return number and reason of the rows at these places."""
        return {"row": [self.start + place for place in reasons], "reason": list(reasons.values())}

    def review(self) -> dict[str, Sequence[Any]]:
        """Return the rows that are left without a label, with the label that they would have had."""
        places = self._abstained
        columns = {**self.given, self.column: self.answers.labels, CONFIDENCE: self.answers.confidence}
        taken = {name: _taken(cells, places) for name, cells in columns.items()}
        return {self.row: [self.start + place for place in places], **taken}

    def counts(self) -> Counter[Any]:
        """Return how often each label is given."""
        given = [label for label in self._labels if label is not None]
        return Counter(itertools.chain.from_iterable(given) if self.column == "labels" else given)


def kept_names(columns: Sequence[str]) -> dict[str, str]:
    """Return a name for each input column that leaves ``label``, ``labels`` and ``confidence`` to the prediction.

    Examples
    --------
    >>> kept_names(["text", "label", "label_given"])
    {'text': 'text', 'label': 'label_given_given', 'label_given': 'label_given'}
    """
    names: dict[str, str] = {}
    for name in columns:
        new = name
        while new in _OURS or (new != name and (new in columns or new in names.values())):
            new = f"{new}_given"
        names[name] = new
    return names


def _with_number(schema: Any, name: str) -> Any:
    if schema is None:
        return None
    import pyarrow as pa

    return pa.schema([(name, pa.int64()), *schema])


def _spread(answers: Answers, places: Sequence[int], n: int) -> Answers:
    """Put answers at their places among ``n`` rows, and ``None`` elsewhere."""
    spread: list[list[Any]] = []
    for values in (answers.labels, answers.confidence, answers.kept):
        row: list[Any] = [None] * n
        for place, value in zip(places, values, strict=True):
            row[place] = value
        spread.append(row)
    return Answers(*spread)


def _taken(cells: Any, places: list[int]) -> Any:
    return [cells[place] for place in places] if isinstance(cells, list) else cells.take(places)
