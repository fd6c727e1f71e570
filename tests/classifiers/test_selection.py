"""What to keep of a training: folds are even, no row is judged by a model that saw it, chance decides nothing."""

import copy

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fewshot.classifiers import selection
from fewshot.classifiers.contrastive import TrainedBody
from fewshot.classifiers.selection import (
    SHARES,
    Candidate,
    HeldOut,
    Verdict,
    assign_folds,
    can_judge,
    candidates,
    choose,
    cross_validate,
    judge,
    right,
)
from fewshot.classifiers.templates import Examples
from fewshot.heads.linear import LinearHead
from fewshot.heads.table import fit_head
from fewshot.heads.vectors import unit_rows

OURS, OTHER, THIRD = Candidate(1.0, "logistic"), Candidate(0.0, "logistic"), Candidate(0.5, "knn")


@given(
    y=st.lists(st.integers(0, 4), min_size=1, max_size=60), folds=st.integers(2, 5), random_state=st.integers(0, 2**40)
)
def test_folds_are_even_in_each_class(y, folds, random_state):
    """Prevents a fold that has all texts of a class, so that the others learn nothing of it."""
    y = np.array(y)
    fold_of = assign_folds(y, folds, random_state)
    assert fold_of.min() >= 0
    assert fold_of.max() < folds
    for label in np.unique(y):
        counts = np.bincount(fold_of[y == label], minlength=folds)
        assert counts.max() - counts.min() <= 1
    np.testing.assert_array_equal(fold_of, assign_folds(y, folds, random_state))


def test_folds_of_label_sets_are_even():
    """Prevents the rows of a multi-label task from lying in one fold."""
    fold_of = assign_folds(np.ones((11, 2), dtype=int), 3, 0)
    assert sorted(np.bincount(fold_of).tolist()) == [3, 4, 4]


def test_another_seed_gives_other_folds():
    """Prevents folds that follow the order of the file."""
    y = np.repeat([0, 1], 20)
    assert (assign_folds(y, 2, 0) != assign_folds(y, 2, 1)).any()


@pytest.mark.parametrize("multi_label", [False, True])
def test_a_text_given_twice_is_in_one_fold(multi_label):
    """Prevents texts that were doubled, to balance classes say, from being judged by models that learnt them."""
    texts = [f"text {row % 12}" if row < 12 else f"TEXT  {row % 12}" for row in range(24)]
    y = np.tile(np.repeat([0, 1], 6), 2)
    y = np.eye(2, dtype=int)[y] if multi_label else y
    fold_of = assign_folds(y, 2, 0, texts)
    np.testing.assert_array_equal(fold_of[:12], fold_of[12:])
    np.testing.assert_array_equal(fold_of[:12], assign_folds(y[:12], 2, 0))
    assert can_judge(y, 3, texts)
    assert not can_judge(y, 4, texts) or multi_label
    assert can_judge(y, 4)


@pytest.mark.parametrize("multi_label", [False, True])
def test_more_labels_than_needed_are_left_out_evenly(monkeypatch, multi_label):
    """Prevents hours of choosing on many labels, and a choice on frequent classes alone."""
    monkeypatch.setattr(selection, "MOST_JUDGED", 12)
    y = np.repeat([0, 1, 2], [50, 20, 3])
    fold_of = assign_folds(np.eye(3, dtype=int)[y] if multi_label else y, 2, 0)
    assert (fold_of >= 0).sum() == 12
    if not multi_label:
        assert np.bincount(y[fold_of >= 0]).tolist() == [5, 4, 3] or np.bincount(y[fold_of >= 0]).tolist() == [4, 5, 3]


def one_hot(*counts):
    """Return class numbers with so many rows a class."""
    return np.repeat(np.arange(len(counts)), counts)


