"""k nearest neighbours: against scikit-learn, against NumPy, leave-one-out by hand, explained."""

import itertools
import json

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors

from fewshot.classifiers import knn as knn_module
from fewshot.classifiers.folder import HEAD
from fewshot.classifiers.knn import KNNClassifier
from fewshot.classifiers.loading import load_classifier
from fewshot.core.errors import InputError, ModelFormatError
from fewshot.encoders.base import Encoder
from fewshot.heads import index as index_module


class Points(Encoder):
    """Reads a text as the numbers of its vector."""

    name, fingerprint = "points", "points"

    def __init__(self, dimension=2):
        self.dimension = dimension

    def _encode_batch(self, texts):
        return np.array([[float(number) for number in text.split()] for text in texts])

    def save(self, folder):
        raise NotImplementedError


def points(*angles, length=1.0):
    """Write vectors of this length at these degrees as texts."""
    return [f"{length * np.cos(np.radians(a)):.17g} {length * np.sin(np.radians(a)):.17g}" for a in angles]


def scattered(n, seed):
    """Draw points in five dimensions as texts, and a class for each that depends on where they are."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 5)) + 0.5
    y = np.where(rng.random(n) < 0.2, rng.integers(3, size=n), X[:, :3].argmax(axis=1))
    texts = [" ".join(f"{number:.17g}" for number in x) for x in X]
    return texts, [f"class {label}" for label in y], X.astype(np.float32)


def several(labels):
    """Make sets of labels of them: a class, and for some texts another one."""
    return [(label, "class 9") if row % 3 else (label,) if row % 2 else () for row, label in enumerate(labels)]


def test_neighbours_are_scikit_learns(toy_encoder, single):
    """Prevents an index that measures another distance than cosine, or returns rows out of order."""
    classifier = KNNClassifier(encoder=toy_encoder, k=4).fit(single.texts, single.labels)
    X = classifier._embed(single.test_texts)
    cosines, rows = classifier.index_.search(X, 4)
    distances, expected = NearestNeighbors(n_neighbors=4, metric="cosine").fit(classifier.X_).kneighbors(X)
    np.testing.assert_array_equal(rows, expected)
    np.testing.assert_allclose(cosines, 1 - distances, atol=1e-5)


@pytest.mark.parametrize("k", [1, 2, 5, 12])
@pytest.mark.parametrize(
    ("metric", "weights", "theirs"),
    [
        ("cosine", "uniform", "uniform"),
        ("l2", "uniform", "uniform"),
        ("l2", "distance", "distance"),
        ("cosine", "distance", lambda distances: np.maximum(1 - distances, 1e-6)),
    ],
)
def test_answers_are_scikit_learns(k, metric, weights, theirs):
    """Prevents another metric, other votes, or a tie that falls to another class than in scikit-learn."""
    (texts, labels, X), (fresh, _, queries) = scattered(60, 0), scattered(50, 1)
    ours = KNNClassifier(encoder=Points(5), k=k, metric=metric, weights=weights).fit(texts, labels)
    reference = KNeighborsClassifier(k, metric=metric, weights=theirs, algorithm="brute").fit(X, labels)
    np.testing.assert_allclose(ours.predict_proba(fresh), reference.predict_proba(queries), atol=2e-5)
    if weights == "uniform":
        np.testing.assert_array_equal(ours.predict(fresh), reference.predict(queries))


@pytest.mark.parametrize("index", ["exact", "approximate"])
@pytest.mark.parametrize(("metric", "weights"), [*itertools.product(["cosine", "l2"], ["distance", "uniform"])])
def test_several_labels_by_hand(index, metric, weights):
    """Prevents votes for one label from taking from another's, and cells that lose a vote."""
    (texts, labels, X), (fresh, _, queries) = scattered(40, 0), scattered(30, 1)
    settings = {"metric": metric, "weights": weights, "index": index}
    ours = KNNClassifier(encoder=Points(5), k=40, threshold=0.3, **settings).fit(texts, several(labels))
    if metric == "cosine":
        X, queries = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in (X, queries))
        votes = np.maximum(queries @ X.T, 1e-6)
    else:
        votes = 1 / np.linalg.norm(queries[:, None] - X, axis=2)
    votes = np.ones_like(votes) if weights == "uniform" else votes
    Y = np.array([[name in row for name in ours.classes_] for row in several(labels)])
    expected = votes @ Y / votes.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(ours.predict_proba(fresh), expected, atol=1e-5)
    assert [set(row) for row in ours.predict(fresh)] == [set(ours.classes_[row >= 0.3]) for row in expected]


