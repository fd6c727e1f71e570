"""Model directories that are damaged, foreign or hostile are refused in one line, and nothing in them is executed."""

import json
import os
import pickle
import shutil

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from fewshot.classifiers.knn import KNNClassifier
from fewshot.classifiers.linear_probe import LinearProbeClassifier
from fewshot.classifiers.loading import KINDS, load_classifier
from fewshot.classifiers.naive_bayes import NaiveBayesClassifier
from fewshot.classifiers.setfit import SetFitClassifier
from fewshot.core.errors import InputError, ModelFormatError, SourceNotFoundError
from tests.classifiers.resealed import reseal
from tests.distillation.logit_cases import make_classifier, make_tokenizer


@pytest.fixture(scope="session")
def saved(tmp_path_factory, single, tiny_encoder, tiny_static, tiny_tokenizer):
    """One saved model a kind of folder: without an encoder, with one, with a token table, a transformer with a head."""
    parent = tmp_path_factory.mktemp("saved")
    classifiers = {
        "plain": NaiveBayesClassifier(),
        "sentence": LinearProbeClassifier(encoder=tiny_encoder),
        "static": KNNClassifier(encoder=tiny_static),
    }
    classifiers["neighbors"] = SetFitClassifier(encoder=tiny_encoder, head="knn", steps=0, folds=0)
    for name, classifier in classifiers.items():
        classifier.fit(single.texts, single.labels).save(parent / name)
    make_classifier(make_tokenizer(tiny_tokenizer), ("billing", "delivery", "login")).save(parent / "sequence")
    return parent


@pytest.fixture
def copied(saved, tmp_path):
    """Copy a saved model, to damage it."""

    def copy(name):
        return shutil.copytree(saved / name, tmp_path / name)

    return copy


def refused(folder, error=ModelFormatError):
    """Load a folder that must be refused; return the message, which is one line."""
    with pytest.raises(error) as raised:
        load_classifier(folder, device="cpu")
    message = str(raised.value)
    assert "\n" not in message
    return message


def change(folder, **entries):
    """Replace entries of ``fewshot.json``; ``...`` removes one."""
    listing = json.loads((folder / "fewshot.json").read_text()) | entries
    (folder / "fewshot.json").write_text(json.dumps({k: v for k, v in listing.items() if v is not ...}))


def truncate(file):
    """Cut a file in half, as a copy that was interrupted."""
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def test_no_folder_names_its_neighbours(saved):
    """Prevents a bare FileNotFoundError where the name was misspelt."""
    assert "Did you mean 'static'?" in refused(saved / "statik", SourceNotFoundError)
    assert "no model folder" in refused(saved / "nowhere" / "at all", SourceNotFoundError)


def test_a_file_is_no_folder(tmp_path):
    """Prevents reading any file that happens to be named."""
    (tmp_path / "model").write_text("x")
    refused(tmp_path / "model", SourceNotFoundError)


def test_a_folder_of_others_is_named_as_such(tiny_folder, tmp_path):
    """Prevents a KeyError on a sentence-transformers folder that holds no classifier."""
    assert "it has no fewshot.json" in refused(tiny_folder)
    assert "it has no fewshot.json" in refused(tmp_path)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"{}", b'{"format": "1"}', b"\xff\xfe"])
def test_damaged_listing(copied, content):
    """Prevents a traceback of the JSON parser from reaching the user."""
    folder = copied("plain")
    (folder / "fewshot.json").write_bytes(content)
    assert "fewshot.json" in refused(folder)


def test_a_later_format_says_update(copied):
    """Prevents a model of a later version from being read wrong in silence."""
    folder = copied("plain")
    change(folder, format=99)
    assert "this version reads up to 1; update" in refused(folder)


@pytest.mark.parametrize("kind", ["transformer-of-tomorrow", None, [], {"a": 1}, 3])
def test_unknown_kind(copied, kind):
    """Prevents a TypeError, or a guess, where the kind is not one of ours."""
    folder = copied("plain")
    change(folder, kind=kind)
    assert f"this version knows {', '.join(sorted(KINDS))}" in refused(folder)


@pytest.mark.parametrize("name", ["plain", "sentence", "static", "sequence"])
@pytest.mark.parametrize("entry", ["params", "classes", "settings", "multi_label", "encoder", "kind"])
def test_a_missing_entry(copied, name, entry):
    """Prevents a bare KeyError where a listing was edited by hand."""
    folder = copied(name)
    change(folder, **{entry: ...})
    assert "damaged" in refused(folder)


