"""Errors on the command line are one line."""

import errno

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


def test_a_copy_that_fills_the_disk_names_where_it_should_go(capsys):
    """Prevents a user from making room where there is plenty."""
    with pytest.raises(SystemExit), explained():
        raise OSError(errno.ENOSPC, "No space left on device", "from", None, "to")
    assert "the disk is full (to);" in capsys.readouterr().err
