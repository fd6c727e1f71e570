"""What is exported answers as its original does, whatever it is made of; what cannot be is refused."""

import numpy as np
import pytest

from fewshot.classifiers.exported import ExportedClassifier, ExportedSequenceClassifier
from fewshot.classifiers.finetune import FineTunedClassifier
from fewshot.classifiers.knn import KNNClassifier
from fewshot.classifiers.linear_probe import LinearProbeClassifier
from fewshot.classifiers.loading import load_classifier
from fewshot.classifiers.naive_bayes import NaiveBayesClassifier
from fewshot.classifiers.setfit import SetFitClassifier
from fewshot.classifiers.zero_shot_embedding import ZeroShotEmbeddingClassifier
from fewshot.classifiers.zero_shot_nli import ZeroShotNLIClassifier
from fewshot.compression import graphs, onnx_check
from fewshot.compression.onnx_check import TOLERANCE
from fewshot.compression.onnx_export import export_classifier
from fewshot.compression.probe_texts import probe_texts
from fewshot.core.errors import InputError, MissingExtraError
from fewshot.encoders.sentence import SentenceEncoder
from tests.compression.tiny_transformers import CONFIGS, probe_of, sentence_model, sequence_of

pytest.importorskip("onnxruntime", reason="needs the extra onnx")

LONG = "refund my parcel password " * 200


def assert_same(exported, original, texts, *, at_most=TOLERANCE):
    """Check that probabilities, labels and confidences are the original's."""
    expected = original.predict_proba(texts)
    np.testing.assert_allclose(exported.predict_proba(texts), expected, atol=at_most)
    assert list(exported.predict(texts)) == list(original.predict(texts))
    np.testing.assert_allclose(exported.confidence_of(expected), original.confidence_of(expected))


@pytest.mark.parametrize("kind", CONFIGS)
def test_every_kind_of_transformer(kind, tiny_tokenizer, single, tmp_path):
    """Prevents segments from being given as positions (MPNet), and lengths or masks that a trace holds on to."""
    probe = probe_of(sentence_model(kind, tiny_tokenizer, tmp_path / "bare"), single)
    made = export_classifier(probe, tmp_path / "out").classifier
    assert_same(made, probe, [*probe_texts(), *single.test_texts, LONG])
    assert np.ptp(made.predict_proba(probe_texts()), axis=0).max() > 0.3  # they do depend on the text


@pytest.mark.parametrize("kind", CONFIGS)
@pytest.mark.parametrize("multi_label", [False, True])
def test_every_kind_of_sequence_classifier(kind, multi_label, tiny_tokenizer, single, tmp_path):
    """Prevents outputs in the order of the model, which need not be that of the classes."""
    if multi_label and kind not in ("Bert", "MPNet"):
        pytest.skip("the same sigmoid for all")
    classifier = sequence_of(
        kind, tiny_tokenizer, ("a", "b", "c"), multi_label=multi_label, columns=np.array([2, 0, 1])
    )
    classifier.set_thresholds([0.4, 0.5, 0.6])
    made = export_classifier(classifier, tmp_path / "out").classifier
    assert isinstance(made, ExportedSequenceClassifier)
    assert_same(made, classifier, [*probe_texts(), *single.test_texts, LONG])


@pytest.mark.parametrize("pooling", ["cls", "max", "mean_sqrt_len_tokens", "weightedmean", "lasttoken"])
def test_every_pooling(pooling, tiny_tokenizer, single, tmp_path):
    """Prevents the mean from being taken whatever the folder says."""
    probe = probe_of(sentence_model("Bert", tiny_tokenizer, tmp_path / "bare", pooling=pooling), single)
    assert_same(export_classifier(probe, tmp_path / "out").classifier, probe, [*probe_texts(), LONG])


@pytest.mark.parametrize("unit", [True, False])
def test_modules_behind_the_pooling(unit, tiny_tokenizer, single, tmp_path):
    """Prevents a dense layer or a norm from being left out, as where only the first two modules are taken."""
    model = sentence_model("Bert", tiny_tokenizer, tmp_path / "bare", dense=True, unit=unit)
    probe = probe_of(model, single)
    made = export_classifier(probe, tmp_path / "out").classifier
    assert_same(made, probe, probe_texts())
    vectors = made.encoder_.encode(probe_texts())
    np.testing.assert_allclose(vectors, probe.encoder_.encode(probe_texts()), atol=1e-5)
    assert vectors.shape[1] == 24
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1) == unit


