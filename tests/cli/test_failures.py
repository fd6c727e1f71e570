"""Errors on the command line are one line."""

import pytest

from fewshot.cli.failures import explained


def test_what_a_small_environment_lacks(capsys):
    """Prevents a traceback where a model's own environment is asked for what only the whole package can do."""
    with pytest.raises(SystemExit) as raised, explained():
        import fewshot.no_such_module  # noqa: F401
    assert raised.value.code == 1
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("fewshot: error: fewshot.no_such_module is needed for this and not installed")
    assert line.endswith("run: pip install fewshot")
