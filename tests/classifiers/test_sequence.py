"""Sequence classifiers: opened, applied, adjusted and saved."""

import json

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file
from scipy.special import expit, softmax
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from transformers import AutoModelForSequenceClassification

from fewshot.classifiers.loading import load_classifier
from fewshot.classifiers.naive_bayes import NaiveBayesClassifier
from fewshot.classifiers.sequence import SequenceClassifier
from fewshot.core.artifacts import read_json
from fewshot.core.errors import InputError, ModelFormatError, SourceNotFoundError
from fewshot.data.labels import LabelSpace
from tests.classifiers.resealed import reseal
from tests.distillation.logit_cases import make_bert, make_classifier, make_tokenizer

PICKLES = {".pkl", ".pickle", ".bin", ".pt", ".pth"}


@pytest.fixture(scope="module")
def tokenizer(tiny_tokenizer):
    """A tokenizer as transformers' models come with one."""
    return make_tokenizer(tiny_tokenizer)


@pytest.fixture(scope="module")
def classifier(tokenizer):
    """Three classes; never altered."""
    return make_classifier(tokenizer, ("a", "b", "c"))


@pytest.fixture
def several(tokenizer):
    """Three labels, any number of which apply."""
    return make_classifier(tokenizer, ("a", "b", "c"), multi_label=True)


@pytest.fixture(scope="module")
def of_transformers(tokenizer, tmp_path_factory):
    """A folder that transformers wrote, class names not sorted."""
    folder = tmp_path_factory.mktemp("sequence") / "bert"
    model = make_bert(tokenizer)
    model.config.id2label = {0: "spam", 1: "ham", 2: "news"}
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def test_the_same_scores_in_any_company(classifier, pool):
    """Prevents padding, order, repetition or batches from changing a text's scores."""
    texts = [*pool[:20], "x", pool[3], "the refund " * 20]
    scores = classifier.logits(texts)
    assert scores.shape == (23, 3)
    assert scores.dtype == np.float32
    np.testing.assert_array_equal(scores[21], scores[3])
    for row in (0, 3, 20, 22):
        np.testing.assert_allclose(scores[row], classifier.logits([texts[row]])[0], atol=1e-5)
    tokens = classifier.tokenizer_([texts[22]], truncation=True, max_length=64, return_tensors="pt")
    with torch.no_grad():
        np.testing.assert_allclose(scores[22], classifier.model_(**tokens).logits[0], atol=1e-5)
    np.testing.assert_allclose(classifier.predict_proba(texts), softmax(scores, axis=1), atol=1e-6)
    assert classifier.predict_proba([]).shape == (0, 3)
    assert classifier.predict(["", " \n\t", "word " * 2000]).shape == (3,)


def test_top_k(classifier, pool):
    """Prevents the least probable classes from coming first, and an error where there are fewer than k."""
    probabilities = classifier.predict_proba(pool[:4])
    best = classifier.top_k(pool[:4], 2)
    for row, found in zip(probabilities, best, strict=True):
        assert [probability for _, probability in found] == sorted(row, reverse=True)[:2]
        assert [name for name, _ in found] == [classifier.classes_[i] for i in np.argsort(-row)[:2]]
    assert len(classifier.top_k(["x"], 9)[0]) == 3
    with pytest.raises(InputError, match="k must be at least 1"):
        classifier.top_k(["x"], 0)


def test_several_labels(several, multi):
    """Prevents a softmax over labels, and thresholds that belong to other labels."""
    scores = several.logits(multi.texts)
    np.testing.assert_allclose(several.predict_proba(multi.texts), expit(scores), atol=1e-6)
    several.set_thresholds([0.0, 1.0, 0.5])
    assert all("a" in labels and "b" not in labels for labels in several.predict(multi.texts))


