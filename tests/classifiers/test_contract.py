"""Every classifier keeps every promise of :mod:`tests.contract`."""

import functools
import types

import pytest

from fewshot.classifiers.loading import KINDS
from fewshot.classifiers.sequence import SequenceClassifier
from fewshot.compression.onnx_export import export_classifier
from fewshot.core.errors import InputError
from tests.contract import LEARN_FROM_POOLS, LOOKING, METHODS, POOL, PROMISES, READY, Case
from tests.distillation.logit_cases import make_tokenizer, train_classifier

LONG = {"setfit with copies", "fine-tune by [CLS]", "setfit-reference"}
"""Left to ``make test-long``: other settings of methods that train an encoder, which are here as themselves, and the
foreign trainer that benchmarks run beside ours."""

ONE_TASK = {"setfit", "fine-tune", "uda", "self-training", "prompt"}
"""Methods that train a transformer at each fit: of what they promise of several kinds of tasks, the first kind is asked
here and the others by ``make test-long``, save in promises that fit nothing."""


def is_long(method: str, task: str, name: str) -> bool:
    """Return whether a promise is asked of a method by ``make test-long`` alone."""
    first = PROMISES[name][0][0]
    return method in LONG or (method in ONE_TASK and name not in LOOKING and task != first)


CELLS = [
    pytest.param(
        *(method, task, check),
        id=f"{method}-{task}-{name}",
        marks=[pytest.mark.long] if is_long(method, task, name) else [],
    )
    for name, (tasks, check) in PROMISES.items()
    for method in (*METHODS, *READY)
    for task in tasks
    if method in METHODS or name in LOOKING
]


@pytest.fixture(scope="module", autouse=True)
def pool_at_hand():
    """Let methods that learn from a pool have one in promises that know of none."""
    with pytest.MonkeyPatch.context() as patch:
        for kind in LEARN_FROM_POOLS:
            patch.setattr(kind, "fit", functools.partialmethod(kind.fit, unlabeled=POOL))
        yield


@pytest.fixture(scope="session")
def models(tiny_encoder, tiny_static, tiny_tokenizer, tiny_topical, tiny_nli, tiny_masked, tmp_path_factory):
    """The models that :data:`METHODS` and :data:`READY` build on."""
    tokenizer = make_tokenizer(tiny_tokenizer)

    def exported(classifier):
        return export_classifier(classifier, tmp_path_factory.mktemp("exported") / "model").classifier

    return types.SimpleNamespace(
        sentence=tiny_encoder,
        static=tiny_static,
        topical=tiny_topical,
        nli=str(tiny_nli),
        masked=tiny_masked,
        sequence=lambda toy: train_classifier(tokenizer, toy),
        exported=exported,
    )


@pytest.fixture(scope="session")
def fitted(models, request):
    """Fit a method on a task once, for all promises that only look."""
    known = {}

    def get(method, task):
        if (method, task) not in known:
            toy = request.getfixturevalue(task)
            known[method, task] = (
                METHODS[method](models).fit(toy.texts, toy.labels) if method in METHODS else READY[method](models, toy)
            )
        return known[method, task]

    return get


@pytest.mark.parametrize(("method", "task", "check"), CELLS)
def test_contract(method, task, check, models, fitted, request, tmp_path):
    """Prevents what the promise's own docstring names, in each classifier."""
    toy = request.getfixturevalue(task)
    make = (lambda: METHODS[method](models)) if method in METHODS else SequenceClassifier
    check(Case(make, fitted(method, task), toy, tmp_path))


def test_every_kind_is_examined(models, fitted):
    """Prevents a new classifier that nobody entered into the contract's tables."""
    learning = {make(models).kind for make in METHODS.values()}
    ready = {fitted(method, "single").kind for method in READY}
    assert not learning & ready
    assert learning | ready == set(KINDS)


@pytest.mark.parametrize("task", ["single", "multi"])
def test_the_ready_refuse_to_learn(task, fitted, request):
    """Prevents a classifier from being left out of the promises of ``fit`` although it learns by it."""
    toy = request.getfixturevalue(task)
    for method in READY:
        for classifier in (fitted(method, task), type(fitted(method, task))()):
            with pytest.raises(InputError, match=r"does not learn by fit: (open a trained one|train the classifier)"):
                classifier.fit(toy.texts, toy.labels)
