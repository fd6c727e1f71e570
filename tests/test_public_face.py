"""The front door: what is promised can be imported, and opening it stays cheap."""

import subprocess
import sys

import pytest

import fewshot


def test_public_names_are_sorted_and_each_has_a_home() -> None:
    """A name listed but not importable, or importable but not listed, is a broken promise."""
    assert fewshot.__all__ == sorted(fewshot.__all__)
    assert set(fewshot.__all__) == set(fewshot._HOMES)
    for name in fewshot.__all__:
        assert getattr(fewshot, name).__doc__, name


def test_unknown_name_is_an_attribute_error() -> None:
    """A lazy module that answers every name would hide misspellings."""
    with pytest.raises(AttributeError, match="SetFitClasifier"):
        fewshot.SetFitClasifier  # noqa: B018


@pytest.mark.parametrize(
    "module",
    [
        "fewshot",
        "fewshot.data.loading",
        "fewshot.evaluation.reports.report",
        "fewshot.encoders.static",
        "fewshot.cli.main",
    ],
)
def test_light_modules_do_not_load_torch(module: str) -> None:
    """Import linters do not see that a package's own front door is run first; five seconds a start would be lost."""
    code = f"import {module}, sys; sys.exit(any(n in sys.modules for n in ('torch', 'transformers', 'datasets')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
