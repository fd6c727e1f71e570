"""The file that says what a model predicts by."""

import importlib.metadata

from fewshot.core import requirements
from fewshot.core.requirements import PREDICTING, pinned, requirements_text


def test_all_that_is_needed_is_there_and_no_more(monkeypatch):
    """Prevents an environment where something is missing, or that holds what only others need."""
    needs = {"a": ["B_b.c>=1; python_version > '3'", "drawing; extra == 'all'", "heavy", "absent"], "heavy": ["stone"]}
    monkeypatch.setattr(importlib.metadata, "requires", lambda name: needs.get(name))
    monkeypatch.setattr(requirements, "installed_version", lambda name: None if name == "absent" else f"{len(name)}.0")
    assert pinned(["a"], without=("heavy",)) == ["a==1.0", "b-b-c==5.0"]


def test_a_circle_of_needs_ends(monkeypatch):
    """Prevents a save that never ends where two packages need each other."""
    monkeypatch.setattr(importlib.metadata, "requires", lambda name: {"a": ["b"], "b": ["a"]}[name])
    monkeypatch.setattr(requirements, "installed_version", lambda name: "1")
    assert pinned(["a"]) == ["a==1", "b==1"]


def test_what_predicts_without_torch():
    """Prevents a gigabyte of packages where a token table is to be served."""
    names = {line.partition("==")[0] for line in requirements_text(PREDICTING).splitlines() if line[:1] != "#"}
    assert {"numpy", "tokenizers", "typer", "rich"} <= names
    assert not names & {"torch", "transformers", "scipy", "scikit-learn", "pandas", "pyarrow", "huggingface-hub"}