def test_lengths_count_with_l2_alone():
    """Prevents vectors from being brought to length 1 where the distance of the encoder's own was asked for."""
    texts, labels = [*points(0, length=5), *points(80)], ["far along", "near"]
    at = points(0)
    assert KNNClassifier(encoder=Points(), k=1).fit(texts, labels).predict(at).tolist() == ["far along"]
    assert KNNClassifier(encoder=Points(), k=1, metric="l2").fit(texts, labels).predict(at).tolist() == ["near"]


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
    order = [[j for j in sorted(range(6), key=lambda j: abs(angles[i] - angles[j])) if j != i] for i in range(6)]
    cosines = np.cos(np.radians([[abs(angles[i] - angles[j]) for j in order[i]] for i in range(6)]))
    names = np.array(labels)

    def right(k):  # by hand: the cosine-weighted vote of the k nearest others
        votes = [
            {name: cosines[i, :k].clip(1e-6)[names[order[i][:k]] == name].sum() for name in "ab"} for i in range(6)
        ]
        return sum(max(vote, key=vote.get) == label for vote, label in zip(votes, labels, strict=True))

    np.testing.assert_allclose(classifier.grid_, [[right(k) / 6] for k in range(1, 6)])
    assert right(classifier.k_) == max(right(k) for k in range(1, 6))


def test_k_is_chosen_on_validation_data():
    """Prevents leave-one-out from deciding where the user gave data for it."""
    train, labels = points(0, 1, 2, 3, 20), ["a", "a", "a", "a", "b"]
    one = KNNClassifier(encoder=Points()).fit(train, labels, validation=(points(19, 21, 22), ["b"] * 3))
    assert one.k_ <= 2
    many = KNNClassifier(encoder=Points()).fit(train, labels, validation=(points(19, 21, 22), ["a"] * 3))
    assert many.k_ >= 3


def test_the_largest_k_is_tried_and_every_m():
    """Prevents the grid from ending one before its end, as ``range(1, max_k)`` does."""
    train, labels = points(0, 1, 2, 90, 91), ["b", "a", "a", "b", "b"]
    judge = (points(0.1), ["a"])  # the nearest says b, the next two say a
    assert KNNClassifier(encoder=Points(), max_k=3).fit(train, labels, validation=judge).k_ == 3
    sets = [("a",), ("a",), ("a",), ("a", "b"), ("a", "b")]
    judge = (points(90, 45), [("a",), ("a",)])  # b never applies, and of four the two b's must not suffice
    tuned = KNNClassifier(encoder=Points(), max_k=4, weights="uniform").fit(points(0, 1, 2, 90, 91), sets)
    assert tuned.grid_.shape == (4, 4)
    assert np.isfinite(tuned.grid_).sum() == 1 + 2 + 3 + 4
    judged = KNNClassifier(encoder=Points(), max_k=4, weights="uniform").fit(
        points(0, 1, 2, 90, 91), sets, validation=judge
    )
    assert judged.grid_[judged.k_ - 1, round(judged.threshold_ * judged.k_) - 1] == np.nanmax(judged.grid_) == 1.0
    assert judged.threshold_ > 0.5


def test_what_is_given_is_not_tuned():
    """Prevents a search from replacing the user's k or threshold."""
    texts, labels, _ = scattered(30, 0)
    given = KNNClassifier(encoder=Points(5), k=7, threshold=0.4).fit(texts, several(labels))
    assert (given.k_, given.threshold_) == (7, 0.4)
    assert np.argwhere(np.isfinite(given.grid_)).tolist() == [[6, 2]]
    half = KNNClassifier(encoder=Points(5), threshold=0.4).fit(texts, several(labels))
    assert half.threshold_ == 0.4
    assert np.isfinite(half.grid_).sum() == 16


def test_many_texts_are_judged_in_part(monkeypatch):
    """Prevents leave-one-out over a million texts, and a part that leaves the last classes out."""
    monkeypatch.setattr(knn_module, "MOST_JUDGED", 10)
    classifier = KNNClassifier(encoder=Points()).fit(points(*range(95)), ["a"] * 50 + ["b"] * 45)
    rows = classifier._rows_to_judge()
    assert len(set(rows.tolist())) == 10
    assert (rows[0], rows[-1]) == (0, 94)
    assert set((classifier.grid_[:, 0] * 10).round(6) % 1) == {0.0}


