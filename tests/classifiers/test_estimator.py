"""scikit-learn takes a classifier for its own, though it is not imported until it asks."""

import copy
import pickle
import subprocess
import sys

import numpy as np
import pytest
import sklearn
from sklearn.base import clone, is_classifier
from sklearn.model_selection import GridSearchCV, cross_val_score, cross_validate
from sklearn.pipeline import Pipeline
from sklearn.utils import get_tags
from sklearn.utils.validation import check_is_fitted

from fewshot.classifiers import estimator
from fewshot.classifiers.knn import KNNClassifier
from fewshot.classifiers.naive_bayes import NaiveBayesClassifier
from fewshot.core.errors import InputError
from tests.jobs import ROOT


def test_scikit_learn_waits_until_it_is_needed():
    """Prevents a base class, a name that is looked up in vain or a repr that imports it: most of a cold start."""
    code = (
        "import sys, copy\n"
        "from fewshot.classifiers.linear_probe import LinearProbeClassifier as Probe\n"
        "probe = copy.copy(Probe('bundled'))\n"
        "assert not hasattr(probe, 'set_fit_request') and probe.get_params()['encoder'] == 'bundled', probe\n"
        "try: probe.predict(['a'])\n"
        "except Exception as error: said = type(error).__name__\n"
        "print(repr(probe), said)\n"
    )
    light = code.replace("probe.predict(['a'])", "raise KeyError") + "print({'sklearn', 'scipy'} & set(sys.modules))"
    lines = [
        subprocess.run(
            [sys.executable, "-c", one], capture_output=True, text=True, check=True, cwd=ROOT
        ).stdout.splitlines()
        for one in (code, light)
    ]
    assert lines[0] == ["LinearProbeClassifier(encoder='bundled') NotFittedError"]
    assert lines[1][1:] == ["set()"]


def test_it_is_a_classifier_in_scikit_learns_eyes():
    """Prevents folds that are not stratified, and checks that take it for something else."""
    classifier = NaiveBayesClassifier(alpha=0.5)
    assert is_classifier(classifier)
    tags = get_tags(classifier)
    assert (tags.estimator_type, tags.target_tags.required) == ("classifier", True)
    assert tags.classifier_tags is not None
    with pytest.raises(sklearn.exceptions.NotFittedError):
        check_is_fitted(classifier)
    check_is_fitted(classifier.fit(["good film", "bad film"], ["pos", "neg"]))


def test_searches_pipelines_and_cross_validation(single):
    """Prevents classifiers that scikit-learn can neither copy, set nor score."""
    texts, labels = np.array(single.texts, dtype=object), np.array(single.labels)
    scores = cross_val_score(NaiveBayesClassifier(), texts, labels, cv=2, error_score="raise")
    assert scores.shape == (2,)
    pipeline = Pipeline([("words", NaiveBayesClassifier())])
    search = GridSearchCV(pipeline, {"words__alpha": [0.1, 1.0]}, cv=2, error_score="raise").fit(texts, labels)
    assert search.best_params_["words__alpha"] in (0.1, 1.0)
    assert search.predict(texts).tolist() == search.best_estimator_.predict(texts).tolist()
    assert pipeline.get_params()["words__alpha"] == 1.0


def test_weights_are_routed(single):
    """Prevents ``set_score_request`` from being lost: weights would silently not count."""
    texts, labels = np.array(single.texts, dtype=object), np.array(single.labels)
    weight = np.where(labels == labels[0], 1.0, 0.0)
    labels[1] = labels[2]  # a wrong one that does not count
    with sklearn.config_context(enable_metadata_routing=True):
        asking = NaiveBayesClassifier().set_score_request(sample_weight=True)
        assert clone(asking).get_metadata_routing().score.requests["sample_weight"] is True
        assert NaiveBayesClassifier().get_metadata_routing().score.requests["sample_weight"] is None
        rest, fold = np.arange(0, len(labels), 2), np.arange(1, len(labels), 2)
        weights = {"sample_weight": weight}
        routed = cross_validate(asking, texts, labels, cv=[(rest, fold)], params=weights, error_score="raise")
    fitted = NaiveBayesClassifier().fit(texts[rest], labels[rest])
    assert routed["test_score"] == [fitted.score(texts[fold], labels[fold], sample_weight=weight[fold])]
    assert routed["test_score"] != [fitted.score(texts[fold], labels[fold])]


def test_params(single):
    """Prevents misspelt settings that are taken in silence, and nested ones that are lost."""
    inner = NaiveBayesClassifier(alpha=0.5)
    outer = KNNClassifier(encoder=inner)
    assert outer.get_params()["encoder__alpha"] == 0.5
    assert "encoder__alpha" not in outer.get_params(deep=False)
    assert outer.set_params(encoder__alpha=2.0) is outer
    assert inner.alpha == 2.0
    with pytest.raises(ValueError, match="Invalid parameter 'alhpa'"):
        inner.set_params(alhpa=1)


def test_shown():
    """Prevents an address in place of the settings, and notebooks that show nothing where sklearn is missing."""
    classifier = NaiveBayesClassifier(alpha=0.5)
    assert repr(classifier) == "NaiveBayesClassifier(alpha=0.5)"
    assert "NaiveBayesClassifier" in classifier._repr_mimebundle_()["text/html"]
    assert "NaiveBayesClassifier" in classifier._repr_html_()
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "sklearn.base", None)
        assert classifier._repr_mimebundle_() == {"text/plain": repr(classifier)}


def test_names_that_are_nobodys():
    """Prevents a fallback that answers every name, or that recurses on an object half made."""
    classifier = NaiveBayesClassifier()
    with pytest.raises(AttributeError, match="'NaiveBayesClassifier' object has no attribute 'clases_'"):
        classifier.clases_  # noqa: B018
    for made in (copy.deepcopy(classifier), pickle.loads(pickle.dumps(classifier))):
        assert made.get_params() == classifier.get_params()


def test_unfitted_where_scikit_learn_is_missing(monkeypatch):
    """Prevents an ImportError about a package where ``fit`` was forgotten."""
    monkeypatch.setitem(sys.modules, "sklearn.exceptions", None)
    assert isinstance(estimator.not_fitted("call fit"), InputError)
