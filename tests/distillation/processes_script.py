"""Distillations as ``torchrun`` starts them, one process or several; see ``tests.jobs``.

A job says ``model`` (a folder), ``targets``, ``checkpoints``, ``log`` (folders) and ``out`` (a file). What the teacher
is asked and which files come to be is noted in ``log``, one file a process.
"""

import json
import os
from pathlib import Path

import numpy as np

from tests.training.training_script import use_sgd

LIBRARIES = ("fewshot.distillation.pairwise",)

TOPICS = {"money": ["refund", "card", "invoice"], "parcels": ["parcel", "courier", "box"]}
LABELED = [(f"{word} {other}", topic) for topic, words in TOPICS.items() for word in words for other in words]
POOL = [f"{a} {b} {i}" for i in range(10) for words in TOPICS.values() for a in words for b in words if a != b]
STEPS, BATCH_SIZE, SHARD_ROWS = 6, 9, 20


def note_work(folder):
    """Write down which texts the teacher is asked about, and the name of each file that is renamed into place."""
    from fewshot.distillation.teachers import ClassifierTeacher

    file, ask, replace = Path(folder) / os.environ.get("RANK", "alone"), ClassifierTeacher.targets, os.replace

    def noted_ask(self, texts):
        with file.open("a") as handle:
            handle.write(json.dumps({"asked": list(texts)}) + "\n")
        return ask(self, texts)

    def noted_replace(source, target):
        with file.open("a") as handle:
            handle.write(json.dumps({"written": str(target)}) + "\n")
        replace(source, target)

    ClassifierTeacher.targets, os.replace = noted_ask, noted_replace


def main(job):
    """Distil, and write the student's answers and the losses."""
    from fewshot.classifiers.linear_probe import LinearProbeClassifier
    from fewshot.distillation.pairwise import DistillationTrainer
    from fewshot.distillation.target_store import TargetStore
    from fewshot.encoders.sentence import SentenceEncoder

    encoder = SentenceEncoder.load(job["model"], device="cpu", precision="float32")
    for module in encoder.model.modules():
        if type(module).__name__ == "Dropout":
            module.p = 0.0
    texts, topics = zip(*LABELED, strict=True)
    teacher = LinearProbeClassifier(encoder).fit(texts, topics)
    note_work(job["log"])
    use_sgd(0.0)
    trainer = DistillationTrainer(
        teacher,
        "layers:2",
        steps=STEPS,
        batch_size=BATCH_SIZE,
        learning_rate=0.05,
        patience=9,
        targets=TargetStore(job["targets"], shard_rows=SHARD_ROWS),
        device="cpu",
    ).fit(POOL, checkpoints=job["checkpoints"])
    student = trainer.student_
    figures = json.dumps([trainer.curve_, trainer.report_])
    arrays = {"vectors": student.encoder_.encode(POOL), "probabilities": student.predict_proba(POOL)}
    np.savez(job["out"], losses=np.array(trainer.losses_), figures=figures, **arrays)
