"""Optional packages."""

import sys

import pytest

from fewshot.core.errors import MissingExtraError
from fewshot.core.optional import import_extra


def test_what_is_installed_is_imported():
    """Prevents a refusal of a package that is there."""
    assert import_extra("json.decoder", extra="x", purpose="y").__name__ == "json.decoder"


def test_what_is_missing_says_the_command():
    """Prevents a search for the name of the extra."""
    with pytest.raises(MissingExtraError, match=r"needed for serving .* run: pip install 'fewshot\[serve\]'"):
        import_extra("no_such_package.part", extra="serve", purpose="serving")


def test_a_package_that_is_itself_broken_is_not_called_missing(tmp_path, monkeypatch):
    """Prevents the advice to install what is installed and fails for another reason."""
    (tmp_path / "broken_package.py").write_text("import no_such_dependency\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ImportError, match="no_such_dependency") as caught:
        import_extra("broken_package", extra="x", purpose="y")
    assert not isinstance(caught.value, MissingExtraError)
    sys.modules.pop("broken_package", None)