def test_a_folder_of_transformers(of_transformers, pool):
    """Prevents classes that are sorted while the model's outputs are not."""
    opened = SequenceClassifier.from_pretrained(of_transformers, device="cpu")
    assert opened.classes_.tolist() == ["ham", "news", "spam"]
    raw = AutoModelForSequenceClassification.from_pretrained(of_transformers)
    with torch.no_grad():
        scores = raw(**opened.features(pool[:5])).logits.numpy()
    np.testing.assert_allclose(opened.logits(pool[:5]), scores[:, [1, 2, 0]], atol=1e-5)
    assert opened.predict(pool[:5]).tolist() == [["spam", "ham", "news"][i] for i in scores.argmax(1)]
    named = SequenceClassifier.from_pretrained(of_transformers, [7, 3, 5], multi_label=True, device="cpu")
    assert named.classes_.tolist() == [3, 5, 7]
    np.testing.assert_allclose(named.logits(pool[:5]), scores[:, [1, 2, 0]], atol=1e-5)


@pytest.mark.parametrize("multi_label", [False, True])
def test_saved_and_opened_is_the_same(of_transformers, pool, multi_label, tmp_path):
    """Prevents thresholds, the order of outputs or the length from being lost, and a pickle in the folder."""
    made = SequenceClassifier.from_pretrained(
        of_transformers, [7, 3, 5], multi_label=multi_label, max_length=12, device="cpu"
    ).set_thresholds([0.3, 0.6, 0.5])
    made.save(tmp_path / "model", metrics={"accuracy": 0.5})
    for opened in (
        load_classifier(tmp_path / "model", device="cpu"),
        SequenceClassifier.from_pretrained(tmp_path / "model", device="cpu"),
    ):
        np.testing.assert_array_equal(opened.predict_proba(pool), made.predict_proba(pool))
        np.testing.assert_array_equal(opened.threshold_, made.threshold_)
        assert opened.label_space_ == made.label_space_
        assert opened.max_length_ == opened.max_length == 12
        assert opened.batch_size is None
    assert SequenceClassifier.from_pretrained(tmp_path / "model", max_length=9, device="cpu").max_length_ == 9
    assert not [file for file in (tmp_path / "model").rglob("*") if file.suffix in PICKLES]
    config = read_json(tmp_path / "model" / "config.json")
    assert config["id2label"] == {"0": "7", "1": "3", "2": "5"}
    assert config["problem_type"] == f"{'multi' if multi_label else 'single'}_label_classification"
    opened.save(tmp_path / "model")
    np.testing.assert_array_equal(
        SequenceClassifier.from_pretrained(tmp_path / "model", device="cpu").logits(pool[:3]), made.logits(pool[:3])
    )


def test_memory_that_runs_out(tokenizer, pool, monkeypatch):
    """Prevents a batch that memory is too small for from being tried again at each call."""
    classifier = make_classifier(tokenizer, ("a", "b", "c"))
    expected, run, sizes = classifier.logits(pool), type(classifier.model_).forward, []

    def small(self, input_ids, **inputs):
        sizes.append(len(input_ids))
        if len(input_ids) > 4:
            raise torch.OutOfMemoryError
        return run(self, input_ids, **inputs)

    monkeypatch.setattr(type(classifier.model_), "forward", small)
    np.testing.assert_allclose(classifier.logits(pool), expected, atol=1e-5)
    assert max(sizes) == 16
    sizes.clear()
    classifier.logits(pool)
    assert set(sizes) == {4}


def test_init_only_stores(classifier):
    """Prevents arguments that a constructor replaces, loads or checks, which breaks ``clone`` and ``set_params``."""
    params = {"model": "a", "batch_size": -1, "max_length": 10**9, "device": "tpu"}
    made = SequenceClassifier(**params)
    assert made.get_params() == vars(made) == params
    copied = clone(classifier)
    assert copied.get_params() == classifier.get_params()
    assert not hasattr(copied, "classes_")


