"""The trainings of a fine-tuning: how long they are, what is chosen, and how they go on after a break."""

import os
import signal

import numpy as np
import pytest

from fewshot.classifiers import fine_tuning
from fewshot.classifiers.fine_tuning import HeldOut, choose_look
from fewshot.classifiers.finetune import FineTunedClassifier
from fewshot.classifiers.stages import MARKER
from fewshot.core.errors import InputError
from tests.classifiers.listening import listen
from tests.jobs import array_runner


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
    usual = {"encoder": str(tiny_folder), "texts": single.texts, "labels": single.labels}
    return array_runner("tests.classifiers.finetune_script", tmp_path_factory.mktemp("fits"), usual)


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
@pytest.mark.long
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
    trained = listen(monkeypatch, fine_tuning, "train_on_labels")
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
