"""The adapter whole: it learns, leaves all else alone, keeps no harm, and goes on after a kill."""

import copy
import os
import random
import signal
import tracemalloc

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from fewshot.adaptation import adapter as module
from fewshot.adaptation.adapter import DomainAdapter
from fewshot.adaptation.simcse import SimCSELoss
from fewshot.core.errors import DataWarning, InputError
from fewshot.data.pool import open_pool
from fewshot.encoders.sentence import SentenceEncoder
from tests.adaptation.adapt_script import POOL, SETTINGS
from tests.jobs import job_server

QUICK = {"steps": 12, "batch_size": 8, "learning_rate": 3e-4, "device": "cpu", "precision": "float32"}


@pytest.fixture
def start(tiny_folder, masked_folder):
    """A function from an objective to the folder of a model that suits it."""
    return lambda objective: masked_folder if objective == "mlm" else tiny_folder


@pytest.mark.parametrize("objective", ["mlm", "simcse", "tsdae"])
def test_it_learns_the_texts(start, objective, pool):
    """Prevents a training that runs and adapts nothing, by whichever objective."""
    options = {**QUICK, "steps": 60, "learning_rate": 1e-3}
    made = DomainAdapter(start(objective), objective=objective, **options).fit(pool)
    report = made.report_
    assert report["objective"] == objective
    assert report["kept"] == "adapted"
    assert report["loss_after"] < report["loss_before"]
    assert report["loss_after"] == min(row["held_out_loss"] for row in made.curve_)
    assert report["steps"] == len(made.losses_) <= 60
    assert report["kept_step"] in [row["step"] for row in made.curve_]
    assert report["n_texts"] == len(pool)
    assert report["n_held_out"] == 10
    assert made.encoder_.name.endswith(f"adapted by {objective}")
    assert made.encoder_.encode(pool[:3]).shape == (3, 32)


@pytest.mark.parametrize("objective", ["simcse", "tsdae"])
def test_the_encoder_stays_as_it_was(tiny_encoder, objective, pool):
    """Prevents adaptation from changing the encoder that it is to be compared with."""
    before = {name: tensor.clone() for name, tensor in tiny_encoder.model.state_dict().items()}
    vectors = tiny_encoder.encode(pool[:5])
    made = DomainAdapter(tiny_encoder, objective=objective, **QUICK).fit(pool)
    assert all(torch.equal(tensor, before[name]) for name, tensor in tiny_encoder.model.state_dict().items())
    assert not tiny_encoder.model.training
    np.testing.assert_array_equal(tiny_encoder.encode(pool[:5]), vectors)
    assert tiny_encoder.name == "tiny"
    assert not np.array_equal(made.encoder_.encode(pool[:5]), vectors)
    assert not made.encoder_.model.training


def test_dropout_is_on_in_training(tiny_encoder, pool, monkeypatch):
    """Prevents two passes that are the same: contrast would have nothing to learn from."""
    seen = []
    value = SimCSELoss.value

    def noted(self, features, rows):
        if torch.is_grad_enabled():
            seen.append(self.model.training and self.model[0].training)
        return value(self, features, rows)

    monkeypatch.setattr(SimCSELoss, "value", noted)
    DomainAdapter(tiny_encoder, objective="simcse", **QUICK).fit(pool)
    assert seen == [True] * 12


def test_one_seed_one_encoder(tiny_encoder, pool):
    """Prevents draws from anywhere but the seed, and random states that come back changed."""
    random.seed(3), np.random.seed(3), torch.manual_seed(3)  # noqa: NPY002
    before = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()  # noqa: NPY002
    options = {**QUICK, "objective": "tsdae"}
    one = DomainAdapter(tiny_encoder, **options).fit(pool)
    assert before == (random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist())  # noqa: NPY002
    torch.rand(7)
    two = DomainAdapter(tiny_encoder, **options).fit(open_pool(pool))
    other = DomainAdapter(tiny_encoder, **options, random_state=1).fit(pool)
    assert one.losses_ == two.losses_ != other.losses_
    assert one.report_ == two.report_
    assert one.encoder_.fingerprint == two.encoder_.fingerprint != other.encoder_.fingerprint


def test_an_adaptation_that_does_harm_is_not_kept(tiny_encoder, pool):
    """Prevents a collapsed or diverging encoder from being handed on as the better one."""
    made = DomainAdapter(tiny_encoder, objective="tsdae", **{**QUICK, "learning_rate": 0.5, "steps": 20}).fit(pool)
    assert made.report_["kept"] == "frozen"
    assert made.report_["notes"][0].startswith("the encoder stays as it was: the")
    np.testing.assert_array_equal(made.encoder_.encode(pool), tiny_encoder.encode(pool))
    assert made.encoder_.name == "tiny"


