"""Several teachers as one, and several tasks for one student."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fewshot.classifiers.linear_probe import LinearProbeClassifier
from fewshot.classifiers.naive_bayes import NaiveBayesClassifier
from fewshot.core.errors import InputError, TeacherError
from fewshot.data.labels import LabelSpace
from fewshot.distillation.several_teachers import TaskBatches, TaskSimilarity, TeacherMixture, tempered
from fewshot.distillation.teacher_targets import TeacherTargets
from fewshot.distillation.teachers import compute_targets
from fewshot.training.targets import EmbeddingSimilarity, LabelSimilarity

ABC = ("a", "b", "c")


class Says:
    """A teacher that gives what it was told to give, to the first texts."""

    def __init__(self, probabilities, embeddings=None, *, classes=ABC, multi_label=False, fingerprint="says"):
        self.probabilities, self.embeddings = np.array(probabilities), embeddings
        self.label_space_ = LabelSpace(tuple(classes), multi_label)
        self.classes_ = np.array(classes)
        self.fingerprint = fingerprint

    def targets(self, texts):
        n = len(texts)
        return TeacherTargets(None if self.embeddings is None else self.embeddings[:n], self.probabilities[:n])


def probabilities(seed, *, n=6, sharp=3.0):
    """Rows that sum to 1."""
    logits = sharp * np.random.default_rng(seed).normal(size=(n, 3))
    return np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)


def units(seed, dimension, n=6):
    """Unit vectors."""
    rows = np.random.default_rng(seed).normal(size=(n, dimension))
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


P, Q = probabilities(0), probabilities(1)
TEXTS = list("stuvwx")


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
def test_a_mean_of_tempered_probabilities(temperature):
    """Prevents a mean of logits, in which the teacher with the largest scale decides."""
    mixed = TeacherMixture([(Says(P), 3), (Says(Q), 1)], temperature).targets(TEXTS).probabilities
    soft = [p ** (1 / temperature) / (p ** (1 / temperature)).sum(axis=1, keepdims=True) for p in (P, Q)]
    np.testing.assert_allclose(mixed, 0.75 * soft[0] + 0.25 * soft[1], atol=1e-9)
    np.testing.assert_allclose(mixed.sum(axis=1), 1.0)
    of_logits = np.exp(0.75 * np.log(P) + 0.25 * np.log(Q))
    of_logits /= of_logits.sum(axis=1, keepdims=True)
    assert np.abs(mixed - of_logits).max() > 0.01


def test_several_labels_are_tempered_one_by_one():
    """Prevents labels that do not exclude each other from being made to sum to 1."""
    p, q = 0.9 * P, 0.9 * Q
    teachers = [(Says(p, multi_label=True), 1), (Says(q, multi_label=True), 1)]
    odds = [np.sqrt(rows / (1 - rows)) for rows in (p, q)]
    expected = 0.5 * odds[0] / (1 + odds[0]) + 0.5 * odds[1] / (1 + odds[1])
    np.testing.assert_allclose(TeacherMixture(teachers, 2.0).targets(TEXTS).probabilities, expected, atol=1e-9)


@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_labels_apply_from_the_teachers_own_thresholds(temperature):
    """Prevents labels that each teacher gives from being lost in a mixture that decides at one half."""
    careful, bold = (Says(P, classes=classes, multi_label=True) for classes in (ABC, ABC[::-1]))
    careful._threshold, bold._threshold = 0.9, np.array([0.1, 0.2, 0.3])
    alone = TeacherMixture([(bold, 2)], temperature)
    decided = alone.targets(TEXTS).probabilities >= alone._threshold
    np.testing.assert_array_equal(decided, P >= [0.1, 0.2, 0.3])
    both = TeacherMixture([(careful, 3), (bold, 1)])
    np.testing.assert_allclose(both._threshold, 0.75 * 0.9 + 0.25 * np.array([0.3, 0.2, 0.1]))
    assert TeacherMixture([(Says(P), 1)])._threshold == 0.5


def test_confidence_weighs_text_by_text():
    """Prevents a teacher that is sure of one text from being heard more on all of them."""
    mixed = TeacherMixture([(Says(P), 2), (Says(Q), 1)], by_confidence=True).targets(TEXTS).probabilities
    for row in range(6):
        ours, theirs = 2 * P[row].max(), Q[row].max()
        np.testing.assert_allclose(mixed[row], (ours * P[row] + theirs * Q[row]) / (ours + theirs), atol=1e-9)
    p, q = np.array([[0.9, 0.4, 0.1]]), np.array([[0.2, 0.2, 0.2]])
    teachers = [(Says(p, multi_label=True), 1), (Says(q, multi_label=True), 1)]
    mixed = TeacherMixture(teachers, by_confidence=True).targets(["s"]).probabilities
    np.testing.assert_allclose(mixed, (0.6 * p + 0.8 * q) / 1.4, atol=1e-9)


def test_probabilities_of_zero_stay_finite():
    """Prevents NaN from the logarithm of a probability of 0."""
    for multi_label in (False, True):
        sure = Says([[1.0, 0.0, 0.0]] * 6, multi_label=multi_label)
        mixed = TeacherMixture([(sure, 1)], 3.0, by_confidence=True).targets(TEXTS).probabilities
        assert np.isfinite(mixed).all()
        assert (mixed.argmax(axis=1) == 0).all()


def test_classes_in_any_order():
    """Prevents one teacher's class from being averaged with another's."""
    turned = Says(Q[:, [2, 0, 1]], classes=("c", "a", "b"))
    for first, second in (((P, Says(P)), (Q, turned)), ((P, Says(P)), (Q, Says(Q)))):
        mixture = TeacherMixture([(first[1], 1), (second[1], 1)])
        np.testing.assert_allclose(mixture.targets(TEXTS).probabilities, (P + Q) / 2, atol=1e-9)
        assert mixture.classes_.tolist() == list(ABC)


def test_other_classes_are_refused_by_name():
    """Prevents teachers of different tasks from being mixed; the message names what differs."""
    with pytest.raises(InputError, match=r"teachers\[1\] lacks \['c'\] of the first and adds \['d'\]"):
        TeacherMixture([(Says(P), 1), (Says(Q, classes=("a", "b", "d")), 1)])
    with pytest.raises(InputError, match=r"teachers\[1\] and the first differ: one is multi-label"):
        TeacherMixture([(Says(P), 1), (Says(Q, multi_label=True), 1)])


def test_real_teachers(tiny_encoder, tiny_static, single, pool, tmp_path):
    """Prevents a mixture that only works with teachers made for tests: an encoder, a folder, Naive Bayes."""
    linear = LinearProbeClassifier(encoder=tiny_encoder).fit(single.texts, single.labels)
    static = LinearProbeClassifier(encoder=tiny_static).fit(single.texts, single.labels)
    static.save(tmp_path / "static")
    mixture = TeacherMixture([(linear, 1), (tmp_path / "static", 1)])
    targets = compute_targets(mixture, pool)
    expected = (linear.predict_proba(pool) + static.predict_proba(pool)) / 2
    np.testing.assert_allclose(targets.probabilities, expected, atol=1e-5)
    parts = [compute_targets(teacher, pool).embeddings for teacher in (linear, static)]
    cosines = (parts[0] @ parts[0].T + parts[1] @ parts[1].T) / 2
    np.testing.assert_allclose(targets.embeddings @ targets.embeddings.T, cosines, atol=1e-5)
    bayes = NaiveBayesClassifier().fit(single.texts, single.labels)
    assert compute_targets(TeacherMixture([(linear, 1), (bayes, 1)]), pool).embeddings is None


def test_a_mixture_of_mixtures_is_a_teacher():
    """Prevents a mixture from being less than a teacher: stored, mixed again, refused where it is constant."""
    inner = TeacherMixture([(Says(P), 1), (Says(Q), 1)])
    outer = TeacherMixture([(inner, 2), (Says(P), 2)])
    np.testing.assert_allclose(outer.targets(TEXTS).probabilities, 0.75 * P + 0.25 * Q, atol=1e-9)
    np.testing.assert_array_equal(outer.predict_proba(TEXTS), outer.targets(TEXTS).probabilities)
    with pytest.raises(InputError, match="with a sentence encoder"):
        _ = outer.encoder_
    with pytest.raises(TeacherError, match="same probabilities"):
        compute_targets(TeacherMixture([(Says(np.full((6, 3), 1 / 3)), 1)]), TEXTS)


def test_fingerprints_of_mixtures():
    """Prevents stored targets of one mixture from being read as another's."""
    one, two = Says(P, fingerprint="one"), Says(Q, fingerprint="two")
    mixtures = [
        TeacherMixture([(one, 1), (two, 1)]),
        TeacherMixture([(one, 2), (two, 1)]),
        TeacherMixture([(one, 1), (one, 1)]),
        TeacherMixture([(one, 1), (two, 1)], 2.0),
        TeacherMixture([(one, 1), (two, 1)], by_confidence=True),
    ]
    assert len({mixture.fingerprint for mixture in mixtures}) == len(mixtures)
    assert TeacherMixture([(one, 3), (two, 3)]).fingerprint == mixtures[0].fingerprint


