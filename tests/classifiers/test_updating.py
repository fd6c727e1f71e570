"""New labels for a trained classifier: what is known is kept, and trained anew only with all texts at hand."""

import types

import numpy as np
import pytest

from fewshot.classifiers.loading import load_classifier
from fewshot.classifiers.setfit import SetFitClassifier
from fewshot.classifiers.templates import check_templates
from fewshot.classifiers.updating import Decision, Merged, decide, merge, score_on_new
from fewshot.core.errors import InputError
from fewshot.data.labels import LabelSpace
from fewshot.heads.memory import Memory

NEW = ["thank you", "hello again", "thank you again", "hello thank you"]


def directions(n, dimension=16, seed=0):
    """Return unit vectors at right angles."""
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(dimension, dimension)))[0][:n].astype(np.float32)


def remembering(X, labels, multi_label=False):
    """Stand for a classifier that remembers vectors."""
    space = LabelSpace.of(labels)
    return types.SimpleNamespace(memory_=Memory.of(X, space.encode(labels)), label_space_=space)


def test_what_was_not_given_again_is_kept():
    """Prevents earlier labels from being forgotten, or counted as new."""
    X = directions(5)
    merged = merge(remembering(X[:3], ["a", "b", "a"]), X[2:], ["b", "c", "a"])
    assert merged.space.classes == ("a", "b", "c")
    assert merged.space.decode(merged.y) == ["a", "b", "b", "c", "a"]
    assert merged.is_new.tolist() == [False, False, False, True, True]
    assert merged.n_forgotten == 2
    np.testing.assert_allclose(merged.X, X, atol=1e-3)


def test_a_text_given_again_is_known_after_rounding():
    """Prevents half precision from making a known text new."""
    X = directions(4, dimension=384)
    merged = merge(remembering(X, ["a", "b", "a", "b"]), X, ["a", "b", "a", "a"])
    assert (merged.n_forgotten, merged.is_new.any()) == (0, False)
    assert merged.space.decode(merged.y) == ["a", "b", "a", "a"]


def test_a_class_drawn_to_one_point_is_not_given_again_by_one_text():
    """Prevents a training on the new texts alone where one of them looks like all earlier ones."""
    X = np.repeat(directions(2), 5, axis=0)
    merged = merge(remembering(X, ["a"] * 5 + ["b"] * 5), np.vstack([X[[0, 5]], directions(3)[2:]]), ["a", "b", "c"])
    assert merged.n_forgotten == 8
    assert not decide(merged, 2, 1.0, None).retrain
    assert merged.space.decode(merged.y) == ["a"] * 4 + ["b"] * 4 + ["a", "b", "c"]
    again = merge(remembering(X, ["a"] * 5 + ["b"] * 5), X, ["a"] * 5 + ["b"] * 5)
    assert (again.n_forgotten, len(again.y)) == (0, 10)


def test_a_class_that_words_alone_describe_stays_known(tiny_encoder):
    """Prevents an update after which a class that no text has can never be the answer."""
    words = {"billing": "refund invoice", "delivery": "parcel courier", "login": "password account"}
    texts, labels = (
        ["refund invoice", "parcel courier", "invoice refund", "courier parcel"],
        ["billing", "delivery"] * 2,
    )
    classifier = SetFitClassifier(encoder=tiny_encoder, steps=0, label_words=words).fit(texts, labels)
    asked = [check_templates("auto")[0].replace("{}", words["login"])]
    assert classifier.predict(asked).tolist() == ["login"]
    classifier.update(["parcel box"], ["delivery"])
    assert classifier.report_["updated"] == "head"
    assert classifier.predict(asked).tolist() == ["login"]


@pytest.mark.parametrize("multi_label", [False, True])
def test_labels_of_another_kind_are_refused(multi_label):
    """Prevents a matrix for single labels, or class names that are tuples."""
    labels = [("a",), ("b",)] if multi_label else ["a", "b"]
    others = ["a", "b"] if multi_label else [("a",), ()]
    with pytest.raises(InputError, match="labels: the classifier has"):
        merge(remembering(directions(2), labels), directions(2), others)


@pytest.mark.parametrize(
    ("labels", "message"),
    [(["a", None], r"labels\[1\] is missing"), (["a", 3], "mix strings"), ([], "must not be empty")],
)
def test_bad_labels_are_refused(labels, message):
    """Prevents an update with half of the labels, named by a row that the user does not know."""
    with pytest.raises(InputError, match=message):
        merge(remembering(directions(2), ["a", "b"]), directions(len(labels)), labels)


