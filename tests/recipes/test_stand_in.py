"""Methods of comparisons that make a classifier by another one's fit keep the promises of all others."""

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

from fewshot.classifiers.linear_probe import LinearProbeClassifier
from fewshot.classifiers.loading import load_classifier
from fewshot.recipes.adapted import AdaptedClassifier
from fewshot.recipes.distilled import DistilledClassifier
from fewshot.recipes.pool_methods import WithPool
from tests.contract import LONG, ODD_TEXTS, POOL


class Takes(LinearProbeClassifier):
    """A linear probe that is given a pool."""

    def fit(self, texts, labels, *, unlabeled=None, validation=None):
        assert unlabeled == POOL
        return super().fit(texts, labels, validation=validation)


@pytest.fixture
def make(request, tiny_encoder):
    """Make a fresh one of the kind that is asked for."""
    return {
        "distilled": lambda: DistilledClassifier(LinearProbeClassifier(tiny_encoder), "static", POOL),
        "adapted": lambda: AdaptedClassifier(LinearProbeClassifier(), lambda: tiny_encoder),
        "with a pool": lambda: WithPool(Takes(tiny_encoder), POOL),
    }[request.param]


KINDS = pytest.mark.parametrize("make", ["distilled", "adapted", "with a pool"], indirect=True)


@KINDS
@pytest.mark.parametrize("data", ["single", "single_int", "multi", "multi_int"])
def test_labels_of_any_kind(make, data, request, tmp_path):
    """Prevents labels that come out otherwise than they went in, in texts of any kind."""
    toy = request.getfixturevalue(data)
    method = make().fit(toy.texts, toy.labels)
    given = {label for labels in toy.labels for label in (labels if toy.multi_label else (labels,))}
    answers = method.predict([*ODD_TEXTS, *toy.test_texts])
    said = {label for labels in answers for label in (labels if toy.multi_label else (labels,))}
    assert {*map(type, said)} <= {*map(type, given)} | {np.str_, np.int64}
    assert said <= given
    probabilities = method.predict_proba(toy.test_texts)
    assert probabilities.shape == (len(toy.test_texts), len(given))
    assert np.isfinite(probabilities).all()
    if toy.multi_label:
        assert all(len(labels) for labels in method.predict(ODD_TEXTS, at_least_one=True))
    assert 0.4 < method.score(toy.test_texts, toy.test_labels) <= 1
    method.save(tmp_path / "model")
    loaded = load_classifier(tmp_path / "model", device="cpu")
    np.testing.assert_allclose(loaded.predict_proba(toy.test_texts), probabilities, atol=1e-6)


@KINDS
def test_edges_of_what_is_learnt_from(make, single, multi):
    """Prevents a cell that fails where labels are few: one a class, a label of no text, odd and equal texts."""
    first = [single.labels.index(label) for label in dict.fromkeys(single.labels)]
    one_each = [single.texts[row] for row in first], [single.labels[row] for row in first]
    odd = ["", " \n", LONG, *single.texts], ["billing", "login", "delivery", *single.labels]
    equal = ["refund", "refund", "parcel", "parcel"], ["billing", "billing", "delivery", "delivery"]
    alone = [text for text, labels in zip(multi.texts, multi.labels, strict=True) if len(labels) < 2]
    without = alone, [labels for labels in multi.labels if len(labels) < 2]
    for texts, labels in (one_each, odd, equal, without):
        method = make().fit(texts, labels)
        assert len(method.predict(single.test_texts)) == len(single.test_texts)
        assert np.isfinite(method.predict_proba(["", "x"])).all()


@KINDS
def test_unfitted_says_so(make):
    """Prevents an error about an attribute that nobody set."""
    method = make()
    for ask in (lambda: method.predict(["a"]), lambda: method.predict_proba(["a"]), lambda: method.score(["a"], ["b"])):
        with pytest.raises(NotFittedError):
            ask()
