"""Class names by inference: the answers of transformers' pipeline, sooner; names, descriptions, rules and folders."""

import copy
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.special import expit, softmax
from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline

from fewshot import load_classifier
from fewshot.classifiers import entailment
from fewshot.classifiers.entailment import EntailmentScorer
from fewshot.classifiers.sequence_folders import open_sequence_folder
from fewshot.classifiers.zero_shot_nli import ZeroShotNLIClassifier
from fewshot.core.artifacts import read_json
from fewshot.core.errors import InputError, ModelFormatError
from fewshot.distillation.logit_teachers import open_logit_teacher, teacher_logits, tokenizer_of
from fewshot.distillation.teachers import open_teacher
from fewshot.encoders.cached import caches_passed_by
from tests.distillation.sequence_folders import write_classifier

TOPICS = ["billing", "delivery", "login"]
TEMPLATES = ("This text is about {}.", "{} today")
WORDS = {"billing": ["a refund", "an invoice"], "login": "a password"}
SHARED = Path(__file__).resolve().parents[3] / "shared"


@pytest.fixture(scope="module")
def raw(tmp_path_factory, tiny_tokenizer):
    """A model of inference with random weights, whose answers differ from text to text."""
    folder = tmp_path_factory.mktemp("raw")
    return write_classifier(folder, tiny_tokenizer, ["entailment", "neutral", "contradiction"])


def make(folder, **options):
    """An unfitted classifier of three topics in float32."""
    return ZeroShotNLIClassifier(folder, **{"classes": TOPICS, "precision": "float32", "device": "cpu"} | options)


def logits_of(folder, texts, hypotheses):
    """Return what transformers itself says of every pair, one by one: ``(n_texts, n_hypotheses, 3)``."""
    model, tokenizer = AutoModelForSequenceClassification.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    with torch.inference_mode():
        pairs = [tokenizer(t, h, truncation="only_first", return_tensors="pt") for t in texts for h in hypotheses]
        logits = [model.eval()(**pair).logits.numpy()[0] for pair in pairs]
    return np.array(logits, dtype=np.float64).reshape(len(texts), len(hypotheses), -1)


def piped(folder, texts, *, multi_label):
    """Return the answers of transformers' own pipeline."""
    model, tokenizer = AutoModelForSequenceClassification.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    ask = pipeline("zero-shot-classification", model=model.float(), tokenizer=tokenizer, device="cpu")
    answers = ask(texts, TOPICS, hypothesis_template=TEMPLATES[0], multi_label=multi_label)
    return np.array([[a["scores"][a["labels"].index(topic)] for topic in TOPICS] for a in answers])


@pytest.mark.parametrize("multi_label", [False, True])
def test_answers_are_the_pipelines(raw, pool, multi_label):
    """Prevents another hypothesis, output, cut or softmax than the field's own pipeline has."""
    texts = [*pool[:6], "refund " * 200, "x"]
    ours = make(raw, multi_label=multi_label, batch_size=4).fit().predict_proba(texts)
    np.testing.assert_allclose(ours, piped(raw, texts, multi_label=multi_label), atol=1e-4)


def test_one_text_or_label_stands_in_no_other_ones_way(tiny_nli, single):
    """Prevents rows or columns that change places between batches: a trained model knows the topics."""
    classifier = make(tiny_nli).fit()
    assert classifier.score(single.texts + single.test_texts, single.labels + single.test_labels) >= 0.9


