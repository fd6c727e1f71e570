"""Adaptations in processes of their own, to be killed at a given place; see ``tests.jobs``.

A job says ``encoder`` (a folder), ``objective``, ``out`` (where weights, losses and report go), ``checkpoints``, and
optionally ``resume``, ``settings``, ``kill`` (a place and the number of its call at which the process dies) and
``drifting``: the held-out loss rises with the way from the first weights, so that the training is stopped.
"""

import json

import numpy as np

from tests.jobs import die

LIBRARIES = ("fewshot.adaptation.adapter",)

POOL = [
    f"{opening} {word} {other}"
    for opening in ("hello", "my", "again")
    for word in ("refund", "invoice", "parcel", "courier", "password")
    for other in ("late", "locked", "charged", "address")
]
SETTINGS = {"steps": 30, "batch_size": 8, "learning_rate": 1e-4, "device": "cpu", "random_state": 3}


def set_trap(place, at):
    """Make this process die at the ``at``-th call of something."""
    from fewshot.adaptation.held_out import HeldOutWatch
    from fewshot.training.checkpoints import CheckpointFolder
    from fewshot.training.pairwise_trainer import PairwiseTrainer

    owner, name = {
        "in a step": (PairwiseTrainer, "compute_loss"),
        "saving a checkpoint": (CheckpointFolder, "seal"),
        "noting a look": (HeldOutWatch, "_write"),
        "keeping the best": (HeldOutWatch, "_keep"),
        "putting the best back": (HeldOutWatch, "restore"),
    }[place]
    original, calls = getattr(owner, name), []

    def trapped(*arguments, **options):
        calls.append(1)
        if len(calls) == at:
            die()
        return original(*arguments, **options)

    setattr(owner, name, trapped)


def judge_by_drift(encoder):
    """Let the held-out loss be how far the weights went, and large where they did not."""
    from sentence_transformers import SentenceTransformer

    from fewshot.adaptation.held_out import HeldOut

    start = SentenceTransformer(encoder, device="cpu").state_dict()

    def drift(self, objective):
        weights = objective.model.state_dict()
        return float(sum((weights[name] - tensor).square().sum() for name, tensor in start.items())) or 100.0

    HeldOut.loss = drift


def main(job):
    """Adapt, and write what came of it."""
    from fewshot.adaptation.adapter import DomainAdapter

    if job.get("drifting"):
        judge_by_drift(job["encoder"])
    if "kill" in job:
        set_trap(*job["kill"])
    adapter = DomainAdapter(job["encoder"], objective=job["objective"], **{**SETTINGS, **job.get("settings", {})})
    adapter.fit(POOL, checkpoints=job["checkpoints"], resume=job.get("resume", False))
    weights = {name: tensor.numpy() for name, tensor in adapter.encoder_.model.state_dict().items()}
    told = json.dumps([adapter.report_, adapter.curve_])
    np.savez(job["out"], losses=np.array(adapter.losses_), told=np.array(told), **weights)
