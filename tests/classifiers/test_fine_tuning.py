"""The trainings of a fine-tuning: how long they are, what is chosen, and how they go on after a break."""

import os
import signal

import numpy as np
import pytest

from fewshot.classifiers import fine_tuning
from fewshot.classifiers.fine_tuning import FineTuneSettings, HeldOut, choose_look, default_epochs
from fewshot.classifiers.finetune import FineTunedClassifier
from fewshot.classifiers.stages import MARKER
from fewshot.core.errors import InputError
from tests.jobs import job_server

USUAL = FineTunedClassifier()._settings()


def settings(**changes):
    """Return the default settings with changes."""
    return FineTuneSettings(**{**vars(USUAL), **changes})


def test_epochs_are_counted_in_texts():
    """Prevents an epoch from being a step, or a batch."""
    plan = settings(epochs=6, batch_size=4, accumulation=2).plan(33)
    assert (plan.per_epoch, plan.schedule.steps) == (5, 30)
    assert plan.looks == [5, 10, 15, 20, 25, 30]
    assert plan.epochs(15) == 3.0


@pytest.mark.parametrize(("epochs", "n_looks"), [(1, 1), (8, 8), (9, 5), (20, 7), (100, 8)])
def test_looks_are_few_whole_epochs_and_end_with_the_training(epochs, n_looks):
    """Prevents a training whose end nobody judged, and one that is looked at for longer than it trains."""
    plan = settings(epochs=epochs, batch_size=8).plan(20)
    assert len(plan.looks) == n_looks <= fine_tuning.LOOKS
    assert plan.looks[-1] == plan.schedule.steps
    assert all(step % plan.per_epoch == 0 for step in plan.looks)


@pytest.mark.parametrize("steps", [1, 5, 8, 9, 100])
def test_steps_are_looked_at_as_well(steps):
    """Prevents a step count that is no whole number of epochs from never being judged."""
    plan = settings(steps=steps).plan(20)
    assert plan.schedule.steps == plan.looks[-1] == steps
    assert len(plan.looks) <= fine_tuning.LOOKS


@pytest.mark.parametrize("n", [2, 8, 32, 200, 500, 5000, 10**6])
def test_default_epochs_are_bounded(n):
    """Prevents one epoch on 8 texts, which learns nothing, and twenty on a million."""
    assert 2 <= default_epochs(n) <= 40
    assert default_epochs(n) >= default_epochs(2 * n)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": 0}, "epochs must be at least 1"),
        ({"steps": 0}, "steps must be at least 1"),
        ({"epochs": 2, "steps": 2}, "give one of them"),
        ({"batch_size": 0}, "batch_size must be at least 1"),
        ({"accumulation": 0}, "accumulation must be at least 1"),
        ({"patience": 0}, "patience must be at least 1"),
        ({"warmup": 1.0}, "warmup must be a share"),
        ({"warmup": -0.1}, "warmup must be a share"),
        ({"learning_rate": 0.0}, "learning_rate must be above 0"),
        ({"head_learning_rate": -1.0}, "head_learning_rate must be above 0"),
        ({"layer_decay": 1.5}, "layer_decay must be above 0 and at most 1"),
    ],
)
def test_settings_out_of_range(changes, message):
    """Prevents a training on nonsense, found out after the encoder was loaded."""
    with pytest.raises(InputError, match=message):
        settings(**changes)


def held_out(*n_wrong, n=100):
    """Return looks with so many of n rows wrong, the first ones."""
    y = np.zeros(n, dtype=int)
    looks = []
    for wrong in n_wrong:
        logits = np.tile([2.0, 0.0], (n, 1))
        logits[:wrong] = [0.0, 2.0]
        looks.append(logits)
    return HeldOut(y, looks, "labels")


@pytest.mark.parametrize(
    ("n_wrong", "chosen"),
    [
        ((50, 20, 20), 2),  # it gets no better: the whole training
        ((50, 18, 20), 2),  # two labels are chance
        ((50, 20, 40), 1),  # it forgot
        ((20, 30, 40), 0),
        ((20,), 0),
    ],
)
def test_an_earlier_end_must_be_clearly_better(n_wrong, chosen):
    """Prevents chance from choosing among looks that differ by a label or two."""
    assert choose_look(held_out(*n_wrong)) == chosen


def test_one_held_out_label_decides_nothing():
    """Prevents a standard error of one number."""
    assert choose_look(held_out(0, 1, n=1)) == 1


@pytest.fixture(scope="module")
def run_fits(tmp_path_factory, tiny_folder, single):
    """A function that runs jobs of ``finetune_script.py`` at once; it returns what they wrote."""
    folder = tmp_path_factory.mktemp("fits")
    usual = {"encoder": str(tiny_folder), "texts": single.texts, "labels": single.labels}
    with job_server("tests.classifiers.finetune_script", folder) as serve:

        def run(*jobs, expected=0):
            outs = [folder / f"{len(list(folder.iterdir()))}-{i}.npz" for i in range(len(jobs))]
            listed = [{**usual, "out": str(out), **job} for job, out in zip(jobs, outs, strict=True)]
            serve(*listed, expected=expected)
            return [dict(np.load(out)) for out in outs if out.is_file()]

        yield run