@pytest.mark.parametrize(
    ("contrast", "weighed"),
    [
        (None, lambda z: z[..., 0]),
        ("contradiction", lambda z: z[..., 0] - z[..., 2]),
        ("all", lambda z: z[..., 0] - np.log(np.exp(z[..., 1]) + np.exp(z[..., 2]))),
    ],
)
@pytest.mark.parametrize(("aggregate", "join"), [("mean", np.mean), ("max", np.max)])
def test_several_hypotheses_a_class(raw, pool, contrast, weighed, aggregate, join):
    """Prevents a description from speaking for another class, and a mean over templates from leaving one out."""
    classifier = make(raw, templates=TEMPLATES, label_words=WORDS, contrast=contrast, aggregate=aggregate).fit()
    said = {"billing": ["a refund", "an invoice"], "delivery": ["delivery"], "login": ["a password"]}
    hypotheses = {name: [t.format(w) for t in TEMPLATES for w in words] for name, words in said.items()}
    for number, name in enumerate(TOPICS):
        own = [s for s, c in zip(classifier.sentences_, classifier.sentence_classes_, strict=True) if c == number]
        assert sorted(own) == sorted(hypotheses[name])
    columns = [join(weighed(logits_of(raw, pool[:5], hypotheses[name])), axis=1) for name in TOPICS]
    expected = softmax(np.stack(columns, axis=1), axis=1)
    np.testing.assert_allclose(classifier.predict_proba(pool[:5]), expected, atol=1e-4)
    several = make(raw, templates=TEMPLATES, label_words=WORDS, contrast="all", aggregate=aggregate, multi_label=True)
    z = [logits_of(raw, pool[:5], hypotheses[name]) for name in TOPICS]
    odds = [join(s[..., 0] - np.log(np.exp(s[..., 1:]).sum(axis=-1)), axis=1) for s in z]
    np.testing.assert_allclose(several.fit().predict_proba(pool[:5]), expit(np.stack(odds, axis=1)), atol=1e-4)


def test_a_model_with_two_outputs(tmp_path, tiny_tokenizer, pool):
    """Prevents ``not_entailment`` from being read as entailment."""
    two = write_classifier(tmp_path, tiny_tokenizer, ["not_entailment", "entailment"])
    z = logits_of(two, pool[:4], [TEMPLATES[0].format(topic) for topic in TOPICS])
    ours = make(two, multi_label=True).fit().predict_proba(pool[:4])
    np.testing.assert_allclose(ours, expit(z[..., 1] - z[..., 0]), atol=1e-4)
    nameless = write_classifier(tmp_path / "nameless", tiny_tokenizer, ["LABEL_0", "LABEL_1", "LABEL_2"])
    with pytest.raises(ModelFormatError, match="outputs are called LABEL_0, LABEL_1, LABEL_2"):
        make(nameless).fit()


def test_each_text_is_asked_about_once(tiny_nli, pool, monkeypatch):
    """Prevents equal texts from being paid for twice, and a pool from waiting in memory all at once."""
    classifier = make(tiny_nli).fit()
    asked, original = [], EntailmentScorer._forward
    monkeypatch.setattr(
        EntailmentScorer, "_forward", lambda self, pairs, model: asked.extend(pairs) or original(self, pairs, model)
    )
    whole = classifier.predict_proba([*pool[:9], *pool[:9]])
    assert len(asked) == 9 * 3
    np.testing.assert_array_equal(whole[:9], whole[9:])
    monkeypatch.setattr(entailment, "PAIRS_AT_ONCE", 7)
    np.testing.assert_allclose(classifier.predict_proba(pool[:9]), whole[:9], atol=1e-5)


def test_memory_that_runs_out_halves_the_batch(tiny_nli, pool, monkeypatch):
    """Prevents a batch that a smaller card cannot hold from ending hours of work."""
    classifier, original = make(tiny_nli, batch_size=16).fit(), EntailmentScorer._forward
    expected = classifier.predict_proba(pool[:12])

    def forward(self, pairs, model):
        if len(pairs) > 5:
            raise torch.OutOfMemoryError
        return original(self, pairs, model)

    monkeypatch.setattr(EntailmentScorer, "_forward", forward)
    np.testing.assert_allclose(classifier.predict_proba(pool[:12]), expected, atol=1e-5)
    assert classifier.scorer_.batch_size == 4


