"""Naive Bayes against scikit-learn's."""

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.model_selection import KFold
from sklearn.naive_bayes import MultinomialNB

from fewshot.classifiers.loading import load_classifier
from fewshot.classifiers.naive_bayes import TOKENS, NaiveBayesClassifier
from fewshot.core.errors import InputError, ModelFormatError
from fewshot.evaluation.thresholds import best_threshold, best_thresholds_per_label


def test_single_label_is_scikit_learns(single):
    """Prevents a prior or a smoothing that is not scikit-learn's."""
    ours = NaiveBayesClassifier(alpha=0.3).fit(single.texts, single.labels)
    vectorizer = CountVectorizer(token_pattern=TOKENS)
    theirs = MultinomialNB(alpha=0.3).fit(vectorizer.fit_transform(single.texts), single.labels)
    expected = theirs.predict_proba(vectorizer.transform(single.test_texts))
    np.testing.assert_allclose(ours.predict_proba(single.test_texts), expected, atol=1e-12)


def test_multi_label_is_one_binary_model_a_label(multi):
    """Prevents columns in another order than ``classes_``."""
    ours = NaiveBayesClassifier().fit(multi.texts, multi.labels)
    vectorizer = CountVectorizer(token_pattern=TOKENS)
    counts = vectorizer.fit_transform(multi.texts)
    for column, name in enumerate(ours.classes_):
        theirs = MultinomialNB().fit(counts, [name in entry for entry in multi.labels])
        expected = theirs.predict_proba(vectorizer.transform(multi.test_texts))[:, 1]
        np.testing.assert_allclose(ours.predict_proba(multi.test_texts)[:, column], expected, atol=1e-12)


def held_out_by_hand(texts, y, folds):
    """What scikit-learn says of each text without it."""
    counts = CountVectorizer(token_pattern=TOKENS).fit_transform(texts)
    found = np.empty(y.shape)
    for train, test in folds.split(texts):
        for label in range(y.shape[1]):
            known = y[train, label]
            constant = np.full(len(test), float(known[0]))
            varies = known.min() < known.max()
            found[test, label] = (
                MultinomialNB().fit(counts[train], known).predict_proba(counts[test])[:, 1] if varies else constant
            )
    return found


def test_thresholds_come_from_cross_validation(multi):
    """Prevents one half, which Naive Bayes' extreme probabilities hardly know, or thresholds of texts it has learnt."""
    common = NaiveBayesClassifier(random_state=3).fit(multi.texts, multi.labels)
    own = NaiveBayesClassifier(random_state=3, thresholds="per-label").fit(multi.texts, multi.labels)
    y = common.label_space_.encode(multi.labels)
    held_out = held_out_by_hand(multi.texts, y, KFold(5, shuffle=True, random_state=3))
    np.testing.assert_allclose(common.threshold_, best_threshold(y, held_out), rtol=1e-9)
    np.testing.assert_allclose(own.threshold_, best_thresholds_per_label(y, held_out), rtol=1e-9)
    assert len(set(own.threshold_.round(6))) > 1


def test_thresholds_of_validation_texts(multi):
    """Prevents validation texts that are taken and not looked at, and thresholds that a saved model forgets."""
    judges = (multi.test_texts, multi.test_labels)
    judged = NaiveBayesClassifier().fit(multi.texts, multi.labels, validation=judges)
    y = judged.label_space_.encode(multi.test_labels)
    np.testing.assert_allclose(judged.threshold_, best_threshold(y, judged.predict_proba(multi.test_texts)))


def test_thresholds_are_kept(multi, tmp_path):
    """Prevents a saved model that answers by one half, and one that trusts thresholds out of range."""
    made = NaiveBayesClassifier(thresholds="per-label").fit(multi.texts, multi.labels)
    made.save(tmp_path / "nb")
    opened = load_classifier(tmp_path / "nb")
    np.testing.assert_array_equal(opened.threshold_, made.threshold_)
    assert opened.predict(multi.test_texts) == made.predict(multi.test_texts)
    arrays = load_file(tmp_path / "nb" / "head.safetensors")
    save_file(arrays | {"threshold": arrays["threshold"] + 1}, tmp_path / "nb" / "head.safetensors")
    with pytest.raises(ModelFormatError, match="thresholds"):
        load_classifier(tmp_path / "nb")


def test_thresholds_are_checked(multi):
    """Prevents a misspelt way of choosing from being taken for the default."""
    with pytest.raises(InputError, match="Did you mean 'per-label'"):
        NaiveBayesClassifier(thresholds="per_label").fit(multi.texts, multi.labels)


def test_scripts_without_spaces_have_words():
    """Prevents a Chinese text from being one word that never comes again."""
    nb = NaiveBayesClassifier().fit(["我爱足球", "股票上涨"], ["sport", "money"])
    assert nb.predict(["足球很好", "股票"]).tolist() == ["sport", "money"]


def test_alpha_is_checked():
    """Prevents log(0) for unseen words."""
    with pytest.raises(InputError, match="alpha must be above 0"):
        NaiveBayesClassifier(alpha=0.0).fit(["a", "b"], ["x", "y"])
