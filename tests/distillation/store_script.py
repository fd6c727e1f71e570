"""A teacher that answers by hash, and a store that it fills, also as processes that can be killed at a chosen place."""

import hashlib
import os
import time
from pathlib import Path

import numpy as np

from fewshot.data.labels import LabelSpace
from fewshot.distillation import target_shards
from fewshot.distillation.target_store import TargetStore
from fewshot.distillation.teacher_targets import TeacherTargets
from tests.jobs import die

TEXTS = [f"text {i} of the pool" for i in range(10)]
SHARD_ROWS = 3
DIMENSION = 16


class Oracle:
    """Gives each text 16 numbers and two probabilities that its hash decides; counts what it was asked."""

    fingerprint = "oracle"
    label_space_ = LabelSpace(("no", "yes"), False)
    classes_ = np.array(label_space_.classes)

    def __init__(self, *, scale=1.0, delay=0.0, log=None):
        self.scale, self.delay, self.log = scale, delay, log
        self.asked = []

    def targets(self, texts):
        """Answer."""
        self.asked.append(len(texts))
        if self.log:
            with open(self.log, "a") as handle:
                handle.write(f"{os.getpid()} {len(texts)}\n")
        time.sleep(self.delay)
        hashes = b"".join(hashlib.blake2b(text.encode(), digest_size=4 * DIMENSION).digest() for text in texts)
        numbers = np.frombuffer(hashes, "<u4").reshape(-1, DIMENSION) / 2**31 - 1
        vectors = numbers / np.maximum(np.linalg.norm(numbers, axis=1, keepdims=True), 1e-12)
        yes = (numbers[:, :1] + 1) / 2
        return TeacherTargets((self.scale * vectors).astype(np.float32), np.hstack([1 - yes, yes]))


def fill(folder, teacher=None, texts=TEXTS, **options):
    """Ask the store for the targets of all texts."""
    return TargetStore(folder, **{"shard_rows": SHARD_ROWS, **options}).targets(teacher or Oracle(), texts)


def files(folder):
    """Return the bytes of every file below a folder, by name."""
    folder = Path(folder)
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def set_trap(place, at):
    """Make this process die at the ``at``-th call of something, half-way through where it writes."""
    owner, name = {
        "asked": (Oracle, "targets"),
        "written": (target_shards.RowFile, "write"),
        "renamed": (os, "replace"),
    }[place]
    original, calls = getattr(owner, name), []

    def trapped(*arguments):
        calls.append(1)
        if len(calls) == at:
            if place == "written":
                file, start, rows = arguments
                original(file, start, rows[: len(rows) // 2])
            die()
        return original(*arguments)

    setattr(owner, name, trapped)


def main(job):
    """Fill a store."""
    while "after" in job and not Path(job["after"]).exists():
        time.sleep(0.01)
    if "place" in job:
        set_trap(job["place"], job["at"])
    fill(job["folder"], Oracle(delay=job.get("delay", 0.0), log=job.get("log")))
