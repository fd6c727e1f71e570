"""The trainings of a fit: never worse than the frozen encoder, and no training where none is asked for."""

import numpy as np
import pytest
import torch

from fewshot.classifiers import trainings as module
from fewshot.classifiers.contrastive import ContrastiveSettings, TrainedBody
from fewshot.classifiers.linear_probe import LinearProbeClassifier
from fewshot.classifiers.selection import Candidate, HeldOut
from fewshot.classifiers.setfit import SetFitClassifier
from fewshot.classifiers.stages import Stages
from fewshot.classifiers.templates import Examples
from fewshot.classifiers.trainings import Outcome, Trainings
from fewshot.heads.linear import LinearHead

SETTINGS = {
    "loss": "contrastive",
    "temperature": None,
    "margin": None,
    "steps": 2,
    "effort": "balanced",
    "batch_size": 8,
    "learning_rate": 1e-3,
    "accumulation": 1,
    "joint_head": False,
}


@pytest.fixture
def make(tiny_encoder, single):
    """A function that makes :class:`Trainings` on the toy data."""

    def trainings(y=None, **changes):
        y = np.unique(single.labels, return_inverse=True)[1] if y is None else y
        settings = ContrastiveSettings(**SETTINGS | {name: changes.pop(name) for name in SETTINGS if name in changes})
        options = {"head": "auto", "class_weight": None, "folds": 2, "random_state": 0} | changes
        examples = Examples(list(single.texts[: len(y)]), y, len(y))
        return Trainings(tiny_encoder, examples, 3, settings, stages=Stages(None, "", resume=False), **options)

    return trainings


@pytest.fixture
def untrained(monkeypatch, tiny_encoder):
    """Make every training return a copy of the encoder; the calls are counted."""
    calls = []

    def train_body(base, texts, y, settings, **options):
        calls.append(options["description"])
        steps = settings.schedule(len(texts), options["n_classes"]).steps
        return TrainedBody(base.trainable_copy(), [1.0] * steps, None)

    monkeypatch.setattr(module, "train_body", train_body)
    return calls


@pytest.mark.parametrize(
    ("head", "steps", "preferred"),
    [
        ("auto", 2, Candidate(1.0, "logistic")),
        ("auto", 0, Candidate(0.0, "logistic")),
        ("knn", 2, Candidate(1.0, "knn")),
        ("joint", 2, Candidate(1.0, "joint")),
        ("joint", 0, Candidate(0.0, "logistic")),
    ],
)
def test_what_was_asked_for_is_preferred(make, head, steps, preferred):
    """Prevents another head than the wanted one, and a joint head without a training that makes it."""
    assert make(head=head, steps=steps).preferred == preferred


def test_a_head_that_was_asked_for_is_not_replaced(make):
    """Prevents neighbours from winning where the user said ``head="prototype"``."""
    assert make(head="prototype").heads == ("prototype",)
    assert make(head="joint").heads == ("joint", "logistic")


def test_each_fold_and_then_all_are_trained(make, untrained):
    """Prevents a training too many, or one on all texts that judges itself."""
    outcome = make().cross_validated()
    assert untrained == ["judging, part 1 of 2", "judging, part 2 of 2", "training the teacher"]
    assert outcome.judged_by == "15 held-out labels"
    assert len(outcome.held_out.y) == 15


def test_few_labels_are_not_judged(make, untrained):
    """Prevents folds of one text a class from deciding anything."""
    outcome = make(y=np.arange(9) % 3).cross_validated()
    assert untrained == ["training the teacher"]
    assert (outcome.way, outcome.held_out, outcome.judged_by) == (Candidate(1.0, "logistic"), None, None)


def test_no_steps_train_nothing(make, untrained):
    """Prevents ``steps=0`` from costing trainings; heads are still judged."""
    outcome = make(steps=0).cross_validated()
    assert untrained == []
    assert outcome.body is None
    assert outcome.held_out.probabilities.keys() == {Candidate(0.0, head) for head in ("logistic", "prototype", "knn")}


def test_no_steps_are_judged_on_validation_texts(make, untrained, single):
    """Prevents a watcher over a training that does not happen."""
    outcome = make(steps=0).validated(single.test_texts, np.unique(single.test_labels, return_inverse=True)[1])
    assert untrained == []
    assert outcome.judged_by == "15 validation texts"


def test_a_frozen_choice_saves_the_last_training(make, untrained, monkeypatch):
    """Prevents a training on all texts whose result is thrown away."""
    monkeypatch.setattr(module, "choose", lambda held_out, preferred: Candidate(0.0, "knn"))
    trainings = make()
    outcome = trainings.cross_validated()
    assert "training the teacher" not in untrained
    assert trainings.encoder(outcome) is trainings.base


