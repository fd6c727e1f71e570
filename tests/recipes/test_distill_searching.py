"""Search over distillations: the story of the search for classifiers, judged on texts that no trial learns from."""

import sys

import pytest

from fewshot.classifiers.linear_probe import LinearProbeClassifier
from fewshot.core.errors import InputError, MissingExtraError
from fewshot.distillation.logits import LogitDistillationTrainer
from fewshot.distillation.pairwise import DistillationTrainer
from fewshot.recipes.distill_searching import _starting_from, search_distillation
from fewshot.recipes.distill_space import EMBEDDINGS, LOGITS
from fewshot.recipes.search_result import write_trials
from fewshot.recipes.search_space import Dimension, SearchSpace
from fewshot.recipes.search_study import JOURNAL
from fewshot.recipes.student_judge import StudentJudge
from tests.jobs import job_server
from tests.recipes.distill_script import POOL, SPACE, Knower, Pourer, search
from tests.recipes.search_script import COLORS, Guesser

pytest.importorskip("optuna")
TRUE = [f"true text {i} about {color}" for i in range(90) for color in COLORS]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A search that nothing interrupted."""
    return search(tmp_path_factory.mktemp("whole"))


@pytest.fixture(autouse=True)
def made(monkeypatch):
    """The trainers of a test, in order."""
    monkeypatch.setattr(Pourer, "made", [])
    return Pourer.made


def labels_of(texts):
    """Read labels off the texts."""
    return [text.split()[-1] for text in texts]


def content(result):
    """Return what must not depend on time or on interruptions."""
    return [{name: value for name, value in trial.items() if name != "seconds"} for trial in result.trials]


def test_the_better_setting_is_found_and_the_default_comes_first(whole):
    """Prevents a search that can end below the settings it began with."""
    assert whole.trials[0]["params"] == {"level": 0.1, "kind": "plain"}
    assert whole.best_score > whole.default_score
    assert whole.params == whole.best_params
    assert whole.metric == "agreement"
    assert "agree with the teacher, on 36 texts of the pool" in whole.notes[0]
    assert {trial["state"] for trial in whole.trials} == {"complete", "failed"}


@pytest.mark.parametrize("kill_at", [2, pytest.param(9, marks=pytest.mark.long)])
def test_a_killed_search_ends_like_one_that_was_not(tmp_path, whole, kill_at):
    """Prevents a resumed search from judging on other texts, proposing other settings or counting the killed trial."""
    job_server("tests.recipes.distill_script")({"folder": str(tmp_path), "kill_at": kill_at}, expected=-9)
    with (tmp_path / JOURNAL).open("ab") as journal:
        journal.write(b'{"op_code": 5, "torn')
    assert content(search(tmp_path, resume=True)) == content(whole)


def test_a_finished_search_is_read_back_and_can_be_extended(tmp_path, whole):
    """Prevents paying twice for trials."""
    search(tmp_path, n_trials=5)
    Guesser.fits = 0
    assert content(search(tmp_path, n_trials=5, resume=True)) == content(whole)[:5]
    assert Guesser.fits == 0
    assert content(search(tmp_path, resume=True)) == content(whole)


def test_no_trial_learns_what_is_judged_and_the_teacher_is_asked_once(tmp_path, made):
    """Prevents scores on texts that a trial, or its choice of a head, has seen; and a teacher asked in every trial."""
    teacher, gold = Knower(), POOL[:6]
    pool = [*POOL, *POOL[:20], " "]
    search(
        tmp_path,
        make=lambda **params: Pourer(teacher, **params),
        n_trials=3,
        pool=pool,
        texts=gold,
        labels=labels_of(gold),
        space=SPACE.without(kind="plain"),
    )
    [judged] = teacher.asked
    assert len(judged) == (len(POOL) - len(gold)) // 5
    for trainer in made[-3:]:
        assert trainer.gold == list(zip(gold, labels_of(gold), strict=True))
        assert sorted([*trainer.pool, *judged, *gold]) == sorted(POOL)
        assert trainer.pool == made[-1].pool


def test_enough_true_labels_judge_instead_of_the_teacher(tmp_path, made):
    """Prevents a search that follows its teacher's mistakes though true labels are there, or learns them."""
    teacher = Knower()
    options = {"make": lambda **params: Pourer(teacher, **params), "n_trials": 2, "pool": [*POOL, *TRUE[:30]]}
    result = search(tmp_path, validation=(TRUE, labels_of(TRUE)), **options)
    assert (result.metric, result.n_judged, teacher.asked) == ("accuracy", len(TRUE), [])
    assert result.notes[0] == "trials were judged by 270 validation labels"
    assert made[-1].pool == POOL


