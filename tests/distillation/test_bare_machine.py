"""Distillation where only what it needs is installed, as on a machine that is lent for its card."""

import json
import os
import subprocess
import sys

import pytest

from tests.jobs import ROOT

pytestmark = pytest.mark.slow  # loads the libraries once more

HIDDEN = ("datasets", "setfit", "faiss", "skmultilearn", "skops", "optuna")

SCRIPT = """
import importlib.machinery, json, sys

hidden, folder, texts, labels, pool = json.loads(sys.stdin.read())
plain = importlib.machinery.PathFinder

class Finder(plain):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.partition(".")[0] in hidden else plain.find_spec(name, path, target)

    @classmethod
    def find_distributions(cls, *context):
        return (found for found in plain.find_distributions(*context) if found.name not in hidden)

sys.meta_path[:] = [Finder if finder is plain else finder for finder in sys.meta_path]

from fewshot import DistillationTrainer, LinearProbeClassifier
from fewshot.encoders.sentence import SentenceEncoder

teacher = LinearProbeClassifier(SentenceEncoder.load(folder, device="cpu", precision="float32")).fit(texts, labels)
trainer = DistillationTrainer(teacher, "layers:2", steps=2, batch_size=8, device="cpu").fit(pool)
print(json.dumps({"steps": len(trainer.losses_), "loaded": [name for name in hidden if name in sys.modules]}))
"""


def test_nothing_else_is_needed(tiny_folder, single, pool):
    """Prevents an import on the way that only another journey needs, such as setfit, which a lent machine lacks."""
    given = json.dumps([HIDDEN, str(tiny_folder), single.texts, single.labels, pool])
    command = [sys.executable, "-c", SCRIPT]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, input=given, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert json.loads(done.stdout.splitlines()[-1]) == {"steps": 2, "loaded": []}
