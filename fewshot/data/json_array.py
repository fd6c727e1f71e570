"""The elements of a JSON array of any length, of which one and a block of the file are in memory."""

import json
import re
from collections.abc import Iterator
from typing import IO, Any

from fewshot.core.errors import InputError

MAX_ELEMENT = 2**24
"""Characters after which an element that is not whole is given up."""

_BLOCK = 2**16
_DECODER = json.JSONDecoder()
_SPACE = re.compile(r"[ \t\n\r]*")


class JsonArray:
    """Reads a document sign by sign and element by element.

    Parameters
    ----------
    handle : text file
    source : str
        Name for messages.

    Examples
    --------
    >>> import io
    >>> array = JsonArray(io.StringIO('[{"text": "a"}, 12]'), "memory")
    >>> array.next_sign(), list(array.elements())
    ('[', [{'text': 'a'}, 12])
    """

    def __init__(self, handle: IO[str], source: str) -> None:
        self._handle, self._source = handle, source
        self._text, self._at, self._ended = "", 0, False

    def next_sign(self) -> str:
        """Take the next sign that is not white space; the empty string at the end."""
        self._skip_space()
        self._at += 1
        return self._text[self._at - 1 : self._at]

    def elements(self) -> Iterator[Any]:
        """Give the elements after the opening bracket, which was taken.

        Raises
        ------
        InputError
            Where the document is not valid; the elements before were given.
        """
        self._skip_space()
        if self._text[self._at : self._at + 1] == "]":
            return
        while True:
            yield self._element()
            sign = self.next_sign()
            if sign == "]":
                return
            if sign != ",":
                raise self._error(f"expected ',' or ']' after an element, got {sign!r}")

    def _element(self) -> Any:
        self._skip_space()
        size, failure = _BLOCK, ""
        while True:
            try:
                value, end = _DECODER.raw_decode(self._text, self._at)
            except (ValueError, RecursionError) as error:
                failure = str(error)
            else:
                if end < len(self._text) or self._ended:  # else a number might go on in the next block
                    self._at = end
                    return value
            if self._ended or len(self._text) - self._at > MAX_ELEMENT:
                raise self._error(failure or "an element that does not end")
            self._read(size)
            size *= 2

    def _skip_space(self) -> None:
        while True:
            match = _SPACE.match(self._text, self._at)
            self._at = match.end() if match else self._at
            if self._at < len(self._text) or self._ended:
                return
            self._read(_BLOCK)

    def _read(self, size: int) -> None:
        block = self._handle.read(size)
        self._text, self._at, self._ended = self._text[self._at :] + block, 0, not block

    def _error(self, reason: str) -> InputError:
        return InputError(f"{self._source} is not valid JSON ({reason}); a file of one object a line is .jsonl")
