"""Transformers folders as teachers: classifiers, and inference with class names."""

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline

from fewshot.classifiers import entailment
from fewshot.core.errors import InputError, ModelFormatError, TeacherError
from fewshot.distillation.sequence_teachers import NLITeacher, SequenceTeacher
from fewshot.distillation.teachers import compute_targets
from tests.distillation.sequence_folders import write_classifier

NLI = Path(__file__).resolve().parents[3] / "shared" / "models" / "nli-minilm"
CLASSES = ["login", "billing", "late_parcel"]
LABELS = ["red", "green", "blue"]


@pytest.fixture(scope="module")
def colors(tmp_path_factory, tiny_tokenizer):
    """A classifier of three classes."""
    return write_classifier(tmp_path_factory.mktemp("colors"), tiny_tokenizer, LABELS)


@pytest.fixture(scope="module")
def nli(tmp_path_factory, tiny_tokenizer):
    """A model of inference."""
    folder = tmp_path_factory.mktemp("nli")
    return write_classifier(folder, tiny_tokenizer, ["ENTAILMENT", "neutral", "contradiction"])


@torch.inference_mode()
def logits_of(folder, texts):
    """Return what transformers itself says, text by text."""
    model, tokenizer = AutoModelForSequenceClassification.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    return np.vstack([model.eval()(**tokenizer(text, return_tensors="pt")).logits.numpy() for text in texts])


def zero_shot(folder, texts, words, *, multi_label):
    """Return the answers of transformers' own pipeline, in the order of ``words``."""
    model, tokenizer = AutoModelForSequenceClassification.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    ask = pipeline("zero-shot-classification", model=model.float(), tokenizer=tokenizer, device="cpu")
    options = {"hypothesis_template": "This text is about {}.", "multi_label": multi_label}
    answers = [ask(text, words, **options) for text in texts]
    return np.array([[a["scores"][a["labels"].index(word)] for word in words] for a in answers])


def test_probabilities_are_the_softmax_in_sorted_order(colors, pool):
    """Prevents columns in the order of the model's outputs under class names in another order."""
    teacher, logits = SequenceTeacher(colors, device="cpu"), logits_of(colors, pool[:9])
    targets = compute_targets(teacher, pool[:9])
    assert teacher.classes_.tolist() == ["blue", "green", "red"]
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(targets.probabilities, expected[:, [2, 1, 0]], atol=1e-5)
    assert targets.embeddings is None
    assert teacher.targets([]).probabilities.shape == (0, 3)
    np.testing.assert_array_equal(teacher.predict_proba(pool[:9]), targets.probabilities)


def test_given_names_and_several_labels(colors, tmp_path, tiny_tokenizer, pool):
    """Prevents names from being given to the wrong outputs, and a softmax over labels that may go together."""
    teacher, logits = SequenceTeacher(colors, [30, 7, -1], multi_label=True, device="cpu"), logits_of(colors, pool[:9])
    assert teacher.classes_.tolist() == [-1, 7, 30]
    assert teacher.label_space_.multi_label
    expected = 1 / (1 + np.exp(-logits[:, [2, 1, 0]]))
    np.testing.assert_allclose(teacher.targets(pool[:9]).probabilities, expected, atol=1e-5)
    said = write_classifier(tmp_path, tiny_tokenizer, LABELS, problem_type="multi_label_classification")
    assert SequenceTeacher(said, device="cpu").label_space_.multi_label


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        (["a", "b"], "name the model's 3 outputs, got 2 names"),
        (["a", "b", "b"], "classes must be different"),
        (["a", "b", 3], "mix strings"),
        (["a", "b", None], "strings or integers"),
    ],
)
def test_names_that_do_not_fit(colors, classes, message):
    """Prevents outputs without a name, and names without an output."""
    with pytest.raises(InputError, match=message):
        SequenceTeacher(colors, classes, device="cpu")


def test_outputs_that_are_no_classes(nli, tmp_path, tiny_tokenizer):
    """Prevents entailment from being taught as a class, and a regression as one class of one."""
    with pytest.raises(InputError, match=r"name them: NLITeacher\(folder, classes="):
        SequenceTeacher(nli)
    assert len(SequenceTeacher(nli, ["yes", "maybe", "no"], device="cpu").classes_) == 3
    with pytest.raises(InputError, match="at least two to tell apart"):
        SequenceTeacher(write_classifier(tmp_path, tiny_tokenizer, ["score"]), device="cpu")


@pytest.mark.parametrize("multi_label", [False, True])
def test_nli_agrees_with_the_pipeline_of_transformers(nli, pool, multi_label):
    """Prevents another hypothesis, another output or another softmax than the field's own zero-shot pipeline has."""
    teacher = NLITeacher(nli, CLASSES, multi_label=multi_label, device="cpu", batch_size=4)
    assert teacher.classes_.tolist() == ["billing", "late_parcel", "login"]
    expected = zero_shot(nli, pool[:5], ["billing", "late parcel", "login"], multi_label=multi_label)
    targets = compute_targets(teacher, pool[:5])
    np.testing.assert_allclose(targets.probabilities, expected, atol=1e-4)
    assert targets.embeddings is None
    assert teacher.targets([]).probabilities.shape == (0, 3)


