"""Static int8: scales that texts decide beforehand, so that no text's answer depends on its neighbors."""

import json

import numpy as np
import pytest

pytest.importorskip("onnxruntime", reason="needs the extra onnx")

import onnx

from fewshot.classifiers.loading import load_classifier
from fewshot.compression import onnx_reduction, onnx_static
from fewshot.compression.onnx_export import export_classifier
from fewshot.core.errors import InputError
from tests.compression.test_onnx_quantize import operators, weight_bytes
from tests.compression.tiny_transformers import probe_of, sentence_model, sequence_of


@pytest.fixture(scope="module")
def probe(tiny_tokenizer, single, tmp_path_factory):
    """A tiny BERT with a linear head."""
    return probe_of(sentence_model("Bert", tiny_tokenizer, tmp_path_factory.mktemp("bert") / "bare"), single)


@pytest.fixture(scope="module")
def made(probe, pool, tmp_path_factory):
    """It as int8, with scales from the pool; and its folder."""
    folder = tmp_path_factory.mktemp("static") / "out"
    return export_classifier(probe, folder, quantize="int8-static", texts=pool), folder


def test_no_text_depends_on_its_neighbors(made, pool):
    """Prevents scales that are found in each batch after all, as those of dynamic int8 are."""
    exported = load_classifier(made[1])
    together = exported.predict_proba(pool)
    alone = np.concatenate([exported.predict_proba([text]) for text in pool[:40]])
    np.testing.assert_allclose(together[:40], alone, atol=1e-6)
    assert "DynamicQuantizeLinear" not in operators(made[1])


def test_what_is_written_and_told(made, probe, pool):
    """Prevents a graph in which the last layer or nothing was rounded, and a loss that nobody is told of."""
    report, folder = made[0].report, made[1]
    listing, record = (json.loads((folder / name).read_text()) for name in ("onnx.json", "fewshot.json"))
    assert report["precision"] == listing["precision"] == "int8-static"
    assert record["settings"]["export"] == report
    assert not any("batch" in note for note in report["notes"])
    calibration = report["calibration"]
    assert calibration["agreement"].keys() == onnx_static.METHODS.keys()
    assert calibration["agreement"][calibration["method"]] == max(calibration["agreement"].values())
    assert (calibration["n_texts"], calibration["n_judged"]) == (len(pool), len(pool))  # too few for both
    assert report["agreement"] >= 0.9
    proto = onnx.load(str(folder / "model.onnx"))
    kinds = {one.name: one.data_type for one in proto.graph.initializer}
    [head] = [node for node in proto.graph.node if node.op_type == "Gemm"]
    assert kinds[head.input[1]] == onnx.TensorProto.FLOAT
    assert sum(kind == onnx.TensorProto.INT8 for kind in kinds.values()) > 12


@pytest.mark.parametrize("kind", ["MPNet", pytest.param("DebertaV2", marks=pytest.mark.long), "ModernBert"])
def test_every_kind_of_transformer(kind, tiny_tokenizer, single, pool, tmp_path, monkeypatch):
    """Prevents a kind whose graph cannot be calibrated, or answers otherwise then."""
    monkeypatch.setattr(onnx_reduction, "CALIBRATION_TEXTS", 30)
    monkeypatch.setattr(onnx_reduction, "METHODS", {"minmax": {}})
    probe = probe_of(sentence_model(kind, tiny_tokenizer, tmp_path / "bare"), single)
    made = export_classifier(probe, tmp_path / "out", quantize="int8-static", texts=pool[:60])
    assert made.report["agreement"] >= 0.75
    assert made.report["calibration"]["n_texts"] == made.report["calibration"]["n_judged"] == 30
    assert weight_bytes(tmp_path / "out") < 0.6 * 4 * made.report["n_parameters"]


def test_a_sequence_classifier(tiny_tokenizer, pool, tmp_path, monkeypatch):
    """Prevents static int8 from being for vectors alone."""
    monkeypatch.setattr(onnx_reduction, "METHODS", {"minmax": {}})
    classifier = sequence_of("DistilBert", tiny_tokenizer, ("a", "b", "c"))
    report = export_classifier(classifier, tmp_path / "out", quantize="int8-static", texts=pool[:40]).report
    assert report["agreement"] >= 0.9


def test_same_texts_same_file(probe, pool, tmp_path, monkeypatch):
    """Prevents a calibration that chance decides."""
    monkeypatch.setattr(onnx_reduction, "METHODS", {"percentile": {}})
    for name in ("one", "two"):
        export_classifier(probe, tmp_path / name, quantize="int8-static", texts=pool[:12])
    assert (tmp_path / "one" / "model.onnx").read_bytes() == (tmp_path / "two" / "model.onnx").read_bytes()


def test_without_texts_it_is_refused(probe, tiny_static, single, tmp_path):
    """Prevents scales from texts of another kind, and a table that is asked for what it has no use for."""
    from fewshot.classifiers.linear_probe import LinearProbeClassifier

    with pytest.raises(InputError, match="int8-static finds its scales on texts"):
        export_classifier(probe, tmp_path / "out", quantize="int8-static")
    table = LinearProbeClassifier(encoder=tiny_static).fit(single.texts, single.labels)
    with pytest.raises(InputError, match="a token table has no scales"):
        export_classifier(table, tmp_path / "out", quantize="int8-static", texts=single.texts)
    assert not (tmp_path / "out").exists()
