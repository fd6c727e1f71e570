"""Rounds of self-training: what they learn from, how they are judged and stopped, and how they go on after a break."""

import numpy as np
import pytest

from fewshot.classifiers import fine_tuning, teaching_rounds
from fewshot.classifiers.self_training import SelfTrainingClassifier
from fewshot.classifiers.stages import Stages
from fewshot.classifiers.teaching_rounds import SelfTraining, share_changed
from fewshot.core.errors import InputError


def small(encoder, **changes):
    """Return a quick classifier."""
    usual = {"rounds": 2, "passes": 2, "per_round": 12, "steps": 6, "batch_size": 8, "learning_rate": 1e-3}
    return SelfTrainingClassifier(encoder, **usual | {"device": "cpu"} | changes)


@pytest.fixture
def students(monkeypatch):
    """The trainings of students, as they are made."""
    made = []
    student = SelfTraining._student

    def watched(self, rows, labels):
        made.append(student(self, rows, labels))
        return made[-1]

    monkeypatch.setattr(SelfTraining, "_student", watched)
    return made


def test_a_student_learns_labels_and_pseudo_labels(tiny_encoder, single, pool, students, monkeypatch):
    """Prevents pseudo-labels of other rows, gold labels that weigh less, and softmax over texts instead of classes."""
    found = []
    choose = teaching_rounds.choose_pseudo_labels

    def watched(uncertainty, **options):
        found.append(uncertainty)
        return choose(uncertainty, **options)

    monkeypatch.setattr(teaching_rounds, "choose_pseudo_labels", watched)
    small(tiny_encoder, folds=0, rounds=1).fit(single.texts, single.labels, unlabeled=pool)
    [uncertainty], [student] = found, students
    np.testing.assert_allclose(uncertainty.mean.sum(axis=1), 1.0)
    assert len(uncertainty.mean) == 112  # eight texts of the pool are labelled
    assert student.texts[:15] == single.texts
    assert len(student.texts) == len(student.y) == len(student.weights) <= 15 + 12
    assert (student.weights[:15] == 1).all()
    assert student.weights[15:].mean() == pytest.approx(1.0)
    kept = [text for text in pool if text not in set(single.texts)]
    told = dict(zip(kept, uncertainty.mean.argmax(axis=1), strict=True))
    assert [told[text] for text in student.texts[15:]] == student.y[15:].tolist()
    assert not student.folds


@pytest.mark.parametrize("judged", ["folds", "validation"])
def test_no_text_that_judges_is_pseudo_labelled(tiny_encoder, single, pool, students, judged):
    """Prevents a held-out text from being learnt with a pseudo-label, and a labelled one from having two labels."""
    validation = (single.test_texts, single.test_labels) if judged == "validation" else None
    unlabeled = [*pool, *single.texts, *single.test_texts, *(text.upper() for text in single.texts)]
    small(tiny_encoder, rounds=1).fit(single.texts, single.labels, unlabeled=unlabeled, validation=validation)
    assert len(students) == (3 if judged == "folds" else 1)
    judging = {text.lower() for text in (single.test_texts if validation else single.texts)}
    for student, n_labelled in zip(students, (15,) if validation else (6, 9, 15), strict=True):
        pseudo = student.texts[n_labelled:]
        assert pseudo
        assert not judging & {text.lower() for text in pseudo}


def test_folds_are_judged_by_those_who_do_not_know_them(tiny_encoder, single, pool, students):
    """Prevents a student that learnt a fold's labels from judging that fold."""
    small(tiny_encoder, rounds=1).fit(single.texts, single.labels, unlabeled=pool)
    known = [{text for text in student.texts if text in set(single.texts)} for student in students]
    assert [len(texts) for texts in known] == [6, 9, 15]
    assert not known[0] & known[1]


