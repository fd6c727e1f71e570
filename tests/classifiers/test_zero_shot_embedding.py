"""Class names by similarity: cosines with the classes' mean vectors, centred, tempered, and told apart by labels."""

import numpy as np
import pytest
from scipy.special import expit, softmax

from fewshot import load_classifier
from fewshot.classifiers.zero_shot_embedding import (
    LEAST_TEXTS_TO_CENTER,
    MIDDLES,
    MULTI_LABEL_TEMPERATURE,
    TEMPERATURES,
    ZeroShotEmbeddingClassifier,
)
from fewshot.core.errors import InputError
from fewshot.distillation.teachers import open_teacher

TOPICS = ["billing", "delivery", "login"]
WORDS = {"billing": ["a refund", "an invoice"], "login": "a password"}


def make(encoder, **options):
    """An unfitted classifier of three topics."""
    return ZeroShotEmbeddingClassifier(encoder, **{"classes": TOPICS} | options)


def unit(X):
    """Vectors at length 1."""
    return X / np.linalg.norm(X, axis=-1, keepdims=True)


def class_vectors(encoder, templates, words):
    """Mean vectors of the classes' sentences, of length 1."""
    vectors = [unit(encoder.encode([t.format(w) for t in templates for w in some])).mean(axis=0) for some in words]
    return unit(np.array(vectors, dtype=np.float64))


def test_probabilities_are_a_softmax_of_cosines(tiny_encoder, pool):
    """Prevents a description from standing for another class, and vectors that are not of length 1."""
    classifier = make(tiny_encoder, templates=["about {}", "{}"], label_words=WORDS).fit()
    P = class_vectors(tiny_encoder, ["about {}", "{}"], [["a refund", "an invoice"], ["delivery"], ["a password"]])
    cosines = unit(tiny_encoder.encode(pool[:9])) @ P.T
    np.testing.assert_allclose(
        classifier.predict_proba(pool[:9]), softmax(cosines / TEMPERATURES["plain"], axis=1), atol=1e-5
    )
    mild = make(tiny_encoder, templates=["about {}", "{}"], label_words=WORDS, temperature=0.5).fit()
    np.testing.assert_allclose(mild.predict_proba(pool[:9]), softmax(cosines / 0.5, axis=1), atol=1e-5)
    several = make(tiny_encoder, templates=["about {}", "{}"], label_words=WORDS, multi_label=True).fit()
    expected = expit((cosines - MIDDLES["plain"]) / MULTI_LABEL_TEMPERATURE)
    np.testing.assert_allclose(several.predict_proba(pool[:9]), expected, atol=1e-5)


def test_centering(tiny_encoder, pool, single):
    """Prevents the mean from being taken of other texts than those that the report names."""
    classifier = make(tiny_encoder, centering=True).fit(unlabeled=pool[:60])
    P, U = (
        class_vectors(tiny_encoder, ["This text is about {}."], [[t] for t in TOPICS]),
        unit(tiny_encoder.encode(pool)),
    )
    cosines = (U - U[:60].mean(axis=0)) @ unit(P - P.mean(axis=0)).T
    np.testing.assert_allclose(
        classifier.predict_proba(pool), softmax(cosines / TEMPERATURES["centered"], axis=1), atol=1e-5
    )
    assert classifier.report_["centered_on"] == "60 unlabelled texts"
    own = make(tiny_encoder, centering=True).fit(single.texts, single.labels)
    assert own.report_["centered_on"] == f"{len(single.texts)} labelled texts"
    with pytest.raises(InputError, match="centering=True needs texts to take the mean of"):
        make(tiny_encoder, centering=True).fit()


def test_centering_by_itself(tiny_encoder, pool):
    """Prevents the mean of a few texts, which says more of them than of those to come, from being subtracted."""
    few, enough = pool[: LEAST_TEXTS_TO_CENTER - 1], pool[:LEAST_TEXTS_TO_CENTER]
    assert make(tiny_encoder).fit(unlabeled=few).report_["centered_on"] is None
    assert make(tiny_encoder).fit(unlabeled=enough).report_["centered_on"] is not None
    assert make(tiny_encoder, centering=False).fit(unlabeled=enough).report_["centered_on"] is None