KILLS = {
    "in fold 0": ["fold-0", 14],
    "after fold 0": ["fold-0", None],
    "in fold 1": ["fold-1", 7],
    "in the last training": ["body", 13],
    "on validation texts": ["body", 16],
}


@pytest.fixture(scope="module")
def killed(run_fits, single, tmp_path_factory):
    """Fits without a break; and by where they were killed, what was left of others, and what they became."""
    parent = tmp_path_factory.mktemp("killed")
    jobs = {name: {"checkpoints": str(parent / name)} for name in KILLS}
    judged = {"validation": [single.test_texts, single.test_labels]}
    jobs["on validation texts"] |= judged
    plain, validated = run_fits({}, judged)
    run_fits(*({**job, "kill": KILLS[name]} for name, job in jobs.items()), expected=-signal.SIGKILL)
    left = {name: sorted(path.name for path in (parent / name).glob("*")) for name in jobs}
    resumed = run_fits(*({**job, "resume": True} for job in jobs.values()))
    whole = {name: validated if "validation" in job else plain for name, job in jobs.items()}
    return whole, left, dict(zip(jobs, resumed, strict=True))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked here")
@pytest.mark.parametrize("name", KILLS)
def test_a_killed_fit_goes_on_bit_by_bit(killed, name):
    """Prevents a resumed fit from another choice, other weights or other probabilities than an uninterrupted one."""
    whole, left, resumed = killed
    expected = {
        "in fold 0": ["fold-0"],
        "after fold 0": ["fold-0.safetensors"],
        "in fold 1": ["fold-0.safetensors", "fold-1"],
        "in the last training": ["body", "fold-0.safetensors", "fold-1.safetensors"],
        "on validation texts": ["body"],
    }
    assert [file for file in left[name] if "start" not in file] == sorted([MARKER, *expected[name]])
    assert whole[name].keys() == resumed[name].keys()
    assert len(whole[name]["losses"]) > 10
    for key, array in whole[name].items():
        assert array.tobytes() == resumed[name][key].tobytes(), key


def small(encoder, **changes):
    """Return a quick classifier."""
    return FineTunedClassifier(**{"encoder": encoder, "steps": 3, "learning_rate": 1e-3} | changes)


@pytest.fixture(scope="module")
def finished(tiny_encoder, single, tmp_path_factory):
    """A folder with the stages of a finished fit, and the classifier."""
    folder = tmp_path_factory.mktemp("finished") / "run"
    return folder, small(tiny_encoder).fit(single.texts, single.labels, checkpoints=folder)


def test_checkpoints_change_nothing(finished, tiny_encoder, single):
    """Prevents a fit that is only safe from being another fit."""
    plain = small(tiny_encoder).fit(single.texts, single.labels)
    np.testing.assert_array_equal(plain.predict_proba(single.texts), finished[1].predict_proba(single.texts))
    assert plain.report_ == finished[1].report_


def test_what_is_finished_is_not_trained_again(finished, tiny_encoder, single, monkeypatch):
    """Prevents a resume that reads nothing and trains all."""
    folder, whole = finished
    trained = []
    train = fine_tuning.train_on_labels
    monkeypatch.setattr(
        fine_tuning,
        "train_on_labels",
        lambda *args, **more: trained.append(more["checkpoints"].name) or train(*args, **more),
    )
    again = small(tiny_encoder).fit(single.texts, single.labels, checkpoints=str(folder), resume=True)
    assert trained == ["body"]
    np.testing.assert_array_equal(again.predict_proba(single.texts), whole.predict_proba(single.texts))
    assert again.losses_ == whole.losses_


CHANGES = {
    "texts": {},
    "validation": {},
    "steps": {"steps": 4},
    "seed": {"random_state": 1},
    "pooling": {"pooling": "cls"},
    "decay": {"layer_decay": 0.9},
    "length": {"max_length": 16},
}


@pytest.mark.parametrize("changed", CHANGES)
def test_other_data_or_settings_are_not_gone_on_with(finished, tiny_encoder, single, changed):
    """Prevents a classifier half of one task, half of another."""
    texts = [*single.texts[:-1], "another"] if changed == "texts" else single.texts
    validation = (single.test_texts, single.test_labels) if changed == "validation" else None
    with pytest.raises(InputError, match="had other texts, labels or settings"):
        small(tiny_encoder, **CHANGES[changed]).fit(
            texts, single.labels, validation=validation, checkpoints=finished[0], resume=True
        )


def test_resume_without_a_folder_is_refused(tiny_encoder, single):
    """Prevents a training from the start where the user believes that it goes on."""
    with pytest.raises(InputError, match="resume=True needs checkpoints"):
        small(tiny_encoder).fit(single.texts, single.labels, resume=True)
