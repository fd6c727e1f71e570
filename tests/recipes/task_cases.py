"""Made-up tasks: facts as they come from counting, and small files of texts."""

from typing import Any

import numpy as np

from fewshot.data.cleaning import CleaningReport
from fewshot.recipes.machine import Machine
from fewshot.recipes.task_facts import Encoding, TaskFacts

LAPTOP = Machine(cores=2, memory_gb=16.0, gpu=None)
SERVER = Machine(cores=16, memory_gb=128.0, gpu="a GPU")

WORDS = {
    "refund": ["money", "charged", "invoice", "paid"],
    "delivery": ["parcel", "courier", "box", "address"],
    "login": ["password", "account", "locked", "reset"],
}


def facts(**changes: Any) -> TaskFacts:
    """Return the facts of three classes with 16 labels each, no pool, on a laptop; or with changes."""
    given: dict[str, Any] = {
        "class_counts": {"refund": 16, "delivery": 16, "login": 16},
        "n_labeled": 48,
        "n_without_class": 0,
        "multi_label": False,
        "n_pool": 0,
        "codes": (),
        "words": {"median": 12.0, "mean": 12.0, "p95": 30.0},
        "cleaning": CleaningReport(48, 48),
        "encoding": Encoding("bundled"),
        "machine": LAPTOP,
    }
    return TaskFacts(**given | changes)


def labeled_rows(n: int, names: tuple[str, ...] = tuple(WORDS)) -> list[dict[str, Any]]:
    """Return ``n`` different texts of each class."""
    words = list(WORDS.values())
    return [
        {"text": f"my {words[c % 3][i % 4]} is number {i} of {c}", "label": name}
        for i in range(n)
        for c, name in enumerate(names)
    ]


def pool_rows(n: int, theme: str = "my {word} is number {i} in line") -> list[dict[str, Any]]:
    """Return ``n`` different unlabelled texts about the same things, or about a theme."""
    words = [word for group in WORDS.values() for word in group]
    return [{"text": theme.format(word=words[i % 12], i=i), "label": None} for i in range(n)]


def partly_labeled(n: int, n_all: int) -> list[dict[str, Any]]:
    """Return ``n_all`` texts of each class, of which ``n`` drawn at random have their label."""
    rows = labeled_rows(n_all)
    rng = np.random.default_rng(0)
    kept = {int(i) for c in range(3) for i in 3 * rng.choice(n_all, size=n, replace=False) + c}
    return [row if i in kept else row | {"label": None} for i, row in enumerate(rows)]


FAR_THEME = "once upon a midnight dreary while I pondered verse {i}"