def test_scores_are_remembered_on_disk(tiny_nli, pool, monkeypatch, tmp_path):
    """Prevents the cells of a comparison from asking the same again, and other hypotheses from getting old answers."""
    monkeypatch.setenv("FEWSHOT_CACHE", str(tmp_path))
    expected = make(tiny_nli).fit().predict_proba(pool[:9])
    asked, original = [], EntailmentScorer._forward
    monkeypatch.setattr(
        EntailmentScorer, "_forward", lambda self, pairs, model: asked.extend(pairs) or original(self, pairs, model)
    )
    np.testing.assert_allclose(make(tiny_nli, cache=True).fit().predict_proba(pool[:6]), expected[:6], atol=1e-5)
    assert len(asked) == 18
    np.testing.assert_allclose(make(tiny_nli, cache=True).fit().predict_proba(pool[:9]), expected, atol=1e-5)
    assert len(asked) == 27
    make(tiny_nli, cache=True, templates="{}").fit().predict_proba(pool[:1])
    assert len(asked) == 30
    assert make(tiny_nli, cache=True).fit().predict_proba([]).shape == (0, 3)
    with caches_passed_by():  # as a comparison does to time a method
        make(tiny_nli, cache=True).fit().predict_proba(pool[:6])
    assert len(asked) == 48


def bent(self, texts, wanted, precision, original=EntailmentScorer._scores):
    """Scores as bfloat16 might bend them: each off by up to 0.3, which the text and the hypothesis decide."""
    scores = original(self, texts, wanted, "float32")
    if precision == "float32":
        return scores
    off = [
        [zlib.crc32(f"{text} {hypothesis}".encode()) % 1000 / 1000 for hypothesis in self.hypotheses] for text in texts
    ]
    return scores + 0.6 * (np.array(off) - 0.5)


@pytest.mark.parametrize("rule", [None, {"threshold": 0.4}, {"top_k": 2}])
def test_labels_are_those_of_float32(raw, pool, monkeypatch, rule):
    """Prevents a lower precision from changing an answer: what lies near a decision is asked again in full."""
    options = {"multi_label": rule is not None, **(rule or {})}
    exact = make(raw, **options).fit()
    monkeypatch.setattr(EntailmentScorer, "_scores", bent)
    monkeypatch.setattr(EntailmentScorer, "error", 0.3)
    fast = make(raw, precision="bfloat16", **options).fit()
    expected, found = exact.predict_proba(pool), fast.predict_proba(pool)
    assert np.abs(expected - found).max() > 0.01
    assert list(fast.predict(pool)) == list(exact.predict(pool))
    monkeypatch.setattr(EntailmentScorer, "error", 0.0)
    assert list(fast.predict(pool)) != list(exact.predict(pool))  # so the test can fail


def test_bfloat16_where_it_is_native_and_agrees(raw, monkeypatch):
    """Prevents a precision that bends scores from being taken because it is fast."""
    monkeypatch.setattr(entailment, "has_native_bfloat16", lambda device: True)
    monkeypatch.setattr(EntailmentScorer, "error", 0.1)
    assert make(raw, precision="auto").fit().scorer_.precision == "bfloat16"
    monkeypatch.setattr(EntailmentScorer, "error", 10.0)
    assert make(raw, precision="auto").fit().scorer_.precision == "float32"
    monkeypatch.setattr(entailment, "has_native_bfloat16", lambda device: False)
    monkeypatch.setattr(EntailmentScorer, "error", 0.0)
    assert make(raw, precision="auto").fit().scorer_.precision == "float32"


def test_bfloat16_itself(tiny_nli, single):
    """Prevents a copy in bfloat16 from breaking on a model's own operations, or from not being used at all."""
    exact = make(tiny_nli).fit()
    fast = make(tiny_nli, precision="bfloat16").fit()
    assert 0 < fast.scorer_.error < 1
    assert list(fast.predict(single.test_texts)) == list(exact.predict(single.test_texts))
    apart = np.abs(fast.predict_proba(single.test_texts) - exact.predict_proba(single.test_texts))
    assert 0 < apart.max() < 0.1