def test_it_does_not_learn(single, classifier):
    """Prevents a fit that leaves the model as it is, and an unfitted one that answers."""
    with pytest.raises(InputError, match="does not learn by fit"):
        SequenceClassifier().fit(single.texts, single.labels)
    before = classifier.logits(["x"])
    with pytest.raises(InputError, match="train one with LogitDistillationTrainer"):
        classifier.fit(single.texts, single.labels)
    np.testing.assert_array_equal(classifier.logits(["x"]), before)
    for use in (clone(classifier).predict, SequenceClassifier().logits, SequenceClassifier().features):
        with pytest.raises(NotFittedError, match="holds no model yet: open a trained one"):
            use(["x"])


def test_wrong_texts(classifier):
    """Prevents one string from being read as a list of signs."""
    with pytest.raises(InputError, match="got one string"):
        classifier.logits("a text")


def test_parts_that_do_not_fit(tokenizer, tiny_tokenizer):
    """Prevents classes without output, lengths without positions, and batches without padding."""
    model, space = make_bert(tokenizer), LabelSpace(("a", "b", "c"), multi_label=False)
    with pytest.raises(InputError, match="3 outputs for 2 classes"):
        SequenceClassifier.from_parts(model, tokenizer, LabelSpace(("a", "b"), multi_label=False))
    for max_length in (2, 65):
        with pytest.raises(InputError, match=f"max_length must be 3 to 64 for this model, got {max_length}"):
            SequenceClassifier.from_parts(model, tokenizer, space, max_length=max_length, device="cpu")
    with pytest.raises(InputError, match="batch_size must be at least 1"):
        SequenceClassifier.from_parts(model, tokenizer, space, batch_size=0, device="cpu")
    bare = make_tokenizer(tiny_tokenizer)
    bare.pad_token = None
    with pytest.raises(InputError, match="tokenizer has no padding token"):
        SequenceClassifier.from_parts(model, bare, space, device="cpu")


@pytest.mark.parametrize(
    ("classes", "message"),
    [(["a", "b"], "must name the model's 3 outputs"), (["a", "b", "a"], "all be different"), (["a", "b", 3], "mix")],
)
def test_wrong_classes(of_transformers, classes, message):
    """Prevents a class without name, or two outputs of one name."""
    with pytest.raises(InputError, match=message):
        SequenceClassifier.from_pretrained(of_transformers, classes, device="cpu")


def test_folders_of_another_kind(of_transformers, tokenizer, single, tmp_path):
    """Prevents a regression, or another classifier, from being taken for this one."""
    with pytest.raises(SourceNotFoundError, match="no model folder"):
        SequenceClassifier.from_pretrained(tmp_path / "nowhere")
    NaiveBayesClassifier().fit(single.texts, single.labels).save(tmp_path / "bayes")
    with pytest.raises(ModelFormatError, match="holds a 'naive-bayes'; open it with load_classifier"):
        SequenceClassifier.from_pretrained(tmp_path / "bayes")
    one = make_bert(tokenizer, 1)
    one.save_pretrained(tmp_path / "one")
    tokenizer.save_pretrained(tmp_path / "one")
    with pytest.raises(ModelFormatError, match="one output, as for regression"):
        SequenceClassifier.from_pretrained(tmp_path / "one", device="cpu")
    assert SequenceClassifier.from_pretrained(tmp_path / "one", ["spam"], multi_label=True, device="cpu").predict(
        ["x"]
    ) in ([()], [("spam",)])


def test_each_setting_is_for_its_classifier(of_transformers, tmp_path):
    """Prevents an option of one call from being lost, or from staying in the folder."""
    SequenceClassifier.from_pretrained(of_transformers, device="cpu").save(tmp_path / "model")
    opened = SequenceClassifier.from_pretrained(tmp_path / "model", batch_size=3, max_length=9, device="cpu")
    assert (opened.batch_size, opened.max_length, opened.max_length_, opened.device) == (3, 9, 9, "cpu")
    again = load_classifier(tmp_path / "model", device="cpu")
    assert (again.batch_size, again.max_length, again.max_length_) == (None, None, 64)
    with pytest.raises(InputError, match="device 'tpu' is not available"):
        load_classifier(tmp_path / "model", device="tpu")
    with pytest.raises(InputError, match="max_length must be 3 to 64"):
        SequenceClassifier.from_pretrained(tmp_path / "model", max_length=65)


