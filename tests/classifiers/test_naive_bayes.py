"""Naive Bayes against scikit-learn's."""

import numpy as np
import pytest
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.naive_bayes import MultinomialNB

from fewshot.classifiers.naive_bayes import TOKENS, NaiveBayesClassifier
from fewshot.core.errors import InputError


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


def test_scripts_without_spaces_have_words():
    """Prevents a Chinese text from being one word that never comes again."""
    nb = NaiveBayesClassifier().fit(["我爱足球", "股票上涨"], ["sport", "money"])
    assert nb.predict(["足球很好", "股票"]).tolist() == ["sport", "money"]


def test_alpha_is_checked():
    """Prevents log(0) for unseen words."""
    with pytest.raises(InputError, match="alpha must be above 0"):
        NaiveBayesClassifier(alpha=0.0).fit(["a", "b"], ["x", "y"])
