"""Hyper-parameter search: fair, resumable at any moment, bound to its data, honest about luck."""

import inspect
import logging
import sys

import numpy as np
import pytest

from fewshot.core.errors import InputError, MissingExtraError
from fewshot.recipes.search_result import conclude, write_trials
from fewshot.recipes.search_space import SETFIT, SearchSpace
from fewshot.recipes.search_study import JOURNAL
from fewshot.recipes.searching import search_settings
from tests.jobs import job_server
from tests.recipes.search_script import LABELS, SPACE, TEXTS, Guesser, search

optuna = pytest.importorskip("optuna")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A search that nothing interrupted."""
    return search(tmp_path_factory.mktemp("whole"))


def content(result):
    """Return what must not depend on time or on interruptions."""
    return [{name: value for name, value in trial.items() if name != "seconds"} for trial in result.trials]


def test_the_better_setting_is_found_and_the_default_comes_first(whole):
    """Prevents a search that can end below the settings it began with."""
    assert whole.trials[0]["params"] == SPACE.defaults() == {"level": 0.1, "kind": "plain"}
    assert whole.best_score > whole.default_score
    assert whole.params == whole.best_params
    assert whole.params["level"] > 0.2
    assert not whole.kept_default
    assert whole.gain == pytest.approx(whole.best_score - whole.default_score)
    assert any("optimistic" in note for note in whole.notes)


def test_bad_trials_are_stopped_early_and_failed_ones_do_not_end_the_search(whole):
    """Prevents full price for hopeless settings, and a night lost to one diverged training."""
    states = {trial["state"]: trial for trial in whole.trials}
    assert set(states) == {"complete", "pruned", "failed"}
    assert states["pruned"]["folds"] < 3
    assert states["failed"]["params"]["kind"] == "odd"
    assert states["failed"]["error"] == "ArithmeticError: the loss is not finite"
    assert any("trials failed" in note for note in whole.notes)


def test_conditional_settings_are_set_only_where_they_matter(whole):
    """Prevents a margin handed to a loss that refuses it."""
    for trial in whole.trials:
        assert ("spice" in trial["params"]) == (trial["params"]["kind"] == "wild")


@pytest.mark.parametrize("kill_at", [2, 17])
def test_a_killed_search_ends_like_one_that_was_not(tmp_path, whole, kill_at):
    """Prevents a resumed search from proposing other settings, or counting the killed trial as a failure."""
    job_server("tests.recipes.search_script")({"folder": str(tmp_path), "kill_at": kill_at}, expected=-9)
    (tmp_path / f"{JOURNAL}.lock").touch()  # as a kill inside a write leaves it
    with (tmp_path / JOURNAL).open("ab") as journal:
        journal.write(b'{"op_code": 5, "torn')
    assert content(search(tmp_path, resume=True)) == content(whole)


def test_a_finished_search_is_read_back_and_can_be_extended(tmp_path, whole):
    """Prevents paying twice for trials, and a longer search that differs from one that was long from the start."""
    search(tmp_path, n_trials=5)
    Guesser.fits = 0
    assert content(search(tmp_path, n_trials=5, resume=True)) == content(whole)[:5]
    assert Guesser.fits == 0
    assert content(search(tmp_path, resume=True)) == content(whole)


def test_without_resume_a_search_starts_afresh(tmp_path):
    """Prevents trials of an earlier random state from counting for this one."""
    search(tmp_path, n_trials=3)
    again = search(tmp_path, n_trials=3, random_state=1)
    assert len(again.trials) == 3


@pytest.mark.parametrize(
    "changes",
    [
        {"texts": [*TEXTS[:-1], "other red"]},
        {"labels": [*LABELS[:-1], "blue"]},
        {"random_state": 1},
        {"folds": 4},
        {"space": SPACE.without(kind="plain")},
        {"make": lambda **params: Guesser(**{"spice": 1.0} | params)},
    ],
)
def test_the_journal_of_another_search_is_refused(tmp_path, changes):
    """Prevents trials on other texts, folds or settings from deciding this search."""
    search(tmp_path, n_trials=1)
    with pytest.raises(InputError, match="had other texts, labels or settings"):
        search(tmp_path, n_trials=1, resume=True, **changes)


@pytest.mark.parametrize("damage", [b"no json\n", b'{"op_code": 99}\n', b"[]\n", b"\xff\xfe\n"])
def test_a_damaged_journal_is_named(tmp_path, damage):
    """Prevents a traceback from inside a library."""
    search(tmp_path, n_trials=1)
    path = tmp_path / JOURNAL
    path.write_bytes(damage + path.read_bytes())
    with pytest.raises(InputError, match=r"journal\.log' is damaged"):
        search(tmp_path, n_trials=2, resume=True)


def test_where_all_trials_fail_the_last_error_comes_out(tmp_path):
    """Prevents "no trial is complete" instead of the reason."""
    space = SPACE.without(kind="odd")
    make = {"make": lambda **params: Guesser(**params | {"kind": "odd"}), "space": space, "n_trials": 2}
    with pytest.raises(ArithmeticError, match="not finite"):
        search(tmp_path, **make)
    with pytest.raises(InputError, match="all 2 trials failed, the last with ArithmeticError"):
        search(tmp_path, resume=True, **make)


def test_ctrl_c_ends_the_search_and_is_not_a_failed_trial(tmp_path, whole, monkeypatch):
    """Prevents Ctrl-C from being noted as a bad setting."""

    def stop(self, texts):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Guesser, "predict_proba", stop)
        with pytest.raises(KeyboardInterrupt):
            search(tmp_path)
    assert content(search(tmp_path, resume=True)) == content(whole)


def test_probabilities_that_are_not_finite_are_a_failure(tmp_path):
    """Prevents NaN from winning: argmax of NaN is the first class."""

    class Diverged(Guesser):
        def predict_proba(self, texts):
            given = super().predict_proba(texts)
            return given * np.nan if self.level != 0.1 else given

    result = search(tmp_path, make=Diverged, n_trials=3, space=SPACE.without(kind="plain"))
    assert [trial["state"] for trial in result.trials] == ["complete", "failed", "failed"]
    assert result.kept_default


def trials(*scores, state="complete"):
    """Make rows of a finished search."""
    return [
        {"number": n, "state": state, "value": s, "score": s, "likelihood": 0.5, "folds": 3, "seconds": 0.1}
        | {"error": None, "params": {"level": 0.1 * (n + 1), "kind": "plain"}}
        for n, s in enumerate(scores)
    ]


def test_the_default_is_kept_where_the_gain_is_noise():
    """Prevents settings that are luckier on one text from being sold as better."""
    right = {0: [1.0] * 15 + [0.0] * 15, 1: [0.0] * 5 + [1.0] * 17 + [0.0] * 8}
    result = conclude(trials(15 / 30, 17 / 30), right, "accuracy")
    assert result.kept_default
    assert result.params == {}
    assert result.best_number == 1
    assert 0 < result.gain <= result.gain_error
    assert "the default was kept" in result.notes[0]


def test_the_default_wins_ties():
    """Prevents a change of settings for nothing."""
    result = conclude(trials(0.5, 0.5), {0: [1.0, 0.0], 1: [0.0, 1.0]}, "accuracy")
    assert result.best_number == 0
    assert result.kept_default


def test_a_failed_default_is_said():
    """Prevents a comparison with a default that gave no result."""
    rows = trials(0.5, 0.6)
    rows[0] |= {"state": "failed", "value": None, "score": None, "error": "ValueError: x"}
    result = conclude(rows, {1: [1.0, 0.0]}, "accuracy")
    assert result.params == rows[1]["params"]
    assert result.default_score is None
    assert "the default settings failed" in result.notes[0]


def test_missing_optuna_says_what_to_install(tmp_path, monkeypatch):
    """Prevents an ImportError that names a package and not the extra."""
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'fewshot\[search\]'"):
        search(tmp_path)


def test_optunas_own_log_level_comes_back(tmp_path):
    """Prevents a library call from changing how the caller's other studies speak."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(logging.DEBUG)
    try:
        search(tmp_path, n_trials=1)
        assert optuna.logging.get_verbosity() == logging.DEBUG
    finally:
        optuna.logging.set_verbosity(before)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n_trials": 0}, "n_trials"),
        ({"random_state": -1}, "random_state"),
        ({"folds": 1}, "folds"),
        ({"space": "knn"}, "nothing to search for 'knn'"),
        ({"texts": TEXTS[:3], "labels": LABELS[:3]}, "0 of 3 texts can be held out"),
        ({"texts": TEXTS[:3]}, "same length"),
    ],
)
def test_what_cannot_be_searched_is_refused_at_the_door(tmp_path, changes, message):
    """Prevents twenty failed trials instead of one sentence."""
    with pytest.raises(InputError, match=message):
        search(tmp_path, **changes)


