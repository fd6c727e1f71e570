"""The table for a paper or a readme."""

import pytest

from fewshot.core.errors import InputError
from fewshot.evaluation.reports.score_table import score_table
from fewshot.evaluation.statistics.contrasts import BEST, NEAR, WORSE


def row(method, size, mean, sd=None, verdict=None, **changes):
    """Return a row of a summary."""
    made = {"method": method, "encoder": "e", "pool": None, "slice": size}
    return made | {"macro_f1_mean": mean, "macro_f1_sd": sd, "macro_f1_verdict": verdict} | changes


ROWS = [
    row("knn", 8, 0.5, 0.02, NEAR),
    row("setfit", 16, 0.7, 0.011, BEST),
    row("setfit", 8, 0.52, 0.03, BEST),
    row("naive_bayes & 50%", 8, 0.1, None, WORSE),
]


def test_markdown():
    """Prevents a score in another method's line or another size's column, and marks without a legend."""
    lines = score_table(ROWS).splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[:5]]
    assert cells[0] == ["macro F1", "8", "16"]
    assert cells[2:] == [
        ["knn", "*50.0 ± 2.0*", ""],
        ["setfit", "**52.0 ± 3.0**", "**70.0 ± 1.1**"],
        ["naive_bayes & 50%", "10.0", ""],
    ]
    assert "Bold: the best; italic: not distinguishable" in lines[-1]
    assert "Bold" not in score_table([row("knn", 8, 0.5)])


def test_latex():
    """Prevents a table that does not compile: signs that mean something to LaTeX, uneven lines."""
    lines = score_table(ROWS, form="latex").splitlines()
    assert lines[0].startswith("% Mean $\\pm$ standard deviation over seeds, \\%.")
    assert lines[1] == r"\begin{tabular}{lrr}"
    assert lines[5:8] == [
        r"knn & \textit{50.0 $\pm$ 2.0} &  \\",
        r"setfit & \textbf{52.0 $\pm$ 3.0} & \textbf{70.0 $\pm$ 1.1} \\",
        r"naive\_bayes \& 50\% & 10.0 &  \\",
    ]
    assert lines[-2:] == [r"\bottomrule", r"\end{tabular}"]


def test_variants_have_lines_of_their_own():
    """Prevents one encoder's scores from overwriting another one's."""
    table = score_table([row("knn", 8, 0.5), row("knn", 8, 0.6, encoder="f")])
    assert "knn (e)" in table
    assert "knn (f)" in table


@pytest.mark.parametrize(("options", "word"), [({"metric": "f1"}, "metric"), ({"form": "html"}, "form")])
def test_what_is_unknown_is_refused(options, word):
    """Prevents a KeyError."""
    with pytest.raises(InputError, match=f"{word} must be one of"):
        score_table(ROWS, **options)
    with pytest.raises(InputError, match="no result"):
        score_table([])
