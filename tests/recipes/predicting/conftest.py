"""A tiny student with one label a text, and one with several, in folders."""

import pytest

from fewshot.classifiers.linear_probe import LinearProbeClassifier


@pytest.fixture(scope="session")
def students(tmp_path_factory, tiny_static, single, multi):
    """Folders by kind: ``"single"`` and ``"multi"``."""
    folder = tmp_path_factory.mktemp("students")
    for name, toy in (("single", single), ("multi", multi)):
        LinearProbeClassifier(tiny_static, random_state=0).fit(toy.texts, toy.labels).save(folder / name)
    return {"single": folder / "single", "multi": folder / "multi"}


@pytest.fixture(scope="session")
def student(students):
    """The folder of the student with one label a text."""
    return students["single"]