@pytest.mark.parametrize(
    ("y", "folds", "expected"),
    [
        (one_hot(4, 4), 2, True),
        (one_hot(3, 3), 2, False),
        (one_hot(4, 4), 3, False),
        (one_hot(6, 6), 3, True),
        (one_hot(100, 4, 1), 2, True),  # half of the classes suffice
        (one_hot(100, 1, 1), 2, False),
        (one_hot(1, 1, 1), 2, False),
        (one_hot(0, 4, 4), 2, True),  # a class that is only named does not count
        (one_hot(50, 50), 0, False),
        (one_hot(50, 50), 1, False),
        (np.empty(0, dtype=int), 2, False),
        (np.zeros((4, 3), dtype=int), 2, True),
        (np.zeros((3, 3), dtype=int), 2, False),
        (np.empty((0, 3), dtype=int), 2, False),
    ],
)
def test_a_handful_of_labels_judges_nothing(y, folds, expected):
    """Prevents a choice by chance, and a refusal to choose where one class of many is rare."""
    assert can_judge(y, folds) is expected


def test_candidates_begin_with_the_preferred_one():
    """Prevents the frozen encoder from winning ties, and a joint head on an encoder that it was not trained with."""
    ways = candidates(("joint", "logistic"), trained=True)
    assert ways[0] == Candidate(1.0, "joint")
    assert [way for way in ways if way.head == "joint"] == [Candidate(1.0, "joint")]
    assert {way.share for way in ways} == set(SHARES)
    assert candidates(("joint", "logistic"), trained=False) == [Candidate(0.0, "logistic")]


def test_a_verdict_comes_back_from_its_arrays():
    """Prevents an interrupted choice from going on with predictions of other candidates."""
    rng = np.random.default_rng(0)
    verdict = Verdict(
        {way: rng.random((3, 2)) for way in (OURS, OTHER, THIRD)}, {1.0: rng.random(3), 0.5: rng.random(3)}
    )
    again = Verdict.from_arrays(dict(sorted(verdict.arrays().items())))  # a file gives them in another order
    assert list(again.probabilities) == list(verdict.probabilities)  # of two that are equally good the first is chosen
    assert again.distances.keys() == verdict.distances.keys()
    for way, array in verdict.probabilities.items():
        np.testing.assert_array_equal(again.probabilities[way], array)


@given(data=st.data())
def test_no_row_is_judged_by_a_model_that_saw_it(data):
    """Prevents held-out predictions that are not held out, in another order than their labels, or of name sentences."""
    n = data.draw(st.integers(4, 20))
    fold_of = np.array(data.draw(st.lists(st.integers(-1, 2), min_size=n, max_size=n)))
    fold_of[:3] = [0, 1, 2]
    examples = Examples([f"text {i}" for i in range(n)] + ["name a", "name b"], np.arange(n + 2), n)
    judged = []

    def run_fold(fold, train, texts):
        assert not set(texts) & set(train.texts)
        assert train.texts[train.n_own :] == ["name a", "name b"]
        assert not {"name a", "name b"} & {*texts, *train.texts[: train.n_own]}
        assert [int(text.split()[1]) for text in train.texts[: train.n_own]] == train.y[: train.n_own].tolist()
        left_out = {f"text {i}" for i in np.flatnonzero(fold_of < 0)}
        assert not left_out & {*texts, *train.texts}
        judged.extend(texts)
        numbers = np.array([[float(text.split()[1])] for text in texts])
        return Verdict({OURS: numbers}, {1.0: numbers[:, 0]})

    held_out = cross_validate(examples, fold_of, run_fold)
    assert sorted(judged) == sorted(f"text {i}" for i in np.flatnonzero(fold_of >= 0))
    assert held_out.y.tolist() == held_out.probabilities[OURS][:, 0].tolist() == held_out.distances[1.0].tolist()


