"""What is told of a machine."""

from importlib.metadata import PackageNotFoundError

from fewshot.recipes import checkup


def test_what_is_not_needed_is_no_fault(monkeypatch):
    """Prevents a healthy installation from looking broken: an extra that is not there says what it would be for."""
    real = checkup.version

    def missing(name):
        if name in ("ray", "torch"):
            raise PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr(checkup, "version", missing)
    found = {finding.topic: finding for finding in checkup.check_machine()}
    assert (found["ray"].found, found["ray"].advice) == ("not installed (fewshot[ray], for clusters)", "")
    assert found["torch"].advice == "pip install torch"
    assert found["optuna"].found == real("optuna")
