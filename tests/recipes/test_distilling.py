"""The journey from a teacher to a student's folder: what is left behind, and what a kill may not change."""

import os
import signal

import numpy as np
import pytest

from fewshot.classifiers.linear_probe import LinearProbeClassifier
from fewshot.classifiers.loading import load_classifier
from fewshot.classifiers.naive_bayes import NaiveBayesClassifier
from fewshot.cli.distill import _show as show
from fewshot.core.artifacts import read_json
from fewshot.core.errors import DataWarning, InputError
from fewshot.distillation.sequence_teachers import NLITeacher
from fewshot.distillation.several_teachers import TeacherMixture
from fewshot.recipes.distill_settings import DistillSettings, parse_losses
from fewshot.recipes.distilling import CURVE, distill_classifier
from fewshot.recipes.student_table import gap_closed, told_gap
from fewshot.recipes.teacher_sources import open_teachers
from tests.distillation.sequence_folders import write_classifier
from tests.jobs import job_server

KEYS = ("score", "probe_agreement", "agreement")
KILLS = {
    "static": [
        ["writing targets", 1],
        ["writing targets", 4],
        ["in a step", 1],
        ["in a step", 25],
        ["saving a checkpoint", 2],
        ["keeping the best", 1],
        ["noting a look", 7],
        ["fitting the head", 1],
        ["saving the student", 1],
        ["scoring", 1],
    ],
    "static:conv": [["in a step", 25], ["noting a look", 7]],
    "static:words": [["in a step", 25], ["saving the student", 1]],
    "layers:2": [["writing targets", 2], ["in a step", 15], ["noting a look", 8], ["fitting the head", 1]],
    "classifier": [
        ["writing targets", 2],
        ["in a step of logits", 15],
        ["keeping the best", 1],
        ["choosing thresholds", 1],
    ],
}
CASES = [(student, *kill) for student, kills in KILLS.items() for kill in kills]
SETTINGS = {"steps": 40, "batch_size": 16, "patience": 20}


@pytest.fixture(scope="module")
def desk(tmp_path_factory, tiny_encoder, single, pool):
    """A folder with a teacher, a pool as a file, and a test file that shares no text with it."""
    folder = tmp_path_factory.mktemp("desk")
    LinearProbeClassifier(encoder=tiny_encoder).fit(single.texts, single.labels).save(folder / "teacher")
    unseen = [text for text in pool if text not in single.test_texts]
    (folder / "pool.csv").write_text("\n".join(["text", *(f'"{text}"' for text in unseen)]) + "\n")
    rows = [f'"{text}",{label}' for text, label in zip(single.test_texts, single.test_labels, strict=True)]
    (folder / "test.csv").write_text("\n".join(["text,label", *rows]) + "\n")
    return folder


