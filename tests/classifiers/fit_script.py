"""Fits in processes of their own, to be killed at a given place; see ``tests.jobs``.

A job says ``encoder`` (a folder), ``texts`` and ``labels``, ``out`` (where probabilities go), and optionally
``checkpoints``, ``resume``, and ``kill``: the stage that dies, and the step after which it does, or ``null`` where it
dies once the stage is finished.
"""

import numpy as np

from tests.jobs import die

LIBRARIES = ("fewshot.classifiers.setfit", "fewshot.classifiers.trainings")

SETTINGS = {"steps": 20, "batch_size": 6, "learning_rate": 1e-3, "device": "cpu", "templates": None}


def set_trap(stage, step):
    """Make the process die inside a stage, or right after it."""
    from fewshot.classifiers import stages, trainings

    if step is None:
        finish = stages.Stages.finish

        def trapped_finish(self, name, result):
            finish(self, name, result)
            if name == stage:
                die()

        stages.Stages.finish = trapped_finish
        return
    train_body = trainings.train_body

    def trapped(*args, checkpoints, watch, **options):
        if checkpoints.name == stage:
            options["watch_every"] = 1
            watch = lambda at, _: die() if at == step else False  # noqa: E731
        return train_body(*args, checkpoints=checkpoints, watch=watch, **options)

    trainings.train_body = trapped


def main(job):
    """Fit, and write what the classifier says of its own texts."""
    from fewshot.classifiers.setfit import SetFitClassifier

    if "kill" in job:
        set_trap(*job["kill"])
    classifier = SetFitClassifier(encoder=job["encoder"], **SETTINGS, **job.get("settings", {}))
    progress = {name: job[name] for name in ("checkpoints", "resume") if name in job}
    classifier.fit(job["texts"], job["labels"], **progress)
    X = classifier.encoder_.encode(job["texts"])
    held_out = np.array(list(classifier.report_["held_out"].values()))
    probabilities = classifier.predict_proba(job["texts"])
    np.savez(job["out"], X=X, probabilities=probabilities, losses=classifier.losses_, held_out=held_out)
