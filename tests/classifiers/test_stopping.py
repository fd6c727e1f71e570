"""Early stopping: on validation texts, at the right step, with the best weights put back."""

import types

import numpy as np
import pytest
import torch

from fewshot.classifiers import stopping, trainings
from fewshot.classifiers.contrastive import ContrastiveSettings, train_body
from fewshot.classifiers.setfit import SetFitClassifier
from fewshot.classifiers.stopping import ValidationStop
from fewshot.classifiers.templates import Examples

TRUTH = {"a": 0, "b": 1, "t0": 0, "t1": 1, "t2": 0, "t3": 1}


class Model(torch.nn.Module):
    """Stands for an encoder that has so many of four test texts right."""

    def __init__(self):
        super().__init__()
        self.n_right = torch.nn.Parameter(torch.zeros(()))
        self.step = torch.nn.Parameter(torch.zeros(()))

    def at(self, step, n_right):
        with torch.no_grad():
            self.n_right.fill_(n_right)
            self.step.fill_(step)
        return self

    def encode(self, texts):
        wrong = {f"t{i}" for i in range(int(self.n_right.item()), 4)}
        return np.eye(2)[[TRUTH[text] ^ (text in wrong) for text in texts]]


@pytest.fixture
def stop():
    """A watcher over :class:`Model`."""
    base = types.SimpleNamespace(like=lambda model: model)
    train = Examples(["a", "b"], np.array([0, 1]), 2)
    return ValidationStop(base, train, ["t0", "t1", "t2", "t3"], np.array([0, 1, 0, 1]), n_classes=2)


def test_two_checks_without_gain_end_a_training(stop):
    """Prevents one bad check from ending a training, and a tie from counting as a gain."""
    model = Model()
    asked = [stop(step, model.at(step, n)) for step, n in ((5, 2), (10, 1), (15, 3), (20, 3), (25, 2))]
    assert asked == [False, False, False, False, True]
    assert stop.scores == {5: 0.5, 10: 0.25, 15: 0.75, 20: 0.75, 25: 0.5}


def test_the_best_weights_come_back(stop):
    """Prevents the last weights from being kept, a later tie's, or a reference to weights that train on."""
    model = Model()
    for step, n in ((5, 2), (10, 3), (15, 3), (20, 1)):
        stop(step, model.at(step, n))
    stop.restore(model)
    assert (model.step.item(), model.n_right.item()) == (10, 3)


def test_without_a_check_weights_stay(stop):
    """Prevents a training that is too short for a check from losing its weights."""
    model = Model().at(3, 1)
    stop.restore(model)
    assert model.step.item() == 3


def test_names_alone_can_be_checked(stop):
    """Prevents a crash where all that is learnt from are sentences of class names."""
    stop.train = Examples(["a", "b"], np.array([0, 1]), 0)
    assert stop(1, Model().at(1, 4)) is False
    assert stop.scores == {1: 1.0}


def test_fit_stops_early_and_keeps_the_best_weights(tiny_encoder, single, monkeypatch):
    """Prevents validation texts from being accepted and never looked at."""
    scores, seen = iter([0.5, 0.9, 0.4, 0.3]), []
    call = ValidationStop.__call__

    def spy(self, step, model):
        seen.append((step, self.base.like(model).encode(single.texts)))
        return call(self, step, model)

    monkeypatch.setattr(ValidationStop, "__call__", spy)
    monkeypatch.setattr(stopping, "right", lambda y, probabilities: np.full(len(y), next(scores)))
    monkeypatch.setattr(trainings, "choose", lambda held_out, preferred: preferred)
    classifier = SetFitClassifier(encoder=tiny_encoder, steps=24, learning_rate=1e-3, head="logistic", templates=None)
    classifier.fit(single.texts, single.labels, validation=(single.test_texts, single.test_labels))
    assert [step for step, _ in seen] == [6, 12, 18, 24]  # the fourth would stop it, too: it is the last
    np.testing.assert_array_equal(classifier.encoder_.encode(single.texts), seen[1][1])
    assert classifier.report_["judged_by"] == "15 validation texts"


def test_fit_ends_where_validation_says(tiny_encoder, single, monkeypatch):
    """Prevents a verdict to stop that nobody obeys."""
    scores = iter([0.9, 0.5, 0.4, 0.3])
    monkeypatch.setattr(stopping, "right", lambda y, probabilities: np.full(len(y), next(scores)))
    classifier = SetFitClassifier(encoder=tiny_encoder, steps=12, templates=None)
    classifier.fit(single.texts, single.labels, validation=(single.test_texts, single.test_labels))
    assert next(scores) == 0.3
    assert len(classifier.losses_) in (0, 9)
    assert classifier.precision_curve_ is not None


def test_validation_texts_are_never_learnt_from(tiny_encoder, single, monkeypatch):
    """Prevents leakage: the encoder is trained, and the head fitted, on training texts alone."""
    trained = []
    train_body = trainings.train_body
    monkeypatch.setattr(
        trainings,
        "train_body",
        lambda base, texts, *rest, **more: trained.extend(texts) or train_body(base, texts, *rest, **more),
    )
    classifier = SetFitClassifier(encoder=tiny_encoder, steps=2, templates=None)
    classifier.fit(single.texts, single.labels, validation=(single.test_texts, single.test_labels))
    assert sorted(trained) == sorted(single.texts)
    assert len(classifier.memory_.y) == len(single.texts)


def test_a_joint_head_is_that_of_the_best_step(tiny_encoder, single):
    """Prevents the encoder of one step from being kept with the head of another, a pair that never was."""

    class Watch:
        def __init__(self, best_step, ends):
            self.best_step, self.ends = best_step, ends

        def __call__(self, step, model):
            return step == self.ends

    settings = ContrastiveSettings("contrastive", None, None, 6, "balanced", 16, 1e-2, 1, joint_head=True)
    y = np.array([sorted(set(single.labels)).index(label) for label in single.labels])
    options = {"n_classes": 3, "description": "test", "random_state": 0}
    best, stopped, last = (
        train_body(tiny_encoder, single.texts, y, settings, watch=watch, **options).head
        for watch in (Watch(2, ends=6), Watch(2, ends=2), None)
    )
    np.testing.assert_array_equal(best.coef, stopped.coef)
    assert np.abs(best.coef - last.coef).max() > 1e-3