@pytest.mark.parametrize(("chosen", "trained"), [(0, 0), (1, 1), (2, 2)])
def test_as_many_rounds_as_were_chosen(tiny_encoder, single, pool, students, monkeypatch, chosen, trained):
    """Prevents rounds that were found worse from being kept, and calibration by those of another round."""
    looks = []

    def choose(held_out):
        looks.append(held_out)
        return chosen

    monkeypatch.setattr(teaching_rounds, "choose_look", choose)
    monkeypatch.setattr(teaching_rounds, "SETTLED", 0.0)
    classifier = small(tiny_encoder).fit(single.texts, single.labels, unlabeled=pool)
    assert len(students) == 4 + trained  # two rounds in each of two folds
    report = classifier.report_
    assert report["chosen"] == f"{chosen} of 2 rounds"
    assert list(report["held_out"]) == ["labels alone", "1 round", "2 rounds"]
    assert report["held_out_score"] == pytest.approx(looks[0].score(chosen))
    assert len(report["rounds"]) == trained
    assert report["judged_by"] == "15 held-out labels"
    assert ("no round was kept" in report["notes"][-1]) == (chosen == 0)


def test_rounds_end_where_nothing_changes(tiny_encoder, single, pool, students, monkeypatch):
    """Prevents rounds that cost as the first and learn what the last has learnt, in folds as well."""
    monkeypatch.setattr(teaching_rounds, "SETTLED", 1.1)
    classifier = small(tiny_encoder, rounds=5).fit(single.texts, single.labels, unlabeled=pool)
    assert len(students) == 3
    report = classifier.report_
    assert len(report["held_out"]) == 6
    assert len(set(list(report["held_out"].values())[1:])) == 1
    assert len(report["rounds"]) == 1
    assert report["chosen"] == "1 of 5 rounds"


def test_a_worse_round_is_the_last(tiny_encoder, single, pool, students, monkeypatch):
    """Prevents a student that validation texts found worse from teaching, or from being kept."""
    monkeypatch.setattr(teaching_rounds, "choose_look", lambda held_out: 0)
    validation = (single.test_texts, single.test_labels)
    classifier = small(tiny_encoder, rounds=4).fit(single.texts, single.labels, unlabeled=pool, validation=validation)
    assert len(students) == 1
    report = classifier.report_
    assert report["judged_by"] == "15 validation texts"
    assert report["chosen"] == "0 of 4 rounds"
    assert len(report["rounds"]) == 1
    assert len(report["held_out"]) == 2
    assert report["held_out_score"] == report["teacher"]["held_out_score"]


def test_thresholds_of_a_fold_are_told_by_others(tiny_encoder, multi, pool, monkeypatch):
    """Prevents thresholds that were chosen on the labels that they are judged on."""
    told = []
    steady = teaching_rounds.thresholds_of_trained
    monkeypatch.setattr(teaching_rounds, "thresholds_of_trained", lambda y, p: told.append(np.array(y)) or steady(y, p))
    judged = []
    run = SelfTraining._run_rounds

    def watched(self, teacher, fold, train, texts, names):
        judged.append(self.y[np.setdiff1d(np.arange(len(self.y)), train)])
        return run(self, teacher, fold, train, texts, names)

    monkeypatch.setattr(SelfTraining, "_run_rounds", watched)
    small(tiny_encoder, rounds=1).fit(multi.texts, multi.labels, unlabeled=pool)
    assert [len(y) for y in told] == [13, 14, 27]
    np.testing.assert_array_equal(told[0], judged[1])
    np.testing.assert_array_equal(told[1], judged[0])


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_every_pseudo_label_the_same(tiny_encoder, single, pool, monkeypatch, pooling):
    """Prevents an empty group, a weight of nothing or a class without a text from ending a fit."""
    passes = teaching_rounds.dropout_passes
    monkeypatch.setattr(
        teaching_rounds,
        "dropout_passes",
        lambda *args, **options: passes(*args, **options) + np.array([50.0, 0.0, 0.0], dtype=np.float32),
    )
    classifier = small(tiny_encoder, folds=0, pooling=pooling).fit(single.texts, single.labels, unlabeled=pool)
    [one] = classifier.report_["rounds"]
    assert one["classes"] == {"billing": 4, "delivery": 0, "login": 0}
    assert one["uncertainty"] == pytest.approx(0.0, abs=1e-6)
    assert np.isfinite(classifier.predict_proba(single.test_texts)).all()


def test_share_of_texts_with_another_label():
    """Prevents a text with two labels that changed from counting twice."""
    assert share_changed(np.array([[1, 0], [0, 0], [1, 1]]), np.array([[0, 1], [0, 0], [1, 1]])) == pytest.approx(1 / 3)


