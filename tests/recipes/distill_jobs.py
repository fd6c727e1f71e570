"""Distillations in processes of their own, to be killed at a given place; see ``tests.jobs``.

A job says ``teacher`` and ``pool`` (a folder and a file), ``targets`` and ``out`` (folders), ``settings``, and
optionally ``resume`` and ``kill``: a place and the number of its call at which the process dies.
"""

from fewshot.distillation import logits, target_shards, watching
from fewshot.distillation.logit_trainer import LogitTrainer
from fewshot.distillation.task import DistillationTask
from fewshot.recipes import distilling
from fewshot.recipes.distill_settings import DistillSettings
from fewshot.training.checkpoints import CheckpointFolder
from fewshot.training.pairwise_trainer import PairwiseTrainer
from tests.jobs import die

PLACES = {
    "writing targets": (target_shards.RowFile, "write"),
    "in a step": (PairwiseTrainer, "compute_loss"),
    "in a step of logits": (LogitTrainer, "compute_loss"),
    "saving a checkpoint": (CheckpointFolder, "seal"),
    "keeping the best": (watching.StudentWatch, "_keep"),
    "noting a look": (watching.StudentWatch, "_write"),
    "fitting the head": (DistillationTask, "fit_head"),
    "choosing thresholds": (logits.LogitDistillationTrainer, "_report"),
    "saving the student": (distilling, "saved"),
    "scoring": (distilling, "student_table"),
}


def set_trap(place, at):
    """Make this process die at the ``at``-th call of something."""
    owner, name = PLACES[place]
    original, calls = getattr(owner, name), []

    def trapped(*arguments, **options):
        calls.append(1)
        if len(calls) == at:
            die()
        return original(*arguments, **options)

    setattr(owner, name, trapped)


def main(job):
    """Distil."""
    if "kill" in job:
        set_trap(*job["kill"])
    settings = DistillSettings(targets=job["targets"], device="cpu", **job["settings"])
    distilling.distill_classifier(
        job["teacher"], job["pool"], out=job["out"], settings=settings, resume=job.get("resume", False)
    )