def test_a_training_that_destroys_is_not_kept(tiny_encoder, single):
    """Prevents a classifier that is worse than its encoder was: the frozen one is kept, and the report says so."""
    classifier = SetFitClassifier(encoder=tiny_encoder, steps=10, learning_rate=0.2, head="logistic", templates=None)
    classifier.fit(single.texts, single.labels)
    report = classifier.report_
    assert classifier.encoder_ is tiny_encoder
    assert (report["chosen"], report["share"], report["steps"]) == ("share 0, logistic head", 0.0, 0)
    assert report["held_out"]["share 0, logistic head"] > report["held_out"]["share 1, logistic head"] + 0.3
    assert any("the frozen encoder is kept (86.7 % of held-out" in note for note in report["notes"])
    assert classifier.losses_ == []
    probe = LinearProbeClassifier(encoder=tiny_encoder).fit(single.texts, single.labels)
    assert classifier.predict(single.test_texts).tolist() == probe.predict(single.test_texts).tolist()
    assert classifier.score(single.test_texts, single.test_labels) == probe.score(single.test_texts, single.test_labels)


def test_validation_keeps_the_frozen_encoder_as_well(tiny_encoder, single):
    """Prevents validation texts that may only stop a training, not undo it."""
    classifier = SetFitClassifier(encoder=tiny_encoder, steps=8, learning_rate=1.0, head="logistic", templates=None)
    classifier.fit(single.texts, single.labels, validation=(single.test_texts, single.test_labels))
    assert classifier.encoder_ is tiny_encoder
    assert "the frozen encoder is kept" in classifier.report_["notes"][0]


def test_the_report_says_what_was_kept(make):
    """Prevents a note on something that was not done, and numbers that are no JSON."""
    ours, other = Candidate(1.0, "logistic"), Candidate(1.0, "knn")
    right, wrong = np.eye(2)[[0, 0, 0]], np.eye(2)[[0, 1, 1]]
    held_out = HeldOut(np.zeros(3, dtype=int), {ours: wrong, other: right}, {})
    body = TrainedBody(None, [1.0, 0.5], None)
    report = make().report(Outcome(other, held_out, body, "2 folds"), help_of_names=float("inf"))
    assert report["chosen"] == "share 1, knn head"
    assert report["held_out_score"] == 1.0
    assert report["steps"] == 2
    assert report["help_of_names"] is None
    assert "kept: share 1, knn head instead of share 1, logistic head" in report["notes"][0]
    assert "since there are few labels" in report["notes"][1]
    plain = make().report(Outcome(ours, None, body, None), help_of_names=None)
    assert (plain["notes"], plain["held_out"], plain["held_out_score"]) == ([], {}, None)


def test_a_chosen_blend_is_what_predicts(tiny_encoder, single, monkeypatch):
    """Prevents a head that is fitted on other vectors than those of the encoder that is kept."""
    monkeypatch.setattr(module, "choose", lambda held_out, preferred: Candidate(0.5, "logistic"))
    half = SetFitClassifier(encoder=tiny_encoder, steps=4, learning_rate=1e-3, templates=None)
    half.fit(single.texts, single.labels)
    whole = SetFitClassifier(encoder=tiny_encoder, steps=4, learning_rate=1e-3, templates=None, folds=0)
    whole.fit(single.texts, single.labels)
    mixed, trained, frozen = (e.model.state_dict() for e in (half.encoder_, whole.encoder_, tiny_encoder))
    for name, tensor in mixed.items():
        torch.testing.assert_close(tensor, (trained[name] + frozen[name]) / 2 if tensor.is_floating_point() else tensor)
    assert half.losses_ == whole.losses_
    np.testing.assert_allclose(half.memory_.X, half._embed(single.texts), atol=1e-3)


def test_a_joint_head_is_kept_with_its_encoder(make, monkeypatch):
    """Prevents the joint head from being fitted anew, which is what ``head="logistic"`` is for."""
    joint = LinearHead(np.zeros((3, 32)), np.array([0.0, 1.0, 2.0]), multi_label=False, C=None)
    monkeypatch.setattr(
        module, "train_body", lambda base, *rest, **more: TrainedBody(base.trainable_copy(), [1.0], joint)
    )
    held_out = make(head="joint").cross_validated().held_out
    rows = held_out.probabilities[Candidate(1.0, "joint")]
    np.testing.assert_allclose(rows, joint.predict_proba(np.zeros((15, 32))))