def test_more_neighbours_than_texts():
    """Prevents FAISS's row -1, which would be the last text's label."""
    classifier = KNNClassifier(encoder=Points(), k=50).fit(points(0, 90, 91), ["a", "b", "b"])
    assert classifier.k_ == 3
    assert classifier.predict(points(45, 80)).tolist() == ["b", "b"]
    assert classifier.k == 50


def test_uniform_votes_are_counted():
    """Prevents cosine weights where a share of votes was asked for, and a threshold that is not the one given."""
    labels = [("a",), ("a", "b"), ("b",), ()]
    settings = {"k": 4, "weights": "uniform"}
    classifier = KNNClassifier(encoder=Points(), threshold=0.5, **settings).fit(points(0, 10, 20, 30), labels)
    np.testing.assert_allclose(classifier.predict_proba(points(0)), [[0.5, 0.5]])
    assert classifier.predict(points(0)) == [("a", "b")]
    strict = KNNClassifier(encoder=Points(), threshold=0.75, **settings).fit(points(0, 10, 20, 30), labels)
    assert strict.predict(points(0)) == [()]


def test_one_multi_label_text():
    """Prevents a crash where leave-one-out leaves nothing."""
    classifier = KNNClassifier(encoder=Points()).fit(points(0), [("a", "b")])
    assert classifier.predict(points(90)) == [("a", "b")]
    assert not np.isfinite(classifier.grid_).any()


@pytest.mark.parametrize("multi_label", [False, True])
def test_a_million_texts_go_through_in_parts(multi_label, monkeypatch):
    """Prevents the vectors and votes of a whole pool from standing in memory at once, and parts that show."""
    texts, labels, _ = scattered(50, 0)
    labels = several(labels) if multi_label else labels
    classifier = KNNClassifier(encoder=Points(5), k=5).fit(texts, labels)
    whole, probabilities = list(classifier.predict(texts)), classifier.predict_proba(texts)
    seen = []
    embed = classifier._embed
    monkeypatch.setattr(knn_module, "TEXTS_AT_ONCE", 7)
    monkeypatch.setattr(classifier, "_embed", lambda part: seen.append(len(part)) or embed(part))
    assert list(classifier.predict(texts)) == whole
    assert seen == [7] * 7 + [1]
    np.testing.assert_array_equal(classifier.predict_proba(texts), probabilities)
    assert max(seen) == 7
    assert len(classifier.predict([])) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"k": 0}, "k must be at least 1"),
        ({"k": 2.5}, "k must be at least 1 and a whole number, got 2.5"),
        ({"max_k": 0}, "max_k must be at least 1"),
        ({"threshold": 0.0}, "threshold must"),
        ({"threshold": 1.5}, "threshold must"),
        ({"metric": "dot"}, "metric must be one of cosine, l2, got 'dot'"),
        ({"weights": "rank"}, "weights must be one of distance, uniform, got 'rank'"),
        ({"index": "hnsw"}, "index must be one of auto, exact, approximate, got 'hnsw'"),
    ],
)
def test_bad_arguments(arguments, message):
    """Prevents an index error far from the mistake, and texts from being embedded before it is found."""
    encoder = Points()
    encoder.encode = None
    with pytest.raises(InputError, match=message):
        KNNClassifier(encoder=encoder, **arguments).fit(points(0, 90), ["a", "b"])


def test_explanations_name_who_decided():
    """Prevents neighbours, shares or an answer that are not those of the prediction."""
    texts, labels, _ = scattered(40, 0)
    fresh, _, _ = scattered(10, 1)
    classifier = KNNClassifier(encoder=Points(5), k=4).fit(texts, labels)
    explained = classifier.explain(fresh)
    probabilities = classifier.predict_proba(fresh)
    for row, one in enumerate(explained):
        assert one.prediction == classifier.predict(fresh)[row]
        assert type(one.prediction) is str
        assert one.confidence == pytest.approx(probabilities[row].max())
        assert len(one.neighbors) == 4
        assert sum(neighbor.share for neighbor in one.neighbors) == pytest.approx(1)
        for name, probability in zip(classifier.classes_, probabilities[row], strict=True):
            shares = [neighbor.share for neighbor in one.neighbors if neighbor.label == name]
            assert sum(shares) == pytest.approx(probability)
        assert [neighbor.label for neighbor in one.neighbors] == [labels[neighbor.row] for neighbor in one.neighbors]
        similarities = [neighbor.similarity for neighbor in one.neighbors]
        assert similarities == sorted(similarities, reverse=True)
        assert [neighbor.text for neighbor in one.neighbors] == [None] * 4
    assert classifier.explain(fresh[0]) == explained[0]
    assert classifier.explain([]) == []
    with pytest.raises(InputError, match="must be a string"):
        classifier.explain(["0 1", 3])