def test_too_few_true_labels_are_said_to_be_too_few(tmp_path, made):
    """Prevents the winner of 20 trials from being the luckiest on 30 texts."""
    some = TRUE[:30]
    result = search(tmp_path, n_trials=1, pool=[*POOL, *some], validation=(some, labels_of(some)))
    assert result.metric == "agreement"
    assert "30 validation labels are too few to tell settings apart (250 are needed)" in result.notes[0]
    assert set(made[-1].pool) < set(POOL)


@pytest.mark.parametrize(
    "changes",
    [
        {"pool": POOL[:-1]},
        {"texts": POOL[:2], "labels": ["red", "red"]},
        {"validation": (TRUE, labels_of(TRUE))},
        {"random_state": 1},
        {"space": SPACE.without(kind="plain")},
        {"make": lambda **params: Pourer(Knower("other"), **params)},
        {"make": lambda **params: Pourer(student="layers:3", **params)},
    ],
)
def test_the_journal_of_another_search_is_refused(tmp_path, changes):
    """Prevents trials with another teacher, pool or student from deciding this search."""
    search(tmp_path, n_trials=1)
    with pytest.raises(InputError, match="had other texts, labels or settings"):
        search(tmp_path, n_trials=1, resume=True, **changes)


def test_another_machine_may_go_on(tmp_path, whole):
    """Prevents a search from being lost because the student now trains elsewhere."""
    search(tmp_path, n_trials=2)
    make = {"make": lambda **params: Pourer(device="cuda", **params)}
    assert content(search(tmp_path, resume=True, n_trials=3, **make)) == content(whole)[:3]


def test_the_first_trial_is_the_trainer_as_it_is_and_names_become_arguments(tmp_path, made):
    """Prevents a default that is not what would be trained without a search, and a loss by a name no trainer knows."""
    mixed = {"cosine": 1.0, "softmax": 0.05}
    kind = Dimension("kind", "plain", ("plain", "mixed"), means=(("mixed", mixed),))
    given = []

    def make(**params):
        given.append(params)
        trainer = Pourer(**params)
        trainer.level = 0.9 if params.get("kind") == mixed else 0.1
        return trainer

    result = search(tmp_path, make=make, space=SearchSpace((kind,)), n_trials=6)
    assert given[0] == given[2] == {}  # 0: to look at it; 1: for the search's identity; 2: the first trial
    assert {"kind": mixed} in given[3:]
    assert result.best_params == {"kind": "mixed"}
    assert result.params == {"kind": mixed}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n_trials": 0}, "n_trials"),
        ({"random_state": -1}, "random_state"),
        ({"pool": POOL[:99]}, "99 different texts to learn from; .* needs 100"),
        ({"pool": "one text"}, "one string"),
        ({"texts": POOL[:3]}, "texts and labels must be given together"),
        ({"texts": POOL[:3], "labels": ["red", "blue", "pink"]}, "'pink' is not one of the 3 classes"),
        ({"validation": (TRUE, ["pink"] * len(TRUE))}, "'pink' is not one of the 3 classes"),
        ({"validation": (TRUE, ["red"])}, "same length"),
        ({"space": EMBEDDINGS.varying(student=("static", "layers:2"))}, "all token tables or all transformers"),
    ],
)
def test_what_cannot_be_searched_is_refused_at_the_door(tmp_path, made, changes, message):
    """Prevents twenty failed trials instead of one sentence."""
    with pytest.raises(InputError, match=message):
        search(tmp_path, **changes)
    assert not made


