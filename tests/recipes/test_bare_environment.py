"""Models predict in an environment that holds what their own file of requirements lists, and nothing else."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("onnxruntime", reason="needs the extra onnx")

from fewshot.classifiers.linear_probe import LinearProbeClassifier
from fewshot.compression.onnx_export import export_classifier
from fewshot.recipes.predicting.pool import predict_pool
from tests.jobs import ROOT

LARGEST = {"static": 130e6, "static, several labels": 130e6, "exported": 220e6}
"""Bytes of packages, those left out that every new environment holds."""

BARE = ("pip", "setuptools", "pkg_resources", "_distutils_hack", "distutils-precedence")

LOOK = """
import importlib.util, json, sys
from fewshot import load_classifier
folder, texts = json.load(sys.stdin)
labels = load_classifier(folder).predict(texts)
absent = ("torch", "transformers", "sklearn", "scipy", "pandas", "pyarrow", "huggingface_hub")
print(json.dumps([list(labels), [name for name in absent if importlib.util.find_spec(name)]]))
"""


COLD = """
import json, sys
from fewshot import load_classifier
for folder in sys.argv[1:]:
    load_classifier(folder, device="cpu").predict(["refund the invoice"])
unwanted = "torch transformers sklearn scipy pandas pyarrow matplotlib joblib rich typer huggingface_hub datasets"
print([name for name in unwanted.split() if name in sys.modules])
"""


@pytest.fixture(scope="module")
def models(tmp_path_factory, single, multi, tiny_static, tiny_encoder):
    """Folders, and the classifiers that they are of."""
    parent = tmp_path_factory.mktemp("bare")
    made = {
        "static": LinearProbeClassifier(tiny_static).fit(single.texts, single.labels),
        "static, several labels": LinearProbeClassifier(tiny_static).fit(multi.texts, multi.labels),
        "exported": LinearProbeClassifier(tiny_encoder).fit(single.texts, single.labels),
    }
    for name, classifier in made.items():
        export_classifier(classifier, parent / name)
    return {name: (parent / name, classifier) for name, classifier in made.items()}


def test_the_folder_says_what_it_needs(models, tiny_encoder, single, tmp_path):
    """Prevents a list that lacks the engine or names torch, and one in a folder that does need torch."""
    for name, (folder, _) in models.items():
        lines = (folder / "requirements.txt").read_text().splitlines()
        packages = {line.partition("==")[0] for line in lines if line[0] != "#"}
        assert ("onnxruntime" in packages) == (name == "exported")
        assert not packages & {"torch", "transformers", "scipy", "scikit-learn", "fewshot"}
        card = (folder / "README.md").read_text()
        for command in ("pip install --no-deps -r requirements.txt", "pip install --no-deps fewshot=="):
            assert any(command in line for line in lines)
            assert command in card
    LinearProbeClassifier(tiny_encoder).fit(single.texts, single.labels).save(tmp_path / "model")
    assert not (tmp_path / "model" / "requirements.txt").exists()
    assert "requirements.txt" not in (tmp_path / "model" / "README.md").read_text()


def test_a_first_prediction_imports_no_more_than_it_needs(models):
    """Prevents a cold start of seconds: scikit-learn alone took two of them, for what no prediction asks."""
    command = [sys.executable, "-c", COLD, *(str(folder) for folder, _ in models.values())]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


def run(*command, given=None):
    """Run a command outside this project, which it must not see; return what it wrote."""
    clean = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(command, input=given, capture_output=True, text=True, check=False, env=clean, cwd="/")
    assert done.returncode == 0, done.stderr
    return done.stdout


def install(python, *what):
    """Install with pip as the model card says; without a registry there is nothing to test."""
    command = [python, "-m", "pip", "install", "--quiet", "--no-deps", *map(str, what)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if "ConnectionError" in done.stderr or "No matching distribution" in done.stderr:
        pytest.skip(f"no package registry to install from: {done.stderr.splitlines()[-1]}")
    assert done.returncode == 0, done.stderr


def own_bytes(packages: Path) -> int:
    """Return what the packages take on the disk."""
    files = [file for item in packages.iterdir() if not item.name.startswith(BARE) for file in [item, *item.rglob("*")]]
    return sum(file.stat().st_blocks * 512 for file in files if file.is_file())


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", list(LARGEST))
def test_an_environment_of_its_own(models, name, tmp_path):
    """Prevents a model that is promised to need no torch, and needs what comes with it: here nothing else is there."""
    folder, classifier = models[name]
    place = shutil.copytree(folder, tmp_path / "model")
    texts = ["refund the invoice", "my password", "where is the parcel, dear courier", "z"]
    run(sys.executable, "-m", "venv", str(tmp_path / "venv"))
    bin_ = tmp_path / "venv" / "bin"
    install(bin_ / "python", "-r", place / "requirements.txt")
    install(bin_ / "python", ROOT)

    labels, intruders = json.loads(run(bin_ / "python", "-c", LOOK, given=json.dumps([str(place), texts])))
    expected = json.loads(json.dumps(list(classifier.predict(texts))))
    assert (labels, intruders) == (expected, [])

    answer = json.loads(run(bin_ / "fewshot", "predict", place, texts[0], "--json"))
    given = answer.get("labels", answer.get("label"))
    assert given == expected[0]

    source = tmp_path / "new.csv"
    source.write_text("".join(["id,text\n", *(f'{row},"{text}"\n' for row, text in enumerate([*texts, ""]))]))
    predict_pool(folder, source, out=tmp_path / "here.csv")
    for workers in ("1", "2"):
        out = tmp_path / f"there{workers}.csv"
        run(bin_ / "fewshot", "predict", place, source, "--out", out, "--workers", workers)
        assert out.read_bytes() == (tmp_path / "here.csv").read_bytes()

    [packages] = (tmp_path / "venv" / "lib").glob("python*/site-packages")
    assert own_bytes(packages) < LARGEST[name]
