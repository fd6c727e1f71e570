"""A head that is fitted to rounded vectors: kept where it agrees no less, and refused where there is none to fit."""

import numpy as np
import pytest

pytest.importorskip("onnxruntime", reason="needs the extra onnx")

from fewshot.classifiers.loading import load_classifier
from fewshot.compression import head_refit
from fewshot.compression.onnx_export import export_classifier
from fewshot.compression.onnx_reduction import agreement
from fewshot.core.errors import InputError
from fewshot.heads.linear import LinearHead
from tests.compression.tiny_transformers import probe_of, sentence_model, sequence_of


@pytest.fixture(scope="module")
def probe(tiny_tokenizer, single, tmp_path_factory):
    """A tiny BERT with a linear head."""
    return probe_of(sentence_model("Bert", tiny_tokenizer, tmp_path_factory.mktemp("bert") / "bare"), single)


class Shifted:
    """An encoder whose vectors rounding moved, all in one direction."""

    def __init__(self, encoder):
        self.encoder = encoder

    def encode(self, texts):
        """Return moved vectors."""
        vectors = self.encoder.encode(texts)
        return vectors + 0.4 * np.linspace(-1, 1, vectors.shape[1], dtype=np.float32)


def test_a_refitted_head_agrees_more(probe, pool):
    """Prevents a head that is fitted to something else than the original's answers, or judged by what it learnt."""
    import copy

    reduced = copy.copy(probe)
    reduced.encoder_ = Shifted(probe.encoder_)
    made = head_refit.refit_head(probe, reduced, pool)
    report = made.report
    assert report["kept"]
    assert report["agreement"] > report["agreement_before"] + 0.1
    assert (report["n_fitted"], report["n_judged"]) == (60, 60)
    reduced.head_ = made.head
    found = agreement(probe, reduced, pool[1::2])["agreement"]
    assert found == pytest.approx(report["agreement"])


def test_a_worse_head_is_not_kept(probe, pool, monkeypatch):
    """Prevents a refit that costs what it should bring."""
    monkeypatch.setattr(
        head_refit,
        "fit_soft_linear",
        lambda X, *rest, near, **more: LinearHead(-near.coef, near.intercept, multi_label=False, C=1.0),
    )
    made = head_refit.refit_head(probe, probe, pool)
    assert made.head is None
    assert not made.report["kept"]
    assert made.report["agreement_before"] == 1.0


@pytest.mark.parametrize("quantize", ["int8", "int8-static"])
def test_the_graph_has_the_new_head(quantize, probe, pool, tmp_path, monkeypatch):
    """Prevents a graph that answers by the old head."""
    monkeypatch.setattr(
        head_refit,
        "fit_soft_linear",
        lambda X, *rest, near, **more: LinearHead(near.coef, near.intercept + 1e-3, multi_label=False, C=1.0),
    )
    pool = pool[:30]
    made = export_classifier(probe, tmp_path / "out", quantize=quantize, texts=pool, refit_head=True)
    assert made.report["refit"]["kept"]
    learnt = (
        "scales were found and the head was fitted on some" if "static" in quantize else "the head was fitted on some"
    )
    assert any(note.startswith(learnt) for note in made.report["notes"])
    opened = load_classifier(tmp_path / "out")
    np.testing.assert_allclose(opened.head_.intercept, probe.head_.intercept + 1e-3)
    vectors = opened.encoder_.encode(pool[:1])
    expected = opened.probabilities_from(opened.head_input(vectors))
    np.testing.assert_allclose(opened.predict_proba(pool[:1]), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"quantize": "int8"}, "refit_head learns from texts"),
        ({"quantize": "int8", "texts": ["a text"] * 30}, "20 different texts at least"),
        ({"quantize": "float16", "texts": ["a"]}, "goes with quantize='int8' or 'int8-static'"),
        ({"texts": ["a"]}, "goes with quantize"),
    ],
)
def test_what_cannot_be_refitted_is_refused(options, message, probe, tmp_path):
    """Prevents a head that is judged by what it learnt from, and work for nothing."""
    with pytest.raises(InputError, match=message):
        export_classifier(probe, tmp_path / "out", refit_head=True, **options)
    assert not (tmp_path / "out").exists()


def test_a_classifier_without_a_separate_head_is_refused(tiny_tokenizer, pool, tmp_path):
    """Prevents a refit of something that is no head."""
    classifier = sequence_of("Bert", tiny_tokenizer, ("a", "b"))
    with pytest.raises(InputError, match="takes a classifier with a head after a vector"):
        export_classifier(classifier, tmp_path / "out", quantize="int8", texts=pool, refit_head=True)