def test_blocks_of_pairs_change_nothing(nli, pool, monkeypatch):
    """Prevents a pool that is asked about in parts from losing or mixing rows."""
    teacher = NLITeacher(nli, CLASSES, device="cpu")
    whole = teacher.targets(pool[:11]).probabilities
    monkeypatch.setattr(entailment, "PAIRS_AT_ONCE", 12)
    np.testing.assert_allclose(teacher.targets(pool[:11]).probabilities, whole, atol=1e-5)
    np.testing.assert_allclose(teacher.targets(["card " * 300]).probabilities.sum(axis=1), 1.0)


def test_other_names_of_entailment(tmp_path, tiny_tokenizer, pool):
    """Prevents the wrong output from being read where a model has two, or calls them something else."""
    two = write_classifier(tmp_path / "two", tiny_tokenizer, ["not_entailment", "entailment"])
    logits = logits_of(two, ["card"])
    assert logits.shape == (1, 2)
    teacher = NLITeacher(two, ["billing"], multi_label=True, device="cpu")
    expected = zero_shot(two, pool[:3], ["billing"], multi_label=True)
    np.testing.assert_allclose(teacher.targets(pool[:3]).probabilities, expected, atol=1e-4)
    nameless = write_classifier(tmp_path / "nameless", tiny_tokenizer, ["LABEL_0", "LABEL_1", "LABEL_2"])
    with pytest.raises(ModelFormatError, match="outputs are called LABEL_0, LABEL_1, LABEL_2"):
        NLITeacher(nameless, CLASSES, device="cpu")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"classes": "billing"}, "classes must be a list"),
        ({"classes": ["a", True]}, "strings or integers"),
        ({"classes": []}, "classes must be a list"),
        ({"classes": ["one"]}, "at least two"),
        ({"classes": ["a", "a"]}, "must be different"),
        ({"template": "no place"}, "one {} for the class name"),
        ({"template": "{} and {}"}, "one {} for the class name"),
        ({"label_words": {"login": ""}}, "label_words"),
        ({"label_words": {"login": "password " * 40}}, "too long"),
        ({"batch_size": 0}, "batch_size"),
    ],
)
def test_wrong_inputs(nli, arguments, message):
    """Prevents a hypothesis without its class, or one that leaves no room for the text."""
    with pytest.raises(InputError, match=message):
        NLITeacher(nli, **{"classes": CLASSES, "device": "cpu", **arguments})


def test_fingerprints_tell_questions_apart(nli, colors):
    """Prevents stored answers to one question from being read as answers to another."""
    teachers = [
        NLITeacher(nli, CLASSES, device="cpu"),
        NLITeacher(nli, CLASSES[:2], device="cpu"),
        NLITeacher(nli, CLASSES, "Is this {}?", device="cpu"),
        NLITeacher(nli, CLASSES, multi_label=True, device="cpu"),
        NLITeacher(nli, CLASSES, label_words={"login": "passwords"}, device="cpu"),
        SequenceTeacher(colors, device="cpu"),
        SequenceTeacher(colors, ["blue", "green", "red"], device="cpu"),
        SequenceTeacher(colors, multi_label=True, device="cpu"),
    ]
    assert len({teacher.fingerprint for teacher in teachers}) == len(teachers)
    assert NLITeacher(nli, CLASSES[::-1], device="cpu", batch_size=3).fingerprint == teachers[0].fingerprint


def test_a_folder_has_no_encoder(colors):
    """Prevents an AttributeError where a student is to learn vectors."""
    with pytest.raises(InputError, match="with a sentence encoder"):
        _ = SequenceTeacher(colors, device="cpu").encoder_


def test_constant_and_broken_teachers(tmp_path, tiny_tokenizer, pool):
    """Prevents a student of a model that says the same of every text, or NaN."""
    teacher = SequenceTeacher(write_classifier(tmp_path, tiny_tokenizer, LABELS), device="cpu")
    with torch.no_grad():
        teacher.model.model.classifier.weight.zero_()
        with pytest.raises(TeacherError, match="the same probabilities"):
            compute_targets(teacher, pool[:5])
        teacher.model.model.classifier.weight.fill_(float("nan"))
    with pytest.raises(TeacherError, match="probabilities hold NaN"):
        compute_targets(teacher, pool[:5])


@pytest.mark.slow
@pytest.mark.skipif(not NLI.is_dir(), reason=f"the shared model is not at {NLI}")
def test_a_real_model_knows_topics():
    """Prevents hypothesis and text from changing places, which random weights do not show."""
    texts = ["The striker scored twice in the final.", "The bank raised its interest rates again."]
    teacher = NLITeacher(NLI, ["sports", "business"], device="cpu")
    assert teacher.classes_[teacher.targets(texts).probabilities.argmax(axis=1)].tolist() == ["sports", "business"]
    expected = zero_shot(NLI, texts, ["business", "sports"], multi_label=False)
    np.testing.assert_allclose(teacher.targets(texts).probabilities, expected, atol=1e-3)
