"""The page of a comparison: one HTML file that needs nothing else, to read on a phone, to print, to mail.

Everything that comes from outside is escaped, and a policy in the page forbids it to load anything. No date, no chance:
the same input gives the same bytes. How the HTML is put together stands in ``page``; what to show, here.
"""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from fewshot.core.artifacts import write_text
from fewshot.evaluation.metrics import COMPARED, SCORES
from fewshot.evaluation.reports.page import definitions, figure, folded, html_table, page, paragraphs, section
from fewshot.evaluation.runner.contest import COLUMNS, FOLD, IDENTITY
from fewshot.evaluation.statistics.contrasts import BEST, CONTRAST_COLUMNS, NEAR
from fewshot.evaluation.tables import columns_of, readable_summary

Row = Mapping[str, Any]

TOLD_ELSEWHERE = ("fit_seconds", "predict_seconds")
"""Columns of the summary that have a table of their own."""

MARKS = {BEST: "best", NEAR: "near"}
TELLING = (
    " ~ not distinguishable from it: on these seeds and test texts, such a difference may well be chance (level 95 %, "
    "corrected for the number of methods). No mark: worse, or not compared. Mcc is marked by its mean alone."
)
ONE_SEED = " There is one seed: that another draw of training texts may turn the order is not in this."


class Titled(NamedTuple):
    """A table of the page: its heading, its rows, and what to know before reading it."""

    heading: str
    rows: Sequence[Row]
    told: str = ""


def write_report(
    path: str | Path,
    *,
    title: str,
    rows: Sequence[Row],
    summary: Sequence[Row],
    contrasts: Sequence[Row] = (),
    data_description: Mapping[str, Any] | str,
    provenance: Mapping[str, Any],
    tables: Sequence[Titled | tuple[str, Sequence[Row]]] = (),
    figures: Sequence[tuple[str, bytes]] = (),
    lead: Sequence[str] = (),
    notes: Sequence[str] = (),
    n_missing: int = 0,
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
        What ``summarize(rows, contrasts)`` gives. The best of each score is marked within each slice, and what cannot
        be told from it.
    contrasts : sequence of mappings, optional
        What ``contrasts.contrast_methods`` gives.
    data_description : mapping or str
        What the texts are. A mapping becomes a list of names and values, text keeps its lines.
    provenance : mapping
        All that it takes to repeat the run: commands, versions, settings, hashes.
    tables : sequence of Titled or (str, sequence of mappings), optional
        More tables, each under its heading.
    figures : sequence of (str, bytes), optional
        PNG files, each above its caption, which also tells what it shows to who cannot see it.
    lead : sequence of str, optional
        What was found, in sentences.
    notes : sequence of str, optional
        What the reader must know before believing it.
    n_missing : int, default 0
        How many cells have no result yet. The page says so first, and in its title.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "report.html"
    >>> write_report(path, title="A & B", rows=[], summary=[], data_description="two texts", provenance={})
    >>> "<h1>A &amp; B</h1>" in path.read_text(encoding="utf-8")
    True
    """
    parts = [
        _unfinished(n_missing, len(rows)),
        paragraphs(lead, kind="lead"),
        paragraphs(notes, kind="note"),
        _summary_section(summary),
        *(figure(caption, png) for caption, png in figures),
        *(_table_section(Titled(*table)) for table in tables),
        _failures(rows),
        section("Data", definitions(data_description)),
        section("How to repeat this", definitions(provenance)),
        _contrasts_section(contrasts),
        folded(f"All {len(rows)} cells", html_table(rows, (*COLUMNS, *_of_folds(rows)), name="cells")) if rows else "",
    ]
    write_text(path, page(f"{title} (unfinished)" if n_missing else title, parts))


def _unfinished(n_missing: int, n_done: int) -> str:
    if not n_missing:
        return ""
    told = f"Unfinished: {n_missing:,} of {n_missing + n_done:,} cells are missing. "
    return paragraphs([f"{told}What is said here is of the others alone, and may change."], kind="note unfinished")


def _table_section(table: Titled) -> str:
    told = paragraphs([table.told] if table.told else [])
    return section(table.heading, told + html_table(table.rows, columns_of(table.rows), name=table.heading))


def _summary_section(summary: Sequence[Row]) -> str:
    if not summary:
        return section("Summary", paragraphs(["There is no result."]))
    left_out = {*TOLD_ELSEWHERE, *(() if any(row["n_failed"] for row in summary) else ("n_failed",))}
    table = readable_summary({name: row[name] for name in row if name not in left_out} for row in summary)
    marks = _marks(summary)
    legend = [
        "Scores in percent (mcc times 100), mean ± standard deviation over seeds.",
        f"★ the best mean of its slice.{_telling(summary)}",
    ]
    hint = paragraphs(["Every table sorts by a click on a heading, or Enter on it."], kind="hint")
    return section(
        "Summary", paragraphs(legend) + hint + html_table(table, columns_of(table), marked=marks, name="summary")
    )


def _telling(summary: Sequence[Row]) -> str:
    judged = [row for row in summary if any(row.get(f"{score}_verdict") for score in COMPARED)]
    if not judged:
        return ""
    return TELLING + (ONE_SEED if any(row.get("n_seeds") == 1 for row in judged) else "")


def _marks(summary: Sequence[Row]) -> dict[tuple[int, str], str]:
    """Return the mark of (row, column) for what stands out in its slice: by its verdict, else by its mean alone."""
    slices: dict[Any, list[int]] = {}
    for number, row in enumerate(summary):
        slices.setdefault(row.get("slice"), []).append(number)
    marks: dict[tuple[int, str], str] = {}
    for numbers, score in itertools.product(slices.values(), SCORES):
        verdicts = {n: summary[n].get(f"{score}_verdict") for n in numbers}
        if not any(verdicts.values()):
            verdicts = dict.fromkeys(_best(summary, numbers, score), BEST)
        marks |= {(n, score): MARKS[verdict] for n, verdict in verdicts.items() if verdict in MARKS}
    return marks


def _best(summary: Sequence[Row], numbers: Iterable[int], score: str) -> list[int]:
    """Return which of these rows have the best mean, where there is a contest."""
    means = {n: mean for n in numbers if (mean := summary[n].get(f"{score}_mean")) is not None}
    return [n for n, mean in means.items() if mean == max(means.values())] if len(means) > 1 else []


def _contrasts_section(contrasts: Sequence[Row]) -> str:
    if not contrasts:
        return ""
    told = (
        "Every method against the best of its slice, on the same seeds and test texts. The band from low to high and "
        "the interval of a difference hold with 95 % confidence; p_holm is corrected for all pairs within a slice."
    )
    return folded(
        "How sure the differences are", paragraphs([told]) + html_table(contrasts, CONTRAST_COLUMNS, name="contrasts")
    )


def _failures(rows: Iterable[Row]) -> str:
    failed = [row for row in rows if row.get("status") == "failed"]
    if not failed:
        return ""
    told = "These cells gave no result. The same command tries them again."
    return section(
        f"Failed: {len(failed)}",
        paragraphs([told]) + html_table(failed, (*IDENTITY, *_of_folds(failed), "error"), name="failed"),
    )


def _of_folds(rows: Iterable[Row]) -> tuple[str, ...]:
    """Return the column that rows of a cross-validation have besides."""
    return (FOLD,) if any(FOLD in row for row in rows) else ()