def test_one_class_is_not_its_own_mean(tiny_encoder, pool):
    """Prevents a classifier of one label from giving every text the same probability."""
    classifier = ZeroShotEmbeddingClassifier(tiny_encoder, classes=["refund"], multi_label=True).fit(unlabeled=pool)
    assert np.isfinite(classifier.report_["temperature"])
    assert np.ptp(classifier.predict_proba(pool)) > 0


def test_labels_set_the_temperature(tiny_topical, tiny_encoder, single, multi):
    """Prevents probabilities that say next to nothing, or too much, where labels tell how often they are right."""
    plain, fitted = make(tiny_topical).fit(), make(tiny_topical).fit(single.texts, single.labels)
    assert list(fitted.predict(single.test_texts)) == list(plain.predict(single.test_texts))
    columns = [TOPICS.index(label) for label in single.test_labels]
    losses = [
        -np.log(one.predict_proba(single.test_texts)[range(len(columns)), columns]).mean() for one in (plain, fitted)
    ]
    assert losses[1] < losses[0] or losses[0] < 1e-3
    unsure = make(tiny_encoder).fit(single.texts, single.labels)  # random weights know no topic
    assert unsure.report_["temperature"] > TEMPERATURES["plain"]
    assert make(tiny_encoder, temperature=0.3).fit(single.texts, single.labels).report_["temperature"] == pytest.approx(
        0.3
    )
    several = make(tiny_topical).fit(multi.texts, multi.labels)
    assert several.score(multi.test_texts, multi.test_labels) >= 0.6
    assert several.abstention_threshold(0.5) <= 1


def test_without_labels_nothing_is_promised(tiny_encoder):
    """Prevents a precision from being promised that no label vouches for."""
    with pytest.raises(InputError, match="no held-out predictions"):
        make(tiny_encoder).fit().abstention_threshold(0.9)


def test_descriptions_survive_saving(tiny_encoder, tmp_path, pool):
    """Prevents a folder that opens with bare names or another rule; it is a sentence-transformers folder, too."""
    from sentence_transformers import SentenceTransformer

    words = {7: ["a refund", "an invoice"], 30: "a password"}
    classifier = ZeroShotEmbeddingClassifier(tiny_encoder, label_words=words, multi_label=True, top_k=1)
    classifier.fit(unlabeled=pool[:60]).save(tmp_path / "model")
    loaded = load_classifier(tmp_path / "model", device="cpu")
    assert loaded.label_words == words
    np.testing.assert_array_equal(loaded.predict_proba(pool), classifier.predict_proba(pool))
    assert loaded.predict(pool) == classifier.predict(pool)
    vectors = SentenceTransformer(str(tmp_path / "model"), device="cpu").encode(pool[:3])
    np.testing.assert_allclose(vectors, tiny_encoder.encode(pool[:3]), atol=1e-5)


def test_it_teaches_vectors_and_classes(tiny_encoder, pool):
    """Prevents a teacher by names from losing its encoder."""
    classifier = make(tiny_encoder).fit()
    targets = open_teacher(classifier).targets(pool[:5])
    np.testing.assert_allclose(targets.probabilities, classifier.predict_proba(pool[:5]), atol=1e-6)
    assert targets.embeddings.shape == (5, tiny_encoder.dimension)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"centering": "yes"}, "centering must be 'auto', True or False"),
        ({"temperature": 0.0}, "temperature must be above 0"),
        ({"top_k": 0}, "top_k must be at least 1"),
        ({"templates": "no place"}, "one {} for the class name"),
        ({"classes": None}, "name the classes"),
    ],
)
def test_wrong_settings(tiny_static, options, message):
    """Prevents settings that nobody meant from being found out after the encoder has read a pool."""
    with pytest.raises(InputError, match=message):
        make(tiny_static, **options).fit()


@pytest.mark.slow
def test_a_real_encoder_knows_names(bundled):
    """Prevents templates or means that bury the names."""
    texts = ["The striker scored twice in the final.", "The bank raised its interest rates again."]
    classifier = make(bundled, classes=["sports", "finance"]).fit()
    assert classifier.predict(texts).tolist() == ["sports", "finance"]
