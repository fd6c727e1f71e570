"""The page of a benchmark: one HTML file that needs nothing else. Its pieces are those of every page, from ``page``."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fewshot.core.artifacts import write_text
from fewshot.evaluation.reports.page import definitions, figure, folded, html_table, page, paragraphs, section
from fewshot.evaluation.tables import columns_of

Row = Mapping[str, Any]

SCATTER = (
    "Score against the median time of one text, on a logarithmic axis; the area of a disc is the size on disk, and the "
    "dashed line joins the models that no other beats in both."
)

LEGEND = (
    "Scores in percent. Latency is that of one text in milliseconds: the median over rounds, with the quartiles of "
    "rounds in brackets, and what 95 and 99 % of all calls keep below. Texts per second are those of the best setting, "
    "which is named as (texts a call, threads). Speedups say how many times as fast as the first model it is, taken "
    "round by round.",
    "Memory is what was resident at most in a process of its own, beyond the bare interpreter, libraries included; a "
    "cold start is from the beginning of that process to its first answer, with files in the system's cache.",
)


def write_benchmark_page(
    path: str | Path,
    *,
    table: Sequence[Row],
    speeds: Sequence[Row],
    data: Mapping[str, Any],
    provenance: Mapping[str, Any],
    lead: Sequence[str] = (),
    notes: Sequence[str] = (),
    scatter: bytes | None = None,
) -> None:
    """Write a benchmark as one self-contained HTML file, whole or not at all.

    Parameters
    ----------
    path : str or Path
    table : sequence of mappings
        One row a model, as people read it.
    speeds : sequence of mappings
        Texts a second by model and setting.
    data, provenance : mapping
        What the texts are; all that it takes to repeat the run.
    lead, notes : sequence of str, optional
        What was found, and what to know before believing it.
    scatter : bytes, optional
        The figure, PNG.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "benchmark.html"
    >>> write_benchmark_page(path, table=[{"model": "a<b"}], speeds=[], data={}, provenance={})
    >>> "a&lt;b" in path.read_text(encoding="utf-8")
    True
    """
    parts = [
        paragraphs(lead, kind="lead"),
        paragraphs(notes, kind="note"),
        section("Models", paragraphs(LEGEND) + html_table(table, columns_of(table))),
        figure(SCATTER, scatter) if scatter else "",
        section("Data", definitions(data)),
        section("How to repeat this", definitions(provenance)),
        folded("Every setting", html_table(speeds, columns_of(speeds))) if speeds else "",
    ]
    write_text(path, page("Size, speed and accuracy", parts))
