"""Exported classifiers predict without torch; a folder that was tampered with is refused."""

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("onnxruntime", reason="needs the extra onnx")

from fewshot.classifiers.exported import ExportedClassifier, ExportedSequenceClassifier
from fewshot.classifiers.linear_probe import LinearProbeClassifier
from fewshot.classifiers.loading import load_classifier
from fewshot.compression.onnx_export import export_classifier
from fewshot.core.artifacts import sha256_file
from fewshot.core.errors import InputError, MissingExtraError, ModelFormatError
from fewshot.recipes.model_size import count_parameters
from tests.distillation.logit_cases import make_classifier, make_tokenizer
from tests.jobs import ROOT


@pytest.fixture(scope="module")
def saved(tmp_path_factory, single, tiny_encoder, tiny_tokenizer):
    """One exported model of each kind."""
    parent = tmp_path_factory.mktemp("exported")
    export_classifier(LinearProbeClassifier(tiny_encoder).fit(single.texts, single.labels), parent / "head")
    sequence = make_classifier(make_tokenizer(tiny_tokenizer), ("billing", "delivery", "login"))
    export_classifier(sequence, parent / "sequence")
    return parent


@pytest.fixture(params=["head", "sequence"])
def folder(saved, tmp_path, request):
    """A copy, to damage it."""
    return shutil.copytree(saved / request.param, tmp_path / "model")


def refused(folder):
    """Load a folder that must be refused; return the message, which is one line."""
    with pytest.raises(ModelFormatError) as raised:
        load_classifier(folder)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def change(folder, **entries):
    """Replace entries of ``onnx.json``; ``...`` removes one."""
    listing = json.loads((folder / "onnx.json").read_text()) | entries
    (folder / "onnx.json").write_text(json.dumps({k: v for k, v in listing.items() if v is not ...}))
    marker = json.loads((folder / "fewshot.json").read_text())
    marker["files"]["onnx.json"] = sha256_file(folder / "onnx.json")
    (folder / "fewshot.json").write_text(json.dumps(marker))


def relist(folder, *names):
    """Enter files as they are into ``onnx.json``, as one would who tampers with both."""
    files = json.loads((folder / "onnx.json").read_text())["files"]
    for name in names:
        files[name] = {"bytes": (folder / name).stat().st_size, "sha256": sha256_file(folder / name)}
    change(folder, files=files)


SCRIPT = """
import json, sys
folder, texts = json.loads(sys.stdin.read())
from fewshot import load_classifier
classifier = load_classifier(folder)
probabilities = classifier.predict_proba(texts).tolist()
unwanted = {"torch", "transformers", "sentence_transformers", "onnx", "datasets", "setfit", "faiss", "sklearn"}
unwanted |= {"scipy", "pandas", "pyarrow", "matplotlib", "joblib", "rich", "typer", "huggingface_hub"}
print(json.dumps([probabilities, classifier.predict(texts).tolist(), sorted(unwanted & set(sys.modules))]))
"""


