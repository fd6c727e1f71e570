"""Trainings in processes of their own, to be killed or run beside others; see ``tests.jobs``.

A job says ``model`` (a folder), ``out`` (where weights and losses go), and optionally ``checkpoints``, ``resume``,
``kill_at_step``, ``kill_before`` (``"optimizer"`` or ``"manifest"``: of the checkpoint after ``kill_in_save`` steps),
``environment``, ``joint``, ``momentum`` (plain SGD) and ``dropout`` (false for none).
"""

import os
from pathlib import Path

import numpy as np
from sentence_transformers import SentenceTransformer

from tests.jobs import die

LIBRARIES = ("fewshot.training.trainer",)

TEXTS = [f"{word} {other} {'again ' * (i % 5)}" for i, (word, other) in enumerate(zip("abcdef" * 4, "xyzuv" * 5))]  # noqa: B905
Y = np.arange(len(TEXTS)) % 3
SAVE_EVERY = 4


def set_trap(job):
    """Make the process die inside the saving of one checkpoint."""
    from fewshot.core import artifacts
    from fewshot.training.pairwise_trainer import PairwiseTrainer

    name = f"checkpoint-{job['kill_in_save']}"
    if job["kill_before"] == "optimizer":
        save = PairwiseTrainer._save_optimizer_and_scheduler

        def trapped_save(self, folder):
            if Path(folder).name == name:
                assert (Path(folder) / "model.safetensors").is_file()
                die()
            save(self, folder)

        PairwiseTrainer._save_optimizer_and_scheduler = trapped_save
        return
    replace = os.replace

    def trapped_replace(source, target):
        if Path(target).name == "manifest.json" and Path(target).parent.name == name:
            die()
        replace(source, target)

    artifacts.os.replace = trapped_replace


def use_sgd(momentum):
    """Step by the plain gradient: AdamW hides its size, and blows up the rounding of gradients near 0."""
    import torch

    from fewshot.training.pairwise_trainer import PairwiseTrainer

    kind = (torch.optim.SGD, {"momentum": momentum})
    PairwiseTrainer.get_optimizer_cls_and_kwargs = staticmethod(lambda args, model=None: kind)


def make_loss(model, joint):
    """Return the loss of the job."""
    from fewshot.training.losses import JointHeadLoss, PairwiseCosineLoss
    from fewshot.training.targets import LabelSimilarity

    loss = PairwiseCosineLoss(model, LabelSimilarity(Y))
    return JointHeadLoss(loss, Y, 3) if joint else loss


def main(job):
    """Train, and write weights, head and losses."""
    from fewshot.training.samplers import ClassBatches
    from fewshot.training.schedule import Schedule
    from fewshot.training.trainer import train_pairwise

    model = SentenceTransformer(job["model"], device="cpu")
    if not job.get("dropout", True):
        for module in model.modules():
            if type(module).__name__ == "Dropout":
                module.p = 0.0
    if "kill_before" in job:
        set_trap(job)
    if "momentum" in job:
        use_sgd(job["momentum"])
    loss = make_loss(model, job.get("joint", False))
    steps, kill_at = 12, job.get("kill_at_step")
    losses = train_pairwise(
        model,
        TEXTS,
        loss,
        ClassBatches(Y, batch_size=9, steps=steps, random_state=0),
        Schedule(steps, 9, 1e-3, save_every=SAVE_EVERY),
        description="training",
        device="cpu",
        precision="float32",
        checkpoints=Path(job["checkpoints"]) if "checkpoints" in job else None,
        resume=job.get("resume", False),
        watch=None if kill_at is None else lambda step, _: die() if step == kill_at else False,
    )
    if os.environ.get("RANK", "0") == "0":
        arrays = {name: tensor.numpy() for name, tensor in loss.state_dict().items()}
        np.savez(job["out"], losses=np.array(losses), **arrays)
