"""The README is a test: its Python runs, and its tables are those of the results."""

import contextlib
import io
import re
from pathlib import Path

import pytest

from tests.benchmarks.readme import with_tables

README = Path(__file__).parents[1] / "README.md"


def test_tables_come_from_the_results() -> None:
    """A figure typed by hand outlives the code that gave it."""
    text = README.read_text("utf-8")
    assert with_tables(text) == text
    assert text.count("|") > 50


def test_pictures_exist() -> None:
    """A broken picture is the first thing that a visitor sees."""
    pictures = re.findall(r"!\[.*?\]\((.*?)\)", README.read_text("utf-8"))
    assert pictures
    assert all((README.parent / picture).is_file() for picture in pictures)


@pytest.mark.slow
@pytest.mark.long
def test_ten_lines_run(bundled: object, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An example that does not run loses the reader at once."""
    block = re.search(r"```python\n(.*?)```", README.read_text("utf-8"), flags=re.S)
    assert block is not None
    code = block[1].replace('"data/', f'"{README.parent}/data/')
    monkeypatch.chdir(tmp_path)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, str(README), "exec"), {})
    scores = [float(number) for number in re.findall(r"\d\.\d+", printed.getvalue())]
    assert len(scores) == 2
    assert min(scores) > 0.5, "13 classes: chance is 0.08, naive Bayes 0.25"
    assert (tmp_path / "runs" / "student" / "fewshot.json").is_file()
