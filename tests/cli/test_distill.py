"""``fewshot distill`` through the real command: every kind of student, loss and teacher, and what goes wrong."""

import json

import numpy as np
import pytest

from fewshot.classifiers.linear_probe import LinearProbeClassifier
from fewshot.cli.distill import _gap
from fewshot.data.labels import LabelSpace
from fewshot.encoders.sentence import SentenceEncoder
from fewshot.heads.table import LinearHead
from tests.cli.test_story import last_json, run
from tests.distillation.sequence_folders import write_classifier

STUDENTS = ["static", "static:conv", "static:words", "static:words+bigrams", "layers:2", "width:16", "encoder"]


@pytest.fixture(scope="module")
def desk(tmp_path_factory, tiny_folder, tiny_tokenizer, tiny_encoder, single, multi, pool):
    """A folder with two teachers, files with and without labels, an encoder and a model of inference."""
    folder = tmp_path_factory.mktemp("desk")
    (folder / "encoder").symlink_to(tiny_folder)
    write_classifier(folder / "nli", tiny_tokenizer, ["contradiction", "entailment", "neutral"])
    for name, toy in (("single", single), ("multi", multi)):
        LinearProbeClassifier(encoder=tiny_encoder).fit(toy.texts, toy.labels).save(folder / name)
        for part, texts, labels in (("gold", toy.texts, toy.labels), ("test", toy.test_texts, toy.test_labels)):
            rows = [
                {"text": text, "labels": list(label)} if toy.multi_label else {"text": text, "label": label}
                for text, label in zip(texts, labels, strict=True)
            ]
            (folder / f"{name}_{part}.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n")
    tests = {*single.test_texts, *multi.test_texts}
    unseen = [text for text in pool if text not in tests]
    (folder / "pool.jsonl").write_text("\n".join(json.dumps({"text": text}) for text in unseen) + "\n")
    return folder


def distill(desk, *arguments, teacher="single", out="out", code=0):
    """Run the verb with few steps."""
    usual = ("distill", "--teacher", teacher, "--unlabeled", "pool.jsonl", "--out", out, "--targets", "targets")
    return run(*usual, "--steps", "10", *arguments, folder=desk, code=code)


@pytest.mark.parametrize("task", ["single", "multi"])
@pytest.mark.parametrize("student", STUDENTS)
def test_each_student_on_each_kind_of_data(desk, student, task):
    """Prevents a student that can be named, and not trained, scored, opened or asked."""
    out = f"{task}-{student.replace(':', '-')}"
    files = ("--labeled", f"{task}_gold.jsonl", "--test", f"{task}_test.jsonl")
    facts = last_json(distill(desk, "--student", student, *files, "--json", teacher=task, out=out))
    assert facts["steps"] == 10
    assert [row["model"] for row in facts["table"]] == ["teacher", "student before", "student after"]
    scores = last_json(run("evaluate", out, f"{task}_test.jsonl", "--json", folder=desk))
    assert facts["table"][2]["score"] == pytest.approx(scores["micro_f1" if task == "multi" else "accuracy"])
    assert "hello" not in run("predict", out, "hello refund card", folder=desk).stdout.split()[:1]
    assert (desk / out / "training_curve.png").is_file()


def test_training_through_int8_rounding(desk):
    """Prevents a flag that is taken and not passed on, or not written down."""
    distill(desk, "--student", "layers:2", out="unrounded")
    distill(desk, "--student", "layers:2", "--quantization-aware", out="rounded")
    weights = [next((desk / out).rglob("model.safetensors")).read_bytes() for out in ("unrounded", "rounded")]
    assert weights[0] != weights[1]
    told = [json.loads((desk / out / "fewshot.json").read_text())["provenance"] for out in ("unrounded", "rounded")]
    assert told[0] != told[1]
    assert "quantization" in distill(desk, "--student", "static", "--quantization-aware", out="wrong", code=1).stderr


@pytest.mark.parametrize("task", ["single", "multi"])
@pytest.mark.parametrize("loss", ["kl", "mse"])
def test_a_whole_classifier_as_student(desk, loss, task):
    """Prevents a student of scores from being less of a classifier than one of pairs."""
    out = f"{task}-{loss}"
    files = ("--labeled", f"{task}_gold.jsonl", "--test", f"{task}_test.jsonl")
    arguments = ("--student", "encoder", "--loss", loss, "--alpha", "0.3", *files, "--json")
    facts = last_json(distill(desk, *arguments, teacher=task, out=out))
    assert facts["table"][2]["score"] is not None
    run("evaluate", out, f"{task}_test.jsonl", folder=desk)
    cut = last_json(distill(desk, "--student", "layers:2", "--loss", loss, "--json", teacher=out, out=f"{out}-cut"))
    assert cut["agreement"] is not None


def test_the_table_and_the_closing_line(desk):
    """Prevents an end that does not say what was made, how good it is, and what to do next."""
    done = distill(desk, "--student", "static", "--test", "single_test.jsonl", "--steps", "100", out="told")
    for word in ("test score, %", "agreement, %", "correlation", "texts/s", "student before", "student after"):
        assert word in done.stdout
    assert ("probe's agreement: how often a head fitted" in done.stdout) == ("probe's agreement, %" in done.stdout)
    last = done.stdout.strip().splitlines()[-1]
    assert last.startswith("Distilled into static on 1")
    assert "gold" not in last
    assert last.endswith('Next: fewshot predict told "a text"')


