"""What is named and not there, and what is out of range, is told before libraries are loaded that take seconds."""

import subprocess
import sys

import pytest

from tests.cli.early_script import HEAVY


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("train nothing.csv", "no file 'nothing.csv'"),
        ("train things.csv --method knn --k 0", "k must be at least 1"),
        ("train things.csv --method linear-probe --thresholds none", "thresholds must be"),
        ("compare nothing.csv", "no file 'nothing.csv'"),
        ("distill --teacher nothing --unlabeled things.csv", "no model folder 'nothing'"),
        ("distill --teacher . --unlabeled thing.csv", "Did you mean 'things.csv'?"),
        ("shrink nothing --unlabeled things.csv", "no model folder 'nothing'"),
        ("adapt nothing.csv", "no file 'nothing.csv'"),
        ("evaluate model nothing.csv", "no file 'nothing.csv'"),
        ("benchmark model --test nothing.csv", "no file 'nothing.csv'"),
        ("export model --texts nothing.csv --out out", "no file 'nothing.csv'"),
        ("advise things.csv --unlabeled nothing.csv", "no file 'nothing.csv'"),
        ("evaluate nothing things.csv", "no model folder 'nothing'"),
        ("predict nothing things.csv --out out.csv", "no model folder 'nothing'"),
        ("export nothing --out out", "no model folder 'nothing'"),
        ("benchmark nothing --test things.csv", "no model folder 'nothing'"),
    ],
)
def test_a_mistake_costs_no_import(command, message, tmp_path):
    """Prevents ten seconds of waiting for the word that a name is misspelt."""
    (tmp_path / "things.csv").write_text("text,label\n" + "".join(f"thing {i},{'ab'[i % 2]}\n" for i in range(8)))
    script = [sys.executable, "-m", "tests.cli.early_script", str(tmp_path), *command.split()]
    done = subprocess.run(script, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert message in done.stderr
    loaded = set(done.stdout.split())
    assert not loaded & set(HEAVY)