def test_neither_torch_nor_transformers_is_loaded(folder, single):
    """Prevents a start of ten seconds, and a gigabyte of packages where one graph is to be served."""
    given = json.dumps([str(folder), single.test_texts])
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        input=given,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    probabilities, labels, unwanted = json.loads(done.stdout.splitlines()[-1])
    here = load_classifier(folder)
    np.testing.assert_allclose(probabilities, here.predict_proba(single.test_texts), atol=1e-6)
    assert labels == here.predict(single.test_texts).tolist()
    assert unwanted == []


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json", "onnx.json"])
@pytest.mark.parametrize(
    "damage",
    [
        lambda file: file.write_bytes(file.read_bytes()[: file.stat().st_size // 2]),
        lambda file: file.write_bytes(b""),
        lambda file: file.unlink(),
        lambda file: file.write_bytes(file.read_bytes()[:-1] + b"\x01"),
    ],
)
def test_damaged_files(folder, name, damage):
    """Prevents a traceback of an engine, or answers of another model, after a copy that was interrupted."""
    damage(folder / name)
    refused(folder)


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json"])
def test_another_file_of_the_same_size(folder, name):
    """Prevents a model from being exchanged unnoticed."""
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)
    assert "SHA-256 differs" in refused(folder)


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json"])
def test_a_link_is_not_followed(folder, name, tmp_path):
    """Prevents a folder from reading files of the user's disk."""
    shutil.move(folder / name, tmp_path / "elsewhere")
    (folder / name).symlink_to(tmp_path / "elsewhere")
    assert "is a link" in refused(folder)


def test_weights_from_outside(folder, tmp_path):
    """Prevents the same by a graph whose weights lie elsewhere, in a folder that lists what it holds."""
    onnx = pytest.importorskip("onnx")
    proto = onnx.load(str(folder / "model.onnx"))
    (tmp_path / "secret.bin").write_bytes(b"\0" * 10_000_000)
    tensor = max(proto.graph.initializer, key=lambda one: len(one.raw_data))
    size = len(tensor.raw_data)
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    for key, value in {"location": "../secret.bin", "length": str(size)}.items():
        entry = tensor.external_data.add()
        entry.key, entry.value = key, value
    (folder / "model.onnx").write_bytes(proto.SerializeToString())
    relist(folder, "model.onnx")
    assert "wants weights from '../secret.bin'" in refused(folder)


def test_a_graph_of_something_else(folder):
    """Prevents a KeyError where the graph is whole and takes other inputs."""
    onnx = pytest.importorskip("onnx")
    node = onnx.helper.make_node("Identity", ["x"], ["y"])
    places = [onnx.helper.make_tensor_value_info(name, 1, [1]) for name in "xy"]
    made = onnx.helper.make_model(
        onnx.helper.make_graph([node], "g", places[:1], places[1:]),
        opset_imports=[onnx.helper.make_opsetid("", 17)],
        ir_version=8,
    )
    (folder / "model.onnx").write_bytes(made.SerializeToString())
    relist(folder, "model.onnx")
    assert "does not fit the graph" in refused(folder)


@pytest.mark.parametrize(
    "entries",
    [
        {"format": 99},
        {"format": "1"},
        {"format": ...},
        {"precision": "int3"},
        {"inputs": ...},
        {"inputs": [3]},
        {"inputs": "input_ids"},
        {"outputs": {"probabilities": 3.5}},
        {"outputs": {"probabilities": 2**40}},
        {"outputs": []},
        {"outputs": {}},
        {"long_texts": "burn"},
        {"max_chunks": 0},
        {"tokens": {}},
        {"files": {}},
        {"files": None},
        {"unknown": 1},
    ],
)
def test_a_damaged_listing(folder, entries):
    """Prevents a TypeError on a listing that was changed by hand."""
    change(folder, **entries)
    assert "is not as it was written" not in refused(folder)


@pytest.mark.parametrize("size", [2**33, -1, 1.5, None])
def test_an_absurd_size_is_not_read(folder, size):
    """Prevents memory from being filled with what a listing promises."""
    files = json.loads((folder / "onnx.json").read_text())["files"]
    files["model.onnx"]["bytes"] = size
    change(folder, files=files)
    refused(folder)


def test_other_classes_than_the_graph_has(folder):
    """Prevents labels that are one column off."""
    listing = json.loads((folder / "fewshot.json").read_text())
    listing["classes"].append("zebra")
    (folder / "fewshot.json").write_text(json.dumps(listing))
    refused(folder)


def test_the_files_went_away_before_saving(folder, tmp_path):
    """Prevents half a copy where the folder that a model was opened from was replaced."""
    opened = load_classifier(folder)
    shutil.rmtree(folder)
    with pytest.raises(ModelFormatError, match=r"tokenizer.json is missing|model.onnx is missing"):
        opened.save(tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


def test_saving_over_itself(folder, single):
    """Prevents a model that is lost when it is saved where it lies."""
    opened = load_classifier(folder)
    before = opened.predict_proba(single.test_texts)
    opened.save(folder)
    np.testing.assert_array_equal(load_classifier(folder).predict_proba(single.test_texts), before)


def test_it_knows_how_many_numbers_the_original_had_learnt(saved, tiny_encoder):
    """Prevents a graph that looks four thousand times smaller than its model, as its head alone can be looked into."""
    head = count_parameters(load_classifier(saved / "head"))
    assert head == sum(weights.numel() for weights in tiny_encoder.model.parameters()) + 3 * (
        tiny_encoder.dimension + 1
    )


def test_a_fusion_that_slows_is_left_out(tiny_encoder, single, tmp_path, monkeypatch):
    """Prevents sum and norm in one, which took 11 % of the time of a text, from coming back under another name."""
    onnx, runtime = pytest.importorskip("onnx"), pytest.importorskip("onnxruntime")
    start = runtime.InferenceSession
    probe = LinearProbeClassifier(tiny_encoder).fit(single.texts, single.labels)
    export_classifier(probe, tmp_path / "int8", quantize="int8")

    def operators(name, **changes):
        def write_down(graph, options, **given):
            options.optimized_model_filepath = str(tmp_path / name)
            return start(graph, options, **given | changes)

        monkeypatch.setattr(runtime, "InferenceSession", write_down)
        ExportedClassifier.load(tmp_path / "int8")
        return {node.op_type for node in onnx.load(str(tmp_path / name)).graph.node}

    assert "SkipLayerNormalization" in operators("all.onnx", disabled_optimizers=())
    assert "SkipLayerNormalization" not in operators("ours.onnx")


def test_threads_and_devices(saved, single):
    """Prevents a setting that is not passed on, and devices that are not there from being taken for granted."""
    two = ExportedClassifier.load(saved / "head", threads=2)
    assert two.threads == 2
    assert two.encoder_.model._session.get_session_options().intra_op_num_threads == 2
    one = ExportedSequenceClassifier.load(saved / "sequence", threads=1)
    assert one._model._session.get_session_options().intra_op_num_threads == 1
    with pytest.raises(InputError, match="threads must be at least 1"):
        ExportedClassifier.load(saved / "head", threads=0)
    before = two.predict_proba(single.test_texts)
    two.set_threads(1)
    assert two.encoder_.model._session.get_session_options().intra_op_num_threads == two.threads == 1
    np.testing.assert_allclose(two.predict_proba(single.test_texts), before, atol=1e-6)
    with pytest.raises(InputError, match="threads must be at least 1"):
        two.set_threads(0)
    with pytest.raises(InputError, match="'tpu' is not available to ONNX Runtime"):
        load_classifier(saved / "head", device="tpu")
    with pytest.raises(ModelFormatError, match="holds a 'exported-sequence'"):
        ExportedClassifier.load(saved / "sequence")
    assert two.score(single.texts, single.labels) > 0.6


def test_without_the_engine(saved, monkeypatch):
    """Prevents a bare ImportError where ONNX Runtime is not installed."""
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'fewshot\[onnx\]'"):
        load_classifier(saved / "head")


def test_the_card_says_what_it_is(folder):
    """Prevents a model whose origin nobody knows; it holds no path."""
    card = (folder / "README.md").read_text()
    assert "## Exported" in card
    assert "- weights: float32" in card
    assert "the same labels on 100.0 %" in card
    assert str(folder.parent) not in card + (folder / "fewshot.json").read_text()


def test_thresholds_of_a_sequence_classifier(tiny_tokenizer, multi, tmp_path):
    """Prevents thresholds that are set after the export from being lost when it is saved."""
    classifier = make_classifier(make_tokenizer(tiny_tokenizer), ("billing", "delivery", "login"), multi_label=True)
    made = export_classifier(classifier, tmp_path / "out").classifier
    made.set_thresholds([0.1, 0.5, 0.9]).save(tmp_path / "again")
    assert load_classifier(tmp_path / "again").threshold_.tolist() == [0.1, 0.5, 0.9]
