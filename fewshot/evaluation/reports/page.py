"""Pieces of a self-contained HTML page: sections, sortable tables, figures, lists. Every text is escaped here.

What is on the page is left to ``report``, what is around it (style, script, policy) to ``shell``.
"""

import base64
import html
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fewshot.evaluation.reports.shell import in_shell
from fewshot.evaluation.tables import format_value, looks_numeric, sort_value

MOST_ROWS = 1000
LONGEST_TEXT = 300
LONG_TEXT = 24
"""Letters; a longer text is not broken after every word where room is scarce."""

MANY_COLUMNS = 12
"""A table of more is set smaller on paper."""

BROAD = 1200
"""Dots; a picture so wide is not made as small as a phone."""


def page(title: str, parts: Iterable[str]) -> str:
    """Return the whole page; ``parts`` are HTML, ``title`` is text."""
    body = "\n".join(part for part in parts if part)
    return in_shell(escaped(title), body)


def escaped(text: str) -> str:
    """Return text that shows as itself wherever it is put, even with halves of surrogate pairs in it.

    Examples
    --------
    >>> escaped("<b> & 'c'")
    '&lt;b&gt; &amp; &#x27;c&#x27;'
    """
    return html.escape(text.encode("utf-8", "replace").decode("utf-8"), quote=True)


def section(heading: str, body: str) -> str:
    """Return a section under a heading; ``body`` is HTML."""
    return f"<section><h2>{escaped(heading)}</h2>\n{body}</section>"


def folded(heading: str, body: str) -> str:
    """Return a part that opens on a click; ``body`` is HTML."""
    return f"<details><summary>{escaped(heading)}</summary>\n{body}</details>"


def paragraphs(texts: Iterable[str], *, kind: str = "text") -> str:
    """Return one paragraph a text."""
    return "".join(f'<p class="{kind}">{escaped(text)}</p>\n' for text in texts)


def figure(caption: str, png: bytes) -> str:
    """Return a picture that is part of the page, with its caption."""
    data = base64.b64encode(png).decode("ascii")
    text = escaped(caption)
    broad = ' class="broad"' if int.from_bytes(png[16:20], "big") >= BROAD else ""  # a PNG begins with its width
    picture = f'<img{broad} alt="{text}" src="data:image/png;base64,{data}">'
    box = f'<div class="scroll" tabindex="0" role="region" aria-label="picture">{picture}</div>'
    return f"<figure>{box}<figcaption>{text}</figcaption></figure>"


def definitions(values: Mapping[str, Any] | str) -> str:
    """Return names and values as a list; text, and values of several parts, keep their lines."""
    if isinstance(values, str):
        return f"<pre>{escaped(values)}</pre>"
    entries = "".join(f"<dt>{escaped(str(name))}</dt><dd>{_definition(value)}</dd>\n" for name, value in values.items())
    return f"<dl>\n{entries}</dl>"


def _definition(value: Any) -> str:
    if isinstance(value, Mapping):
        lines = [f"{name}: {_plain(part)}" for name, part in value.items()]
    elif isinstance(value, (list, tuple)):
        lines = [_plain(part) for part in value]
    else:
        lines = _plain(value).splitlines()
    text = escaped("\n".join(lines))
    return text if len(lines) < 2 and not isinstance(value, (Mapping, list, tuple)) else f"<pre>{text}</pre>"


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def html_table(
    rows: Sequence[Mapping[str, Any]],
    columns: Sequence[str],
    *,
    marked: Mapping[tuple[int, str], str] | None = None,
    name: str = "table",
) -> str:
    """Return a table that sorts by a click on a heading.

    Parameters
    ----------
    rows : sequence of mappings
        One a line; beyond ``MOST_ROWS`` they are counted, not shown.
    columns : sequence of str
        Which columns, in which order. Long texts are cut at ``LONGEST_TEXT`` characters.
    marked : mapping of (int, str) to {"best", "near"}, optional
        Row number and column of the cells that stand out: as the best (a star), or as near it (a tilde).
    name : str, default "table"
        What a reader who cannot see it is told that the box is in which the table scrolls.

    Returns
    -------
    str
        HTML.

    Examples
    --------
    >>> "<td>&lt;script&gt;</td>" in html_table([{"text": "<script>"}], ["text"])
    True
    """
    shown, marked = rows[:MOST_ROWS], marked or {}
    numeric = {column for column in columns if all(looks_numeric(row.get(column)) for row in shown)}
    heads = "".join(_head(column, column in numeric) for column in columns)
    lines = []
    for number, row in enumerate(shown):
        cells = (_cell(row.get(column), column in numeric, marked.get((number, column), "")) for column in columns)
        lines.append(f"<tr>{''.join(cells)}</tr>\n")
    many = ' class="many"' if len(columns) > MANY_COLUMNS else ""
    table = f"<table{many}><thead><tr>{heads}</tr></thead>\n<tbody>\n{''.join(lines)}</tbody></table>"
    rest = len(rows) - len(shown)
    more = paragraphs([f"{rest} more rows are left out here; they stand in the CSV file."]) if rest > 0 else ""
    return f'<div class="scroll" tabindex="0" role="region" aria-label="{escaped(name)}">{table}</div>\n{more}'


def _head(column: str, numeric: bool) -> str:
    attributes = ' class="number"' if numeric else ""
    shown = escaped(column).replace("_", "_<wbr>")
    return f'<th scope="col"{attributes}><button type="button">{shown}</button></th>'


def _cell(value: Any, numeric: bool, mark: str) -> str:
    text = format_value(value)
    if len(text) > LONGEST_TEXT:
        text = text[: LONGEST_TEXT - 1] + "…"
    width = "number" if numeric else "long" if len(text) > LONG_TEXT else ""
    kinds = " ".join(kind for kind in (width, mark) if kind)
    attributes = f' class="{kinds}"' if kinds else ""
    if numeric and text:
        attributes += f' data-v="{sort_value(value):.10g}"'
    return f"<td{attributes}>{escaped(text)}</td>"
