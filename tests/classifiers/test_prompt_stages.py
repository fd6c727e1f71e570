"""A prompt-based training that was killed goes on to bitwise the same model, and with nothing else."""

import os
import signal

import numpy as np
import pytest

from fewshot.classifiers.prompt import PromptClassifier
from fewshot.classifiers.stages import MARKER
from fewshot.core.errors import InputError
from tests.classifiers.masked_cases import write_masked
from tests.jobs import job_server

KILLS = (4, 13)


@pytest.fixture(scope="module")
def killed(tmp_path_factory, tiny_masked, single):
    """A fit without a break; and by the step they died in, what was left of others, and what they became."""
    folder = tmp_path_factory.mktemp("prompt-fits")
    usual = {"model": tiny_masked, "texts": single.texts, "labels": single.labels}
    jobs = [{**usual, "checkpoints": str(folder / str(step))} for step in KILLS]
    serve = job_server("tests.classifiers.prompt_script")

    def run(*given, name, expected=0):
        outs = [folder / f"{name}-{i}.npz" for i in range(len(given))]
        serve(*({**job, "out": str(out)} for job, out in zip(given, outs, strict=True)), expected=expected)
        return [dict(np.load(out)) for out in outs if out.is_file()]

    [whole] = run(usual, name="whole")
    dying = [{**job, "kill": step} for job, step in zip(jobs, KILLS, strict=True)]
    run(*dying, name="killed", expected=-signal.SIGKILL)
    left = {step: sorted(path.name for path in (folder / str(step) / "model").glob("*")) for step in KILLS}
    resumed = run(*({**job, "resume": True} for job in jobs), name="resumed")
    return whole, left, dict(zip(KILLS, resumed, strict=True))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked here")
@pytest.mark.parametrize("step", KILLS)
@pytest.mark.long
def test_a_killed_fit_goes_on_bit_by_bit(killed, step):
    """Prevents a resumed fit from other hidden tokens, dropout or weights than an uninterrupted one."""
    whole, left, resumed = killed
    assert left[step] == {4: [], 13: ["checkpoint-10"]}[step]
    assert len(whole["losses"]) == 20
    assert whole.keys() == resumed[step].keys()
    for key, array in whole.items():
        assert array.tobytes() == resumed[step][key].tobytes(), key


def small(model, **changes):
    """Return a quick classifier."""
    return PromptClassifier(model, **{"steps": 2, "learning_rate": 1e-3, "templates": "{text} {mask}"} | changes)


@pytest.fixture(scope="module")
def finished(tiny_masked, single, tmp_path_factory):
    """A folder with the checkpoints of a finished fit, and the classifier."""
    folder = tmp_path_factory.mktemp("finished") / "run"
    return folder, small(tiny_masked).fit(single.texts, single.labels, checkpoints=folder)


def test_checkpoints_change_nothing(finished, tiny_masked, single):
    """Prevents a fit that is only safe from being another fit."""
    _, safe = finished
    plain = small(tiny_masked).fit(single.texts, single.labels)
    np.testing.assert_array_equal(plain.predict_proba(single.texts), safe.predict_proba(single.texts))
    assert plain.losses_ == safe.losses_


CHANGES = {
    "texts": {},
    "labels": {},
    "validation": {},
    "steps": {"steps": 3},
    "seed": {"random_state": 1},
    "template": {"templates": "{mask} {text}"},
    "words": {"label_words": {"billing": "card"}},
    "calibration": {"calibrate": False},
}


@pytest.mark.parametrize("changed", CHANGES)
def test_other_data_or_settings_are_not_gone_on_with(finished, tiny_masked, single, changed):
    """Prevents a classifier half of one task, half of another."""
    texts, labels, validation = list(single.texts), list(single.labels), None
    if changed == "texts":
        texts[0] += "!"
    elif changed == "labels":
        labels[0] = labels[1]
    elif changed == "validation":
        validation = (single.test_texts, single.test_labels)
    with pytest.raises(InputError, match="had other texts, labels or settings"):
        small(tiny_masked, **CHANGES[changed]).fit(
            texts, labels, validation=validation, checkpoints=finished[0], resume=True
        )


def test_the_device_is_no_setting_and_the_model_is(finished, tiny_masked, tiny_tokenizer, single, tmp_path):
    """Prevents a training from being lost on the next machine, and weights of one model from going on in another's."""
    small(tiny_masked, device="cpu").fit(single.texts, single.labels, checkpoints=finished[0], resume=True)
    other = write_masked(tmp_path / "other", tiny_tokenizer, seed=1)
    with pytest.raises(InputError, match="had other texts, labels or settings"):
        small(other).fit(single.texts, single.labels, checkpoints=finished[0], resume=True)


def test_the_door(tiny_masked, single, tmp_path):
    """Prevents somebody's files from being cleared for a checkpoint, and a start where the user believes it goes on."""
    (tmp_path / "a.txt").write_text("mine")
    with pytest.raises(InputError, match="holds files"):
        small(tiny_masked).fit(single.texts, single.labels, checkpoints=tmp_path)
    assert (tmp_path / "a.txt").exists()
    with pytest.raises(InputError, match="resume=True needs checkpoints"):
        small(tiny_masked).fit(single.texts, single.labels, resume=True)
    small(tiny_masked).fit(single.texts, single.labels, checkpoints=tmp_path / "run")
    assert (tmp_path / "run" / MARKER).is_file()
