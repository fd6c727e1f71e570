"""Stages of a fit on disk: what was killed goes on to the same classifier, and nobody's files are touched."""

import os
import signal

import numpy as np
import pytest

from fewshot.classifiers import trainings
from fewshot.classifiers.setfit import SetFitClassifier
from fewshot.classifiers.stages import MARKER, Stages
from fewshot.core.errors import InputError
from tests.classifiers.listening import listen
from tests.jobs import array_runner


def test_without_a_folder_nothing_is_remembered():
    """Prevents files in the working directory of those who asked for none."""
    stages = Stages(None, "a", resume=False)
    stages.finish("fold-0", {"x": np.ones(1)})
    assert stages.finished("fold-0") is None
    assert stages.checkpoints("fold-0") is None


def test_what_is_finished_is_read_back(tmp_path):
    """Prevents predictions that change on their way over the disk, and checkpoints that fill it."""
    stages = Stages(tmp_path / "a" / "run", "a", resume=False)
    (stages.checkpoints("fold-0") / "checkpoint-10").mkdir(parents=True)
    result = {"way/1.0/logistic": np.random.default_rng(0).random((4, 3))[:, ::-1], "distance/1.0": np.ones(2)}
    stages.finish("fold-0", result)
    again = Stages(tmp_path / "a" / "run", "a", resume=True)
    found = again.finished("fold-0")
    assert {name: array.tolist() for name, array in found.items()} == {n: a.tolist() for n, a in result.items()}
    assert not stages.checkpoints("fold-0").exists()
    assert again.finished("fold-1") is None


@pytest.mark.parametrize("damage", [b"", b"\x08", b"x" * 100])
def test_a_damaged_result_is_made_again(tmp_path, damage):
    """Prevents a torn file from ending a resumed fit, or from being taken for a result."""
    stages = Stages(tmp_path, "a", resume=False)
    stages.finish("fold-0", {"x": np.ones(3)})
    (tmp_path / "fold-0.safetensors").write_bytes(damage)
    assert Stages(tmp_path, "a", resume=True).finished("fold-0") is None


@pytest.mark.parametrize("resume", [False, True])
@pytest.mark.parametrize("marker", [None, "{", "[]", "null", '{"other": 1}'])
def test_a_foreign_folder_is_refused_and_left_alone(tmp_path, resume, marker):
    """Prevents somebody's home directory from being cleared for a checkpoint."""
    (tmp_path / "thesis.txt").write_text("all I have")
    if marker is not None:
        (tmp_path / MARKER).write_text(marker)
    with pytest.raises(InputError, match="give another folder"):
        Stages(tmp_path, "a", resume=resume)
    assert (tmp_path / "thesis.txt").read_text() == "all I have"


def test_a_file_is_refused(tmp_path):
    """Prevents a file from being replaced by a folder."""
    (tmp_path / "x").write_text("x")
    with pytest.raises(InputError, match="is a file"):
        Stages(tmp_path / "x", "a", resume=False)


def test_another_run_is_not_gone_on_with(tmp_path):
    """Prevents predictions for other texts from being taken for these."""
    Stages(tmp_path, "a", resume=False).finish("fold-0", {"x": np.ones(3)})
    with pytest.raises(InputError, match="had other texts, labels or settings"):
        Stages(tmp_path, "b", resume=True)
    assert Stages(tmp_path, "a", resume=True).finished("fold-0") is not None
    assert Stages(tmp_path, "b", resume=False).finished("fold-0") is None
    assert [path.name for path in tmp_path.iterdir()] == [MARKER]


def test_going_on_with_nothing_is_a_start(tmp_path):
    """Prevents a script that always says ``resume=True`` from failing at its first run."""
    assert Stages(tmp_path / "new", "a", resume=True).finished("fold-0") is None
    (tmp_path / "empty").mkdir()
    Stages(tmp_path / "empty", "a", resume=True)


