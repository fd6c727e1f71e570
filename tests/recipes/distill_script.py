"""A trainer whose student's quality its settings decide, and a search with it, also as a process that can be killed."""

from pathlib import Path

import numpy as np

from fewshot.data.labels import LabelSpace
from fewshot.distillation.teacher_targets import TeacherTargets
from fewshot.recipes.distill_searching import search_distillation
from fewshot.recipes.search_space import SearchSpace
from tests.recipes import search_script
from tests.recipes.search_script import COLORS, Guesser

POOL = [f"text {i} about {color}" for i in range(60) for color in COLORS]
SPACE = SearchSpace(search_script.SPACE.dimensions)


class Knower:
    """A teacher that reads the label off a text; it notes what it was asked."""

    label_space_ = LabelSpace(COLORS, False)
    classes_ = np.array(COLORS)

    def __init__(self, fingerprint="knower"):
        self.fingerprint = fingerprint
        self.asked = []

    def targets(self, texts):
        self.asked.append(list(texts))
        return TeacherTargets(None, np.eye(3)[[COLORS.index(text.split()[-1]) for text in texts]])


class Student(Guesser):
    """A guesser that also decides."""

    def labels_from(self, probabilities):
        return self.classes_[probabilities.argmax(axis=1)]


class Pourer:
    """Pours a teacher into a student; it notes what it was given."""

    made: list = []  # noqa: RUF012 - each test sets its own

    def __init__(self, teacher=None, *, student="layers:2", device=None, steps=40, learning_rate=1e-4, **settings):
        self.teacher = teacher or Knower()
        self.student = student
        self.device = device
        self.steps = steps
        self.learning_rate = learning_rate
        self.level = settings.get("level", 0.1)
        self.kind = settings.get("kind", "plain")
        self.spice = settings.get("spice")

    def fit(self, pool, texts=(), labels=()):
        type(self).made.append(self)
        self.pool, self.gold = list(pool), list(zip(texts, labels, strict=True))
        guesser = Student(self.level, self.kind, self.spice)
        self.student_ = guesser.fit([*pool, *texts], [text.split()[-1] for text in [*pool, *texts]])
        return self


def search(folder, *, make=Pourer, resume=False, n_trials=14, pool=POOL, **changes):
    """Search with the pourer."""
    options = {"space": SPACE} | changes
    return search_distillation(
        pool, make=lambda params: make(**params), folder=folder, resume=resume, n_trials=n_trials, **options
    )


def main(job):
    """Search in ``job["folder"]``, and die in fit number ``job["kill_at"]``; see ``tests.jobs``."""
    Guesser.kill_at = job["kill_at"]
    search(Path(job["folder"]), resume=True)