def test_missing_optuna_is_said_before_the_teacher_is_asked(tmp_path, monkeypatch):
    """Prevents an hour of a slow teacher before the word of a package that lacks."""
    monkeypatch.setitem(sys.modules, "optuna", None)
    teacher = Knower()
    with pytest.raises(MissingExtraError, match=r"pip install 'fewshot\[search\]'"):
        search(tmp_path, make=lambda **params: Pourer(teacher, **params))
    assert not teacher.asked


@pytest.fixture(scope="module")
def teacher(tiny_encoder, single):
    """A linear probe on the tiny transformer."""
    return LinearProbeClassifier(encoder=tiny_encoder).fit(single.texts, single.labels)


def search_real(trainer, pool, folder, **options):
    """Search with real trainers of the tiny teacher."""
    result = search_distillation(pool, make=trainer, folder=folder, **options)
    assert not [trial["error"] for trial in result.trials if trial["error"]]
    trainer(result.params).fit(pool)
    return result


@pytest.mark.slow
def test_the_pairwise_trainer_is_searched(teacher, pool, tmp_path):
    """Prevents a space with values that the trainer refuses, and a table without what was tried."""

    def make(params):
        return DistillationTrainer(teacher, **{"student": "static", "batch_size": 32} | params)

    space = EMBEDDINGS.without(steps=5)
    result = search_real(lambda params: make({"steps": 5} | params), pool, tmp_path, space=space, n_trials=8)
    assert {trial["params"]["loss"] for trial in result.trials} > {"cosine"}
    assert result.n_judged == 24
    write_trials(result, tmp_path)
    header = (tmp_path / "trials.csv").read_text().splitlines()[0]
    assert header.endswith("error,learning_rate,loss,mining,confidence,temperature")
    assert (tmp_path / "trials.png").read_bytes().startswith(b"\x89PNG")


def test_generated_texts_count_where_steps_are_chosen(teacher, pool):
    """Prevents a search for the steps of the pool alone, where most of what is learnt from is generated."""
    judge = StudentJudge.of(teacher, [*pool, *POOL], None, None, 0)

    def steps_of(**options):
        trainer = DistillationTrainer(teacher, "layers:1", **options)
        space = _starting_from(trainer, EMBEDDINGS, judge)
        return next(dimension.default for dimension in space.dimensions if dimension.name == "steps")

    assert steps_of(generated=5000) > 2 * steps_of()


@pytest.mark.slow
def test_students_are_searched(teacher, pool, tmp_path):
    """Prevents a student that is searched and never changes."""
    space = EMBEDDINGS.varying(student=("layers:1", "layers:2")).without(steps=2, loss="cosine", mining="uniform")
    make = {"steps": 2, "batch_size": 16, "student": "layers:1"}
    result = search_real(
        lambda params: DistillationTrainer(teacher, **make | params), pool, tmp_path, space=space, n_trials=4
    )
    assert {trial["params"]["student"] for trial in result.trials} == {"layers:1", "layers:2"}


@pytest.mark.slow
def test_several_labels_are_judged_by_f1(tiny_encoder, multi, pool, tmp_path):
    """Prevents students that give no label from winning by agreeing on empty sets."""
    teacher = LinearProbeClassifier(encoder=tiny_encoder).fit(multi.texts, multi.labels)
    make = {"student": "static", "batch_size": 32, "steps": 5}
    result = search_real(
        lambda params: DistillationTrainer(teacher, **make | params),
        pool,
        tmp_path,
        space=EMBEDDINGS.without(steps=5),
        n_trials=2,
    )
    assert result.metric == "micro_f1"


@pytest.mark.slow
def test_the_trainer_of_logits_is_searched(teacher, tiny_folder, pool, tmp_path):
    """Prevents a space with values that the trainer refuses."""
    make = {"student": str(tiny_folder), "batch_size": 8, "steps": 2}
    result = search_real(
        lambda params: LogitDistillationTrainer(teacher, **make | params),
        pool,
        tmp_path,
        space=LOGITS.without(steps=2),
        n_trials=4,
    )
    assert all("alpha" not in trial["params"] for trial in result.trials)