@pytest.mark.parametrize("task", ["single", "multi", "multi_int"])
def test_setfit_with_all_that_it_knows(task, tiny_encoder, tmp_path, request):
    """Prevents calibration, thresholds, abstention and the detector of far-off texts from staying behind."""
    toy = request.getfixturevalue(task)
    teacher = SetFitClassifier(encoder=tiny_encoder, steps=4, batch_size=8, random_state=3).fit(toy.texts, toy.labels)
    made = export_classifier(teacher, tmp_path / "out").classifier
    assert_same(made, teacher, toy.test_texts)
    assert made.predict(toy.test_texts, at_least_one=True) is not None
    np.testing.assert_allclose(made.scope_scores(toy.test_texts), teacher.scope_scores(toy.test_texts), atol=1e-4)
    np.testing.assert_array_equal(made.in_scope(toy.test_texts), teacher.in_scope(toy.test_texts))
    options = {"precision": 0.6, "in_scope_only": True}
    assert made.predict_selective(toy.test_texts, **options) == teacher.predict_selective(toy.test_texts, **options)


@pytest.mark.parametrize("task", ["single", "multi"])
def test_a_fine_tuned_transformer(task, tiny_encoder, tmp_path, request):
    """Prevents the scale, offset and thresholds that held-out texts taught from being lost."""
    toy = request.getfixturevalue(task)
    tuned = FineTunedClassifier(encoder=tiny_encoder, steps=8, batch_size=8, learning_rate=1e-3, random_state=3)
    tuned.fit(toy.texts, toy.labels)
    assert not np.allclose(tuned.scale_, 1)
    assert_same(export_classifier(tuned, tmp_path / "out").classifier, tuned, [*toy.test_texts, LONG])


def test_long_texts_in_windows(tiny_tokenizer, single, tmp_path):
    """Prevents long texts from being cut off where the original reads window after window."""
    model = sentence_model("Bert", tiny_tokenizer, tmp_path / "bare", max_length=16)
    probe = probe_of(model, single, long_texts="chunk", max_chunks=3)
    made = export_classifier(probe, tmp_path / "out").classifier
    texts = [LONG, "refund " * 40, "refund", ""]
    assert_same(made, probe, texts)
    np.testing.assert_allclose(made.encoder_.encode(texts), probe.encoder_.encode(texts), atol=1e-5)
    assert made.encoder_.length_settings == probe.encoder_.length_settings


def test_a_prompt_goes_before_each_text(tiny_tokenizer, single, tmp_path):
    """Prevents the prompt that a model was trained with from being left out."""
    model = sentence_model("Bert", tiny_tokenizer, tmp_path / "bare")
    plain = probe_of(model, single).predict_proba(single.test_texts)
    model.prompts, model.default_prompt_name = {"query": "why the "}, "query"
    probe = probe_of(model, single)
    assert not np.allclose(probe.predict_proba(single.test_texts), plain, atol=1e-3)
    assert_same(export_classifier(probe, tmp_path / "out").classifier, probe, [*single.test_texts, LONG])