@pytest.mark.parametrize(
    "entries", [{"params": 5}, {"params": {"foo": 1}}, {"classes": 7}, {"settings": 3}, {"settings": {}}]
)
def test_entries_of_a_wrong_type(copied, entries):
    """Prevents a TypeError from a constructor in place of a word about the folder."""
    folder = copied("plain")
    change(folder, **entries)
    assert "damaged" in refused(folder)


@pytest.mark.parametrize("name", ["plain", "sentence", "static", "sequence"])
@pytest.mark.parametrize(
    "classes",
    [
        [],
        ["billing", "delivery"],
        ["billing", "delivery", "login", "other"],
        ["billing", "billing", "login"],
        ["billing", "delivery", 3],
        ["billing", "delivery", None],
        [True, False, 2],
        [["billing"], ["delivery"], ["login"]],
    ],
)
def test_classes_that_no_head_answers_for(copied, name, classes):
    """Prevents answers under the names of other classes, or an IndexError at the first prediction."""
    folder = copied(name)
    change(folder, classes=classes)
    assert "damaged" in refused(folder)


@pytest.mark.parametrize("name", ["plain", "sentence", "static", "sequence"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_numbers_that_are_not_finite(copied, name, value):
    """Prevents one class for all texts, which is what an argmax makes of NaN."""
    folder = copied(name)
    arrays = load_file(folder / "head.safetensors")
    numbers = next(key for key in sorted(arrays) if arrays[key].dtype.kind == "f" and arrays[key].size)
    arrays[numbers] = arrays[numbers].copy()
    arrays[numbers].flat[0] = value
    save_file(arrays, folder / "head.safetensors")
    reseal(folder)
    assert f"not finite, in '{numbers}'" in refused(folder)


@pytest.mark.parametrize("name", ["sentence", "static", "neighbors"])
@pytest.mark.parametrize("threshold", [np.nan, np.inf, -0.1, 1.5, [0.5, np.nan, 0.5]])
def test_a_threshold_that_is_none(copied, name, threshold):
    """Prevents labels that apply always or never, without a word."""
    folder = copied(name)
    change(folder, settings=json.loads((folder / "fewshot.json").read_text())["settings"] | {"threshold": threshold})
    assert "its threshold is" in refused(folder)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("temperature", np.nan),
        ("temperature", np.inf),
        ("temperature", -1),
        ("bias", np.inf),
        ("scope_threshold", np.nan),
    ],
)
def test_a_setting_of_a_head_that_none_is_fitted_to(copied, setting, value):
    """Prevents one class for all texts, or the least likely one."""
    folder = copied("neighbors")
    settings = json.loads((folder / "fewshot.json").read_text())["settings"]
    assert setting in settings
    change(folder, settings=settings | {setting: value})
    assert "damaged" in refused(folder)


def test_a_head_of_another_encoder(copied):
    """Prevents a ValueError of a product of matrices at the first prediction."""
    folder = copied("sentence")
    arrays = load_file(folder / "head.safetensors")
    save_file(arrays | {"coef": arrays["coef"][:, 1:].copy()}, folder / "head.safetensors")
    reseal(folder)
    assert "damaged" in refused(folder)


@pytest.mark.parametrize(
    "entries", [{"encoder": [1]}, {"encoder": "tiny"}, {"settings": {"k": np.inf, "threshold": 0.5, "report": {}}}]
)
def test_settings_that_none_writes(copied, entries):
    """Prevents an AttributeError or OverflowError from reaching the user."""
    folder = copied("static")
    change(folder, **entries)
    assert "damaged" in refused(folder)


@pytest.mark.parametrize("name", ["plain", "sentence", "static", "sequence"])
@pytest.mark.parametrize("damage", [truncate, lambda file: file.unlink(), lambda file: file.write_bytes(b"")])
def test_damaged_head(copied, name, damage):
    """Prevents half a head from being used, and safetensors' own exception from reaching the user."""
    folder = copied(name)
    damage(folder / "head.safetensors")
    assert "damaged" in refused(folder)


def test_a_head_without_its_arrays(copied, saved):
    """Prevents a KeyError where the head is another model's."""
    for name in ("sentence", "sequence"):
        folder = copied(name)
        shutil.copy(saved / "plain" / "head.safetensors", folder / "head.safetensors")
        assert "damaged" in refused(folder)


