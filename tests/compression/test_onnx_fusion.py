"""Fused operators: written where attention is found and the answers stay, and else not."""

import pytest

pytest.importorskip("onnxruntime", reason="needs the extra onnx")

from fewshot.compression import onnx_fusion, onnx_reduction
from fewshot.compression.onnx_export import export_classifier
from tests.compression.test_onnx_quantize import operators
from tests.compression.tiny_transformers import probe_of, sentence_model


@pytest.fixture(scope="module")
def probe(tiny_tokenizer, single, tmp_path_factory):
    """A tiny BERT with a linear head."""
    return probe_of(sentence_model("Bert", tiny_tokenizer, tmp_path_factory.mktemp("bert") / "bare"), single)


def test_attention_is_one_operator(probe, single, tmp_path):
    """Prevents int8 graphs that are slower than they need be, and weights of attention that stay whole."""
    report = export_classifier(probe, tmp_path / "out", quantize="int8", texts=single.test_texts).report
    found = operators(tmp_path / "out")
    assert report["fused"]
    assert (found.count("QAttention"), found.count("Attention"), found.count("Softmax")) == (2, 0, 1)
    assert {"SkipLayerNormalization", "BiasGelu", "MatMulInteger"} <= set(found)
    assert report["agreement"] >= 0.9


@pytest.mark.parametrize("kind", ["MPNet", "ModernBert"])
def test_where_nothing_is_found_the_graph_stays(kind, tiny_tokenizer, single, tmp_path):
    """Prevents a pattern that half fits from being taken for attention."""
    probe = probe_of(sentence_model(kind, tiny_tokenizer, tmp_path / "bare"), single)
    assert not export_classifier(probe, tmp_path / "out", quantize="int8").report["fused"]


@pytest.mark.parametrize("failure", ["other answers", "an error"])
def test_what_fails_is_left_out(failure, probe, tmp_path, monkeypatch):
    """Prevents a fused graph that answers otherwise, and an export that fails for want of a mere speed-up."""

    def fail(*arguments, **options):
        raise AttributeError("half a pattern")

    if failure == "an error":
        optimizer = pytest.importorskip("onnxruntime.transformers.optimizer")
        monkeypatch.setattr(optimizer, "optimize_model", fail)
        (tmp_path / "fused").mkdir()
        whole = export_classifier(probe, tmp_path / "whole")
        assert whole.report["agreement"] == 1.0
        assert not onnx_fusion.fuse(tmp_path / "whole", tmp_path / "fused", heads=2, width=32)
        assert not list((tmp_path / "fused").iterdir())
        return
    monkeypatch.setattr(onnx_reduction, "is_equal", lambda *arguments: False)
    report = export_classifier(probe, tmp_path / "out", quantize="int8").report
    assert not report["fused"]
    assert "QAttention" not in operators(tmp_path / "out")
