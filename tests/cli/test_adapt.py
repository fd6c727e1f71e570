"""``fewshot adapt`` through the real command: from a pool to an encoder that other verbs take, and on after a stop."""

import json

import pytest

from fewshot.training.pairwise_trainer import PairwiseTrainer
from tests.cli.test_story import last_json, run


@pytest.fixture(scope="module")
def desk(tmp_path_factory, tiny_folder, single, pool):
    """A folder with an encoder, a pool, and labelled texts."""
    folder = tmp_path_factory.mktemp("desk")
    (folder / "encoder").symlink_to(tiny_folder)
    (folder / "pool.jsonl").write_text("\n".join(json.dumps({"text": text}) for text in [*pool, pool[0]]) + "\n")
    for name, texts, labels in (
        ("labeled", single.texts, single.labels),
        ("test", single.test_texts, single.test_labels),
    ):
        rows = [f'"{text}",{label}' for text, label in zip(texts, labels, strict=True)]
        (folder / f"{name}.csv").write_text("\n".join(["text,label", *rows]) + "\n")
    return folder


def test_a_killed_adaptation_goes_on_and_is_taught_and_asked(desk, monkeypatch):
    """Prevents a journey that ends before its purpose: adapt, be stopped, go on, train on it, evaluate."""
    usual = ("adapt", "pool.jsonl", "--encoder", "encoder", "--objective", "simcse", "--steps", "30", "--seed", "4")
    usual += ("--batch-size", "8", "--learning-rate", "1e-4")
    last = run(*usual, "--out", "whole", folder=desk).stdout.strip().splitlines()[-1]
    assert last.startswith("Adapted the encoder by simcse on 120 texts, 30 steps, held-out loss ")
    assert last.endswith("MB). Next: fewshot train LABELED --encoder whole")
    compute, calls = PairwiseTrainer.compute_loss, []

    def stop(self, *arguments, **options):
        calls.append(1)
        if len(calls) == 17:
            raise KeyboardInterrupt
        return compute(self, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(PairwiseTrainer, "compute_loss", stop)
        assert "--resume" in run(*usual, "--out", "stopped", folder=desk, code=130).stderr
    assert not (desk / "stopped").exists()
    done = run(*usual, "--out", "stopped", "--resume", folder=desk)
    assert "went on with what 'stopped.training' held" in done.stderr
    assert "1 duplicate" in done.stderr
    assert (desk / "stopped" / "model.safetensors").read_bytes() == (desk / "whole" / "model.safetensors").read_bytes()
    assert not (desk / "stopped.training").exists()
    run("train", "labeled.csv", "--encoder", "stopped", "--steps", "2", "--out", "teacher", folder=desk)
    assert last_json(run("evaluate", "teacher", "test.csv", "--json", folder=desk))["n"] == 15


def test_json_settings_and_texts_of_the_test(desk):
    """Prevents a script from reading prose, and test texts from being learnt."""
    (desk / "settings.toml").write_text('objective = "tsdae"\nsteps = 3\nshare = 0.7\nbatch-size = 8\n')
    arguments = ("adapt", "pool.jsonl", "--encoder", "encoder", "--config", "settings.toml", "--out", "told")
    done = run(*arguments, "--test", "test.csv", "--max-pool", "90", "--json", folder=desk)
    facts = last_json(done)
    assert (facts["objective"], facts["steps"], facts["out"]) == ("tsdae", 3, "told")
    assert facts["n_texts"] <= 90
    assert "excluded" in facts["cleaning"]
    assert facts["loss_after"] < facts["loss_before"]
    record = json.loads((desk / "told" / "adaptation.json").read_text())
    assert record["settings"]["share"] == 0.7
    assert record["encoder"] == "encoder"
    assert record["provenance"]["pool"]["kept"] == facts["n_texts"]
    assert "pool.jsonl" not in (desk / "told" / "adaptation.json").read_text()


def test_what_was_not_kept_is_the_last_line(desk):
    """Prevents success from being told where the encoder is the one that was given."""
    done = run("adapt", "pool.jsonl", "--encoder", "encoder", "--steps", "0", "--out", "same", folder=desk)
    last = done.stdout.strip().splitlines()[-1]
    assert last.startswith("Kept the encoder as it was; its adaptation by tsdae on 120 texts, 0 steps, did no good in ")
    assert "the encoder stays as it was: the held-out loss did not fall" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "word"),
    [
        (("nothing.csv",), 1, "nothing.csv"),
        (("pool.jsonl", "--objective", "mlm"), 1, "--objective tsdae"),
        (("pool.jsonl", "--objective", "simsce"), 1, "Did you mean 'simcse'"),
        (("pool.jsonl", "--steps", "3", "--epochs", "2"), 1, "not both"),
        (("pool.jsonl", "--steps", "-3"), 2, "--steps"),
        (("pool.jsonl", "--out", "encoder"), 1, "holds files but no adaptation.json"),
        ((), 2, "Missing argument"),
    ],
)
def test_what_goes_wrong(desk, arguments, code, word):
    """Prevents tracebacks, and mistakes that are found after the training."""
    options = () if "--out" in arguments else ("--out", "wrong")
    done = run("adapt", *arguments, "--encoder", "encoder", *options, folder=desk, code=code)
    assert word in done.stderr
    assert not (desk / "wrong").exists()
