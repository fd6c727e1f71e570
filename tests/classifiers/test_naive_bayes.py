"""Naive Bayes against scikit-learn's."""

import json

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.metrics import f1_score
from sklearn.model_selection import KFold
from sklearn.naive_bayes import MultinomialNB

from fewshot.classifiers.loading import load_classifier
from fewshot.classifiers.naive_bayes import TOKENS, NaiveBayesClassifier
from fewshot.core.errors import InputError, ModelFormatError
from fewshot.evaluation.thresholds import best_thresholds_per_label, steady_threshold


def test_single_label_is_scikit_learns(single):
    """Prevents a prior or a smoothing that is not scikit-learn's."""
    ours = NaiveBayesClassifier(alpha=0.3).fit(single.texts, single.labels)
    vectorizer = CountVectorizer(token_pattern=TOKENS)
    theirs = MultinomialNB(alpha=0.3).fit(vectorizer.fit_transform(single.texts), single.labels)
    expected = theirs.predict_proba(vectorizer.transform(single.test_texts))
    np.testing.assert_allclose(ours.predict_proba(single.test_texts), expected, atol=1e-12)


def test_multi_label_is_one_binary_model_a_label(multi):
    """Prevents columns in another order than ``classes_``."""
    ours = NaiveBayesClassifier(length_normalization=0.0).fit(multi.texts, multi.labels)
    vectorizer = CountVectorizer(token_pattern=TOKENS)
    counts = vectorizer.fit_transform(multi.texts)
    for column, name in enumerate(ours.classes_):
        theirs = MultinomialNB().fit(counts, [name in entry for entry in multi.labels])
        expected = theirs.predict_proba(vectorizer.transform(multi.test_texts))[:, 1]
        np.testing.assert_allclose(ours.predict_proba(multi.test_texts)[:, column], expected, atol=1e-12)


def held_out_by_hand(texts, y, folds):
    """What scikit-learn says of each text without it: words that no other text has are not known."""
    found = np.empty(y.shape)
    for train, test in folds.split(texts):
        vectorizer = CountVectorizer(token_pattern=TOKENS).fit([texts[row] for row in train])
        counts = vectorizer.transform(texts)
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
    plain = {"random_state": 3, "length_normalization": 0.0}
    common = NaiveBayesClassifier(**plain).fit(multi.texts, multi.labels)
    own = NaiveBayesClassifier(**plain, thresholds="per-label").fit(multi.texts, multi.labels)
    y = common.label_space_.encode(multi.labels)
    held_out = held_out_by_hand(multi.texts, y, KFold(5, shuffle=True, random_state=3))
    steady = steady_threshold(y, held_out)
    np.testing.assert_allclose(common.threshold_, steady, rtol=1e-9)
    np.testing.assert_allclose(own.threshold_, best_thresholds_per_label(y, held_out, steady), rtol=1e-9)
    assert len(set(own.threshold_.round(6))) > 1


@pytest.mark.parametrize("power", [0.5, 1.0])
def test_log_odds_are_divided_by_the_length(multi, power):
    """Prevents a prior that is divided, too, and a length that counts words which nothing is known of."""
    ours = NaiveBayesClassifier(length_normalization=power).fit(multi.texts, multi.labels)
    vectorizer = CountVectorizer(token_pattern=TOKENS)
    counts = vectorizer.fit_transform(multi.texts)
    asked = [*multi.test_texts, "words that nobody knows", multi.texts[0] * 20, ""]
    found = vectorizer.transform(asked).toarray()
    for column, name in enumerate(ours.classes_):
        theirs = MultinomialNB().fit(counts, [name in entry for entry in multi.labels])
        (prior,) = np.diff(theirs.class_log_prior_)
        evidence = found @ np.diff(theirs.feature_log_prob_, axis=0)[0]
        odds = prior + evidence / np.maximum(found.sum(axis=1), 1) ** power
        np.testing.assert_allclose(ours.predict_proba(asked)[:, column], 1 / (1 + np.exp(-odds)), atol=1e-12)


