"""Self-training by command: its own flags, the rows without a label as the pool, and a break."""

from pathlib import Path

import pytest

from fewshot.core.artifacts import read_json
from fewshot.training.label_training import LabelTrainer
from tests.cli.test_story import desk, last_json, run, run_alone  # noqa: F401 - desk is a fixture

QUICK = ("--encoder", "encoder", "--method", "self-training", "--steps", "4", "--unlabeled", "things.csv:unlabeled")
FLAGS = {"rounds": 1, "passes": 2, "per_round": 6, "max_unlabeled": 20, "sampling": "hard"}
GIVEN = [part for name, value in FLAGS.items() for part in ("--" + name.replace("_", "-"), value)]


def test_flags_reach_the_rounds(desk: Path) -> None:  # noqa: F811
    """A flag that is taken and forgotten costs an evening; a name of somebody's file has no place in a model."""
    made = run("train", "things.csv:train", *QUICK, *GIVEN, "--json", "--out", "taught", folder=desk)
    assert last_json(made)["classes"] == 3
    text = (desk / "taught" / "fewshot.json").read_text()
    listing = read_json(desk / "taught" / "fewshot.json")
    assert {name: listing["params"][name] for name in FLAGS} == FLAGS
    assert len(listing["settings"]["report"]["rounds"]) == 1
    assert listing["provenance"]["unlabelled texts"] > 0
    assert "things.csv:unlabeled" not in text
    scores = last_json(run("evaluate", "taught", "things.csv:test", "--json", folder=desk))
    assert 0 <= scores["macro_f1"] <= 1


@pytest.mark.long
def test_an_interrupted_self_training_goes_on(desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    """A training that was stopped in a later round must not start again, nor end otherwise than in one go."""
    arguments = ("train", "things.csv:train", *QUICK, *GIVEN, "--folds", "0")
    run_alone(*arguments, "--out", "whole", folder=desk)
    trained = []
    whole = LabelTrainer.train

    def broken(self, *args, **options):
        trained.append(self)
        if len(trained) == 2:
            raise KeyboardInterrupt
        return whole(self, *args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(LabelTrainer, "train", broken)
        run(*arguments, "--out", "broken", folder=desk, code=130)
    assert not (desk / "broken").exists()
    run(*arguments, "--out", "broken", "--resume", folder=desk)
    for name in ("model.safetensors", "head.safetensors"):
        assert (desk / "broken" / name).read_bytes() == (desk / "whole" / name).read_bytes(), name