def test_two_students_are_two(tokenizer, tmp_path):
    """Prevents stored answers of one student from being taken for another's, which differs in weights alone."""
    one, same, other = (make_classifier(tokenizer, ("a", "b", "c"), seed=seed) for seed in (0, 0, 1))
    assert one._state()[1] == same._state()[1]
    assert one._state()[1] != other._state()[1]
    one.save(tmp_path / "one")
    opened = load_classifier(tmp_path / "one", device="cpu")
    assert opened._state()[1] == one._state()[1]
    one.logits(["a text", "and one more"])  # sets padding and truncation of the tokenizer
    assert opened._state()[1] == one._state()[1]


def test_the_card(several, multi, tmp_path):
    """Prevents a folder that does not say what it is, or that holds texts of others."""
    several.save(tmp_path / "model", metrics={"macro_f1": 0.5}, provenance={"teacher": "runs/teacher"})
    card = (tmp_path / "model" / "README.md").read_text()
    for said in ("multi-label", "`a`, `b`, `c`", "tiny", "reads 64 tokens at once; longer texts are cut off"):
        assert said in card
    assert "macro_f1: 0.5" in card
    assert "teacher: runs/teacher" in card


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        ("fewshot.json", {"classes": ["a", "b"]}, "damaged: 3 outputs, 2 classes"),
        ("fewshot.json", {"settings": {}}, "damaged: KeyError"),
        ("fewshot.json", {"settings": {"max_length": 65}}, "damaged: its thresholds or max_length"),
        ("fewshot.json", {"settings": {"max_length": 0}}, "damaged: its thresholds or max_length"),
        ("fewshot.json", {"settings": {"max_length": "many"}}, "damaged: ValueError"),
        ("head.safetensors", {"columns": np.array([0, 1, 1])}, "damaged: 3 outputs, 3 classes"),
        ("head.safetensors", {"columns": np.array(3)}, "damaged: TypeError"),
        ("head.safetensors", {"threshold": np.array([0.5, 0.5])}, "damaged: its thresholds"),
        ("head.safetensors", {"threshold": np.array([0.5, 0.5, np.nan])}, "not finite, in 'threshold'"),
        ("head.safetensors", {"threshold": np.array([0.5, 0.5, 1.5])}, "damaged: its thresholds"),
    ],
)
def test_a_damaged_folder(classifier, tmp_path, file, change, message):
    """Prevents outputs that belong to other classes after a file was edited, and "you gave a wrong argument" for it."""
    classifier.save(tmp_path / "model")
    path = tmp_path / "model" / file
    if path.suffix == ".json":
        path.write_text(json.dumps(json.loads(path.read_text()) | change))
    else:
        save_file(load_file(path) | change, path)
        reseal(tmp_path / "model")
    for opened in (load_classifier, SequenceClassifier.from_pretrained):
        with pytest.raises(ModelFormatError, match=message):
            opened(tmp_path / "model", device="cpu")


def test_texts_of_like_tokens_are_read_together(classifier, tokenizer):
    """Prevents batches by characters, whose padding takes a fifth of the time, and scores of another text."""
    texts = [text for i in range(8) for text in ("z" * (3 + i), "password " * (i + 1))]
    alone = np.concatenate([classifier.logits([text]) for text in texts])
    read, scorer = [], classifier._scorer
    hook = classifier.model_.bert.register_forward_pre_hook(lambda _, args: read.append(tuple(args[0].shape)))
    batch_size, scorer.batch_size = scorer.batch_size, 4
    try:
        together = classifier.logits([*texts, texts[0]])
    finally:
        hook.remove()
        scorer.batch_size = batch_size
    lengths = sorted((len(tokenizer(text)["input_ids"]) for text in texts), reverse=True)
    assert read == [(4, lengths[start]) for start in range(0, 16, 4)]
    np.testing.assert_allclose(together[:-1], alone, atol=1e-5)
    np.testing.assert_array_equal(together[-1], together[0])
