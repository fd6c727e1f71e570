"""The table that goes into a paper or a readme: methods by size of slice, one score, as Markdown or LaTeX."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fewshot.core.errors import InputError, did_you_mean
from fewshot.evaluation.charts.plots import NAMES
from fewshot.evaluation.metrics import SCORES
from fewshot.evaluation.statistics.contrasts import BEST, NEAR
from fewshot.evaluation.statistics.summary import entrant_names
from fewshot.evaluation.tables import format_score, markdown_table

Row = Mapping[str, Any]

FORMATS = ("markdown", "latex")
_LATEX = {
    **{sign: rf"\{sign}" for sign in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
}


def score_table(summary: Sequence[Row], *, metric: str = "macro_f1", form: str = "markdown") -> str:
    r"""Return methods by size of slice as a table.

    Parameters
    ----------
    summary : sequence of mappings
        What ``summarize(rows, contrasts)`` gives.
    metric : {"accuracy", "micro_f1", "macro_f1", "mcc"}, default "macro_f1"
    form : {"markdown", "latex"}, default "markdown"
        LaTeX needs the package ``booktabs``.

    Returns
    -------
    str
        Scores in percent, mean ± standard deviation over seeds. The best of each size is bold, what cannot be told from
        it is italic; a line below says so where something was compared.

    Raises
    ------
    InputError
        If metric or form are unknown, or there is nothing to show.

    Examples
    --------
    >>> row = {"method": "knn", "encoder": "", "pool": None, "slice": 8, "macro_f1_mean": 0.5, "macro_f1_sd": 0.02}
    >>> print(score_table([row | {"macro_f1_verdict": "best"}]))
    | macro F1 | 8              |
    | -------- | -------------- |
    | knn      | **50.0 ± 2.0** |
    <BLANKLINE>
    Mean ± standard deviation over seeds, %. Bold: the best; italic: not distinguishable from it.
    """
    for name, value, known in (("metric", metric, SCORES), ("form", form, FORMATS)):
        if value not in known:
            raise InputError(f"{name} must be one of {', '.join(known)}, got {value!r}.{did_you_mean(value, known)}")
    if not summary:
        raise InputError("summary must hold at least one row; the comparison has no result")
    return (_markdown if form == "markdown" else _latex)(summary, metric)


def _cells(
    summary: Sequence[Row], metric: str, bold: Callable[[str], str], italic: Callable[[str], str]
) -> tuple[list[int], dict[str, dict[int, str]]]:
    """Return sizes, and by method and size the score, marked."""
    found: dict[str, dict[int, str]] = {}
    for name, row in zip(entrant_names(summary), summary, strict=True):
        score = format_score(row[f"{metric}_mean"], row[f"{metric}_sd"])
        mark = {BEST: bold, NEAR: italic}.get(row.get(f"{metric}_verdict") or "")
        found.setdefault(name, {})[row["slice"]] = mark(score) if mark and score else score
    return sorted({row["slice"] for row in summary}), found


def _told(summary: Sequence[Row], metric: str) -> str:
    marked = any(row.get(f"{metric}_verdict") for row in summary)
    return "Mean ± standard deviation over seeds, %." + (
        " Bold: the best; italic: not distinguishable from it." if marked else ""
    )


def _markdown(summary: Sequence[Row], metric: str) -> str:
    sizes, found = _cells(summary, metric, "**{}**".format, "*{}*".format)
    rows = [
        {NAMES[metric]: name, **{str(size): cells.get(size, "") for size in sizes}} for name, cells in found.items()
    ]
    return f"{markdown_table(rows)}\n\n{_told(summary, metric)}"


def _latex(summary: Sequence[Row], metric: str) -> str:
    sizes, found = _cells(summary, metric, r"\textbf{{{}}}".format, r"\textit{{{}}}".format)
    lines = [[_escaped(NAMES[metric]), *map(str, sizes)]]
    for name, cells in found.items():
        lines.append([_escaped(name), *(cells.get(size, "").replace("±", r"$\pm$") for size in sizes)])
    head, *body = (" & ".join(line) + r" \\" for line in lines)
    told = _told(summary, metric).replace("±", r"$\pm$").replace("%", r"\%")
    top = rf"\begin{{tabular}}{{l{'r' * len(sizes)}}}"
    return "\n".join([f"% {told}", top, r"\toprule", head, r"\midrule", *body, r"\bottomrule", r"\end{tabular}"])


def _escaped(text: str) -> str:
    return "".join(_LATEX.get(sign, sign) for sign in text)