def test_a_causal_model_without_special_tokens(single, tmp_path):
    """Prevents a graph from being asked about a text without tokens."""
    from transformers import GPT2Config, GPT2Model

    from fewshot.encoders.pooled import load_pooled
    from tests.encoders.test_pooled import byte_tokenizer

    tokenizer = byte_tokenizer()
    config = GPT2Config(vocab_size=len(tokenizer), n_positions=64, n_embd=32, n_layer=2, n_head=2)
    GPT2Model(config).save_pretrained(tmp_path / "gpt")
    tokenizer.save_pretrained(tmp_path / "gpt")
    encoder = load_pooled(tmp_path / "gpt", device="cpu", precision="float32")
    probe = LinearProbeClassifier(encoder=encoder).fit(single.texts, single.labels)
    made = export_classifier(probe, tmp_path / "out").classifier
    assert_same(made, probe, ["", " ", *single.test_texts])


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (lambda toy, t, nli: NaiveBayesClassifier(), "counts words"),
        (lambda toy, t, nli: KNNClassifier(encoder=t), "nearest training texts"),
        (lambda toy, t, nli: SetFitClassifier(encoder=t, steps=0, head="knn"), "--head logistic"),
        (lambda toy, t, nli: ZeroShotNLIClassifier(str(nli), precision="float32"), "once for every class"),
    ],
)
def test_what_has_no_linear_head_is_refused(make, word, tiny_encoder, tiny_nli, single, tmp_path):
    """Prevents a traceback, or half a model, where there is no linear map to write."""
    classifier = make(single, tiny_encoder, tiny_nli).fit(single.texts, single.labels)
    with pytest.raises(InputError, match=word):
        export_classifier(classifier, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_k_best_are_refused_and_thresholds_are_not(tiny_model, multi, tmp_path):
    """Prevents a rule from being replaced in silence by thresholds of 0.5."""
    encoder = SentenceEncoder(tiny_model, name="tiny", device="cpu", precision="float32")
    by_rank = ZeroShotEmbeddingClassifier(encoder=encoder, top_k=1).fit(multi.texts, multi.labels)
    with pytest.raises(InputError, match="the most probable label applying cannot be exported"):
        export_classifier(by_rank, tmp_path / "out")
    by_threshold = ZeroShotEmbeddingClassifier(encoder=encoder, decision="per-label").fit(multi.texts, multi.labels)
    assert_same(export_classifier(by_threshold, tmp_path / "out").classifier, by_threshold, multi.test_texts)


def test_an_exported_one_is_not_exported_again(tiny_encoder, single, tmp_path):
    """Prevents a graph from being traced through ONNX Runtime."""
    probe = LinearProbeClassifier(encoder=tiny_encoder).fit(single.texts, single.labels)
    made = export_classifier(probe, tmp_path / "out").classifier
    with pytest.raises(InputError, match="exported already"):
        export_classifier(made, tmp_path / "again")


@pytest.mark.parametrize(
    ("arguments", "word"),
    [({"quantize": "int4"}, "Did you mean 'int8'"), ({"texts": []}, "must not be empty"), ({"texts": "x"}, "one str")],
)
def test_arguments_that_cannot_be(arguments, word, tiny_encoder, single, tmp_path):
    """Prevents work for nothing."""
    probe = LinearProbeClassifier(encoder=tiny_encoder).fit(single.texts, single.labels)
    with pytest.raises(InputError, match=word):
        export_classifier(probe, tmp_path / "out", **arguments)


def test_the_first_part_that_differs_is_named(tiny_model, single, tmp_path, monkeypatch):
    """Prevents a graph that holds on to what it was traced on from being written, and a search for the reason."""
    import torch

    probe = probe_of(tiny_model, single)
    monkeypatch.setattr(
        graphs.SentenceGraph,
        "parts",
        lambda self, features: {
            "token_embeddings": (made := self.model(dict(features)))["token_embeddings"],
            "embeddings": (vectors := made["sentence_embedding"] * float(features["attention_mask"].shape[1]) / 15),
            "logits": self.head(vectors),
        },
    )
    assert torch.is_grad_enabled()
    with pytest.raises(InputError, match=r"first part that differs: embeddings\. Nothing was written"):
        export_classifier(probe, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_tokens_that_differ_are_named(tiny_model, single, tmp_path, monkeypatch):
    """Prevents a tokenizer that reads otherwise without transformers from being blamed on the graph."""
    probe = probe_of(tiny_model, single)
    read = onnx_check.TokenReader.encode
    monkeypatch.setattr(
        onnx_check.TokenReader, "encode", lambda self, texts: read(self, [t.upper() + "!" for t in texts])
    )
    with pytest.raises(InputError, match="first part that differs: tokens"):
        export_classifier(probe, tmp_path / "out")


def test_weights_beside_the_graph(tiny_model, single, tmp_path, monkeypatch):
    """Prevents models of more than 2 GiB from failing, or weights from being looked for elsewhere."""
    monkeypatch.setattr(graphs, "WHOLE_GRAPH", 1000)
    probe = probe_of(tiny_model, single)
    export_classifier(probe, tmp_path / "out")
    assert (tmp_path / "out" / "model.onnx.data").stat().st_size > (tmp_path / "out" / "model.onnx").stat().st_size
    made = load_classifier(tmp_path / "out")
    assert_same(made, probe, single.test_texts)
    made.save(tmp_path / "again")
    assert_same(load_classifier(tmp_path / "again"), probe, single.test_texts)


def test_a_missing_extra_says_how_to_install_it(tiny_model, single, tmp_path, monkeypatch):
    """Prevents a bare ImportError."""
    import sys

    probe = probe_of(tiny_model, single)
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'fewshot\[onnx\]'"):
        export_classifier(probe, tmp_path / "out")


def test_the_original_and_the_random_state_stay_as_they_are(tiny_model, single, tmp_path):
    """Prevents an export that changes the attention, the device or the precision of the model in use."""
    import torch

    probe = probe_of(tiny_model, single)
    kind, before = tiny_model[0].model.config._attn_implementation, probe.predict_proba(single.test_texts)
    torch.manual_seed(5)
    state = torch.get_rng_state().clone()
    export_classifier(probe, tmp_path / "out")
    assert torch.equal(torch.get_rng_state(), state)
    assert tiny_model[0].model.config._attn_implementation == kind
    np.testing.assert_array_equal(probe.predict_proba(single.test_texts), before)
    assert isinstance(probe, LinearProbeClassifier)
    assert not isinstance(probe, ExportedClassifier)