@pytest.fixture(scope="module")
def run_fits(tmp_path_factory, tiny_folder, single):
    """A function that runs jobs of ``fit_script.py`` at once; it returns what they wrote."""
    usual = {"encoder": str(tiny_folder), "texts": single.texts, "labels": single.labels}
    return array_runner("tests.classifiers.fit_script", tmp_path_factory.mktemp("fits"), usual)


KILLS = {
    "in fold 0": ["fold-0", 13],
    "after fold 0": ["fold-0", None],
    "in fold 1": ["fold-1", 7],
    "in the last training": ["body", 13],
}


@pytest.fixture(scope="module")
def killed(run_fits, tmp_path_factory):
    """A fit without a break; and by where they were killed, what was left of others, and what they became."""
    parent = tmp_path_factory.mktemp("killed")
    jobs = {name: {"checkpoints": str(parent / name)} for name in KILLS}
    [whole] = run_fits({})
    run_fits(*({**job, "kill": KILLS[name]} for name, job in jobs.items()), expected=-signal.SIGKILL)
    left = {name: sorted(str(path.relative_to(parent / name)) for path in (parent / name).glob("*")) for name in jobs}
    resumed = run_fits(*({**job, "resume": True} for job in jobs.values()))
    return whole, left, dict(zip(jobs, resumed, strict=True))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked here")
@pytest.mark.parametrize("name", KILLS)
def test_a_killed_fit_goes_on_bit_by_bit(killed, name):
    """Prevents a resumed fit from another choice, other weights or another head than an uninterrupted one."""
    whole, left, resumed = killed
    expected = {
        "in fold 0": ["fold-0"],
        "after fold 0": ["fold-0.safetensors"],
        "in fold 1": ["fold-0.safetensors", "fold-1"],
        "in the last training": ["body", "fold-0.safetensors", "fold-1.safetensors"],
    }
    assert left[name] == sorted([MARKER, *expected[name]])
    assert len(whole["losses"]) == 20
    for key, array in whole.items():
        assert array.tobytes() == resumed[name][key].tobytes(), key


def small(encoder, **changes):
    """Return a quick classifier."""
    return SetFitClassifier(**{"encoder": encoder, "steps": 2, "learning_rate": 1e-3, "templates": None} | changes)


@pytest.fixture(scope="module")
def finished(tiny_encoder, single, tmp_path_factory):
    """A folder with the stages of a finished fit, and the classifier."""
    folder = tmp_path_factory.mktemp("finished") / "run"
    return folder, small(tiny_encoder).fit(single.texts, single.labels, checkpoints=folder)


@pytest.fixture
def trained(monkeypatch):
    """The names of the stages that are trained in a test, in their order."""
    return listen(monkeypatch, trainings, "train_body")


def test_checkpoints_change_nothing(finished, tiny_encoder, single):
    """Prevents a fit that is only safe from being another fit."""
    _, safe = finished
    plain = small(tiny_encoder).fit(single.texts, single.labels)
    np.testing.assert_array_equal(plain.predict_proba(single.texts), safe.predict_proba(single.texts))
    assert plain.report_ == safe.report_


def test_what_is_finished_is_not_trained_again(finished, tiny_encoder, single, trained):
    """Prevents a resume that reads nothing and trains all."""
    folder, whole = finished
    again = small(tiny_encoder).fit(single.texts, single.labels, checkpoints=str(folder), resume=True)
    assert trained == ["body"]
    np.testing.assert_array_equal(again.predict_proba(single.texts), whole.predict_proba(single.texts))
    assert again.losses_ == whole.losses_


CHANGES = {
    "texts": {},
    "labels": {},
    "order": {},
    "validation": {},
    "steps": {"steps": 3},
    "seed": {"random_state": 1},
    "head": {"head": "knn"},
    "templates": {"templates": "{}"},
    "words": {"label_words": {"billing": "money"}},
    "folds": {"folds": 3},
}