def files(folder):
    """Return the bytes of every file below a folder, by name."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def run_jobs():
    """A function that runs jobs of ``distill_jobs.py``."""
    return job_server("tests.recipes.distill_jobs")


@pytest.fixture(scope="module")
def outcomes(desk, run_jobs, tiny_folder):
    """Files of a student that was distilled without a break, and of those that were killed and gone on with."""
    jobs, by_logits = {}, {"student": str(tiny_folder), "loss": "kl"}
    for case in [*((student,) for student in KILLS), *CASES]:
        name = "-".join(map(str, case)).replace(" ", "_").replace(":", "")
        jobs[case] = {
            "teacher": str(desk / "teacher"),
            "pool": str(desk / "pool.csv"),
            "targets": str(desk / f"targets-{name}"),
            "out": str(desk / f"out-{name}"),
            "settings": {"student": case[0], **SETTINGS, **(by_logits if case[0] == "classifier" else {})},
        }
    whole = [case for case in jobs if len(case) == 1]
    for start in range(0, len(CASES), 2):  # two at once
        run_jobs(*({**jobs[case], "kill": case[1:]} for case in CASES[start : start + 2]), expected=-signal.SIGKILL)
    left = {case: (desk / f"{jobs[case]['out']}.training").is_dir() for case in CASES}
    for start in range(0, len(CASES), 2):
        run_jobs(*({**jobs[case], "resume": True} for case in CASES[start : start + 2]), expected=0)
    run_jobs(*(jobs[case] for case in whole), expected=0)
    return {case: files(desk / jobs[case]["out"]) for case in jobs}, left, {case: jobs[case]["out"] for case in jobs}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked here")
@pytest.mark.parametrize("case", CASES, ids=lambda case: "-".join(map(str, case)))
@pytest.mark.long
def test_killed_anywhere_it_goes_on_to_the_same_student(outcomes, case, desk):
    """Prevents a kill, at any moment, from changing a byte of the student, or from leaving files behind in the end."""
    made, _, out = outcomes
    assert set(made[case]) == set(made[case[:1]])
    different = [name for name, content in made[case].items() if content != made[case[:1]][name]]
    assert different == []
    assert not (desk / f"{out[case]}.training").exists()


@pytest.mark.long
def test_what_lies_in_a_students_folder(outcomes, desk):
    """Prevents a curve that is not drawn, and a card that names the teacher's path or holds the pool's texts."""
    made, _, out = outcomes
    content = made[("static",)]
    assert content[CURVE][1:4] == b"PNG"
    record = read_json(f"{out[('static',)]}/fewshot.json")
    assert record["provenance"]["teacher"] == "teacher"
    assert record["metrics"]["agreement"] >= 0.5
    assert not [name for name, data in content.items() if str(desk).encode() in data or b"hello refund" in data]


def test_the_table_at_the_end(desk, tmp_path, single):
    """Prevents scores of the wrong model in a row, and a test set that is learnt from."""
    settings = DistillSettings(
        student="static", targets=str(tmp_path / "targets"), device="cpu", steps=100, batch_size=32, learning_rate=2e-2
    )
    teacher = load_classifier(desk / "teacher", device="cpu")
    made = distill_classifier(
        desk / "teacher", desk / "pool.csv", out=tmp_path / "out", settings=settings, test=desk / "test.csv"
    )
    before, after = made.facts["table"][1:]
    rows = dict(zip(("teacher", "student before", "student after"), made.facts["table"], strict=True))
    assert [row["model"] for row in made.facts["table"]] == list(rows)
    assert rows["teacher"]["score"] == teacher.score(single.test_texts, single.test_labels)
    assert after["score"] == made.classifier.score(single.test_texts, single.test_labels)
    assert before["score"] != after["score"]
    assert rows["teacher"]["megabytes"] > 0
    assert after["megabytes"] == made.facts["megabytes"]
    assert rows["teacher"]["texts_per_second"] > 0
    assert gap_closed(made.facts["table"], "score") == (after["score"] - before["score"]) / (
        rows["teacher"]["score"] - before["score"]
    )
    with pytest.raises(InputError, match="is the pool the test set"):
        distill_classifier(
            desk / "teacher", desk / "test.csv", out=tmp_path / "x", settings=settings, test=desk / "test.csv"
        )
    mixed = tmp_path / "mixed.csv"
    mixed.write_text((desk / "pool.csv").read_text() + f'"{single.test_texts[0].upper()}"\n')
    with pytest.warns(DataWarning, match="copies of excluded texts"):
        made = distill_classifier(
            desk / "teacher", mixed, out=tmp_path / "y", settings=settings, test=desk / "test.csv"
        )
    assert "1 excluded" in made.facts["cleaning"]


def test_a_test_set_is_read_in_the_names_of_the_teacher(tmp_path, tiny_encoder, single, pool):
    """A file's "2" is the teacher's 2: prevents a score of nothing, and classes that no one knows from passing by."""
    numbers = {name: number for number, name in enumerate(sorted(set(single.labels)))}
    teacher = LinearProbeClassifier(encoder=tiny_encoder).fit(single.texts, [numbers[name] for name in single.labels])
    unseen = [text for text in pool if text not in single.test_texts]
    options = {"settings": DistillSettings(student="static", steps=2), "out": tmp_path / "out"}
    rows = [
        {"text": text, "label": str(numbers[name])}
        for text, name in zip(single.test_texts, single.test_labels, strict=True)
    ]
    made = distill_classifier(teacher, [{"text": text} for text in unseen], test=rows, **options)
    assert made.facts["table"][0]["score"] == teacher.score(
        single.test_texts, [numbers[name] for name in single.test_labels]
    )
    with pytest.warns(DataWarning, match=r"the teacher does not know 1 of the \d classes"):
        distill_classifier(
            teacher, [{"text": text} for text in unseen], test=[*rows, {"text": "x", "label": "9"}], **options
        )
    with pytest.raises(InputError, match=r"several labels a text, and the teacher.*--single-label"):
        distill_classifier(
            teacher, [{"text": text} for text in unseen], test=[{"text": "x", "labels": ["a", "b"]}], **options
        )


def test_no_gap_no_share():
    """Prevents a division by zero, and a share of nothing."""
    assert gap_closed([{"score": 0.5}, {"score": 0.5}, {"score": 0.6}], "score") is None
    assert gap_closed([{}, {"agreement": 0.5}, {"agreement": 0.75}], "agreement") == 0.5
    assert gap_closed([{}, {}, {}], "score") is None
    assert gap_closed(
        [{"probe_agreement": 0.9}, {"probe_agreement": 0.5}, {"probe_agreement": 0.7}], KEYS[1]
    ) == pytest.approx(0.5)


@pytest.mark.parametrize("key", KEYS)
def test_a_share_is_told_where_enough_texts_tell_it(key, capsys):
    """Prevents a percentage of a tenth of ten texts, and a closing line that fails after all the work."""
    rows = [{"model": "teacher", key: 1.0}, {"model": "before", key: 0.5}, {"model": "after", key: 0.75}]
    report = {"n_held_out": 50} if key == "score" else {"n_held_out": 50, key: 0.75}
    gap = told_gap(rows, report, 50 if key == "score" else 0)
    assert gap == {"of": key, "share": 0.5, "n_texts": 50}
    assert told_gap(rows, report | {"n_held_out": 49}, 49 if key == "score" else 0) is None
    show(rows, gap)
    assert "The training closed 50 % of the gap in" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"loss": "kl", "mining": "hard"}, "--mining belongs to losses such as cosine"),
        ({"loss": "kl", "patience": 0}, "patience must be at least 1 look"),
        ({"student": "static,layers:2"}, "names 2 students, static,layers:2; give one, or --search N"),
        ({"student": "static,layers:2", "search": 2}, "all token tables or all transformers in one search"),
        ({"student": "layers:1,layers:9", "search": 2}, "the teacher has 4 layers"),
        ({"student": "static,layrs:2", "search": 2}, "got 'layrs:2'. Did you mean"),
        ({"alpha": 0.3}, "--alpha belongs to losses such as kl"),
        ({"loss": "cosine=much"}, "loss must be names with weights"),
        ({"loss": "kosine"}, "Did you mean 'cosine'"),
        ({"classes": ("a", "b")}, "classes are for a teacher 'nli:FOLDER'"),
    ],
    ids=str,
)
def test_settings_that_do_not_fit_together(desk, tmp_path, settings, message):
    """Prevents a setting from being dropped in silence."""
    with pytest.raises(InputError, match=message):
        distill_classifier(
            desk / "teacher",
            desk / "pool.csv",
            out=tmp_path / "out",
            settings=DistillSettings(targets=str(tmp_path / "targets"), **{"student": "static", **settings}),
        )
    assert not (tmp_path / "out").exists()


def test_a_search_among_students(desk, tmp_path):
    """Prevents a choice of layers that a search cannot make, that is not trained with, or is misnamed."""
    pytest.importorskip("optuna")
    settings = DistillSettings(
        student="layers:1,layers:3",
        search=4,
        steps=30,
        learning_rate=2e-3,
        loss="cosine=1",
        mining="uniform",
        confidence="none",
        targets=str(tmp_path / "targets"),
    )
    made = distill_classifier(desk / "teacher", desk / "pool.csv", out=tmp_path / "out", settings=settings)
    rows = (tmp_path / "out" / "trials.csv").read_text().splitlines()
    assert {"layers:1", "layers:3"} <= {cell for row in rows for cell in row.split(",")}
    assert made.facts["student"] in ("layers:1", "layers:3")
    n_layers = int(made.facts["student"].partition(":")[2])
    assert len(made.classifier.encoder_.model[0].auto_model.encoder.layer) == n_layers


def test_a_misspelt_student_of_logits_is_told_before_the_search(desk, tmp_path, tiny_folder):
    """Prevents a name that is found wrong when a trial draws it, after trainings that it makes worthless."""
    pytest.importorskip("optuna")
    settings = DistillSettings(
        student=f"{tiny_folder},layrs:2", loss="kl", search=2, steps=2, targets=str(tmp_path / "targets")
    )
    with pytest.raises(InputError, match=r"got 'layrs:2'.*Did you mean"):
        distill_classifier(desk / "teacher", desk / "pool.csv", out=tmp_path / "out", settings=settings)
    assert not (tmp_path / "targets").exists()


@pytest.mark.parametrize(
    ("student", "students"),
    [("static,", ("static",)), (" static , static", ("static",)), (",", (",",)), ("", ("",))],
)
def test_commas_between_students(student, students):
    """Prevents a comma too many from naming a student without a name."""
    assert DistillSettings(student=student).students == students


def test_a_classifiers_curve_is_drawn(desk, tmp_path, tiny_folder):
    """Prevents a whole classifier that learns unseen: no look, no figure from before, no end where none is better."""
    settings = DistillSettings(
        student=str(tiny_folder), loss="kl", steps=20, batch_size=8, patience=1, targets=str(tmp_path / "targets")
    )
    made = distill_classifier(desk / "teacher", desk / "pool.csv", out=tmp_path / "out", settings=settings)
    assert (tmp_path / "out" / CURVE).read_bytes()[1:4] == b"PNG"
    assert made.facts["kept_step"] % 2 == 0
    assert made.facts["steps"] <= 20


def test_losses_by_name():
    """Prevents a weight that is read as another, or lost."""
    assert parse_losses(" relational ") == "relational"
    assert parse_losses("match=0.5") == {"match": 0.5}


def test_teachers_by_name(desk, tmp_path, tiny_tokenizer, single, pool):
    """Prevents a name from opening another kind of teacher, and weights from being lost."""
    folder = write_classifier(tmp_path / "nli", tiny_tokenizer, ["contradiction", "entailment", "neutral"])
    nli = open_teachers(f"nli:{folder}", classes=["billing", "delivery"], template="About {}.", device="cpu")
    assert isinstance(nli, NLITeacher)
    assert nli.hypotheses == ["About billing.", "About delivery."]
    assert open_teachers(f"nli:{folder}", classes=["a"], multi_label=True, device="cpu").label_space_.multi_label
    names = [str(desk / "teacher"), f"{desk / 'teacher'}=3"]
    mixture = open_teachers(names, device="cpu")
    assert isinstance(mixture, TeacherMixture)
    assert mixture.weights_.tolist() == [0.25, 0.75]
    alone = open_teachers(str(desk / "teacher"), device="cpu")
    np.testing.assert_allclose(mixture.predict_proba(pool), alone.predict_proba(pool), atol=1e-6)
    words = NaiveBayesClassifier().fit(single.texts, single.labels)
    assert open_teachers(words) is words
    for wrong, message in (([], "at least one folder"), (f"{desk / 'teacher'}=heavy", "weight of a teacher must be")):
        with pytest.raises(InputError, match=message):
            open_teachers(wrong)


def test_labels_without_any_label(desk, tmp_path, tiny_tokenizer, tiny_folder):
    """Prevents class names alone from being too little: names → teacher → student."""
    folder = write_classifier(tmp_path / "nli", tiny_tokenizer, ["contradiction", "entailment", "neutral"])
    settings = DistillSettings(
        student="static",
        encoder=str(tiny_folder),
        classes=("billing", "delivery", "login"),
        targets=str(tmp_path / "targets"),
        steps=40,
        device="cpu",
    )
    made = distill_classifier(f"nli:{folder}", desk / "pool.csv", out=tmp_path / "out", settings=settings)
    assert load_classifier(tmp_path / "out").classes_.tolist() == ["billing", "delivery", "login"]
    assert made.facts["agreement"] >= 0.5
