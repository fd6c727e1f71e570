"""The texts in a block of rows, and why some rows have none that can be predicted."""

from collections.abc import Sequence

from fewshot.core.errors import InputError
from fewshot.data.loading import is_github, text_columns, text_of_cells
from fewshot.data.row_blocks import RowBlock
from fewshot.data.tables import Table, is_missing, is_null
from fewshot.data.text_records import MAX_RECORD, is_text

EMPTY, MISSING, NOT_TEXT = "empty text", "missing text", "bytes that are no text"
TOO_LONG = f"too long: more than {MAX_RECORD:,} characters"


class TextReader:
    """Finds the text of rows.

    Parameters
    ----------
    columns : sequence of str
        Those of the source.
    text : sequence of str
        Columns of the text; several are joined as :func:`~fewshot.data.loading.load_texts` joins them, and the default
        ``("text",)`` finds the text of GitHub's issues, too.
    source : str
        Name for messages.
    is_named : bool, default True
        Whether the source names its columns; else its only one is the text.

    Raises
    ------
    InputError
        If a column of the text is not there; the message names those that are.

    Examples
    --------
    >>> reader = TextReader(["id", "text"], ["text"], "memory")
    >>> reader.read(RowBlock(0, 0, {"id": [1, 2, 3], "text": ["a", " ", ["b"]]}, {}))
    (['a', ' ', ''], {1: 'empty text', 2: 'a text must be a string, got list'})
    """

    def __init__(self, columns: Sequence[str], text: Sequence[str], source: str, *, is_named: bool = True) -> None:
        table = Table(tuple(columns), [], [], source, is_named=is_named)
        self.columns = text_columns(table, text[0] if len(text) == 1 else text)
        self._is_github = is_github(table) and "pull_request" in columns

    def read(self, block: RowBlock) -> tuple[list[str], dict[int, str]]:
        """Return one text a row, and by place in the block why some cannot be predicted."""
        cells = [block.cells(name) for name in self.columns]
        reasons: dict[int, str] = {}
        if len(cells) == 1 and set(map(type, cells[0])) == {str}:
            texts = list(cells[0])
        else:
            texts = [self._text(row, place, reasons) for place, row in enumerate(zip(*cells, strict=True))]
        together = "".join(texts)
        if "" in texts or any(map(str.isspace, texts)) or len(together) > MAX_RECORD:
            _note_unusable(texts, reasons)
        if not is_text(together):
            reasons |= {place: NOT_TEXT for place, text in enumerate(texts) if not is_text(text)}
        if self._is_github:
            requests = enumerate(block.cells("pull_request"))
            reasons |= {place: "pull request" for place, cell in requests if not is_missing(cell)}
        return texts, dict(sorted((reasons | block.broken).items()))

    def _text(self, row: Sequence[object], place: int, reasons: dict[int, str]) -> str:
        if all(map(is_null, row)):
            reasons[place] = MISSING
            return ""
        try:
            return text_of_cells(row, "")
        except InputError:
            kinds = [type(cell).__name__ for cell in row if not isinstance(cell, str) and not is_null(cell)]
            reasons[place] = f"a text must be a string, got {', '.join(kinds)}"
            return ""


def _note_unusable(texts: list[str], reasons: dict[int, str]) -> None:
    for place, text in enumerate(texts):
        if not text or text.isspace():
            reasons.setdefault(place, EMPTY)
        elif len(text) > MAX_RECORD:
            reasons[place] = TOO_LONG
