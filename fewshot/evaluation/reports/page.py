"""Pieces of a self-contained HTML page: sections, sortable tables, figures, lists. Every text is escaped here.

What is on the page is left to ``report``.
"""

import base64
import html
import json
from collections.abc import Iterable, Mapping, Sequence
from string import Template
from typing import Any

from fewshot.evaluation.tables import format_value, looks_numeric, sort_value

MOST_ROWS = 1000
LONGEST_TEXT = 300

STYLE = """
:root { color-scheme: light; }
body { font: 16px/1.5 system-ui, sans-serif; color: #1b1b1b; background: #fff; margin: 0 auto; max-width: 76rem;
  padding: 1rem; }
h1 { font-size: 1.6rem; line-height: 1.2; } h2 { font-size: 1.2rem; margin: 2rem 0 .5rem; }
.note { background: #fff6dd; border-left: 4px solid #e69f00; padding: .5rem .75rem; margin: .5rem 0; }
.lead { font-size: 1.1rem; margin: .25rem 0; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .875rem; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .6rem; border-bottom: 1px solid #ddd; text-align: left; vertical-align: top; }
td { max-width: 32rem; overflow-wrap: anywhere; } td:first-child { min-width: 8rem; }
.number { text-align: right; white-space: nowrap; }
th button { all: unset; cursor: pointer; font-weight: 600; white-space: nowrap; }
th button:focus-visible { outline: 2px solid #0072b2; }
th[aria-sort=ascending] button::after { content: " \\25B2"; }
th[aria-sort=descending] button::after { content: " \\25BC"; }
.best { font-weight: 700; background: #e2f3ec; } .best::before { content: "\\2605\\A0"; color: #00664b; }
.near { background: #f1f8f5; } .near::before { content: "~\\A0"; color: #00664b; }
figure { margin: 1.5rem 0; } img { max-width: 100%; height: auto; } figcaption { color: #444; }
dt { font-weight: 600; } dd { margin: 0 0 .5rem; }
pre { background: #f5f5f5; padding: .5rem; margin: 0; white-space: pre-wrap; overflow-wrap: anywhere; }
summary { cursor: pointer; font-weight: 600; margin: 2rem 0 .5rem; }
@media print { body { font-size: 11px; max-width: none; } .scroll { overflow: visible; }
  tr, figure { break-inside: avoid; } }
"""

SCRIPT = """
const value = (row, i) => { const cell = row.cells[i]; return cell.dataset.v ?? cell.textContent; };
const order = (a, b) => (a === "" || b === "" ? (a === "") - (b === "") : isNaN(a) || isNaN(b) ? 0 : a - b)
  || a.localeCompare(b);
document.querySelectorAll("th button").forEach(button => button.addEventListener("click", () => {
  const head = button.parentNode, body = head.closest("table").tBodies[0];
  const up = head.getAttribute("aria-sort") !== "ascending";
  for (const other of head.parentNode.cells) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", up ? "ascending" : "descending");
  const i = head.cellIndex, sign = up ? 1 : -1;
  [...body.rows].sort((a, b) => sign * order(value(a, i), value(b, i))).forEach(row => body.append(row));
}));
"""

PAGE = Template("""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>$style</style>
</head>
<body>
<h1>$title</h1>
$body
<script>$script</script>
</body>
</html>
""")


def page(title: str, parts: Iterable[str]) -> str:
    """Return the whole page; ``parts`` are HTML, ``title`` is text."""
    body = "\n".join(part for part in parts if part)
    return PAGE.substitute(title=escaped(title), style=STYLE, script=SCRIPT, body=body)


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
    return f'<figure><img alt="{text}" src="data:image/png;base64,{data}"><figcaption>{text}</figcaption></figure>'


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
    rows: Sequence[Mapping[str, Any]], columns: Sequence[str], *, marked: Mapping[tuple[int, str], str] | None = None
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
    numeric = {name for name in columns if all(looks_numeric(row.get(name)) for row in shown)}
    heads = "".join(f'<th scope="col"><button type="button">{escaped(name)}</button></th>' for name in columns)
    lines = []
    for number, row in enumerate(shown):
        cells = (_cell(row.get(name), name in numeric, marked.get((number, name), "")) for name in columns)
        lines.append(f"<tr>{''.join(cells)}</tr>\n")
    table = f"<table><thead><tr>{heads}</tr></thead>\n<tbody>\n{''.join(lines)}</tbody></table>"
    rest = len(rows) - len(shown)
    more = paragraphs([f"{rest} more rows are left out here; they stand in the CSV file."]) if rest > 0 else ""
    return f'<div class="scroll">{table}</div>\n{more}'


def _cell(value: Any, numeric: bool, mark: str) -> str:
    text = format_value(value)
    if len(text) > LONGEST_TEXT:
        text = text[: LONGEST_TEXT - 1] + "…"
    kinds = " ".join(kind for kind in ("number" if numeric else "", mark) if kind)
    attributes = f' class="{kinds}"' if kinds else ""
    if numeric and text:
        attributes += f' data-v="{sort_value(value):.10g}"'
    return f"<td{attributes}>{escaped(text)}</td>"
