"""What follows from a comparison's results, on toy data: checks, forecasts, classes, texts to read."""

import re

import pytest

from fewshot import compare_methods
from fewshot.classifiers.naive_bayes import NaiveBayesClassifier
from fewshot.core.errors import InputError
from fewshot.data.texts import TextData

WORDS = {"fruit": "apple pear plum", "tool": "hammer saw drill", "<b>bird</b>": "robin wren finch"}
OPTIONS = {"methods": ("naive-bayes", "knn", "linear-probe"), "slices": (1, 2, 4, 8), "seeds": 3}


def table(n, *, start=0, multi=False, noise=0):
    """Return ``n`` toy texts a class, ``noise`` of each labelled as the next class."""
    texts, labels, names = [], [], list(WORDS)
    for number, (label, words) in enumerate(WORDS.items()):
        for i in range(start, start + n):
            texts.append(f"{words.split()[i % 3]} and {words.split()[(i * 7 + 1) % 3]}, number {number}{i}")
            name = names[(number + 1) % 3] if i - start < noise else label
            labels.append((name,) if multi else name)
    return TextData(texts, labels, multi_label=multi, rows=list(range(len(texts))))


@pytest.fixture
def page(tmp_path):
    """Return a function that compares, and gives the comparison and its page."""

    def run(labeled, test, pool=None, **options):
        made = compare_methods(labeled, test, pool, out=tmp_path / "out", **OPTIONS | options)
        return made, (tmp_path / "out" / "report.html").read_text("utf-8")

    return run


@pytest.mark.parametrize("multi", [False, True])
def test_all_of_it_stands_on_the_page(page, toy_encoder, multi):
    """Prevents a check or a forecast that is computed and shown to nobody, and names of classes that become HTML."""
    pool = table(20, start=200)
    pool = TextData(pool.texts, [None] * len(pool), multi_label=False, rows=pool.rows)
    sizes = (3, 6, 12, 24) if multi else (1, 2, 4, 8)
    inputs = table(10, multi=multi), table(9, start=50, noise=2, multi=multi), pool
    made, html = page(*inputs, encoder=toy_encoder, slices=sizes)
    insights = made.insights
    assert [finding.number for finding in insights.findings] == list(range(101, 113))
    assert [forecast.name for forecast in insights.forecasts] == ["naive-bayes", "knn", "linear-probe"]
    assert {forecast.name for forecast in insights.classes} == set(WORDS)
    headings = re.findall(r"<h2>(.*?)</h2>", html)
    assert "Checks" in headings
    assert any(heading.startswith("What more labels would bring") for heading in headings)
    assert any(heading.startswith("Test texts on which the best") for heading in headings)
    assert html.count("<figure>") >= 2
    for finding in insights.warnings:
        assert f"Check {finding.number}: " in html
    assert "<b>bird" not in html
    assert "&lt;b&gt;bird" in html


def test_labels_that_no_method_believes_are_shown(page, toy_encoder):
    """Prevents wrong test labels from staying where they are."""
    made, _ = page(table(12), table(9, start=50, noise=2), encoder=toy_encoder)
    [finding] = [finding for finding in made.insights.warnings if finding.number == 107]
    assert all(row["label"] != row["every method says"] for row in finding.evidence)


def test_without_an_encoder(page):
    """Prevents an error where texts have no vectors to be compared by."""
    made, _ = page(table(10), table(9, start=50), methods=("naive-bayes",))
    unknown = {finding.number for finding in made.insights.findings if finding.verdict == "not checked"}
    assert {101, 102, 105, 107, 108} <= unknown
    assert [forecast.name for forecast in made.insights.forecasts] == ["naive-bayes"]


def test_where_everything_failed(page, monkeypatch):
    """Prevents an error, or a figure of nothing, in place of the page that says what failed."""

    def fail(self, *args, **options):
        raise RuntimeError("no such luck")

    monkeypatch.setattr(NaiveBayesClassifier, "fit", fail)
    made, html = page(table(10), table(9, start=50), methods=("naive-bayes",))
    assert "no such luck" in html
    assert [finding.number for finding in made.insights.warnings] == [109, 110]
    assert made.insights.classes == []
    assert "<figure>" not in html


def test_tables_for_elsewhere(page, toy_encoder, tmp_path):
    """Prevents figures that have to be typed off the page."""
    made, _ = page(table(10), table(9, start=50), encoder=toy_encoder, slices=(2, 8))
    assert (tmp_path / "out" / "scores.md").read_text("utf-8").splitlines()[0].startswith("| macro F1")
    assert r"\begin{tabular}{lrr}" in (tmp_path / "out" / "scores.tex").read_text("utf-8")
    frame, dataset = made.to_pandas("summary"), made.to_dataset()
    assert frame["macro_f1_mean"].tolist() == [row["macro_f1_mean"] for row in made.summary]
    assert dataset["accuracy"][:] == [row["accuracy"] for row in made.rows]
    assert "accuracy" in made.table("accuracy")
    with pytest.raises(InputError, match=r"one of rows, summary, contrasts, got 'sumary'\. Did you mean"):
        made.to_pandas("sumary")
