"""Fine-tunings in processes of their own, to be killed at a given place; see ``tests.jobs``.

A job says ``encoder`` (a folder), ``texts`` and ``labels``, ``out`` (where probabilities go), and optionally
``validation``, ``checkpoints``, ``resume``, and ``kill``: the stage that dies, and the step after which it does, or
``null`` where it dies once the stage is finished.
"""

import numpy as np

from tests.jobs import die

LIBRARIES = ("fewshot.classifiers.fine_tuning", "fewshot.classifiers.finetune", "fewshot.classifiers.starting_model")

SETTINGS = {"steps": 24, "batch_size": 6, "learning_rate": 1e-3, "layer_decay": 0.9, "device": "cpu"}


def set_trap(stage, step):
    """Make the process die inside a stage, or right after it."""
    from fewshot.classifiers import fine_tuning, stages

    if step is None:
        finish = stages.Stages.finish

        def trapped_finish(self, name, result):
            finish(self, name, result)
            if name == stage:
                die()

        stages.Stages.finish = trapped_finish
        return
    train = fine_tuning.train_on_labels

    def trapped(*args, checkpoints, watch, watch_every, **options):
        def watch_and_die(at, model):
            stop = watch is not None and at % watch_every == 0 and watch(at, model)
            return die() if at == step else stop

        if checkpoints.name == stage:
            return train(*args, checkpoints=checkpoints, watch=watch_and_die, watch_every=1, **options)
        return train(*args, checkpoints=checkpoints, watch=watch, watch_every=watch_every, **options)

    fine_tuning.train_on_labels = trapped


def main(job):
    """Fit, and write what the classifier says of its own texts."""
    from fewshot.classifiers.finetune import FineTunedClassifier

    if "kill" in job:
        set_trap(*job["kill"])
    classifier = FineTunedClassifier(encoder=job["encoder"], **SETTINGS, **job.get("settings", {}))
    options = {name: job[name] for name in ("checkpoints", "resume", "validation") if name in job}
    classifier.fit(job["texts"], job["labels"], **options)
    arrays = {name: tensor.numpy() for name, tensor in classifier.model_.state_dict().items()}
    held_out = np.array(list(classifier.report_["held_out"].values()))
    probabilities = classifier.predict_proba(job["texts"])
    np.savez(job["out"], probabilities=probabilities, losses=classifier.losses_, held_out=held_out, **arrays)
