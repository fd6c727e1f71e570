"""Weights of fewer bits: smaller files, nearly the same answers, and what differs is told."""

import json

import numpy as np
import pytest

pytest.importorskip("onnxruntime", reason="needs the extra onnx")

import onnx

from fewshot.classifiers.loading import load_classifier
from fewshot.compression.onnx_export import agreement, export_classifier
from fewshot.core.errors import InputError
from tests.compression.tiny_transformers import CONFIGS, probe_of, sentence_model, sequence_of


def weight_bytes(folder):
    """What a graph's weights take; what else there is of a graph counts in tiny ones alone."""
    return sum(len(one.raw_data) for one in onnx.load(str(folder / "model.onnx")).graph.initializer)


def operators(folder):
    """The operators of a graph."""
    return [node.op_type for node in onnx.load(str(folder / "model.onnx")).graph.node]


COMMON = {"Bert", "MPNet", "ModernBert"}
"""The others wait for ``make test-long``."""


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=[] if kind in COMMON else pytest.mark.long) for kind in CONFIGS]
)
def test_int8_of_every_kind(kind, tiny_tokenizer, single, tmp_path):
    """Prevents a graph in which nothing was quantized, or the last layer was, and answers that are other ones."""
    probe = probe_of(sentence_model(kind, tiny_tokenizer, tmp_path / "bare"), single)
    whole = export_classifier(probe, tmp_path / "whole")
    made = export_classifier(probe, tmp_path / "small", quantize="int8", texts=single.test_texts)
    assert weight_bytes(tmp_path / "small") < 0.6 * weight_bytes(tmp_path / "whole")
    found = operators(tmp_path / "small")
    assert found.count("MatMulInteger") >= 6
    assert {"Gemm", "MatMul"} & set(found)
    arrays = {one.name: one.data_type for one in onnx.load(str(tmp_path / "small" / "model.onnx")).graph.initializer}
    assert onnx.TensorProto.FLOAT in [kind for name, kind in arrays.items() if "head" in name and "weight" in name]
    texts = single.test_texts
    before, after = whole.classifier.predict_proba(texts), made.classifier.predict_proba(texts)
    assert not np.array_equal(before, after)
    assert np.median(np.abs(before - after)) < 0.1
    assert made.report["agreement"] == pytest.approx(
        np.mean(whole.classifier.predict(texts) == made.classifier.predict(texts))
    )
    assert made.report["largest_difference"] == pytest.approx(np.abs(before - after).max())


def test_columns_have_scales_of_their_own(tiny_tokenizer, single, tmp_path):
    """Prevents one scale a matrix, which loses three times as much."""
    probe = probe_of(sentence_model("Bert", tiny_tokenizer, tmp_path / "bare"), single)
    export_classifier(probe, tmp_path / "small", quantize="int8")
    proto = onnx.load(str(tmp_path / "small" / "model.onnx"))
    arrays = {one.name: onnx.numpy_helper.to_array(one) for one in proto.graph.initializer}
    scales = [array for name, array in arrays.items() if name.endswith("_scale") and "MatMul" in name]
    assert scales
    assert all(array.ndim == 1 and len(array) >= 32 for array in scales)


@pytest.mark.parametrize("kind", ["Bert", "MPNet", "Roberta"])
def test_sequence_classifiers(kind, tiny_tokenizer, single, tmp_path):
    """Prevents the layer that gives the classes from being rounded, wherever a model keeps it."""
    classifier = sequence_of(kind, tiny_tokenizer, ("a", "b", "c"))
    made = export_classifier(classifier, tmp_path / "small", quantize="int8", texts=single.test_texts)
    assert operators(tmp_path / "small").count("MatMulInteger") >= 6
    proto = onnx.load(str(tmp_path / "small" / "model.onnx"))
    last = [node for node in proto.graph.node if node.op_type in ("Gemm", "MatMul")][-1]
    shapes = {one.name: list(one.dims) for one in proto.graph.initializer}
    assert 3 in shapes[last.input[1]]
    assert made.report["agreement"] >= 0.5


def test_float16_halves_and_keeps_the_labels(tiny_tokenizer, single, tmp_path):
    """Prevents float16 outputs, and a mask that is no longer one."""
    probe = probe_of(sentence_model("Bert", tiny_tokenizer, tmp_path / "bare"), single)
    export_classifier(probe, tmp_path / "whole")
    made = export_classifier(probe, tmp_path / "half", quantize="float16", texts=single.test_texts)
    assert weight_bytes(tmp_path / "half") == pytest.approx(weight_bytes(tmp_path / "whole") / 2, rel=0.02)
    assert made.report["agreement"] == 1.0
    np.testing.assert_allclose(
        made.classifier.predict_proba(single.test_texts), probe.predict_proba(single.test_texts), atol=0.02
    )


def test_the_report_and_the_card_tell_it(tiny_tokenizer, single, tmp_path):
    """Prevents a loss that nobody is told of: on whose texts it was counted, and that batches matter."""
    probe = probe_of(sentence_model("Bert", tiny_tokenizer, tmp_path / "bare"), single)
    report = export_classifier(probe, tmp_path / "small", quantize="int8").report
    assert report["float32_difference"] <= 1e-4
    assert "built-in texts" in report["notes"][0]
    assert "rounded by one scale a batch" in report["notes"][1]
    assert json.loads((tmp_path / "small" / "fewshot.json").read_text())["settings"]["export"] == report
    card = (tmp_path / "small" / "README.md").read_text()
    assert "- weights: int8" in card
    assert "rounded by one scale a batch" in card
    assert load_classifier(tmp_path / "small").report_ == report


def test_agreement_counts_sets_of_labels(tiny_tokenizer, multi, tmp_path):
    """Prevents a text from counting as agreed on where one of its labels was lost."""
    probe = probe_of(sentence_model("Bert", tiny_tokenizer, tmp_path / "bare"), multi)
    made = export_classifier(probe, tmp_path / "small", quantize="int8", texts=multi.test_texts)
    same = [
        a == b for a, b in zip(probe.predict(multi.test_texts), made.classifier.predict(multi.test_texts), strict=True)
    ]
    assert made.report["agreement"] == pytest.approx(np.mean(same), abs=0.04)
    assert agreement(probe, probe, multi.test_texts) == {"agreement": 1.0, "largest_difference": 0.0}


def test_what_is_too_large_is_refused(tiny_tokenizer, single, tmp_path, monkeypatch):
    """Prevents an error of protocol buffers after minutes of work."""
    from fewshot.compression import onnx_quantize

    monkeypatch.setattr(onnx_quantize, "WHOLE_GRAPH", 1000)
    probe = probe_of(sentence_model("Bert", tiny_tokenizer, tmp_path / "bare"), single)
    with pytest.raises(InputError, match="too large to be quantized"):
        export_classifier(probe, tmp_path / "small", quantize="int8")
    assert not (tmp_path / "small").exists()
