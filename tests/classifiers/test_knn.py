"""k nearest neighbours: FAISS against scikit-learn, leave-one-out by hand."""

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from fewshot.classifiers.knn import KNNClassifier
from fewshot.core.errors import InputError
from fewshot.encoders.base import Encoder


class Points(Encoder):
    """Reads a text as the numbers of its vector."""

    name, dimension, fingerprint = "points", 2, "points"

    def _encode_batch(self, texts):
        return np.array([[float(number) for number in text.split()] for text in texts])

    def save(self, folder):
        raise NotImplementedError


def points(*angles):
    """Write unit vectors at these degrees as texts."""
    return [f"{np.cos(np.radians(a)):.17g} {np.sin(np.radians(a)):.17g}" for a in angles]


def test_neighbours_are_scikit_learns(toy_encoder, single):
    """Prevents an index that measures another distance than cosine, or returns rows out of order."""
    classifier = KNNClassifier(encoder=toy_encoder, k=4).fit(single.texts, single.labels)
    X = classifier._embed(single.test_texts)
    cosines, rows = classifier._search(X, 4)
    distances, expected = NearestNeighbors(n_neighbors=4, metric="cosine").fit(classifier.X_).kneighbors(X)
    np.testing.assert_array_equal(rows, expected)
    np.testing.assert_allclose(cosines, 1 - distances, atol=1e-5)


def test_votes_weigh_by_cosine():
    """Prevents a tie of one vote against one from being decided by class order."""
    classifier = KNNClassifier(encoder=Points(), k=2).fit(points(0, 50), ["z", "a"])
    probabilities = classifier.predict_proba(points(10))
    weights = np.cos(np.radians([40, 10]))
    np.testing.assert_allclose(probabilities, [weights / weights.sum()], atol=1e-6)
    assert classifier.predict(points(10)).tolist() == ["z"]


def test_leave_one_out_by_hand():
    """Prevents a text from voting for itself, which makes k=1 look perfect."""
    angles, labels = [0, 2, 5, 90, 92, 95], ["a", "a", "b", "b", "b", "b"]
    classifier = KNNClassifier(encoder=Points()).fit(points(*angles), labels)
    cosines, rows = classifier._search_others()
    order = [[j for j in sorted(range(6), key=lambda j: abs(angles[i] - angles[j])) if j != i] for i in range(6)]
    expected = np.cos(np.radians([[abs(angles[i] - angles[j]) for j in order[i]] for i in range(6)]))
    np.testing.assert_allclose(cosines, expected, atol=1e-6)
    assert not (rows == np.arange(6)[:, None]).any()
    names = np.array(labels)

    def right(k):  # by hand: the cosine-weighted vote of the k nearest others
        votes = [
            {name: expected[i, :k].clip(1e-6)[names[order[i][:k]] == name].sum() for name in "ab"} for i in range(6)
        ]
        return sum(max(vote, key=vote.get) == label for vote, label in zip(votes, labels, strict=True))

    best = max(right(k) for k in range(1, 6))
    assert right(classifier.k_) == best


def test_copies_do_not_find_themselves():
    """Prevents a text from voting for itself where more copies of it exist than neighbours are looked at."""
    classifier = KNNClassifier(encoder=Points()).fit(points(*[0] * 40, *[90] * 5), ["a"] * 40 + ["b"] * 5)
    _, rows = classifier._search_others()
    assert rows.shape == (45, 16)
    assert not (rows == np.arange(45)[:, None]).any()


def test_k_is_chosen_on_validation_data():
    """Prevents leave-one-out from deciding where the user gave data for it."""
    train, labels = points(0, 1, 2, 3, 20), ["a", "a", "a", "a", "b"]
    one = KNNClassifier(encoder=Points()).fit(train, labels, validation=(points(19, 21, 22), ["b"] * 3))
    assert one.k_ <= 2
    many = KNNClassifier(encoder=Points()).fit(train, labels, validation=(points(19, 21, 22), ["a"] * 3))
    assert many.k_ >= 3


def test_more_neighbours_than_texts():
    """Prevents FAISS's row -1, which would be the last text's label."""
    classifier = KNNClassifier(encoder=Points(), k=50).fit(points(0, 90, 91), ["a", "b", "b"])
    assert classifier.k_ == 3
    assert classifier.predict(points(45, 80)).tolist() == ["b", "b"]
    assert classifier.k == 50


def test_multi_label_counts_votes():
    """Prevents cosine weights where a share of votes is documented, and a threshold that is not the one given."""
    labels = [("a",), ("a", "b"), ("b",), ()]
    classifier = KNNClassifier(encoder=Points(), k=4, threshold=0.5).fit(points(0, 10, 20, 30), labels)
    np.testing.assert_allclose(classifier.predict_proba(points(0)), [[0.5, 0.5]])
    assert classifier.predict(points(0)) == [("a", "b")]
    strict = KNNClassifier(encoder=Points(), k=4, threshold=0.75).fit(points(0, 10, 20, 30), labels)
    assert strict.predict(points(0)) == [()]


def test_one_multi_label_text():
    """Prevents a crash where leave-one-out leaves nothing."""
    classifier = KNNClassifier(encoder=Points()).fit(points(0), [("a", "b")])
    assert classifier.predict(points(90)) == [("a", "b")]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"k": 0}, "k must be at least 1"),
        ({"threshold": 0.0}, "threshold must"),
        ({"threshold": 1.5}, "threshold must"),
    ],
)
def test_bad_arguments(arguments, message):
    """Prevents an index error far from the mistake."""
    with pytest.raises(InputError, match=message):
        KNNClassifier(encoder=Points(), **arguments).fit(points(0, 90), ["a", "b"])