def test_labels_choose_the_rule(tiny_nli, multi):
    """Prevents labelled texts from being ignored where one number from them is worth much, and silence about it."""
    classifier = make(tiny_nli, classes=None).fit(multi.texts, multi.labels)
    assert classifier.report_["judged_by"] == f"{len(multi.texts)} labelled texts"
    assert classifier.report_["chosen"] in classifier.report_["notes"][0]
    both = make(tiny_nli).fit(multi.texts, multi.labels, validation=(multi.test_texts, multi.test_labels))
    assert both.report_["judged_by"] == f"{len(multi.texts) + len(multi.test_texts)} labelled texts"
    none = make(tiny_nli, multi_label=True).fit()
    assert none.report_["chosen"] == "labels from a probability of 0.5 on"
    assert none.report_["judged_by"] == "no labelled text"
    given = make(tiny_nli, top_k=2).fit(multi.texts, multi.labels)
    assert [len(labels) for labels in given.predict(multi.test_texts)] == [2] * len(multi.test_texts)
    assert (given.confidence_of(given.predict_proba(multi.test_texts)) <= 1).all()


def test_nothing_else_is_learnt(tiny_nli, single):
    """Prevents probabilities that depend on the labels where a text has exactly one class."""
    with_texts = make(tiny_nli, classes=None).fit(single.texts, single.labels)
    without = make(tiny_nli).fit()
    np.testing.assert_array_equal(with_texts.predict_proba(single.test_texts), without.predict_proba(single.test_texts))


def test_classes_come_from_names_and_labels(tiny_nli):
    """Prevents a class that was named, described or seen from being forgotten."""
    classifier = make(tiny_nli, classes=["login"], label_words={"billing": "a refund"}).fit(
        ["late parcel"], ["delivery"]
    )
    assert classifier.classes_.tolist() == TOPICS
    assert classifier.sentences_ == [TEMPLATES[0].format(word) for word in ("a refund", "delivery", "login")]
    numbers = make(tiny_nli, classes=np.array([7, 3])).fit()
    assert numbers.classes_.tolist() == [3, 7]


def test_descriptions_survive_saving(tiny_nli, tmp_path, pool):
    """Prevents a folder that opens with bare names, integer names that became strings, or a model left behind."""
    words = {7: ["a refund", "an invoice"], 30: "a password"}
    classifier = make(tiny_nli, classes=[7, 30], label_words=words, templates=TEMPLATES, multi_label=True, top_k=1)
    classifier.fit().save(tmp_path / "model")
    loaded = load_classifier(tmp_path / "model", device="cpu")
    assert loaded.label_words == words
    assert loaded.sentences_ == classifier.sentences_
    assert loaded.scorer_.fingerprint == classifier.scorer_.fingerprint
    np.testing.assert_array_equal(loaded.predict_proba(pool), classifier.predict_proba(pool))
    assert loaded.predict(pool) == classifier.predict(pool)
    assert read_json(tmp_path / "model" / "fewshot.json")["encoder"]["name"] == str(tiny_nli)


def test_a_damaged_folder(tiny_nli, tmp_path):
    """Prevents columns of one class under the name of another."""
    from safetensors.numpy import load_file, save_file

    make(tiny_nli).fit().save(tmp_path / "model")
    head = tmp_path / "model" / "head.safetensors"
    arrays = load_file(head)
    save_file(arrays | {"sentence_classes": arrays["sentence_classes"][:2]}, head)
    with pytest.raises(ModelFormatError, match="damaged"):
        load_classifier(tmp_path / "model", device="cpu")
    (tmp_path / "model" / "tokenizer_config.json").unlink()
    save_file(arrays, head)
    with pytest.raises(ModelFormatError, match=r"tokenizer_config\.json is missing"):
        load_classifier(tmp_path / "model", device="cpu")


