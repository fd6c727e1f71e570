"""Prompt-based fits in processes of their own, to be killed at a given step; see ``tests.jobs``.

A job says ``model`` (a folder), ``texts`` and ``labels``, ``out`` (where probabilities go), and optionally
``checkpoints``, ``resume``, and ``kill``: the step in which it dies.
"""

import numpy as np

from tests.jobs import die

LIBRARIES = ("fewshot.classifiers.prompt",)

SETTINGS = {"steps": 20, "batch_size": 6, "learning_rate": 1e-3, "mlm_weight": 0.1, "device": "cpu"}


def set_trap(step):
    """Make the process die in the middle of a step."""
    from fewshot.training.example_trainer import ExampleTrainer

    training_step = ExampleTrainer.training_step

    def trapped(self, *args, **options):
        if self.state.global_step + 1 == step:
            die()
        return training_step(self, *args, **options)

    ExampleTrainer.training_step = trapped


def main(job):
    """Fit, and write what the classifier says of its own texts."""
    from fewshot.classifiers.prompt import PromptClassifier

    if "kill" in job:
        set_trap(job["kill"])
    classifier = PromptClassifier(job["model"], **SETTINGS)
    progress = {name: job[name] for name in ("checkpoints", "resume") if name in job}
    classifier.fit(job["texts"], job["labels"], **progress)
    weights = {name: tensor.numpy() for name, tensor in classifier.model_.state_dict().items()}
    probabilities = classifier.predict_proba(job["texts"])
    np.savez(job["out"], probabilities=probabilities, losses=classifier.losses_, **weights)