def test_texts_without_label_are_an_update_as_well():
    """Prevents a refusal of multi-label texts to which nothing applies."""
    merged = merge(remembering(directions(2), [("a",), ("b",)]), directions(3)[2:], [()])
    assert merged.y.tolist() == [[1, 0], [0, 1], [0, 0]]


def test_nothing_remembered_is_said():
    """Prevents an AttributeError at a classifier that another package trained."""
    with pytest.raises(InputError, match="keeps no vectors"):
        merge(types.SimpleNamespace(memory_=None), directions(1), ["a"])


def merged_of(n_old, n_new, classes=("a", "b"), forgotten=0):
    """Return so many known and new rows."""
    y = np.arange(n_old + n_new) % len(classes)
    return Merged(LabelSpace(classes, False), np.eye(len(y)), y, np.arange(len(y)) >= n_old, forgotten)


@pytest.mark.parametrize(
    ("merged", "promised", "found", "retrain", "reason"),
    [
        (merged_of(10, 5, forgotten=3), 0.9, 0.1, False, "3 earlier training texts were not given again"),
        (merged_of(10, 50, ("a", "b", "c"), forgotten=1), 0.9, 0.1, False, "1 earlier"),
        (merged_of(10, 0, ("a", "b", "c")), 0.9, None, False, "no text is new"),
        (merged_of(10, 1, ("a", "b", "c")), None, None, True, "1 new classes"),
        (merged_of(10, 10), 0.9, 0.9, True, "10 new texts beside 10"),
        (merged_of(20, 10), 0.9, 0.3, True, "30 % right, where 90 % were expected"),
        (merged_of(20, 10), 0.9, 0.85, False, "served well enough"),
        (merged_of(20, 10), None, 0.1, False, "served well enough"),
        (merged_of(20, 2), 0.9, None, False, "served well enough"),
    ],
)
def test_training_anew_has_a_reason(merged, promised, found, retrain, reason):
    """Prevents a training for nothing, and one without the texts that it needs."""
    decision = decide(merged, 2, promised, found)
    assert isinstance(decision, Decision)
    assert decision.retrain is retrain
    assert reason in decision.reason