def test_it_teaches_like_any_other(tiny_nli, pool):
    """Prevents a zero-shot classifier from needing a teacher class of its own."""
    classifier = make(tiny_nli).fit()
    teacher = open_teacher(classifier)
    targets = teacher.targets(pool[:5])
    np.testing.assert_array_equal(targets.probabilities, classifier.predict_proba(pool[:5]))
    assert targets.embeddings is None
    others = [make(tiny_nli, aggregate="max"), make(tiny_nli, templates="{}"), make(tiny_nli, contrast="all")]
    prints = {open_teacher(other.fit()).fingerprint for other in others}
    assert len(prints | {teacher.fingerprint}) == 4
    assert open_teacher(make(tiny_nli).fit()).fingerprint == teacher.fingerprint
    logits = teacher_logits(open_logit_teacher(classifier), pool[:5])
    np.testing.assert_allclose(softmax(logits, axis=1), targets.probabilities, atol=1e-5)
    assert tokenizer_of(classifier) is classifier.scorer_.tokenizer


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"classes": "login"}, "classes must be a sequence of class names, got one string"),
        ({"classes": None}, "texts must not be empty, or name the classes"),
        ({"classes": ["one"]}, "one class only"),
        ({"templates": "no place"}, "one {} for the class name"),
        ({"label_words": {"login": []}}, "must be a text, or a list of several"),
        ({"label_words": {"login": ["ok", " "]}}, "must be a text that is not empty"),
        ({"label_words": {"login": "password " * 60}}, "too long"),
        ({"aggregate": "sum"}, "aggregate must be one of mean, max"),
        ({"contrast": "neutral"}, "contrast must be None or one of"),
        ({"contrast": "none", "multi_label": True}, "no probability that a label applies by itself"),
        ({"precision": "float16"}, "precision must be one of"),
        ({"batch_size": 0}, "batch_size must be at least 1"),
        ({"max_length": 1000}, "max_length must be"),
        ({"decision": "vote"}, "decision must be one of"),
    ],
)
def test_wrong_settings(tiny_nli, options, message):
    """Prevents settings that nobody meant from being found out after the model has run for an hour."""
    with pytest.raises(InputError, match=message):
        make(tiny_nli, **options).fit()


def test_labels_of_another_kind(tiny_nli):
    """Prevents lists of labels in a task that was said to have one a text, and the reverse."""
    with pytest.raises(InputError, match="labels must be single labels, as multi_label=False says"):
        make(tiny_nli, multi_label=False).fit(["a"], [("login",)])
    with pytest.raises(InputError, match="labels must be lists of labels, as multi_label=True says"):
        make(tiny_nli, multi_label=True).fit(["a"], ["login"])


def test_it_can_be_copied_after_it_answered(tiny_nli):
    """Prevents weights packed for the processor, which cannot be copied, from barring copies of what was used."""
    scorer = EntailmentScorer(*open_sequence_folder(tiny_nli), ["refund", "late"], name="tiny", device="cpu")
    given = scorer.scores(["my parcel"], precision="bfloat16")
    np.testing.assert_array_equal(copy.deepcopy(scorer).scores(["my parcel"], precision="bfloat16"), given)


def test_a_scorer_asks_only_what_is_wanted(tiny_nli, pool):
    """Prevents the second look, in full precision, from costing as much as the first."""
    scorer = EntailmentScorer(*open_sequence_folder(tiny_nli), ["refund", "late", "x"], name="tiny", device="cpu")
    whole, wanted = scorer.scores(pool[:4], precision="float32"), np.eye(4, 3, dtype=bool)
    some = scorer.scores(pool[:4], wanted, precision="float32")
    np.testing.assert_allclose(some[wanted], whole[wanted], atol=1e-5)
    assert np.isnan(some[~wanted]).all()
    assert scorer.scores([]).shape == (0, 3)


@pytest.mark.slow
@pytest.mark.skipif(not (SHARED / "models").is_dir(), reason=f"the shared model is not in {SHARED}")
def test_a_real_model_knows_topics():
    """Prevents hypothesis and text from changing places, which tiny models may forgive."""
    texts = ["The striker scored twice in the final.", "The bank raised its interest rates again."]
    folder = SHARED / "models" / "nli-minilm"
    classifier = ZeroShotNLIClassifier(folder, classes=["sports", "business"], device="cpu").fit()
    assert classifier.predict(texts).tolist() == ["sports", "business"]
