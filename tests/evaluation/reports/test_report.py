"""The page of a comparison."""

import re
from html.parser import HTMLParser

import pytest

from fewshot.evaluation.charts.frontier_plot import plot_frontier
from fewshot.evaluation.reports.report import write_report
from fewshot.evaluation.statistics.summary import summarize

EVIL = '<script>alert("1")</script>'
MODELS = [{"name": "knn", "accuracy": 0.5, "texts_per_second": 10.0, "size_mb": 1.0}]


class Outline(HTMLParser):
    """Counts tags, and notes what the page would load."""

    VOID = frozenset({"meta", "img"})

    def __init__(self):
        super().__init__()
        self.tags, self.open, self.loads = [], [], []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        if tag not in self.VOID:
            self.open.append(tag)
        self.loads += [value for name, value in attributes if name in ("src", "href", "action", "data")]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture
def results(make_row, failed_row):
    """Two methods, two slices, two seeds, and a failure with a hostile name."""
    return [
        make_row(0.5 + 0.01 * seed + (0.2 if method == "setfit" else 0), method=method, slice=slice, seed=seed)
        for method in ("knn", "setfit")
        for slice in (8, 16)
        for seed in (0, 1)
    ] + [failed_row | {"method": EVIL}]


def render(path, rows, **changes):
    """Write a report with hostile text in every place, and read it."""
    arguments = {
        "title": f"Report {EVIL}",
        "rows": rows,
        "summary": summarize(rows),
        "data_description": {"texts": 12, "examples": [EVIL, 'it\'s "quoted"']},
        "provenance": {"command": f"fewshot compare {EVIL}", "versions": {"numpy": "2.4"}, "home": "https://a.example"},
        "tables": [("Costs", [{"model": EVIL, "seconds": 12.5}])],
        "figures": [(f"Curves {EVIL}", plot_frontier(MODELS))],
        "notes": [EVIL],
    }
    write_report(path, **arguments | changes)
    return path.read_text(encoding="utf-8")


def outline(page):
    """Parse a page; every tag must be closed."""
    parser = Outline()
    parser.feed(page)
    parser.close()
    assert not parser.open
    return parser


def test_text_is_shown_never_run(tmp_path, results):
    """Prevents a text, label, error or title from running in the reader's browser."""
    page = render(tmp_path / "report.html", results)
    assert "alert(&quot;1&quot;)" in page
    assert 'alert("1")' not in page
    assert "<b>no</b>" not in page
    assert outline(page).tags.count("script") == 1


def test_the_page_loads_nothing(tmp_path, results):
    """Prevents a report that calls home, or is empty without a network."""
    page = render(tmp_path / "report.html", results)
    assert outline(page).loads
    assert all(source.startswith("data:image/png;base64,") for source in outline(page).loads)
    without = render(tmp_path / "plain.html", results, provenance={})
    assert "http://" not in without
    assert "https://" not in without
    assert "@import" not in page
    assert "url(" not in page
    assert "default-src 'none'" in page


def test_every_part_is_there(tmp_path, results):
    """Prevents a report that leaves out what failed or how to repeat it."""
    page = render(tmp_path / "report.html", results)
    assert outline(page).tags.count("table") == 4
    for heading in ("Summary", "Costs", "Failed: 1", "Data", "How to repeat this", "All 9 cells"):
        assert heading in page
    assert "ValueError: &lt;b&gt;no&lt;/b&gt;" in page
    assert "50.5 ± 0.7" in page
    assert 'name="viewport"' in page


def test_the_best_of_each_slice_is_marked(tmp_path, results):
    """Prevents a star for the best over all slices, or for a method without a rival."""
    page = render(tmp_path / "report.html", results)
    marked = re.findall(r'class="number best" data-v="([\d.]+)"', page)
    assert len(marked) == 2 * 4
    assert set(marked) == {"70.5", "35.2", "17.6"}
    alone = [row for row in results if row["method"] == "knn"]
    assert "number best" not in render(tmp_path / "alone.html", alone)


def test_what_cannot_be_told_from_the_best_is_marked_and_explained(tmp_path, results):
    """Prevents a single star that makes a lead by chance look like a finding."""
    shared = {"encoder": "bundled", "pool": None, "slice": 16, "n_seeds": 2}
    contrasts = [
        shared | {"metric": metric, "method": method, "verdict": verdict, "best": EVIL}
        for metric in ("accuracy", "micro_f1", "macro_f1")
        for method, verdict in (("knn", "not distinguishable from best"), ("setfit", "best"))
    ]
    page = render(tmp_path / "report.html", results, summary=summarize(results, contrasts), contrasts=contrasts)
    assert len(re.findall(r'class="number near" data-v="(?:50.5|25.2)"', page)) == 3
    assert len(re.findall(r'class="number best" data-v="', page)) == 2 * 4
    assert "~ not distinguishable from it" in page
    assert "There is one seed" not in page
    assert "How sure the differences are" in page
    assert outline(page).tags.count("script") == 1
    alone = [row for row in results if row["seed"] == 0]
    assert "There is one seed" in render(tmp_path / "one.html", alone, summary=summarize(alone, contrasts))
    assert "~ not" not in render(tmp_path / "without.html", results)


def test_the_same_input_gives_the_same_bytes(tmp_path, results):
    """Prevents a date or an object's address in the page."""
    assert render(tmp_path / "a.html", results) == render(tmp_path / "b.html", results)


def test_a_run_in_which_all_failed_still_has_its_report(tmp_path, failed_row):
    """Prevents the one report that is needed most from being the one that cannot be written."""
    page = render(tmp_path / "report.html", [failed_row], figures=[], tables=[], notes=[])
    assert "Failed: 1" in page
    assert "There is no result" in render(tmp_path / "none.html", [], figures=[])


def test_a_thousand_cells_stay_under_three_megabytes(tmp_path, make_row, failed_row):
    """Prevents a page that a phone cannot open."""
    rows = [make_row(0.5 + seed / 3000, seed=seed) for seed in range(1000)]
    rows += [failed_row | {"error": "E" * 500, "seed": seed} for seed in range(1000)]
    render(tmp_path / "report.html", rows)
    assert (tmp_path / "report.html").stat().st_size < 3_000_000
