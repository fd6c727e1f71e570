"""The trainer of logit distillation: gradients that do not depend on how a batch is cut, and by how many processes."""

import copy
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from fewshot.distillation.layer_losses import LayerLoss
from fewshot.distillation.logit_losses import MISSING
from fewshot.distillation.logit_objective import LogitObjective
from fewshot.distillation.logit_targets import LogitTargets
from fewshot.distillation.logit_trainer import LogitTrainer
from fewshot.distillation.logit_training import LiveTeacher, distill_logits
from fewshot.training.schedule import Schedule
from tests.distillation.logit_cases import features_of, make_bert, make_tokenizer
from tests.training.test_processes import free_port

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def tokenizer(tiny_tokenizer):
    """A tokenizer as transformers' models come with one."""
    return make_tokenizer(tiny_tokenizer)


@pytest.mark.parametrize("layer_losses", [(), (LayerLoss("hidden_mse"), LayerLoss("pooled"))])
def test_a_batch_of_32_is_four_of_8(tokenizer, pool, layer_losses, monkeypatch):
    """Prevents a gradient four times too large, which clipping and logged losses show and AdamW hides."""
    monkeypatch.setattr(LogitTrainer, "get_optimizer_cls_and_kwargs", lambda *_: (torch.optim.SGD, {}))
    monkeypatch.setattr(LogitTrainer, "_clip_grad_norm", lambda *_: None)
    monkeypatch.setattr(LogitTrainer, "_get_grad_norm", lambda *_, **__: None)
    rng = np.random.default_rng(0)
    gold = np.where(rng.random(32) < 0.4, rng.integers(0, 3, size=32), MISSING)  # unevenly over the parts
    targets = LogitTargets(rng.normal(size=(32, 3)), gold, rng.uniform(0.2, 2.0, size=32))
    start = make_bert(tokenizer, dropout=0.0, seed=1)
    teacher = LiveTeacher(make_bert(tokenizer, layers=4, width=16, seed=2)) if layer_losses else None
    found = []
    for batch_size, accumulation in ((32, 1), (8, 4)):
        model = copy.deepcopy(start)
        losses = distill_logits(
            model,
            pool[:32],
            features_of(tokenizer),
            targets,
            Schedule(1, batch_size, 0.1, warmup=0.0),
            objective=LogitObjective(0.4, 2.0),
            teacher=teacher,
            layer_losses=layer_losses,
            accumulation=accumulation,
            device="cpu",
            precision="float32",
        )
        gradients = [(a - b).detach() / 0.1 for a, b in zip(start.parameters(), model.parameters(), strict=True)]
        found.append((losses, gradients))
    (one, whole), (four, parts) = found
    assert four == pytest.approx(one, rel=1e-4)
    assert sum(gradient.norm() for gradient in whole) > 0.1
    for a, b in zip(whole, parts, strict=True):
        torch.testing.assert_close(a, b, atol=2e-5, rtol=1e-3)


@pytest.mark.long
def test_two_processes_train_as_one(tmp_path):
    """Prevents shares of uneven size, weight or gold labels from counting as even ones, and halved gradients."""
    subprocess.run(
        [sys.executable, str(Path(__file__).with_name("logit_script.py")), str(tmp_path), free_port()],
        check=True,
        timeout=280,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
    )
    alone, *together = (dict(np.load(tmp_path / f"{name}.npz")) for name in ("alone", "0", "1"))
    for arrays in together:
        assert arrays.keys() == alone.keys()
        for name, array in alone.items():
            np.testing.assert_allclose(arrays[name], array, atol=1e-6, rtol=0, err_msg=name)
    for name in ("body.weight", "head.weight"):
        assert np.abs(alone[f"gradient {name}"]).max() > 0.05


def test_projections_are_clipped(tokenizer, pool, monkeypatch):
    """Prevents projections whose gradients escape the clipping."""
    clipped = []
    clip = torch.nn.utils.clip_grad_norm_
    monkeypatch.setattr(
        torch.nn.utils, "clip_grad_norm_", lambda p, *a, **k: clipped.append(p := list(p)) or clip(p, *a, **k)
    )
    student = make_bert(tokenizer, width=16)
    distill_logits(
        student,
        pool[:16],
        features_of(tokenizer),
        LogitTargets(),
        Schedule(1, 8, 1e-3),
        teacher=LiveTeacher(make_bert(tokenizer, layers=4, seed=2)),
        layer_losses=[LayerLoss("hidden_mse")],
        device="cpu",
    )
    assert len(clipped[0]) == len(list(student.parameters())) + 2
    assert not [name for name in student.state_dict() if "projection" in name]
