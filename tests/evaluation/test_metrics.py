"""Scores from raw labels, and the correlation of two embedding spaces."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score, matthews_corrcoef, precision_recall_fscore_support
from sklearn.preprocessing import MultiLabelBinarizer

from fewshot.core.errors import InputError
from fewshot.evaluation.metrics import cosine_correlation, score_labels, scores_per_label

pairs = st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from("abcd")), min_size=1, max_size=30)
label_sets = st.frozensets(st.sampled_from("abcd")).map(tuple)
set_pairs = st.lists(st.tuples(label_sets, label_sets), min_size=1, max_size=20)


@pytest.mark.filterwarnings("ignore:A single label was found")
@settings(max_examples=60, deadline=None)
@given(pairs)
def test_single_label_scores_are_those_of_scikit_learn(rows):
    """Prevents scores that look like the field's but are counted otherwise."""
    true, predicted = map(list, zip(*rows, strict=True))
    scores = score_labels(true, predicted, multi_label=False)
    assert scores["n"] == len(rows)
    assert scores["accuracy"] == pytest.approx(accuracy_score(true, predicted))
    assert scores["micro_f1"] == pytest.approx(f1_score(true, predicted, average="micro", zero_division=0))
    assert scores["macro_f1"] == pytest.approx(f1_score(true, predicted, average="macro", zero_division=0))
    assert scores["mcc"] == pytest.approx(matthews_corrcoef(true, predicted))


@settings(max_examples=60, deadline=None)
@given(set_pairs)
def test_multi_label_scores_are_those_of_scikit_learn(rows):
    """Prevents a macro average over labels that occur nowhere, and rows without labels that break the count."""
    true, predicted = map(list, zip(*rows, strict=True))
    scores = score_labels(true, predicted, multi_label=True)
    occurring = sorted({label for entry in true + predicted for label in entry})
    assert scores["accuracy"] == pytest.approx(np.mean([set(t) == set(p) for t, p in rows]))
    assert scores["mcc"] is None
    if not occurring:
        assert scores["micro_f1"] == scores["macro_f1"] == 0.0
        return
    binarizer = MultiLabelBinarizer(classes=occurring)
    Y, P = binarizer.fit_transform(true), binarizer.transform(predicted)
    assert scores["micro_f1"] == pytest.approx(f1_score(Y.ravel(), P.ravel(), zero_division=0))
    by_label = [f1_score(y, p, zero_division=0) for y, p in zip(Y.T, P.T, strict=True)]
    assert scores["macro_f1"] == pytest.approx(np.mean(by_label))


@settings(max_examples=60, deadline=None)
@given(set_pairs)
def test_scores_of_each_label_are_those_of_scikit_learn(rows):
    """Prevents precision under the name of recall, and labels that nobody predicted from being left out."""
    true, predicted = map(list, zip(*rows, strict=True))
    found = scores_per_label(true, predicted, multi_label=True)
    assert {label for row in (*true, *predicted) for label in row} == set(found)
    for label, values in found.items():
        has, given_to = ([label in row for row in side] for side in (true, predicted))
        *expected, _ = precision_recall_fscore_support(has, given_to, average="binary", zero_division=0)
        assert [values[key] for key in ("precision", "recall", "f1")] == pytest.approx(expected)
        assert (values["n"], values["n_predicted"]) == (sum(has), sum(given_to))


def test_numbers_counted_by_hand():
    """Prevents two libraries from being wrong together: 2 of 4 right; F1 of a 2/3, of b 2/4, of c 0."""
    scores = score_labels(["a", "a", "b", "c"], ["a", "b", "b", "b"], multi_label=False)
    assert scores["accuracy"] == scores["micro_f1"] == 0.5
    assert scores["macro_f1"] == pytest.approx((2 / 3 + 1 / 2 + 0) / 3)
    assert scores["mcc"] == pytest.approx((2 * 4 - 5) / np.sqrt((16 - 10) * (16 - 6)))


def test_a_label_that_training_never_saw_counts_as_wrong():
    """Prevents a test row of an unseen class from raising, or from being left out."""
    scores = score_labels(["a", "unseen"], ["a", "a"], multi_label=False)
    assert scores["n"] == 2
    assert scores["accuracy"] == 0.5
    assert scores["macro_f1"] == pytest.approx((2 / 3) / 2)


def test_classes_fix_what_the_macro_average_is_over():
    """Prevents macro F1 of two slices from being means over different classes."""
    single = score_labels(["a", "b"], ["a", "b"], multi_label=False, classes=["a", "b", "c", "d"])
    assert single["macro_f1"] == 0.5
    assert single["micro_f1"] == 1.0
    several = score_labels([("a",), ("b",)], [("a",), ()], multi_label=True, classes=["a"])
    assert several["macro_f1"] == 1.0
    assert score_labels([()], [()], multi_label=True, classes=["a"])["macro_f1"] == 0.0