def test_explanations_of_several_labels():
    """Prevents one label in place of a set, and a confidence of the wrong decision."""
    labels = [("a",), ("a", "b"), (), ("b",)]
    classifier = KNNClassifier(encoder=Points(), k=2, threshold=0.6, keep_texts=True).fit(points(0, 10, 90, 91), labels)
    one = classifier.explain(points(5))[0]
    assert one.prediction == ("a",)
    assert {neighbor.label for neighbor in one.neighbors} == {("a",), ("a", "b")}
    assert one.confidence == pytest.approx(0.5)
    assert [neighbor.text for neighbor in one.neighbors] == [points(0, 10)[n.row] for n in one.neighbors]


@pytest.mark.parametrize("keep_texts", [False, True])
def test_texts_are_kept_where_asked_for(keep_texts, tiny_static, single, tmp_path):
    """Prevents private texts in a folder that is passed on, and a table without texts where they were asked for."""
    classifier = KNNClassifier(encoder=tiny_static, k=2, keep_texts=keep_texts).fit(single.texts, single.labels)
    classifier.save(tmp_path / "model", metrics={"accuracy": 0.5})
    loaded = load_classifier(tmp_path / "model", device="cpu")
    for explained in (classifier.explain(single.texts[3]), loaded.explain(single.texts[3])):
        assert explained.neighbors[0].row == 3
        assert explained.neighbors[0].text == (single.texts[3] if keep_texts else None)
        assert (single.texts[3] in str(explained)) == keep_texts
    content = (tmp_path / "model" / HEAD).read_bytes()
    assert (single.texts[3].encode() in content) == keep_texts
    for file in ("README.md", "fewshot.json"):
        assert single.texts[3] not in (tmp_path / "model" / file).read_text("utf-8")


def test_the_index_is_kept(tiny_static, single, tmp_path, monkeypatch):
    """Prevents a large model from seeking its cells anew on loading, or in an exact search where it was not exact."""
    monkeypatch.setattr(index_module, "EXACT_UP_TO", 10)
    classifier = KNNClassifier(encoder=tiny_static).fit(single.texts, single.labels)
    assert classifier.index_.cells is not None
    classifier.save(tmp_path / "model")
    monkeypatch.setattr(index_module, "EXACT_UP_TO", 10**9)
    monkeypatch.setattr("fewshot.heads.cells.Cells.of", None)
    loaded = load_classifier(tmp_path / "model", device="cpu")
    np.testing.assert_array_equal(loaded.index_.cells.centers, classifier.index_.cells.centers)
    np.testing.assert_array_equal(loaded.grid_, classifier.grid_)
    np.testing.assert_array_equal(loaded.predict_proba(single.test_texts), classifier.predict_proba(single.test_texts))


@pytest.mark.parametrize(
    "changes",
    [
        {"y": np.zeros((15, 3), dtype=np.uint8)},
        {"y": np.full((15, 3), 7, dtype=np.uint8)},
        {"y": np.ones((4, 3), dtype=np.uint8)},
        {"X": np.ones((15,), dtype=np.float32)},
        {"X": np.full((15, 16), np.nan, dtype=np.float32)},
        {"text_ends": np.arange(15, dtype=np.int64)},
        {"cell_of_row": np.full(15, 10**6, dtype=np.int32)},
    ],
)
def test_damaged_folders(changes, tiny_static, single, tmp_path):
    """Prevents a stranger's file from crashing the process, or from answering at random."""
    settings = {"index": "approximate", "keep_texts": True}
    KNNClassifier(encoder=tiny_static, **settings).fit(single.texts, single.labels).save(tmp_path / "model")
    arrays = load_file(tmp_path / "model" / HEAD)
    save_file({**arrays, **changes}, tmp_path / "model" / HEAD)
    with pytest.raises(ModelFormatError, match="damaged"):
        load_classifier(tmp_path / "model", device="cpu")


def test_k_of_a_damaged_folder(tiny_static, single, tmp_path):
    """Prevents a k of 0 from dividing by no votes at all."""
    KNNClassifier(encoder=tiny_static).fit(single.texts, single.labels).save(tmp_path / "model")
    listing = json.loads((tmp_path / "model" / "fewshot.json").read_text())
    listing["settings"]["k"] = 0
    (tmp_path / "model" / "fewshot.json").write_text(json.dumps(listing))
    with pytest.raises(ModelFormatError, match="k 0"):
        load_classifier(tmp_path / "model", device="cpu")
