"""A distilled classifier of transformers, in its folder, through the real commands."""

import json

import pytest

from fewshot.data.readers import read_rows
from fewshot.distillation.logits import LogitDistillationTrainer
from tests.cli.test_story import last_json, run
from tests.distillation.logit_cases import make_tokenizer, train_classifier


@pytest.fixture(scope="module", params=["single", "multi"])
def desk(request, tiny_tokenizer, tmp_path_factory, pool):
    """A folder with a saved student, its teacher's task as a file, and what the student says in Python."""
    toy = request.getfixturevalue(request.param)
    teacher = train_classifier(make_tokenizer(tiny_tokenizer), toy)
    trainer = LogitDistillationTrainer(
        teacher, "layers:1", steps=60, batch_size=16, learning_rate=3e-3, alpha=0.5, device="cpu"
    )
    student = trainer.fit(pool, toy.texts, toy.labels).student_
    folder = tmp_path_factory.mktemp("desk")
    student.save(folder / "student", metrics={"agreement": trainer.report_["agreement"]})
    labels = ["|".join(entry) if toy.multi_label else entry for entry in toy.test_labels]
    rows = [{"text": text, "labels" if toy.multi_label else "label": label} for text, label in zip(
        toy.test_texts, labels, strict=True
    )]  # fmt: skip
    (folder / "test.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n")
    return folder, toy, student


def test_evaluate(desk):
    """Prevents a kind of model that can be saved and not be scored, and scores of another one."""
    folder, toy, student = desk
    empty = ["--empty-labels", "none"] if toy.multi_label else []
    scores = last_json(run("evaluate", "student", "test.jsonl", *empty, "--device", "cpu", "--json", folder=folder))
    assert scores["n"] == len(toy.test_texts)
    assert scores["accuracy"] == pytest.approx(student.score(toy.test_texts, toy.test_labels))
    assert scores["macro_f1"] > 0.5
    assert (scores["mcc"] is None) == toy.multi_label


def test_predict(desk):
    """Prevents labels of other rows, one label where there are several, and a text that is taken for a file."""
    folder, toy, student = desk
    done = last_json(
        run("predict", "student", "test.jsonl", "--out", "out.jsonl", "--device", "cpu", "--json", folder=folder)
    )
    assert done["rows"] == len(toy.test_texts)
    name = "labels" if toy.multi_label else "label"
    given = [row[name] for row in read_rows(folder / "out.jsonl").rows]
    expected = student.predict(toy.test_texts)
    assert given == ([list(labels) for labels in expected] if toy.multi_label else expected.tolist())
    one = last_json(run("predict", "student", "my card refund", "--device", "cpu", "--json", folder=folder))
    [label] = student.predict(["my card refund"])
    assert one[name] == (list(label) if toy.multi_label else label)
    [row] = student.predict_proba(["my card refund"])
    assert one["confidence"] == pytest.approx(student.confidence_of(row[None])[0], abs=1e-4)


def test_what_it_cannot_do(desk):
    """Prevents a traceback where a model without a calibrated head is asked to abstain."""
    folder, _, _ = desk
    done = run("predict", "student", "my card", "--precision", "0.9", folder=folder, code=1)
    assert "a 'sequence' classifier cannot abstain" in done.stderr


def test_a_teacher_of_its_own_kind(desk, pool):
    """Prevents a student that cannot be a teacher once it is saved."""
    folder, _, student = desk
    trainer = LogitDistillationTrainer(str(folder / "student"), "layers:1", steps=2, device="cpu").fit(pool)
    assert trainer.student_.label_space_ == student.label_space_
    assert trainer.report_["agreement_before"] == 1.0