def test_the_table_and_the_figure_are_written(tmp_path, whole):
    """Prevents a table that lacks the settings or the failed trials."""
    write_trials(whole, tmp_path)
    lines = (tmp_path / "trials.csv").read_text().splitlines()
    assert lines[0] == "number,state,value,score,likelihood,folds,seconds,error,level,kind,spice"
    assert len(lines) == 1 + len(whole.trials)
    assert (tmp_path / "trials.png").read_bytes().startswith(b"\x89PNG")


def test_the_first_trial_is_the_classifier_as_it_is(tmp_path):
    """Prevents a "default" trial that is not what would be trained without a search."""
    first = search(tmp_path, n_trials=1, make=lambda **params: Guesser(**{"level": 2.0, "kind": "wild"} | params))
    assert first.trials[0]["params"] == {"level": 2.0, "kind": "wild", "spice": 0.5}


def test_every_searched_setting_of_the_real_classifier_starts_from_its_default():
    """Prevents a space that does not know a setting, or has another default for what the classifier leaves open."""
    from fewshot.classifiers.setfit import SetFitClassifier
    from fewshot.training.losses import SupervisedContrastiveLoss, TripletLoss

    known = SetFitClassifier().get_params()
    by_name = {dimension.name: dimension.default for dimension in SETFIT.starting_from(known).dimensions}
    for loss, name in ((SupervisedContrastiveLoss, "temperature"), (TripletLoss, "margin")):
        assert known[name] is None
        assert inspect.signature(loss.__init__).parameters[name].default == by_name.pop(name)
    assert by_name == {name: known[name] for name in by_name}


def test_all_settings_given_leave_nothing_to_search():
    """Prevents twenty trials of the same settings."""
    with pytest.raises(InputError, match="nothing to search"):
        SETFIT.without(**{dimension.name: None for dimension in SETFIT.dimensions})


@pytest.mark.parametrize("kind", ["single", "multi"])
def test_the_real_classifier_is_searched(kind, request, tiny_encoder, tmp_path):
    """Prevents a space with values that the classifier refuses."""
    from fewshot.classifiers.setfit import SetFitClassifier

    toy = request.getfixturevalue(kind)
    space: SearchSpace = SETFIT.without(steps=2)

    def make(params):
        return SetFitClassifier(tiny_encoder, steps=2, random_state=0, **params)

    result = search_settings(
        toy.texts, toy.labels, make=make, space=space, n_trials=3 - toy.multi_label, folds=2, folder=tmp_path
    )
    assert not [trial["error"] for trial in result.trials if trial["error"]]
    assert result.metric == ("micro_f1" if toy.multi_label else "accuracy")
    assert 0 <= result.default_score <= result.best_score <= 1
    make(result.params | {"folds": 0}).fit(toy.texts, toy.labels)