@pytest.mark.parametrize(
    ("teachers", "message"),
    [
        ([], "teachers must be a list of at least one"),
        (Says(P), "teachers must be a list"),
        ([Says(P)], "teachers must be a list"),
        ([(Says(P), 0)], "weight must be a number above 0"),
        ([(Says(P), float("nan"))], "weight must be a number above 0"),
        ([(Says(P), "1")], "weight must be a number above 0"),
        ([(None, 1)], "teacher must be"),
    ],
)
def test_wrong_teachers(teachers, message):
    """Prevents a mean of nothing, and weights that turn it around."""
    with pytest.raises(InputError, match=message):
        TeacherMixture(teachers)


@pytest.mark.parametrize("temperature", [0, -1, float("inf"), float("nan")])
def test_wrong_temperatures(temperature):
    """Prevents a division by zero, or every class alike."""
    with pytest.raises(InputError, match="temperature must be above 0"):
        TeacherMixture([(Says(P), 1)], temperature)


@given(st.lists(st.floats(0.0, 1.0), min_size=2, max_size=5), st.floats(0.1, 10.0))
def test_tempering_keeps_the_order(values, temperature):
    """Prevents a temperature that changes which class is most probable."""
    p = (np.array(values) + 0.01) / (np.array(values) + 0.01).sum()
    soft = tempered(p, temperature, multi_label=False)
    assert soft.sum() == pytest.approx(1.0)
    assert soft[p.argmax()] == pytest.approx(soft.max())
    np.testing.assert_allclose(
        tempered(p, temperature, multi_label=True)[::-1], tempered(p[::-1], temperature, multi_label=True)
    )