@given(data=st.data())
def test_copies_follow_their_texts_out_of_a_training(data):
    """Prevents a copy of a held-out text in the training that it judges, and copies that are judged or lost."""
    n = data.draw(st.integers(4, 12))
    fold_of = np.array(data.draw(st.lists(st.integers(-1, 2), min_size=n, max_size=n)))
    fold_of[:3] = [0, 1, 2]
    pairs = data.draw(st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)), max_size=10))
    copies = [f"copy {row} {other} {place}" for place, (row, other) in enumerate(pairs)]
    y = np.array([*range(n), *(row for row, _ in pairs)])
    rows = np.array([*((row, row) for row in range(n)), *pairs])
    examples = Examples([*(f"text {i}" for i in range(n)), *copies], y, n, rows).joined(["name"], np.array([n]))
    assert (examples.n_copies, examples.n_sentences) == (len(pairs), 1)

    def run_fold(fold, train, texts):
        known = set(np.flatnonzero((fold_of != fold) & (fold_of >= 0)))
        expected = [copy for copy, sources in zip(copies, pairs, strict=True) if set(sources) <= known]
        assert train.texts[train.n_own :] == [*expected, "name"]
        assert (train.n_own, train.n_copies, train.n_sentences) == (len(known), len(expected), 1)
        for text, label, sources in zip(train.texts, train.y, train.source_rows, strict=True):
            named = [*map(int, text.split()[1:3])] or [n]
            assert label == named[0]  # a copy has the label of its text
            assert {train.texts[source] for source in sources} == {f"text {i}" if i < n else "name" for i in named}
        assert set(texts) == {f"text {i}" for i in np.flatnonzero(fold_of == fold)}
        return Verdict({OURS: np.zeros((len(texts), 1))}, {1.0: np.zeros(len(texts))})

    cross_validate(examples, fold_of, run_fold)


def test_folds_end_where_enough_is_judged(monkeypatch):
    """Prevents trainings whose verdict changes nothing any more, and labels of folds that nobody judged."""
    monkeypatch.setattr(selection, "ENOUGH_JUDGED", 6)
    asked = []

    def run_fold(fold, train, texts):
        asked.append(fold)
        return Verdict({OURS: np.zeros((len(texts), 1))}, {1.0: np.zeros(len(texts))})

    held_out = cross_validate(Examples(list("abcdefghi"), np.arange(9), 9), np.arange(9) % 3, run_fold)
    assert asked == [0, 1]
    assert held_out.y.tolist() == [0, 3, 6, 1, 4, 7]
    assert len(held_out.probabilities[OURS]) == len(held_out.distances[1.0]) == 6


def test_right_counts_classes_and_overlaps():
    """Prevents a multi-label row from being all or nothing, and rows without labels from being wrong."""
    assert right(np.array([0, 1]), np.array([[0.6, 0.4], [0.6, 0.4]])).tolist() == [1.0, 0.0]
    y = np.array([[1, 1, 0], [0, 0, 0], [1, 0, 0]])
    probabilities = np.array([[0.9, 0.1, 0.1], [0.1, 0.1, 0.1], [0.8, 0.1, 0.1]])
    np.testing.assert_allclose(right(y, probabilities), [2 / 3, 1.0, 1.0])


def held_out(**correct):
    """Return held-out predictions of named candidates that are right where they say so."""
    ways = {"ours": OURS, "other": OTHER, "third": THIRD}
    given = {ways[name]: np.array(flags, dtype=float) for name, flags in correct.items()}
    n = len(next(iter(given.values())))
    return HeldOut(
        np.zeros(n, dtype=int), {way: np.column_stack([flags, 1 - flags]) for way, flags in given.items()}, {}
    )


def test_chance_does_not_unseat_the_preferred():
    """Prevents the winner of a lottery: one more right answer of forty, with others wrong, is no reason."""
    ours = np.ones(40)
    ours[:6] = 0
    other = np.ones(40)
    other[10:15] = 0
    assert choose(held_out(ours=ours, other=other), OURS) == OURS
    assert choose(held_out(ours=other, other=other), OURS) == OURS
    assert choose(held_out(ours=[0.0], other=[1.0]), OURS) == OURS


