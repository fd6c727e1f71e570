"""Fine-tuning with unlabelled texts by command: its own flags, the file of the pool, and a comparison."""

from pathlib import Path

from fewshot.core.artifacts import read_json
from fewshot.data.readers import read_rows
from tests.cli.test_story import desk, last_json, run  # noqa: F401 - desk is a fixture

QUICK = ("--encoder", "encoder", "--method", "uda", "--steps", "4", "--folds", "0")


def test_a_pool_is_given_by_its_file(desk: Path) -> None:  # noqa: F811
    """A flag that is taken and forgotten costs an evening."""
    flags = {"unlabeled_weight": 0.5, "unlabeled_ratio": 2, "confidence": 0.4, "annealing": "log", "temperature": 0.7}
    given = [part for name, value in flags.items() for part in ("--" + name.replace("_", "-"), value)]
    arguments = ("--unlabeled", "things.csv:unlabeled", "--no-align", "--json", "--out", "augmented")
    assert last_json(run("train", "things.csv:train", *QUICK, *given, *arguments, folder=desk))["classes"] == 3
    listing = read_json(desk / "augmented" / "fewshot.json")
    assert {name: listing["params"][name] for name in flags} == flags
    assert listing["params"]["align"] is False
    assert listing["settings"]["report"]["unlabeled"] > 0
    assert 0 <= last_json(run("evaluate", "augmented", "things.csv:test", "--json", folder=desk))["macro_f1"] <= 1
    wrong = run("train", "things.csv:train", *QUICK, "--out", "no", folder=desk, code=1)
    assert "method 'uda' needs unlabelled texts (--unlabeled)" in wrong.stderr


def test_it_is_compared_with_others(desk: Path) -> None:  # noqa: F811
    """A method that fails in a comparison shows as an empty row."""
    run(
        *("compare", "things.csv:train", "--test", "things.csv:test", "--unlabeled", "things.csv:unlabeled"),
        *("--encoder", "encoder", "--out", "pooled", "--methods", "uda", "--slices", "2", "--seeds", "1"),
        folder=desk,
    )
    [row] = read_rows(desk / "pooled" / "results.csv").rows
    assert (row["method"], row["status"]) == ("uda", "ok")