def test_a_mean_of_cosines():
    """Prevents a mean of vectors, which have no axis in common; dimensions differ here."""
    a, b = units(2, 5), units(3, 8)
    mixture = TeacherMixture([(Says(P, a), 1), (Says(Q, b), 3)])
    targets, _ = EmbeddingSimilarity(mixture.targets(TEXTS).embeddings)(torch.tensor([4, 0, 3]))
    rows = [4, 0, 3]
    np.testing.assert_allclose(targets, 0.25 * a[rows] @ a[rows].T + 0.75 * b[rows] @ b[rows].T, atol=1e-6)


@pytest.mark.parametrize("tau", [0.0, 0.5, 1.0, 2.0])
def test_tasks_are_drawn_by_size_to_the_tau(tau):
    """Prevents a large task from pushing a small one out, or the other way round."""
    sizes, steps = [100, 20, 5], 4000
    sampler = TaskBatches(sizes, batch_size=4, steps=steps, random_state=0, tau=tau)
    batches = list(sampler)
    tasks = [np.searchsorted([100, 120], batch, side="right") for batch in batches]
    assert len(batches) == len(sampler) == steps
    assert all(len(set(task)) == 1 for task in tasks)
    assert all(len(set(batch)) == len(batch) == 4 for batch in batches)
    expected = np.array(sizes, dtype=float) ** tau / (np.array(sizes, dtype=float) ** tau).sum()
    np.testing.assert_allclose(sampler.probabilities, expected)
    drawn = np.bincount([task[0] for task in tasks], minlength=3) / steps
    np.testing.assert_allclose(drawn, expected, atol=4 * np.sqrt(0.25 / steps))


def test_task_batches_cover_and_repeat():
    """Prevents rows that never come, rows out of range, and a seed that does not decide."""
    options = {"batch_size": 3, "steps": 60}
    batches = list(TaskBatches([7, 2], **options, random_state=1))
    assert {row for batch in batches for row in batch} == set(range(9))
    assert batches == list(TaskBatches([7, 2], **options, random_state=1))
    assert batches != list(TaskBatches([7, 2], **options, random_state=2))
    assert {len(batch) for batch in batches} == {2, 3}
    large = TaskBatches([10**6, 10], **options, random_state=0, tau=100.0)
    assert large.probabilities.tolist() == [1.0, 0.0]


@pytest.mark.parametrize(
    "change",
    [{"sizes": []}, {"sizes": [5, 1]}, {"batch_size": 1}, {"tau": -1.0}, {"tau": float("nan")}, {"random_state": -1}],
)
def test_wrong_tasks(change):
    """Prevents a task without pairs, and weights that are no probabilities."""
    with pytest.raises(InputError, match=next(iter(change))):
        TaskBatches(**{"sizes": [5, 5], "batch_size": 2, "steps": 3, "random_state": 0, **change})


def test_each_batch_has_the_targets_of_its_task():
    """Prevents the targets of one task's rows from being taken from another's."""
    a, y = units(2, 5), np.array([0, 1, 1, 0])
    vectors, labels = EmbeddingSimilarity(a), LabelSimilarity(y)
    both = TaskSimilarity([(vectors, 6), (labels, 4)])
    for ours, theirs in (
        (both(torch.tensor([5, 0])), vectors(torch.tensor([5, 0]))),
        (both(torch.tensor([6, 9, 7])), labels(torch.tensor([0, 3, 1]))),
    ):
        assert all(torch.equal(x, y) for x, y in zip(ours, theirs, strict=True))
    assert both.fingerprint != TaskSimilarity([(labels, 4), (vectors, 6)]).fingerprint
    for rows in ([5, 6], [10, 11]):
        with pytest.raises(InputError, match="rows must be of one of 2 tasks"):
            both(torch.tensor(rows))
    with pytest.raises(InputError, match="tasks must hold"):
        TaskSimilarity([])
