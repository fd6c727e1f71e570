"""Comparisons of made-up cells for the benchmark of the runner: trivial ones, and ones that compute."""

import dataclasses
import hashlib
from typing import Any

from fewshot.data.texts import TextData
from fewshot.evaluation.runner.contest import Cell, Contest
from fewshot.evaluation.runner.engine import Arena

N_TEST, N_TRAIN = 1000, 16
LABELS = [f"class {i}" for i in range(10)]
SETS = [("class 0", "class 1"), ("class 2",), (), ("class 3", "class 4", "class 5")]


@dataclasses.dataclass(frozen=True)
class Answers:
    """A contestant that hashes so many times to learn, and answers what it was told."""

    answers: list[Any]
    hashes: int

    def fit(self, texts: list[str], labels: list[Any]) -> None:
        """Keep a core busy."""
        burn(self.hashes)

    def predict(self, texts: list[str]) -> list[Any]:
        """Answer."""
        return self.answers


@dataclasses.dataclass(frozen=True)
class Cells:
    """So many cells that take so long; called, they are made."""

    n: int
    multi_label: bool = False
    hashes: int = 0

    def __call__(self) -> Arena:
        """Return contests and test texts."""
        some = SETS if self.multi_label else LABELS
        labels: list[Any] = [some[i % len(some)] for i in range(N_TEST)]
        test = TextData([f"text number {i}" for i in range(N_TEST)], labels, self.multi_label, list(range(N_TEST)))
        train, answers = test.select(range(N_TRAIN)), labels[1:] + labels[:1]
        cells = [Cell("made-up", "", None, N_TRAIN, N_TRAIN, seed, key=f"cell-{seed}") for seed in range(self.n)]
        return Arena([Contest(cell, lambda: Answers(answers, self.hashes), train) for cell in cells], test)


def burn(hashes: int) -> None:
    """Hash so many times; it needs no memory and holds the interpreter's lock."""
    digest = b"begin"
    for _ in range(hashes):
        digest = hashlib.blake2b(digest).digest()