def test_a_clearly_better_one_is_taken():
    """Prevents loyalty to a training that ruined the encoder, and the second best of two better ones."""
    ours, other, third = np.zeros(40), np.zeros(40), np.zeros(40)
    ours[:20], other[:30], third[:35] = 1, 1, 1
    assert choose(held_out(ours=ours, other=other, third=third), OURS) == THIRD
    assert choose(held_out(ours=ours, other=other), OURS) == OTHER
    assert choose(held_out(ours=ours, other=other), OTHER) == OTHER


@given(
    st.integers(2, 30).flatmap(
        lambda n: st.tuples(*(st.lists(st.integers(0, 1), min_size=n, max_size=n) for _ in range(3)))
    )
)
def test_the_choice_follows_the_rule_of_standard_errors(rows):
    """Prevents a rule that is not the one the documentation names."""
    ours, other, third = (np.array(row, dtype=float) for row in rows)
    gains = {}
    for way, flags in ((OTHER, other), (THIRD, third)):
        difference = flags - ours
        spread = (((difference - difference.mean()) ** 2).sum() / (len(ours) - 1)) ** 0.5
        if difference.mean() > selection.CLEARLY * spread / len(ours) ** 0.5:
            gains[way] = difference.mean()
    chosen = choose(held_out(ours=ours, other=other, third=third), OURS)
    assert gains.get(chosen, 0.0) == max(gains.values(), default=0.0)


@pytest.fixture
def split(single):
    """Known examples with two sentences of names after them, and texts to judge."""
    y = np.unique(single.labels, return_inverse=True)[1]
    return Examples([*single.texts[:9], "about refund", "about parcel"], np.array([*y[:9], 0, 1]), 9), single.texts[9:]


@pytest.fixture
def options(tiny_encoder):
    """What all judgements share."""
    return {
        "embed_frozen": lambda texts: unit_rows(tiny_encoder.encode(texts)),
        "n_classes": 3,
        "class_weight": None,
        "random_state": 0,
    }


def test_the_frozen_encoder_is_judged_alone_where_nothing_was_trained(tiny_encoder, split, options):
    """Prevents candidates that do not exist, and heads that are fitted on other vectors than they will be."""
    train, texts = split
    verdict = judge(tiny_encoder, None, train, texts, ("logistic", "knn"), **options)
    assert set(verdict.probabilities) == {Candidate(0.0, "logistic"), Candidate(0.0, "knn")}
    X, X_test = unit_rows(tiny_encoder.encode(train.texts)), unit_rows(tiny_encoder.encode(texts))
    expected = fit_head("knn", X, train.y, n_classes=3).predict_proba(X_test)
    np.testing.assert_array_equal(verdict.probabilities[Candidate(0.0, "knn")], expected)
    assert verdict.distances[0.0].shape == (len(texts),)


def test_each_share_is_judged_on_its_own_vectors(tiny_encoder, split, options):
    """Prevents the trained encoder from being judged by the frozen one's vectors, and a joint head refitted."""
    import torch

    train, texts = split
    model = copy.deepcopy(tiny_encoder.model)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(0)))
    joint = LinearHead(np.zeros((3, tiny_encoder.dimension)), np.array([1.0, 2.0, 3.0]), multi_label=False, C=None)
    body = TrainedBody(model, [], joint)
    verdict = judge(tiny_encoder, body, train, texts, ("joint", "logistic"), **options)
    assert set(verdict.distances) == set(SHARES)
    np.testing.assert_allclose(verdict.probabilities[Candidate(1.0, "joint")], joint.predict_proba(np.zeros((6, 32))))
    frozen = judge(tiny_encoder, None, train, texts, ("logistic",), **options)
    np.testing.assert_array_equal(verdict.probabilities[OTHER], frozen.probabilities[OTHER])
    assert (verdict.probabilities[OURS] != verdict.probabilities[OTHER]).any()


def test_without_own_texts_there_is_no_distance_to_them(tiny_encoder, split, options):
    """Prevents a detector of nothing where all that is known are class names."""
    train, texts = split
    names = Examples(train.texts[9:], np.array([0, 1]), 0)
    verdict = judge(tiny_encoder, None, names, texts, ("logistic",), **options)
    assert verdict.distances == {}
