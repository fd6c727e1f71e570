"""The story of ``fewshot shrink`` through the real command."""

import json

import pytest

pytest.importorskip("onnxruntime", reason="needs the extra onnx")

import fewshot.recipes.shrinking as shrinking
from fewshot.classifiers.linear_probe import LinearProbeClassifier
from tests.cli.test_story import last_json, run

FAST = ("--rungs", "layers:1+onnx", "--steps", "1", "--seconds", "0.02", "--device", "cpu")


@pytest.fixture(scope="module")
def desk(tmp_path_factory, tiny_encoder, single, pool):
    """A folder with a model, a pool and a labelled file."""
    folder = tmp_path_factory.mktemp("desk")
    LinearProbeClassifier(tiny_encoder, device="cpu").fit(single.texts, single.labels).save(folder / "model")
    unseen = [text for text in pool if text not in single.test_texts]
    (folder / "pool.csv").write_text("\n".join(["text", *unseen]) + "\n")
    rows = [f"{text},{label}" for text, label in zip(single.test_texts, single.test_labels, strict=True)]
    (folder / "test.csv").write_text("\n".join(["text,label", *rows]) + "\n")
    return folder


def test_story(desk):
    """Prevents a command whose outcome cannot be put to work by the line that it ends with."""
    given = ("shrink", "model", "--unlabeled", "pool.csv", *FAST)
    done = run(*given, "--target-size", "1MB", "--max-loss", "100", "--validation", "test.csv", folder=desk)
    assert {line.split()[0] for line in done.stdout.splitlines() if line.strip()} >= {
        "model",
        "layers:1",
        "layers:1+onnx",
    }
    last = done.stdout.strip().splitlines()[-1]
    assert last.startswith("Kept ")
    assert "runs/small; the path: runs/small.path/path.md. Next: fewshot predict runs/small TEXTS.csv" in last
    assert " %)" in run("predict", "runs/small", "refund my card", folder=desk).stdout
    assert {path.name for path in (desk / "runs/small.path").iterdir()} == {"path.json", "path.md", "path.png", "rungs"}
    more = ("--target-size", "1kB", "--validation", "test.csv", "--resume", "--json")
    facts = last_json(run(*given, *more, folder=desk, code=1))
    assert (facts["kept"], facts["nearest"] in ("layers:1", "layers:1+onnx")) == (None, True)
    assert "rungs that were there already: 2" in facts["notes"]
    assert (desk / "runs/small/fewshot.json").is_file()
    said = run(*given, "--target-size", "1kB", "--validation", "test.csv", "--resume", folder=desk, code=1).stdout
    assert "no rung keeps to 1 points of loss and 1kB; the nearest is" in said.splitlines()[-1]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("model", "--target-size", "10 bananas"), 1, "such as 10MB or 500kB"),
        (("model", "--max-loss", "-1"), 1, "max_loss must be"),
        (("model", "--rungs", "statics"), 1, "Did you mean 'static'"),
        (("model", "--text", "body"), 1, "'body'"),
        (("model", "--out", "model"), 1, "another folder"),
        (("nowhere",), 1, "no model folder 'nowhere'"),
        (("model", "--validation", "nowhere.csv"), 1, "nowhere.csv"),
        ((), 2, "model"),
    ],
)
def test_bad_input_is_one_line(desk, arguments, code, words):
    """Prevents a traceback, or minutes of distilling before a mistake is told."""
    done = run("shrink", *arguments, "--unlabeled", "pool.csv", folder=desk, code=code)
    assert words.lower() in done.stderr.lower()
    assert "Traceback" not in done.stderr


def test_settings_from_a_file_and_ctrl_c(desk, monkeypatch):
    """Prevents flags that a file cannot give, and a user who is not told that rungs were kept."""
    wanted = {}

    def interrupted(*args, settings, **kwargs):
        wanted.update(vars(settings))
        raise KeyboardInterrupt

    monkeypatch.setattr(shrinking, "shrink_model", interrupted)
    (desk / "shrink.toml").write_text('target-size = "3MB"\nrungs = ["int8", "static"]\nmax-loss = 2\nseed = 7\n')
    given = ("shrink", "model", "--unlabeled", "pool.csv", "--config", "shrink.toml", "--max-loss", "3", "--out", "new")
    done = run(*given, folder=desk, code=130)
    assert "finished rungs are in new.path; --resume goes on from there" in done.stderr
    assert json.dumps([wanted[name] for name in ("target_size", "max_loss", "seed", "rungs")]) == (
        '["3MB", 3.0, 7, ["int8", "static"]]'
    )
