"""The page of a comparison: one HTML file that needs nothing else, to read on a phone, to print, to mail.

Everything that comes from outside is escaped, and a policy in the page forbids it to load anything. No date, no chance:
the same input gives the same bytes. How the HTML is put together stands in ``page``; what to show, here.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from fewshot.core.artifacts import write_text
from fewshot.evaluation.contest import COLUMNS, IDENTITY
from fewshot.evaluation.metrics import SCORES
from fewshot.evaluation.page import definitions, figure, folded, html_table, page, paragraphs, section
from fewshot.evaluation.tables import columns_of, readable_summary

Row = Mapping[str, Any]


def write_report(
    path: str | Path,
    *,
    title: str,
    rows: Sequence[Row],
    summary: Sequence[Row],
    data_description: Mapping[str, Any] | str,
    provenance: Mapping[str, Any],
    tables: Sequence[tuple[str, Sequence[Row]]] = (),
    figures: Sequence[tuple[str, bytes]] = (),
    notes: Sequence[str] = (),
) -> None:
    """Write a comparison as one self-contained HTML file, whole or not at all.

    Parameters
    ----------
    path : str or Path
        Where to write it.
    title : str
        Heading of the page.
    rows : sequence of mappings
        Result rows of ``run_comparison``.
    summary : sequence of mappings
        What ``summarize(rows)`` gives. The best of each score is marked within each slice.
    data_description : mapping or str
        What the texts are. A mapping becomes a list of names and values, text keeps its lines.
    provenance : mapping
        All that it takes to repeat the run: commands, versions, settings, hashes.
    tables : sequence of (str, sequence of mappings), optional
        More tables, each under its caption.
    figures : sequence of (str, bytes), optional
        PNG files, each above its caption.
    notes : sequence of str, optional
        What the reader must know first.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "report.html"
    >>> write_report(path, title="A & B", rows=[], summary=[], data_description="two texts", provenance={})
    >>> "<h1>A &amp; B</h1>" in path.read_text(encoding="utf-8")
    True
    """
    parts = [
        paragraphs(notes, kind="note"),
        _summary_section(summary),
        *(figure(caption, png) for caption, png in figures),
        *(section(caption, html_table(table, columns_of(table))) for caption, table in tables),
        _failures(rows),
        section("Data", definitions(data_description)),
        section("How to repeat this", definitions(provenance)),
        folded(f"All {len(rows)} cells", html_table(rows, COLUMNS)) if rows else "",
    ]
    write_text(path, page(title, parts))


def _summary_section(summary: Sequence[Row]) -> str:
    if not summary:
        return section("Summary", paragraphs(["There is no result."]))
    table = readable_summary(summary)
    legend = (
        "Scores in percent (mcc times 100), mean ± standard deviation over seeds; seconds are means. The best mean of "
        "each slice is marked. Click a heading to sort."
    )
    return section("Summary", paragraphs([legend]) + html_table(table, columns_of(table), marked=_best(summary)))


def _best(summary: Sequence[Row]) -> set[tuple[int, str]]:
    """Return (row, column) of the best mean of each score among the rows of each slice, where there is a contest."""
    slices: dict[Any, list[int]] = {}
    for number, row in enumerate(summary):
        slices.setdefault(row.get("slice"), []).append(number)
    marked: set[tuple[int, str]] = set()
    for numbers in slices.values():
        for score in SCORES:
            means = {n: mean for n in numbers if (mean := summary[n].get(f"{score}_mean")) is not None}
            if len(means) > 1:
                marked |= {(n, score) for n, mean in means.items() if mean == max(means.values())}
    return marked


def _failures(rows: Iterable[Row]) -> str:
    failed = [row for row in rows if row.get("status") == "failed"]
    if not failed:
        return ""
    told = "These cells gave no result. The same command tries them again."
    return section(f"Failed: {len(failed)}", paragraphs([told]) + html_table(failed, (*IDENTITY, "error")))