@pytest.mark.parametrize(
    ("share", "said"),
    [(97.4, "closed 97 % of the gap"), (-0.3, "closed 0 % of the gap"), (-96.0, "widened the gap in agreement")],
)
def test_a_gap_that_grew_is_said_to_have_grown(share, said):
    """Prevents "closed -96 % of the gap": who reads it quickly takes it for a success."""
    assert said in _gap(share, "agreement", 200)


def test_what_the_student_learnt_from_is_told(desk):
    """Prevents two agreements under one name, and texts that were dropped in silence."""
    files = ("--student", "static", "--labeled", "single_gold.jsonl", "--confidence", "drop:0.6")
    done = distill(desk, *files, out="dropped")
    assert " with gold labels (" in done.stdout.strip().splitlines()[-1]
    facts = last_json(distill(desk, *files, "--json", out="dropped"))
    assert 0 < facts["n_left_out"] < facts["n_pool"]
    assert "agreement" not in facts["table"][2]
    assert facts["table"][2]["probe_agreement"] == facts["probe_agreement"]
    assert facts["gap_closed"] is None  # too few texts are held out to tell
    replaced = "'dropped' held another model"
    assert not any(replaced in note for note in facts["notes"])  # the same command again
    done = distill(desk, "--student", "static", "--steps", "3", "--labeled", "single_gold.jsonl", out="dropped")
    assert replaced in done.stderr
    assert "probe's agreement: how often a head fitted" in done.stdout


def test_class_names_alone(desk):
    """Prevents labels from being needed where a model of inference knows the words."""
    names = ("--classes", "billing,delivery,login", "--encoder", "encoder", "--student", "static")
    facts = last_json(distill(desk, *names, "--json", teacher="nli:nli", out="named"))
    assert facts["n_gold"] == 0
    record = json.loads((desk / "named" / "fewshot.json").read_text())
    assert record["classes"] == ["billing", "delivery", "login"]


def test_several_teachers(desk):
    """Prevents the second ``--teacher`` from replacing the first."""
    distill(desk, "--teacher", "single=3", "--student", "static", out="both")
    record = json.loads((desk / "both" / "fewshot.json").read_text())
    assert len(record["provenance"]["teacher"]) == 2


def test_a_search_before_the_training(desk):
    """Prevents a search whose choice is not trained with, and one that leaves no table of its trials."""
    pytest.importorskip("optuna")
    distill(desk, "--student", "static", "--search", "2", out="searched")
    assert (desk / "searched" / "trials.csv").is_file()


def test_the_same_command_gives_the_same_files(desk):
    """Prevents a student that depends on the day, or on whether the teacher's answers were stored."""
    for out in ("one", "two"):
        distill(desk, "--student", "static", "--loss", "cosine=1,softmax=0.1", "--patience", "3", out=out)
    names = sorted(path.relative_to(desk / "one") for path in (desk / "one").rglob("*") if path.is_file())
    assert names == sorted(path.relative_to(desk / "two") for path in (desk / "two").rglob("*") if path.is_file())
    assert [
        str(name) for name in names if (desk / "one" / name).read_bytes() != (desk / "two" / name).read_bytes()
    ] == []


@pytest.mark.parametrize(
    ("arguments", "teacher", "code", "words"),
    [
        (("--loss", "kosine"), "single", 1, "Did you mean 'cosine'"),
        (("--loss", "kl", "--student", "static"), "single", 1, "static"),
        (("--loss", "kl", "--mining", "hard"), "single", 1, "--mining belongs to losses such as cosine"),
        (("--student", "layers:9"), "single", 1, "the teacher has 4 layers"),
        (("--student", "layer:2"), "single", 1, "Did you mean 'layers:3'"),
        ((), "single=-1", 1, "must be a number above 0"),
        (("--student", "width:7"), "single", 1, "keep a multiple of 16"),
        (("--labeled", "multi_gold.jsonl"), "single", 1, "not one of the 3 classes"),
        (("--classes", "a,b"), "single", 1, "classes are for a teacher 'nli:FOLDER'"),
        ((), "nli:nli", 1, "must be told the class names"),
        (("--classes", "a,b"), "nli:nli", 1, "name one by encoder="),
        ((), "nowhere", 1, "nowhere"),
        (("--unlabeled", "empty.jsonl"), "single", 1, "empty"),
        (("--unlabeled", "single_test.jsonl", "--test", "single_test.jsonl"), "single", 1, "is the pool the test set"),
        (("--max-pool", "3"), "single", 2, "--max-pool"),
        (("--patience", "0"), "single", 1, "patience must be at least 1 look"),
        (("--resume", "--steps", "11"), "single", 0, "there was nothing to go on with"),
    ],
    ids=str,
)
def test_what_goes_wrong_is_said(desk, arguments, teacher, code, words):
    """Prevents a traceback, or a wrong student, where the input is wrong."""
    (desk / "empty.jsonl").write_text("")
    usual = () if "--student" in arguments else ("--student", "static")
    done = distill(desk, *usual, *arguments, teacher=teacher, out="wrong", code=code)
    assert words in done.stderr.replace("\n", " ")
    assert "Traceback" not in done.stderr


def test_a_broken_teacher(desk, tiny_encoder):
    """Prevents a student that follows a constant teacher quietly into nonsense."""
    import torch

    model = tiny_encoder.trainable_copy()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(0.0)
    encoder = SentenceEncoder(model, name="constant", device="cpu", precision="float32")
    head = LinearHead(np.ones((2, 32)), np.zeros(2), multi_label=False, C=1.0)
    LinearProbeClassifier.from_parts(encoder, head, LabelSpace.of(["a", "b"])).save(desk / "constant")
    done = distill(desk, "--student", "static", teacher="constant", out="wrong", code=1)
    assert "there is nothing to distil" in done.stderr