@pytest.mark.parametrize("file", ["model.safetensors", "tokenizer.json", "config.json", "modules.json"])
@pytest.mark.parametrize("damage", [truncate, lambda file: file.write_bytes(b"")])
def test_damaged_transformer(copied, file, damage):
    """Prevents exceptions of three libraries from reaching the user when a download broke off."""
    folder = copied("sentence")
    damage(folder / file)
    refused(folder)


@pytest.mark.parametrize("file", ["model.safetensors", "config.json", "modules.json"])
def test_incomplete_transformer(copied, file):
    """Prevents a download of some other model, or random weights, in place of a file that is missing."""
    folder = copied("sentence")
    (folder / file).unlink()
    refused(folder)


@pytest.mark.parametrize("file", ["model.safetensors", "tokenizer.json", "tokenizer_config.json", "config.json"])
@pytest.mark.parametrize("damage", [truncate, lambda file: file.write_bytes(b""), lambda file: file.unlink()])
def test_damaged_classifier(copied, file, damage):
    """Prevents random weights, another tokenizer or a traceback where a download broke off."""
    folder = copied("sequence")
    damage(folder / file)
    refused(folder)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "pytorch_model-00001-of-00002.bin"])
def test_a_classifier_in_a_pickle_is_not_opened(copied, tmp_path, name):
    """Prevents code execution by the weights of a classifier of transformers."""
    folder, trace = copied("sequence"), tmp_path / "exploded"
    (folder / "model.safetensors").unlink()
    (folder / name).write_bytes(pickle.dumps(Bomb(trace)))
    refused(folder)
    assert not trace.exists()


@pytest.mark.parametrize("file", ["model.safetensors", "tokenizer.json", "modules.json"])
@pytest.mark.parametrize("damage", [truncate, lambda file: file.write_bytes(b""), lambda file: file.unlink()])
def test_damaged_token_table(copied, file, damage):
    """Prevents a token table with missing rows, and a panic of the tokenizer, from reaching the user."""
    folder = copied("static")
    damage(folder / file)
    refused(folder)


def rewrite_modules(folder, change):
    """Change each entry of ``modules.json``."""
    listing = json.loads((folder / "modules.json").read_text())
    (folder / "modules.json").write_text(json.dumps([change(module) for module in listing]))
    reseal(folder)


@pytest.mark.parametrize("name", ["plain", "sentence", "static", "sequence"])
def test_one_bit_is_noticed(copied, name):
    """Prevents weights that were damaged on the way, or exchanged, from answering something else without a word."""
    folder = copied(name)
    sums = json.loads((folder / "fewshot.json").read_text())["files"]
    written = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert written - set(sums) <= {"fewshot.json", "README.md", "requirements.txt"}
    for file in map(folder.joinpath, sums):
        whole = file.read_bytes()
        middle = len(whole) // 2
        file.write_bytes(whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :])
        assert f"{file.relative_to(folder)} is not as it was written" in refused(folder)
        file.unlink()
        assert f"{file.relative_to(folder)} is missing" in refused(folder)
        file.write_bytes(whole)
    load_classifier(folder, device="cpu")


OUTSIDE = ("../other/head.safetensors", "/etc/passwd", "C:/other", "C:other", "..\\other", "a\0b", "\ud800", "a\x1b[2J")


@pytest.mark.parametrize("sums", [["head.safetensors"], *({name: ""} for name in OUTSIDE)])
def test_sums_of_something_else(copied, sums):
    """Prevents files of the user's disk from being read, and a TypeError, where the list itself was tampered with."""
    folder = copied("plain")
    change(folder, files=sums)
    assert "its files are no sums of files in the folder" in refused(folder)


def test_a_pipe_is_not_read(copied):
    """Prevents a folder that was unpacked from an archive from hanging whoever opens it."""
    folder = copied("plain")
    (folder / "head.safetensors").unlink()
    os.mkfifo(folder / "head.safetensors")
    assert "head.safetensors is missing" in refused(folder)


def test_line_ends_are_no_damage(copied, single):
    """Prevents a folder from being refused after version control turned its line ends over."""
    folder = copied("sentence")
    before = load_classifier(folder, device="cpu").predict_proba(single.test_texts)
    for file in (*folder.glob("*.json"), *folder.glob("*.txt")):
        file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    np.testing.assert_array_equal(load_classifier(folder, device="cpu").predict_proba(single.test_texts), before)