class BrokenOffError(Exception):
    """What interrupts a fit."""


def break_after(monkeypatch, stage):
    """Break off as soon as a stage is kept."""
    finish = Stages.finish

    def broken(self, name, result):
        finish(self, name, result)
        if name == stage:
            raise BrokenOffError

    monkeypatch.setattr(Stages, "finish", broken)


def break_in(monkeypatch, stage, step):
    """Break off in the midst of a training."""
    train = fine_tuning.train_on_labels

    def broken(*args, checkpoints, watch, watch_every, **options):
        def breaking(at, model):
            if at == step:
                raise BrokenOffError
            return watch is not None and at % watch_every == 0 and watch(at, model)

        if checkpoints.as_posix().endswith(f"run/{stage}"):
            return train(*args, checkpoints=checkpoints, watch=breaking, watch_every=1, **options)
        return train(*args, checkpoints=checkpoints, watch=watch, watch_every=watch_every, **options)

    monkeypatch.setattr(fine_tuning, "train_on_labels", broken)


BREAKS = {
    "labels of a fold": ("rounds-fold-0/round-1-labels", None),
    "a student of a fold": ("rounds-fold-1/round-1", 3),
    "a fold": ("rounds-fold-0", None),
    "the first teacher": ("body", 4),
    "labels": ("round-1-labels", None),
    "a student": ("round-1", 5),
    "the last student": ("round-2", 3),
}


@pytest.fixture(scope="module")
def whole(tiny_encoder, single, pool):
    """A fit without a break, and one on validation texts."""
    judged = (single.test_texts, single.test_labels)
    return {
        None: small(tiny_encoder).fit(single.texts, single.labels, unlabeled=pool),
        judged[0][0]: small(tiny_encoder).fit(single.texts, single.labels, unlabeled=pool, validation=judged),
    }


@pytest.mark.parametrize("validated", [False, pytest.param(True, marks=pytest.mark.long)])
@pytest.mark.parametrize("place", BREAKS)
def test_a_broken_fit_goes_on_bit_by_bit(whole, tiny_encoder, single, pool, place, validated, tmp_path, monkeypatch):
    """Prevents a resumed fit from other pseudo-labels, weights or choices than an uninterrupted one."""
    stage, step = BREAKS[place]
    if validated and "fold" in stage:
        pytest.skip("validation texts judge without folds")
    validation = (single.test_texts, single.test_labels) if validated else None
    options = {"unlabeled": pool, "validation": validation, "checkpoints": tmp_path / "run"}
    with pytest.MonkeyPatch.context() as patch:
        break_after(patch, stage) if step is None else break_in(patch, stage, step)
        with pytest.raises(BrokenOffError):
            small(tiny_encoder).fit(single.texts, single.labels, **options)
    asked = []
    passes = teaching_rounds.dropout_passes
    monkeypatch.setattr(
        teaching_rounds,
        "dropout_passes",
        lambda *args, **more: asked.append(more["description"]) or passes(*args, **more),
    )
    resumed = small(tiny_encoder).fit(single.texts, single.labels, **options, resume=True)
    expected = whole[single.test_texts[0] if validated else None]
    assert len(asked) < (2 if validated else 6) or place == "the first teacher"
    assert resumed.report_ == expected.report_
    assert resumed.losses_ == expected.losses_
    np.testing.assert_array_equal(resumed.predict_proba(pool), expected.predict_proba(pool))


def test_another_pool_is_not_gone_on_with(tiny_encoder, single, pool, tmp_path):
    """Prevents pseudo-labels of one pool from being given to another."""
    options = {"checkpoints": tmp_path / "run"}
    small(tiny_encoder, rounds=1, folds=0).fit(single.texts, single.labels, unlabeled=pool, **options)
    for changes, other in (({}, pool[:-1]), ({"passes": 3}, pool)):
        with pytest.raises(InputError, match="had other texts, labels or settings"):
            small(tiny_encoder, rounds=1, folds=0, **changes).fit(
                single.texts, single.labels, unlabeled=other, resume=True, **options
            )