def test_integers_and_numpy_labels_score_like_plain_ones():
    """Prevents np.int64(1) and 1, or np.str_ and str, from being two classes."""
    assert score_labels([0, 1, 1], np.array([0, 1, 0]), multi_label=False)["accuracy"] == pytest.approx(2 / 3)
    assert score_labels(["a", "b"], np.array(["a", "b"]), multi_label=False)["mcc"] == 1.0
    assert score_labels([("b", "a"), ()], [["a", "b"], []], multi_label=True)["accuracy"] == 1.0


def test_labels_that_look_alike_raise_no_warning():
    """Prevents the judge from repeating, once a cell, what loading has already warned of."""
    assert score_labels(["Bug", "bug"], ["bug", "bug"], multi_label=False)["accuracy"] == 0.5


@pytest.mark.parametrize(
    ("true", "predicted", "multi_label", "complaint"),
    [
        ([], [], False, "at least 1"),
        (["a"], ["a", "b"], False, "same length"),
        (["a", None], ["a", "a"], False, r"y_true\[1\] is missing"),
        (["a"], [None], False, r"y_pred\[0\] is missing"),
        (["a"], [("a",)], False, "one label"),
        ([("a",)], ["a"], True, "a tuple of labels"),
        (["a"], [1], False, "mix strings"),
    ],
)
def test_what_cannot_be_scored_is_refused(true, predicted, multi_label, complaint):
    """Prevents a score of nothing, or of predictions that belong to other texts."""
    with pytest.raises(InputError, match=complaint):
        score_labels(true, predicted, multi_label=multi_label)


def cosines_of_all_pairs(embeddings):
    """Compute the same cosines the short way."""
    unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    return (unit @ unit.T)[np.triu_indices(len(embeddings), k=1)]


def test_correlation_over_all_pairs_is_that_of_numpy():
    """Prevents pairs of a text with itself, whose cosine is always 1, from entering."""
    rng = np.random.default_rng(0)
    teacher, student = rng.normal(size=(25, 6)), rng.normal(size=(25, 3)).astype(np.float32)
    expected = np.corrcoef(cosines_of_all_pairs(teacher), cosines_of_all_pairs(student))[0, 1]
    assert cosine_correlation(teacher, student) == pytest.approx(expected, abs=1e-6)


def test_random_pairs_are_close_to_all_pairs_and_decided_by_the_seed():
    """Prevents a sample that is biased, or that differs between two calls."""
    rng = np.random.default_rng(1)
    teacher = rng.normal(size=(300, 8))
    student = teacher + 0.5 * rng.normal(size=(300, 8))
    sampled = [cosine_correlation(teacher, student, n_pairs=20_000, random_state=seed) for seed in (0, 0, 1)]
    assert sampled[0] == sampled[1] != sampled[2]
    assert sampled[0] == pytest.approx(cosine_correlation(teacher, student), abs=0.02)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.floats(0.01, 100))
def test_correlation_ignores_length_and_rotation(seed, factor):
    """Prevents a student from being punished for what a cosine cannot see."""
    rng = np.random.default_rng(seed)
    teacher = rng.normal(size=(12, 4))
    rotation, _ = np.linalg.qr(rng.normal(size=(4, 4)))
    lengths = rng.uniform(0.5, 2, size=(12, 1)) * factor
    assert cosine_correlation(teacher, teacher @ rotation * lengths) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (lambda student: np.ones_like(student), "collapsed"),
        (lambda student: np.where(np.arange(len(student))[:, None] == 3, np.nan, student), "NaN"),
        (lambda student: student[:-1], "same three or more"),
        (lambda student: student[:, 0], "matrices"),
    ],
)
def test_embeddings_without_meaning_are_refused_by_name(spoil, complaint):
    """Prevents a correlation of nan, or a good one, for a student that has collapsed."""
    good = np.random.default_rng(0).normal(size=(10, 4))
    with pytest.raises(InputError, match=complaint) as caught:
        cosine_correlation(good, spoil(good))
    assert "student_embeddings" in str(caught.value)


def test_a_text_without_known_words_is_like_no_other():
    """Prevents a token table from losing its whole correlation to one text of which it knows no word."""
    random = np.random.default_rng(0)
    teacher, student = random.normal(size=(30, 8)), random.normal(size=(30, 5)).astype(np.float32)
    student[[3, 7]] = 0
    wide = np.hstack([student, np.zeros((30, 2), dtype=np.float32)])
    wide[3, 5] = wide[7, 6] = 1
    assert cosine_correlation(teacher, student) == pytest.approx(cosine_correlation(teacher, wide), abs=1e-6)
    with pytest.raises(InputError, match="teacher_embeddings give no finite cosine"):
        cosine_correlation(np.where(np.arange(30)[:, None] == 3, 0.0, teacher), student)


def test_two_texts_have_no_correlation():
    """Prevents a correlation of a single pair."""
    with pytest.raises(InputError, match="three"):
        cosine_correlation(np.eye(2), np.eye(2))
    with pytest.raises(InputError, match="n_pairs"):
        cosine_correlation(np.eye(5), np.eye(5), n_pairs=1)