def test_it_stops_when_the_held_out_loss_rises(tiny_encoder, pool, monkeypatch):
    """Prevents training on after the best look, and weights of another look than the best."""
    from fewshot.adaptation import training

    rising = iter([1.0, 0.9, 0.5, 0.6, 0.7, 0.1])
    weights = []

    def loss(self, objective):
        weights.append(copy.deepcopy(objective.model.state_dict()))
        return next(rising)

    monkeypatch.setattr(training.HeldOut, "loss", loss)
    made = DomainAdapter(tiny_encoder, objective="simcse", share=1.0, **{**QUICK, "steps": 20}).fit(pool)
    assert [row["held_out_loss"] for row in made.curve_] == [0.9, 0.5, 0.6, 0.7]
    assert (made.report_["steps"], made.report_["kept_step"]) == (8, 4)
    assert (made.report_["loss_before"], made.report_["loss_after"]) == (1.0, 0.5)
    assert all(torch.equal(tensor, weights[2][name]) for name, tensor in made.encoder_.model.state_dict().items())


def test_a_share_of_the_way(tiny_encoder, pool):
    """Prevents a share that is taken from the wrong end, or forgotten."""
    options = {**QUICK, "objective": "simcse"}
    whole, half = (DomainAdapter(tiny_encoder, share=share, **options).fit(pool) for share in (1.0, 0.25))
    assert (whole.report_["share"], half.report_["share"]) == (1.0, 0.25)
    assert DomainAdapter(tiny_encoder, **options).fit(pool).report_["share"] == 0.5
    ends = tiny_encoder.model.state_dict(), whole.encoder_.model.state_dict()
    for name, tensor in half.encoder_.model.state_dict().items():
        if tensor.is_floating_point():
            torch.testing.assert_close(tensor, 0.75 * ends[0][name] + 0.25 * ends[1][name])


def test_few_texts(tiny_encoder, pool):
    """Prevents figures that nothing was held out for, and a pool of a handful of texts without a word."""
    with pytest.warns(DataWarning, match="30 different texts tell little"):
        made = DomainAdapter(tiny_encoder, objective="simcse", **QUICK).fit(pool[:30])
    assert (made.report_["loss_before"], made.report_["loss_after"], made.curve_) == (None, None, [])
    assert made.report_["steps"] == 12
    with pytest.raises(InputError, match="texts holds 1 different texts"):
        DomainAdapter(tiny_encoder).fit(["one"] * 99)


def test_no_steps(tiny_encoder, pool):
    """Prevents ``steps=0``, a baseline, from failing or from changing the encoder."""
    made = DomainAdapter(tiny_encoder, objective="simcse", **{**QUICK, "steps": 0}).fit(pool)
    assert (made.losses_, made.curve_, made.report_["kept"]) == ([], [], "frozen")
    np.testing.assert_array_equal(made.encoder_.encode(pool), tiny_encoder.encode(pool))


def test_memory_is_linear(tiny_encoder):
    """Prevents a list of pairs, or a table of all texts' tokens: 20,000 texts have 200 million pairs."""
    texts = open_pool([f"text {i}" for i in range(20_000)])
    adapter = DomainAdapter(tiny_encoder, objective="simcse", **{**QUICK, "steps": 1})
    tracemalloc.start()
    try:
        adapter.fit(texts, validation=["a", "b"])
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 50 * 2**20


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"objective": "gpl"}, "objective must be one of"),
        ({"share": 0.0}, "share must be above 0"),
        ({"share": 1.5}, "at most 1"),
        ({"precision": "int8"}, "precision must be one of"),
        ({"random_state": -1}, "random_state"),
        ({"mask_probability": 0.0, "objective": "tsdae"}, "mask_probability must be above 0"),
        ({"temperature": 0.0, "objective": "simcse"}, "temperature must be above 0"),
    ],
)
def test_arguments_are_checked_at_the_door(tiny_encoder, pool, options, message):
    """Prevents a mistake from being found after the training."""
    with pytest.raises(InputError, match=message):
        DomainAdapter(tiny_encoder, **{**QUICK, **options}).fit(pool)


def test_habits_of_scikit_learn(tiny_encoder, tmp_path):
    """Prevents a constructor that works, and a save before there is anything."""
    adapter = DomainAdapter("no such encoder", objective="nonsense", steps=3)
    assert clone(adapter).get_params() == adapter.get_params()
    with pytest.raises(NotFittedError, match="call fit"):
        adapter.save(tmp_path / "out")


