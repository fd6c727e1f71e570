"""The estimate without a test set: that its interval holds, whom it asks, and what it refuses."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fewshot.core.errors import InputError
from fewshot.evaluation.estimates import estimate as module
from fewshot.evaluation.estimates.estimate import Estimate, estimate_score
from fewshot.evaluation.metrics import score_labels


class Lookup:
    """Tells the class that the first word of a text names, if it is in its notes, and else the most frequent one."""

    def fit(self, texts, labels):
        assert len(texts) == len(labels) > 0
        self.known = dict(zip((text.split()[0] for text in texts), labels, strict=True))
        self.frequent = Counter(labels).most_common(1)[0][0]
        return self

    def predict(self, texts):
        return [self.known.get(text.split()[0], self.frequent) for text in texts]


class Skilled:
    """Is right about a share of the texts, always the same ones, whatever it learns."""

    skill = 0.7

    def fit(self, texts, labels):
        self.classes = sorted(set(labels))
        return self

    def predict(self, texts):
        return [self._answer(*text.split()) for text in texts]

    def _answer(self, label, luck):
        wrong = self.classes[(self.classes.index(label) + 1) % len(self.classes)]
        return label if float(luck) < self.skill else wrong


def drawn(rng, n_per_class, classes="ab"):
    """Texts that name their class and a number that decides whether it is recognized."""
    labels = [label for label in classes for _ in range(n_per_class)]
    return [f"{label} {rng.random()}" for label in labels], labels


@pytest.mark.parametrize("skill", [0.6, 0.95])
@pytest.mark.parametrize("metric", ["accuracy", "macro_f1"])
def test_the_interval_contains_the_known_score_as_often_as_it_says(skill, metric) -> None:
    """Prevents an interval that is a decoration: of 90 % too narrow by half it would hold in 6 of 10 draws."""
    make = type("Skilled", (Skilled,), {"skill": skill})
    rng = np.random.default_rng(0)
    estimates = [estimate_score(make, *drawn(rng, 12), metric=metric, repeats=1, folds=4) for _ in range(120)]
    held = np.mean([found.low <= skill <= found.high for found in estimates])
    assert 0.88 <= held <= 1.0
    assert np.mean([found.value for found in estimates]) == pytest.approx(skill, abs=0.03)


def test_the_interval_is_not_wide_for_nothing() -> None:
    """Prevents coverage that is bought by an interval of any width: with 200 labels it is known to 8 points."""
    found = estimate_score(Skilled, *drawn(np.random.default_rng(1), 100))
    assert found.high - found.low < 0.16
    assert found.n == 200


class Learner:
    """Is right about a share of the texts that grows with the logarithm of what it learnt from."""

    def fit(self, texts, labels):
        self.skill = 0.2 + 0.1 * np.log(len(texts))
        self.classes = sorted(set(labels))
        return self

    predict, _answer = Skilled.predict, Skilled._answer


def test_it_is_for_a_training_on_all_labels() -> None:
    """Prevents the score of trainings on nine tenths of the labels from being told as that of all."""
    rng = np.random.default_rng(2)
    values = [estimate_score(Learner, *drawn(rng, 20), folds=4, repeats=1).value for _ in range(150)]
    of_all, of_most = 0.2 + 0.1 * np.log(40), 0.2 + 0.1 * np.log(30)
    assert np.mean(values) == pytest.approx(of_all, abs=0.012)
    assert np.mean(values) > of_most + 0.01


def test_two_folds_are_told_to_be_too_low() -> None:
    """Prevents half of the labels from being taken for all in silence: two folds give no curve."""
    found = estimate_score(Learner, *drawn(np.random.default_rng(2), 20), folds=2)
    assert any("half of the labels" in note for note in found.notes)


@settings(max_examples=25, deadline=None)
@example(["a", "a", "c", "b", "b", "b"], "accuracy", 6, 2)
@given(
    st.lists(st.sampled_from("abcd"), min_size=4, max_size=40).filter(
        lambda labels: sum(count > 1 for count in Counter(labels).values()) >= 2
    ),
    st.sampled_from(["accuracy", "micro_f1", "macro_f1"]),
    st.integers(2, 12),
    st.integers(0, 3),
)
def test_any_labels_give_a_score_within_its_interval(labels, metric, folds, seed) -> None:
    """Prevents NaN, shares beyond 0 and 1, and answers that change from run to run, where classes are rare."""
    texts = [f"{label}{i % 3} {i}" for i, label in enumerate(labels)]
    options = {"metric": metric, "folds": folds, "repeats": 2, "random_state": seed}
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    found = estimate_score(Lookup, texts, labels, **options)
    assert (np.random.get_state()[1] == state).all()  # noqa: NPY002
    assert 0 <= found.low <= found.value <= found.high <= 1
    assert found.low < found.high
    assert found == estimate_score(Lookup, texts, labels, **options)
    counts = Counter(labels)
    assert found.n == sum(count for count in counts.values() if count > 1)
    assert any("one label only" in note for note in found.notes) == (1 in counts.values())


@pytest.mark.parametrize("metric", ["accuracy", "micro_f1", "macro_f1"])
@pytest.mark.parametrize("kind", ["single", "single_int", "multi", "multi_int"])
def test_it_counts_as_the_metrics_do(request, metric, kind) -> None:
    """Prevents a second definition of the scores: where all folds answer alike, the estimate is the plain score."""
    toy = request.getfixturevalue(kind)
    answers_of = dict(zip(toy.texts, [*toy.labels[3:], *toy.labels[:3]], strict=True))

    class Fixed:
        def fit(self, texts, labels):
            return self

        def predict(self, texts):
            return [answers_of[text] for text in texts]

    found = estimate_score(Fixed, toy.texts, toy.labels, metric=metric, folds=3)
    plain = score_labels(toy.labels, [answers_of[text] for text in toy.texts], multi_label=toy.multi_label)
    assert found.value == pytest.approx(plain[metric])


def test_no_text_is_judged_by_a_training_that_saw_it() -> None:
    """Prevents the score of a memory: whoever knows each text by heart knows no held-out one."""

    class Memory:
        def fit(self, texts, labels):
            self.seen = set(texts)

        def predict(self, texts):
            assert not self.seen & set(texts)
            return ["a"] * len(texts)

    assert estimate_score(Memory, list("uvwxyz"), list("aaabbb")).value == pytest.approx(0.5)


def test_a_label_that_nobody_was_taught_is_a_wrong_answer() -> None:
    """Prevents a crash, or a class for free, where a classifier knows more names than the labels do."""
    odd = type("Odd", (Skilled,), {"predict": lambda self, texts: ["unheard of"] * len(texts)})
    found = estimate_score(odd, *drawn(np.random.default_rng(0), 8))
    assert (found.value, found.low) == (0.0, 0.0)
    assert 0 < found.high < 0.3


def pool_of(rng, n, share):
    """Unlabelled texts, of which a share is of class a."""
    return [f"{'a' if rng.random() < share else 'b'} {rng.random()}" for _ in range(n)]


class Lopsided(Skilled):
    """Is right about 9 of 10 texts of class a and 6 of 10 of class b."""

    def _answer(self, label, luck):
        right = float(luck) < {"a": 0.9, "b": 0.6}[label]
        return label if right else "ab".replace(label, "")


def test_the_pools_balance_is_told_and_the_interval_knows_its_doubt() -> None:
    """Prevents the accuracy on labels balanced by hand from being told for a world where a class is frequent."""
    rng = np.random.default_rng(3)
    found = [
        estimate_score(Lopsided, *drawn(rng, 30), pool=pool_of(rng, 400, 0.9), folds=3, repeats=1) for _ in range(60)
    ]
    truth = 0.9 * 0.9 + 0.1 * 0.6
    assert np.mean([one.value for one in found]) == pytest.approx(truth, abs=0.04)  # 0.75 without the pool
    assert np.mean([one.low <= truth <= one.high for one in found]) >= 0.85
    told = [one for one in found if one.class_shares is not None]
    assert len(told) >= 55
    assert np.mean([one.class_shares["a"] for one in told]) == pytest.approx(0.9, abs=0.1)
    assert all("pool of 400 texts" in one.notes[-1] for one in told)


def test_guesses_tell_no_balance() -> None:
    """Prevents shares read from answers that know nothing of the classes."""
    rng = np.random.default_rng(4)
    guessing = type("Guessing", (Skilled,), {"skill": 0.5})
    found = estimate_score(guessing, *drawn(rng, 20), pool=pool_of(rng, 200, 0.9), repeats=1)
    assert found.class_shares is None
    assert "hardly better than chance" in found.notes[-1]


def test_a_class_of_one_label_tells_no_balance() -> None:
    """Prevents a share for a class of which no answer is known."""
    texts, labels = drawn(np.random.default_rng(5), 8)
    found = estimate_score(Skilled, [*texts, "c 0.1"], [*labels, "c"], pool=texts)
    assert found.class_shares is None
    assert [note.split()[:2] for note in found.notes] == [["1", "class"], ["the", "pool's"]]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"folds": 1}, "folds must be an integer from 2 on, got 1"),
        ({"repeats": 0}, "repeats must be an integer from 1 on, got 0"),
        ({"repeats": 2.5}, "repeats must be"),
        ({"interval": 90}, "interval must lie between 0 and 1"),
        ({"metric": "mcc"}, "metric must be one of accuracy, micro_f1, macro_f1, got 'mcc'"),
        ({"pool": []}, "pool must not be empty"),
        ({"texts": ["x"]}, "texts and labels must have the same length"),
        ({"texts": [], "labels": []}, "texts must not be empty"),
        ({"labels": list("aaaa")}, "labels must hold two texts for each of two classes at least.* of 1 class;"),
        ({"labels": list("aaab")}, "labels must hold two texts for each of two classes"),
        ({"labels": [("a",), (), ("b",), ("a", "b")], "pool": ["x"]}, "pool is for one label a text"),
        ({"texts": ["x", "y"], "labels": [("a",), ()]}, "labels must be those of 4 texts"),
    ],
)
def test_what_cannot_be_estimated_is_refused_by_name(changed, message) -> None:
    """Prevents a number that means nothing, and an error from the depths of the folds after minutes of training."""
    given = {"texts": list("wxyz"), "labels": list("aabb")} | changed
    with pytest.raises(InputError, match=message):
        estimate_score(Lookup, given.pop("texts"), given.pop("labels"), **given)


@pytest.mark.parametrize(("answers", "message"), [(["a"], "got 1 for"), ([("a",)] * 4, "predict one label for each")])
def test_a_classifier_that_answers_otherwise_is_refused(answers, message) -> None:
    """Prevents answers from being held against the labels of other texts."""
    odd = type("Odd", (), {"fit": lambda *_: None, "predict": lambda self, texts: answers[: len(texts)]})
    with pytest.raises(InputError, match=message):
        estimate_score(odd, list("stuvwxyz"), list("aaaabbbb"), folds=2)


def test_it_says_that_it_is_an_estimate_and_keeps_as_json() -> None:
    """Prevents an estimate from being read as the score on a test set."""
    found = Estimate("macro_f1", 0.8125, 0.7, 0.9, 0.9, 64, "some folds", ("a note",), {1: 0.25, 2: 0.75})
    assert str(found) == (
        "estimated macro f1: 81.2 %, between 70.0 and 90.0 % with 90 % certainty (some folds; no test texts)"
    )
    assert found.facts()["class_shares"] == {"1": 0.25, "2": 0.75}
    assert found.facts()["notes"] == ["a note"]
    assert module.METRICS == ("accuracy", "micro_f1", "macro_f1")
