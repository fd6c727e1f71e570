"""The tree of errors."""

import pytest

from fewshot.core import errors
from fewshot.core.errors import did_you_mean


@pytest.mark.parametrize(
    ("name", "builtin"),
    [
        ("InputError", ValueError),
        ("SourceNotFoundError", OSError),
        ("ModelFormatError", ValueError),
        ("TeacherError", ValueError),
        ("WorkerError", RuntimeError),
        ("MissingExtraError", ImportError),
    ],
)
def test_each_error_is_ours_and_pythons(name, builtin):
    """Prevents callers from having to know our classes, and the command line from missing one."""
    kind = getattr(errors, name)
    assert issubclass(kind, errors.FewshotError)
    assert issubclass(kind, builtin)
    assert str(kind("what to do")) == "what to do"


def test_a_warning_is_no_error():
    """Prevents a DataWarning from being caught as a failure."""
    assert issubclass(errors.DataWarning, UserWarning)
    assert not issubclass(errors.DataWarning, errors.FewshotError)


def test_near_names_ignore_case():
    """Prevents silence where only a capital is wrong."""
    assert did_you_mean("TEXT", ["text", "label"]) == " Did you mean 'text'?"
    assert did_you_mean("lab", ["Label", "labels"]) == " Did you mean 'Label' or 'labels'?"
    assert did_you_mean("zzz", ["text"]) == ""
    assert did_you_mean("x", []) == ""