def test_a_folder_without_sums_is_opened(copied, single):
    """Prevents models of earlier versions, and files that were changed on purpose, from being locked out."""
    folder = copied("sentence")
    before = load_classifier(folder, device="cpu").predict_proba(single.test_texts)
    change(folder, files=...)
    (folder / "tokenizer_config.json").write_text((folder / "tokenizer_config.json").read_text() + "\n")
    np.testing.assert_array_equal(load_classifier(folder, device="cpu").predict_proba(single.test_texts), before)


def test_a_foreign_module_is_never_imported(copied, monkeypatch):
    """Prevents a model folder from running code of its own: ``modules.json`` may name any class."""
    folder = copied("sentence")
    (folder / "evil.py").write_text("raise SystemExit('executed')")
    monkeypatch.syspath_prepend(str(folder))
    rewrite_modules(folder, lambda module: module | {"type": "evil.Module"})
    assert "asks to run code of its own ('evil.Module')" in refused(folder)


@pytest.mark.parametrize("path", ["..", "../sentence-2", "/etc", "1_Pooling/../../x"])
def test_a_module_outside_the_folder_is_refused(copied, path):
    """Prevents a folder from reading files of the user's disk."""
    folder = copied("sentence")
    rewrite_modules(folder, lambda module: module | {"path": path})
    assert "points outside its folder" in refused(folder)


def test_a_module_linked_outside_is_refused(copied, tmp_path):
    """Prevents the same by a symbolic link."""
    folder = copied("sentence")
    (tmp_path / "elsewhere").mkdir()
    shutil.rmtree(folder / "1_Pooling")
    (folder / "1_Pooling").symlink_to(tmp_path / "elsewhere")
    reseal(folder)
    assert "points outside its folder" in refused(folder)


@pytest.mark.parametrize("entry", [5, {}, {"type": 3, "path": ""}, {"type": "sentence_transformers.x", "path": None}])
def test_modules_of_a_wrong_type(copied, entry):
    """Prevents an AttributeError on a hostile or damaged list of modules."""
    folder = copied("sentence")
    rewrite_modules(folder, lambda module: entry)
    refused(folder)


class Bomb:
    """Writes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


@pytest.mark.parametrize("name", ["pytorch_model.bin", "pytorch_model-00001-of-00002.bin"])
@pytest.mark.parametrize("with_modules", [True, False])
def test_weights_in_a_pickle_are_not_opened(copied, tmp_path, name, with_modules):
    """Prevents code execution by weights that come as a pickle."""
    folder, trace = copied("sentence"), tmp_path / "exploded"
    (folder / "model.safetensors").unlink()
    (folder / name).write_bytes(pickle.dumps(Bomb(trace)))
    if not with_modules:
        (folder / "modules.json").unlink()
    reseal(folder)
    message = refused(folder)
    assert not trace.exists()
    assert not with_modules or "holds its weights as a pickle" in message


def test_a_pickle_beside_is_not_opened(copied, tmp_path, single):
    """Prevents code execution by ``model_head.pkl`` or ``pytorch_model.bin`` lying beside the safe files."""
    folder, trace = copied("sentence"), tmp_path / "exploded"
    for name in ("model_head.pkl", "pytorch_model.bin", "head.pt"):
        (folder / name).write_bytes(pickle.dumps(Bomb(trace)))
    load_classifier(folder, device="cpu").predict(single.test_texts)
    assert not trace.exists()


def test_an_unknown_device_is_the_callers_mistake(saved):
    """Prevents "damaged" from being said of a folder when the device is wrong."""
    with pytest.raises(InputError, match="device 'tpu' is not available"):
        load_classifier(saved / "sentence", device="tpu")


@pytest.mark.parametrize(("name", "tolerance"), [("sentence", 1e-5), ("static", 1e-3)])
def test_the_folder_opens_as_a_sentence_transformer(saved, single, name, tolerance):
    """Prevents a folder that only this package can open: the embedding alone is for everybody."""
    from sentence_transformers import SentenceTransformer

    theirs = SentenceTransformer(str(saved / name), device="cpu").encode(single.test_texts)
    ours = load_classifier(saved / name, device="cpu").encoder_.encode(single.test_texts)
    np.testing.assert_allclose(np.asarray(theirs, dtype=np.float32), ours, atol=tolerance)


def test_knn_keeps_vectors_and_not_texts(saved, single):
    """Prevents training texts from travelling with a look-up model."""
    arrays = load_file(saved / "static" / "head.safetensors")
    assert set(arrays) == {"X", "y", "grid"}
    assert arrays["X"].shape == (len(single.texts), 16)