def test_new_rows_are_judged_by_heads_that_did_not_see_them():
    """Prevents a score of 1 on labels that no vector could tell: each is a coin's."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(72, 64))
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    y = rng.integers(0, 2, 72)
    merged = Merged(LabelSpace(("a", "b"), False), X, y, np.arange(72) >= 8, 0)
    assert score_on_new(merged, "logistic", 0) < 0.75
    easy = Merged(merged.space, np.eye(2)[y], y, merged.is_new, 0)
    assert score_on_new(easy, "knn", 0) == 1.0
    assert score_on_new(merged_of(20, 7), "logistic", 0) is None


@pytest.fixture(scope="module")
def folder(tiny_folder, single, tmp_path_factory):
    """A trained classifier, saved; its encoder can be opened by name."""
    classifier = SetFitClassifier(encoder=str(tiny_folder), steps=2, batch_size=8, templates=None, device="cpu")
    path = tmp_path_factory.mktemp("updating") / "model"
    classifier.fit(single.texts, single.labels).save(path)
    return path


@pytest.fixture
def trained(folder):
    """The saved classifier, loaded."""
    return load_classifier(folder, device="cpu")


def test_new_texts_alone_refit_the_head(trained, single):
    """Prevents a new class that is never predicted, and an encoder that is trained on the new texts alone."""
    encoder, threshold = trained.encoder_, trained.scope_.threshold
    assert trained.precision_curve_ is not None
    assert trained.update(NEW, ["greeting"] * 4) is trained
    assert trained.encoder_ is encoder
    assert trained.classes_.tolist() == ["billing", "delivery", "greeting", "login"]
    assert trained.predict(NEW).tolist() == ["greeting"] * 4
    assert trained.score(single.texts, single.labels) >= 0.9
    assert trained.report_["updated"] == "head"
    assert "15 earlier training texts were not given again" in trained.report_["notes"][-1]
    assert len(trained.memory_.y) == 19
    assert trained.precision_curve_ is None  # it spoke of another head
    assert trained.scope_.threshold == threshold  # not of texts that the encoder learnt from
    assert trained.in_scope(NEW).all()


def test_a_new_class_with_all_texts_trains_anew(trained, single):
    """Prevents a class from being squeezed into an encoder that never learnt to tell it."""
    encoder = trained.encoder_
    trained.update([*single.texts, *NEW], [*single.labels, *["greeting"] * 4])
    assert trained.encoder_ is not encoder
    assert trained.report_["updated"] == "all"
    assert trained.report_["notes"][-1] == "1 new classes, all labelled texts given"
    fresh = SetFitClassifier(**trained.get_params()).fit([*single.texts, *NEW], [*single.labels, *["greeting"] * 4])
    np.testing.assert_array_equal(fresh.predict_proba(single.texts), trained.predict_proba(single.texts))


def test_a_relabelled_text_takes_its_new_label(trained, single):
    """Prevents a correction from standing beside the mistake."""
    labels = ["login", *single.labels[1:]]
    trained.update(single.texts, labels)
    assert trained.label_space_.decode(trained.memory_.y) == labels
    assert trained.report_["updated"] == "head"
    trained.update(single.texts[:1], ["billing"])
    assert len(trained.memory_.y) == 15
    assert sorted(trained.label_space_.decode(trained.memory_.y)) == sorted(["billing", *single.labels[1:]])


def test_the_same_texts_change_nothing_but_the_head(trained, single):
    """Prevents an update without news from costing a training or answers."""
    encoder, before = trained.encoder_, trained.predict(single.test_texts).tolist()
    trained.update(single.texts, single.labels)
    assert trained.encoder_ is encoder
    assert trained.predict(single.test_texts).tolist() == before
    assert trained.report_["notes"][-1].startswith("no text is new")
    first = trained.predict_proba(single.texts)
    trained.update(single.texts, single.labels)
    np.testing.assert_allclose(trained.predict_proba(single.texts), first, atol=1e-3)


def test_an_updated_classifier_is_saved_whole(trained, single, tmp_path):
    """Prevents a new class that is lost on the way to the disk."""
    trained.update(NEW, ["greeting"] * 4).save(tmp_path / "m")
    again = load_classifier(tmp_path / "m", device="cpu")
    np.testing.assert_array_equal(again.predict_proba(single.texts), trained.predict_proba(single.texts))
    assert again.report_ == trained.report_
    again.update(NEW[:1], ["greeting"])
    assert len(again.memory_.y) == 19


def test_a_refused_update_changes_nothing(trained, single):
    """Prevents a classifier that is half updated after a mistake."""
    before = trained.predict_proba(single.texts)
    for texts, labels in ((NEW, ["x"] * 3), (NEW, [("x",)] * 4), (NEW, [1] * 4), ([], []), ("text", ["x"])):
        with pytest.raises(InputError):
            trained.update(texts, labels)
    np.testing.assert_array_equal(trained.predict_proba(single.texts), before)
    assert "updated" not in trained.report_


def test_a_joint_head_is_followed_by_a_logistic_one(tiny_encoder, single):
    """Prevents a report that names a head which is gone."""
    classifier = SetFitClassifier(encoder=tiny_encoder, steps=2, head="joint", folds=0, templates=None)
    classifier.fit(single.texts, single.labels).update(NEW, ["greeting"] * 4)
    assert classifier.report_["head"] == "logistic"


def test_names_alone_cannot_be_updated(tiny_encoder):
    """Prevents an update that loses what class names taught."""
    words = {"billing": "refund invoice", "login": "password account"}
    classifier = SetFitClassifier(encoder=tiny_encoder, steps=0, label_words=words).fit([], [])
    with pytest.raises(InputError, match="keeps no vectors"):
        classifier.update(["parcel"], ["delivery"])


def test_several_labels_are_updated(tiny_encoder, multi):
    """Prevents an update that knows one label a text only, or thresholds for too few labels."""
    classifier = SetFitClassifier(encoder=tiny_encoder, steps=0, templates=None).fit(multi.texts, multi.labels)
    classifier.update(NEW, [("greeting",), ("greeting",), ("greeting", "login"), ()])
    assert classifier.classes_.tolist() == ["billing", "delivery", "greeting", "login"]
    predicted = classifier.predict(multi.texts)
    assert np.mean([set(row) == set(label) for row, label in zip(predicted, multi.labels, strict=True)]) > 0.6
    assert classifier.memory_.y.shape == (29, 4)  # two of the four were there, without a label
    assert classifier.report_["updated"] == "head"
