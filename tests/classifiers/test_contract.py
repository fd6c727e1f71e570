"""Every classifier keeps every promise of :mod:`tests.contract`."""

import types

import pytest

from fewshot.classifiers.loading import KINDS
from tests.contract import METHODS, PROMISES, Case

CELLS = [
    pytest.param(method, task, check, id=f"{method}-{task}-{name}")
    for name, (tasks, check) in PROMISES.items()
    for method in METHODS
    for task in tasks
]


@pytest.fixture(scope="session")
def models(tiny_encoder, tiny_static):
    """The encoders that :data:`METHODS` build on."""
    return types.SimpleNamespace(sentence=tiny_encoder, static=tiny_static)


@pytest.fixture(scope="session")
def fitted(models, request):
    """Fit a method on a task once, for all promises that only look."""
    known = {}

    def get(method, task):
        if (method, task) not in known:
            toy = request.getfixturevalue(task)
            known[method, task] = METHODS[method](models).fit(toy.texts, toy.labels)
        return known[method, task]

    return get


@pytest.mark.parametrize(("method", "task", "check"), CELLS)
def test_contract(method, task, check, models, fitted, request, tmp_path):
    """Prevents what the promise's own docstring names, in each classifier."""
    toy = request.getfixturevalue(task)
    check(Case(lambda: METHODS[method](models), fitted(method, task), toy, tmp_path))


def test_every_kind_is_examined(models):
    """Prevents a new classifier that nobody entered into the contract's table."""
    assert {make(models).kind for make in METHODS.values()} == set(KINDS)