KILLS = [
    ("simcse", "in a step", 1),
    ("simcse", "in a step", 17),
    ("simcse", "saving a checkpoint", 2),
    ("simcse", "keeping the best", 3),
    ("simcse", "putting the best back", 1),
    ("tsdae", "in a step", 15),
    ("tsdae", "noting a look", 6),
    ("mlm", "in a step", 25),
    ("mlm", "saving a checkpoint", 3),
    ("stopped", "in a step", 15),
    ("stopped", "putting the best back", 1),
]
STOPPED = {"objective": "simcse", "drifting": True, "settings": {"steps": 60}}
"""A training that gets worse from look to look, and is ended by the third."""


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory, tiny_folder, masked_folder):
    """What adaptations wrote, whole ones and those that were killed and gone on with."""
    folder = tmp_path_factory.mktemp("kills")
    jobs = {}
    for case in [(name,) for name in ("simcse", "tsdae", "mlm", "stopped")] + KILLS:
        name = "-".join(map(str, case)).replace(" ", "_")
        encoder = masked_folder if case[0] == "mlm" else tiny_folder
        jobs[case] = {
            "encoder": str(encoder),
            "objective": case[0],
            "out": str(folder / f"{name}.npz"),
            "checkpoints": str(folder / name),
            **(STOPPED if case[0] == "stopped" else {}),
        }
    run = job_server("tests.adaptation.adapt_script")
    for start in range(0, len(KILLS), 2):  # two at once
        some = KILLS[start : start + 2]
        run(*({**jobs[case], "kill": case[1:]} for case in some), expected=-signal.SIGKILL)
        run(*({**jobs[case], "resume": True} for case in some), expected=0)
    whole = [case for case in jobs if len(case) == 1]
    run(*(jobs[case] for case in whole), expected=0)
    return {case: dict(np.load(job["out"])) for case, job in jobs.items()}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked here")
@pytest.mark.parametrize("case", KILLS, ids=lambda case: "-".join(map(str, case)))
@pytest.mark.long
def test_killed_anywhere_it_ends_in_the_same_encoder(outcomes, case):
    """Prevents a resume that hides other tokens, draws other dropout, forgets the best look, or trains past the end."""
    whole, resumed = outcomes[case[:1]], outcomes[case]
    assert whole.keys() == resumed.keys()
    different = [name for name, array in whole.items() if array.tobytes() != resumed[name].tobytes()]
    assert different == []


@pytest.mark.long
def test_the_stopped_one_was_stopped(outcomes):
    """Prevents the case above from testing nothing."""
    assert len(outcomes[("stopped",)]["losses"]) == 18
    assert len(outcomes[("simcse",)]["losses"]) == SETTINGS["steps"]


@pytest.mark.parametrize(
    "change",
    [{"temperature": 0.1}, {"max_length": 9}, {"learning_rate": 1e-4}, {"random_state": 5}, {"texts": POOL[:55]}],
)
def test_another_run_is_not_gone_on_with(tiny_encoder, tmp_path, change):
    """Prevents the steps of one training from being continued with the settings or the texts of another."""
    options = {**QUICK, "objective": "simcse"}
    DomainAdapter(tiny_encoder, **options).fit(POOL, checkpoints=tmp_path)
    texts = change.pop("texts", POOL)
    with pytest.raises(InputError, match="belong to other texts, targets, settings or initial weights"):
        DomainAdapter(tiny_encoder, **{**options, **change}).fit(texts, checkpoints=tmp_path, resume=True)


def test_other_texts_to_judge_by_are_another_run(tiny_encoder, tmp_path):
    """Prevents looks at two sets of texts from deciding on one training."""
    options = {**QUICK, "objective": "simcse"}
    DomainAdapter(tiny_encoder, **options).fit(POOL, validation=["a", "b"], checkpoints=tmp_path)
    with pytest.raises(InputError, match="belong to other texts"):
        DomainAdapter(tiny_encoder, **options).fit(POOL, validation=["a", "c"], checkpoints=tmp_path, resume=True)


def test_the_adapted_encoder_is_an_encoder(tiny_encoder, pool):
    """Prevents an encoder that computes in another way than the one it was made from."""
    made = DomainAdapter(tiny_encoder, objective="simcse", **QUICK).fit(pool).encoder_
    assert isinstance(made, SentenceEncoder)
    assert (made.precision, made.device) == (tiny_encoder.precision, tiny_encoder.device)
    assert made.length_settings == tiny_encoder.length_settings
    assert DomainAdapter().encoder == module.DEFAULT_TEACHER


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("objective", ["simcse", "tsdae"])
def test_the_real_encoder(bundled, pool, objective):
    """Prevents objectives that fit tiny models alone, and a head of random weights for a sentence encoder."""
    options = {"steps": 6, "batch_size": 16, "learning_rate": 1e-5, "device": "cpu"}
    made = DomainAdapter(bundled, objective=objective, **options).fit(pool)
    assert made.report_["steps"] <= 6
    near = (made.encoder_.encode(pool[:20]) * bundled.encode(pool[:20])).sum(axis=1)
    assert near.min() > 0.9
    with pytest.raises(InputError, match="'bundled' has none, as most sentence encoders"):
        DomainAdapter("bundled", objective="mlm", device="cpu").fit(pool)