def test_the_length_counts_as_is_best_on_held_out_texts(multi):
    """Prevents one answer for all data: the power with the better micro-F1 of held-out texts is taken, 1 of equals."""
    for seed in range(8):
        rows = np.random.default_rng(seed).permutation(len(multi.texts))[:14]
        texts, labels = [multi.texts[i] * (1 + 9 * (i % 2)) for i in rows], [multi.labels[i] for i in rows]
        tried = {power: NaiveBayesClassifier(length_normalization=power).fit(texts, labels) for power in (1.0, 0.5)}
        y = tried[1.0].label_space_.encode(labels)
        scores = {power: held_out_score(texts, y, power, made.threshold_[0]) for power, made in tried.items()}
        chosen = NaiveBayesClassifier().fit(texts, labels)
        assert chosen.length_normalization_ == max(scores, key=scores.get)
        np.testing.assert_array_equal(chosen.threshold_, tried[chosen.length_normalization_].threshold_)


def held_out_score(texts, y, power, threshold):
    """Micro-F1 by hand: the texts are judged by counts without them."""
    applies = np.zeros(y.shape, dtype=bool)
    for train, test in KFold(5, shuffle=True, random_state=0).split(texts):
        counts = CountVectorizer(token_pattern=TOKENS).fit([texts[row] for row in train]).transform(texts)
        for label in range(y.shape[1]):
            known = y[train, label]
            if known.min() == known.max():
                applies[test, label] = bool(known[0])
                continue
            nb = MultinomialNB().fit(counts[train], known)
            evidence = counts[test] @ np.diff(nb.feature_log_prob_, axis=0)[0]
            lengths = np.maximum(np.asarray(counts[test].sum(axis=1)).ravel(), 1)
            odds = np.diff(nb.class_log_prior_)[0] + evidence / lengths**power
            applies[test, label] = 1 / (1 + np.exp(-odds)) >= threshold
    return f1_score(y, applies, average="micro", zero_division=0)


def test_the_length_is_kept_and_checked(multi, tmp_path):
    """Prevents a saved model that counts lengths otherwise than the one that was judged, and meaningless powers."""
    with pytest.raises(InputError, match="length_normalization must be from 0 to 1"):
        NaiveBayesClassifier(length_normalization=2.0).fit(multi.texts, multi.labels)
    made = NaiveBayesClassifier(length_normalization=0.7).fit(multi.texts, multi.labels)
    made.save(tmp_path / "nb")
    opened = load_classifier(tmp_path / "nb")
    assert opened.length_normalization_ == 0.7
    np.testing.assert_array_equal(opened.predict_proba(multi.test_texts), made.predict_proba(multi.test_texts))
    damaged = json.loads((tmp_path / "nb" / "fewshot.json").read_text("utf-8"))
    assert damaged["settings"].pop("length_normalization") == 0.7
    (tmp_path / "nb" / "fewshot.json").write_text(json.dumps(damaged), "utf-8")
    assert load_classifier(tmp_path / "nb").length_normalization_ == 0, "models of 0.1.0 had none"
    damaged["settings"]["length_normalization"] = "far"
    (tmp_path / "nb" / "fewshot.json").write_text(json.dumps(damaged), "utf-8")
    with pytest.raises(ModelFormatError, match="length_normalization"):
        load_classifier(tmp_path / "nb")


def test_thresholds_of_validation_texts(multi):
    """Prevents validation texts that are taken and not looked at, and thresholds that a saved model forgets."""
    judges = (multi.test_texts, multi.test_labels)
    judged = NaiveBayesClassifier().fit(multi.texts, multi.labels, validation=judges)
    y = judged.label_space_.encode(multi.test_labels)
    np.testing.assert_allclose(judged.threshold_, steady_threshold(y, judged.predict_proba(multi.test_texts)))


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
