"""A classifier whose quality its settings decide, and a search with it, also as a process that can be killed."""

import hashlib
import os
import signal
from pathlib import Path

import numpy as np
from sklearn.base import BaseEstimator

from fewshot.recipes.search_space import Dimension, SearchSpace
from fewshot.recipes.searching import search_settings

COLORS = ("blue", "green", "red")
TEXTS = [f"text {i} about {color}" for i in range(16) for color in COLORS]
LABELS = [text.split()[-1] for text in TEXTS]
SPACE = SearchSpace(
    (
        Dimension("level", 0.1, low=0.01, high=1.0),
        Dimension("kind", "plain", ("plain", "odd", "wild")),
        Dimension("spice", 0.5, low=0.1, high=2.0, when=("kind", "wild")),
    ),
    in_trials=(("folds", 0),),
)


def luck(text: str) -> float:
    """Return a number from 0 to 1 that the text decides."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest(), "little") / 2**32


class Guesser(BaseEstimator):
    """Knows the label of a text if its luck is below ``skill``; the skill grows with ``level``."""

    fits = 0
    kill_at = None

    def __init__(self, level=0.1, kind="plain", spice=None, folds=2):
        self.level = level
        self.kind = kind
        self.spice = spice
        self.folds = folds

    def fit(self, texts, labels):
        type(self).fits += 1
        if self.fits == self.kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        if self.kind == "odd":
            raise ArithmeticError("the loss is not finite")
        self.classes_ = np.array(sorted(set(labels)))
        return self

    @property
    def skill(self):
        return 0.3 + 0.6 * self.level - (0.2 if self.kind == "wild" else 0.0)

    def predict_proba(self, texts):
        given = np.full((len(texts), len(self.classes_)), 0.1)
        for row, text in enumerate(texts):
            true = list(self.classes_).index(text.split()[-1])
            given[row, true if luck(text) < self.skill else (true + 1) % len(self.classes_)] = 0.8
        return given


def search(folder, *, make=Guesser, resume=False, n_trials=14, **changes):
    """Search with the guesser."""
    options = {"space": SPACE, "texts": TEXTS, "labels": LABELS} | changes
    return search_settings(
        make=lambda params: make(**params), folder=folder, resume=resume, n_trials=n_trials, **options
    )


def main(job):
    """Search in ``job["folder"]``, and die in fit number ``job["kill_at"]``; see ``tests.jobs``."""
    Guesser.kill_at = job["kill_at"]
    search(Path(job["folder"]), resume=True)
