"""Classifiers on a token table: their export rounds the table and needs no torch either."""

import numpy as np
import pytest

from fewshot.classifiers.knn import KNNClassifier
from fewshot.classifiers.linear_probe import LinearProbeClassifier
from fewshot.classifiers.loading import load_classifier
from fewshot.compression.onnx_export import export_classifier
from fewshot.core.artifacts import folder_bytes
from fewshot.core.errors import InputError


@pytest.mark.parametrize("task", ["single", "multi"])
def test_int8_table(task, tiny_static, tmp_path, request):
    """Prevents the table from being kept twice, and a loss that is not told."""
    toy = request.getfixturevalue(task)
    probe = LinearProbeClassifier(tiny_static).fit(toy.texts, toy.labels)
    probe.save(tmp_path / "before")
    made = export_classifier(probe, tmp_path / "small", quantize="int8", texts=toy.test_texts)
    assert made.report["precision"] == "int8"
    assert made.report["agreement"] >= 0.9
    assert 0 < made.report["largest_difference"] < 0.05
    assert not (tmp_path / "small" / "model.safetensors").exists()
    files = [sum(f.stat().st_size for f in (tmp_path / name).glob("*.safetensors")) for name in ("before", "small")]
    assert files[1] < files[0]
    assert folder_bytes(tmp_path / "small") < folder_bytes(tmp_path / "before")
    loaded = load_classifier(tmp_path / "small")
    assert type(loaded) is LinearProbeClassifier
    np.testing.assert_array_equal(loaded.predict_proba(toy.test_texts), made.classifier.predict_proba(toy.test_texts))
    assert "int8 table" in (tmp_path / "small" / "README.md").read_text()
    assert probe.encoder_.table_dtype == "float16"


def test_as_it_is(tiny_static, single, tmp_path):
    """Prevents an export that changes what was not asked to be."""
    probe = LinearProbeClassifier(tiny_static).fit(single.texts, single.labels)
    made = export_classifier(probe, tmp_path / "out")
    assert (made.report["precision"], made.report["agreement"], made.report["largest_difference"]) == ("float16", 1, 0)
    np.testing.assert_array_equal(
        made.classifier.predict_proba(single.test_texts), probe.predict_proba(single.test_texts)
    )


def test_neighbours_are_refused(tiny_static, single, tmp_path):
    """Prevents a table that is rounded beneath vectors that were not."""
    classifier = KNNClassifier(tiny_static).fit(single.texts, single.labels)
    with pytest.raises(InputError, match="it has no linear head"):
        export_classifier(classifier, tmp_path / "out", quantize="int8")
    assert not (tmp_path / "out").exists()