@pytest.mark.parametrize("changed", CHANGES)
def test_other_data_or_settings_are_not_gone_on_with(finished, tiny_encoder, single, changed):
    """Prevents a classifier half of one task, half of another."""
    texts, labels, validation = list(single.texts), list(single.labels), None
    if changed == "texts":
        texts[0] += "!"
    elif changed == "labels":
        labels[0] = labels[1]
    elif changed == "order":
        texts, labels = texts[::-1], labels[::-1]
    elif changed == "validation":
        validation = (single.test_texts, single.test_labels)
    with pytest.raises(InputError, match="had other texts, labels or settings"):
        small(tiny_encoder, **CHANGES[changed]).fit(
            texts, labels, validation=validation, checkpoints=finished[0], resume=True
        )


def test_the_device_is_no_setting(finished, tiny_encoder, single, trained):
    """Prevents a training that was begun on one machine from being lost on the next."""
    folder, whole = finished
    classifier = small(tiny_encoder, device="cpu")
    classifier.fit(single.texts, single.labels, checkpoints=folder, resume=True)
    assert trained == ["body"]
    np.testing.assert_array_equal(classifier.predict_proba(single.texts), whole.predict_proba(single.texts))
    assert classifier.losses_ == whole.losses_


def test_another_encoder_is_not_gone_on_with(finished, bumped, single):
    """Prevents weights of one model from being blended with another's."""
    with pytest.raises(InputError, match="had other texts, labels or settings"):
        small(bumped).fit(single.texts, single.labels, checkpoints=finished[0], resume=True)


@pytest.fixture
def bumped(tiny_encoder):
    """The tiny encoder with one other weight."""
    import torch

    model = tiny_encoder.trainable_copy()
    with torch.no_grad():
        next(model.parameters())[0, 0] += 1.0
    return tiny_encoder.like(model)


def test_a_new_fit_clears_its_folder(tiny_encoder, single, tmp_path):
    """Prevents old folds from being found by a later resume."""
    Stages(tmp_path / "run", "other", resume=False).finish("fold-7", {"x": np.ones(1)})
    small(tiny_encoder, steps=0).fit(single.texts, single.labels, checkpoints=tmp_path / "run")
    assert not (tmp_path / "run" / "fold-7.safetensors").exists()


def test_resume_without_a_folder_is_refused(tiny_encoder, single):
    """Prevents a training from the start where the user believes that it goes on."""
    with pytest.raises(InputError, match="resume=True needs checkpoints"):
        small(tiny_encoder).fit(single.texts, single.labels, resume=True)


def test_a_fit_refuses_a_foreign_folder(tiny_encoder, single, tmp_path):
    """Prevents the same at the door that people use."""
    (tmp_path / "a.txt").write_text("mine")
    with pytest.raises(InputError, match="holds files"):
        small(tiny_encoder).fit(single.texts, single.labels, checkpoints=tmp_path)
    assert (tmp_path / "a.txt").exists()


def test_validation_is_judged_anew_after_a_break(tiny_encoder, single, tmp_path, monkeypatch):
    """Prevents a resumed training from choosing among its last steps alone: the best may lie before the break."""
    from fewshot.classifiers.stopping import ValidationStop

    validation = (single.test_texts, single.test_labels)
    whole = small(tiny_encoder, steps=12).fit(single.texts, single.labels, validation=validation)
    call = ValidationStop.__call__

    def breaks(self, step, model):
        if step == 12:
            raise KeyboardInterrupt
        return call(self, step, model) and False

    with monkeypatch.context() as patch:
        patch.setattr(ValidationStop, "__call__", breaks)
        with pytest.raises(KeyboardInterrupt):
            small(tiny_encoder, steps=12).fit(
                single.texts, single.labels, validation=validation, checkpoints=tmp_path / "run"
            )
    again = small(tiny_encoder, steps=12).fit(
        single.texts, single.labels, validation=validation, checkpoints=tmp_path / "run", resume=True
    )
    np.testing.assert_array_equal(again.predict_proba(single.texts), whole.predict_proba(single.texts))
    assert again.losses_ == whole.losses_
