"""Fine-tuning by command: its own flags, a break, a search, a comparison, and a student taught by it."""

from pathlib import Path

import pytest

from fewshot.classifiers.fine_tuning import FineTuning
from fewshot.core.artifacts import read_json
from fewshot.data.readers import read_rows
from tests.cli.test_story import desk, last_json, run  # noqa: F401 - desk is a fixture

QUICK = ("--encoder", "encoder", "--method", "fine-tune", "--steps", "8", "--learning-rate", "1e-3")


@pytest.fixture(scope="module")
def tuned(desk: Path) -> str:  # noqa: F811
    """The folder of a fine-tuned classifier."""
    done = run("train", "things.csv:train", *QUICK, "--json", "--out", "tuned", folder=desk)
    assert last_json(done)["classes"] == 3
    return "tuned"


def test_a_fine_tuned_folder_is_one_like_any_other(desk: Path, tuned: str) -> None:  # noqa: F811
    """A folder that only its maker can read would end the journey here."""
    assert 0 <= last_json(run("evaluate", tuned, "things.csv:test", "--json", folder=desk))["macro_f1"] <= 1
    assert run("predict", tuned, "a plum", folder=desk).stdout.strip()
    card = (desk / tuned / "README.md").read_text()
    assert "- kept: " in card
    assert "held-out labels right" in card


def test_every_flag_reaches_the_training(desk: Path) -> None:  # noqa: F811
    """A flag that is taken and forgotten costs an evening."""
    flags = {
        "pooling": "cls",
        "epochs": 1,
        "head_learning_rate": 0.002,
        "layer_decay": 0.9,
        "warmup": 0.2,
        "freeze_layers": 1,
        "label_smoothing": 0.1,
        "patience": 2,
        "class_weight": "balanced",
        "max_length": 16,
        "folds": 0,
        "accumulation": 2,
    }
    given = [part for name, value in flags.items() for part in ("--" + name.replace("_", "-"), value)]
    arguments = ("--encoder", "encoder", "--method", "fine-tune", "--validation", "things.csv:test")
    run("train", "things.csv:train", *arguments, *given, "--out", "flags", folder=desk)
    params = read_json(desk / "flags" / "fewshot.json")["params"]
    assert {name: params[name] for name in flags} == flags
    wrong = run(
        "train", "things.csv:train", "--encoder", "encoder", "--epochs", "2", "--out", "no", folder=desk, code=1
    )
    assert "method 'setfit' has no setting --epochs" in wrong.stderr


def test_an_interrupted_fine_tuning_goes_on(desk: Path, tuned: str, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    """A training that was stopped must not start again, nor end otherwise than in one go."""
    train = FineTuning._train

    def stop_at_the_last(self: FineTuning, rows: object, stage: str, *rest: object, **more: object) -> object:
        if stage == "body":
            raise KeyboardInterrupt
        return train(self, rows, stage, *rest, **more)

    arguments = ("train", "things.csv:train", *QUICK, "--out", "broken")
    with monkeypatch.context() as patch:
        patch.setattr(FineTuning, "_train", stop_at_the_last)
        assert "--resume" in run(*arguments, folder=desk, code=130).stderr
    assert "went on with what" in run(*arguments, "--resume", folder=desk).stderr
    for name in ("model.safetensors", "pooled_head.safetensors", "head.safetensors"):
        assert (desk / "broken" / name).read_bytes() == (desk / tuned / name).read_bytes(), name


def test_settings_are_searched(desk: Path) -> None:  # noqa: F811
    """A method with settings that no search knows would be searched by hand."""
    arguments = ("--encoder", "encoder", "--method", "fine-tune", "--folds", "0", "--batch-size", "64")
    run("train", "things.csv:train", *arguments, "--epochs", "2", "--search", "2", "--out", "searched", folder=desk)
    rows = read_rows(desk / "searched" / "trials.csv").rows
    assert len(rows) == 2
    assert "learning_rate" in rows[0]


def test_it_is_compared_with_others(desk: Path) -> None:  # noqa: F811
    """A method that fails in a comparison shows as an empty row."""
    run(
        *("compare", "things.csv:train", "--test", "things.csv:test", "--encoder", "encoder", "--out", "versus"),
        *("--methods", "linear-probe,fine-tune", "--slices", "4", "--seeds", "1"),
        folder=desk,
    )
    rows = read_rows(desk / "versus" / "results.csv").rows
    assert [(row["method"], row["status"]) for row in rows] == [("linear-probe", "ok"), ("fine-tune", "ok")]


def test_it_teaches(desk: Path, tuned: str) -> None:  # noqa: F811
    """The command that the training names as the next one must work."""
    arguments = ("--unlabeled", "things.csv:unlabeled", "--student", "layers:2", "--loss", "kl", "--steps", "2")
    run("distill", "--teacher", tuned, *arguments, "--out", "taught", folder=desk)
    assert last_json(run("evaluate", "taught", "things.csv:test", "--json", folder=desk))["n"] == 30
