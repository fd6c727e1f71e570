"""Models go to the Hub and come back whole, at one revision, and bring nothing that runs."""

import fnmatch
import inspect
import itertools
import json
import pickle
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import huggingface_hub
import numpy as np
import pytest
from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError, RepositoryNotFoundError

from fewshot.classifiers import loading
from fewshot.classifiers.hub import fetch_from_hub, is_hub_id, push_to_hub, split_hub_id
from fewshot.classifiers.linear_probe import LinearProbeClassifier
from fewshot.classifiers.loading import KINDS, kind_class, load_classifier
from fewshot.classifiers.naive_bayes import NaiveBayesClassifier
from fewshot.core.errors import InputError, ModelFormatError, SourceNotFoundError
from tests.classifiers.resealed import reseal
from tests.distillation.logit_cases import make_classifier, make_tokenizer


class Hub:
    """A Hub in a folder: one sub-folder a repository and revision. It filters as the real one does, and keeps notes."""

    def __init__(self, folder):
        self.folder = folder
        self.calls = []

    def repo(self, repo_id, revision=None):
        return self.folder / "repos" / repo_id / (revision or "main")

    def create_repo(self, repo_id, *, private, exist_ok):
        self.calls.append(("create_repo", {"repo_id": repo_id, "private": private, "exist_ok": exist_ok}))
        self.repo(repo_id).mkdir(parents=True, exist_ok=exist_ok)
        return f"https://hub.example/{repo_id}"

    def create_branch(self, repo_id, *, branch, exist_ok):
        self.calls.append(("create_branch", {"repo_id": repo_id, "branch": branch}))
        self.repo(repo_id, branch).mkdir(parents=True, exist_ok=exist_ok)

    def upload_folder(self, *, repo_id, folder_path, revision, commit_message, allow_patterns, delete_patterns):
        given = {"repo_id": repo_id, "revision": revision, "commit_message": commit_message, "allow": allow_patterns}
        self.calls.append(("upload_folder", given))
        target = self.repo(repo_id, revision)
        for file in [file for file in target.rglob("*") if file.is_file()]:
            if matches(file.relative_to(target), delete_patterns):
                file.unlink()
        copy_matching(Path(folder_path), target, allow_patterns)

    def snapshot_download(self, repo_id, *, revision, token, allow_patterns):
        self.calls.append(("snapshot_download", {"repo_id": repo_id, "revision": revision, "token": token}))
        source = self.repo(repo_id, revision)
        if not source.is_dir():
            raise LocalEntryNotFoundError("no such snapshot.\nCheck your connection.")
        target = self.folder / "cache" / repo_id / (revision or "main")
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        copy_matching(source, target, allow_patterns)
        return str(target)

    def of(self, name):
        return [given for called, given in self.calls if called == name]


def matches(path, patterns):
    """Return whether the Hub would let a file of this name through."""
    return any(fnmatch.fnmatch(path.as_posix(), pattern) for pattern in patterns)


def copy_matching(source, target, patterns):
    """Copy the files that the patterns let through."""
    for file in [file for file in source.rglob("*") if file.is_file()]:
        if matches(file.relative_to(source), patterns):
            (target / file.relative_to(source)).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, target / file.relative_to(source))


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A Hub that is a folder, in the place of the real one."""
    hub = Hub(tmp_path / "hub")
    hub.tokens = []
    monkeypatch.setattr(huggingface_hub, "HfApi", lambda token=None: hub.tokens.append(token) or hub)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", hub.snapshot_download)
    return hub


@pytest.fixture(scope="session")
def models(tmp_path_factory, single, tiny_encoder, tiny_static, tiny_tokenizer):
    """Saved models with a transformer, with a token table, without an encoder, and a transformer with a head."""
    parent = tmp_path_factory.mktemp("models")
    classifiers = {
        "sentence": LinearProbeClassifier(encoder=tiny_encoder),
        "static": LinearProbeClassifier(encoder=tiny_static),
        "plain": NaiveBayesClassifier(),
    }
    for name, classifier in classifiers.items():
        classifier.fit(single.texts, single.labels).save(parent / name)
    make_classifier(make_tokenizer(tiny_tokenizer), ("billing", "delivery", "login")).save(parent / "sequence")
    return parent


@pytest.mark.parametrize("name", ["sentence", "static", "plain", "sequence"])
def test_what_is_pushed_comes_back(hub, models, single, name):
    """Prevents an allow-list that forgets a file without which the model opens differently or not at all."""
    assert push_to_hub(models / name, "owner/model") == "https://hub.example/owner/model"
    before = load_classifier(models / name, device="cpu").predict_proba(single.test_texts)
    after = load_classifier("hub:owner/model", device="cpu").predict_proba(single.test_texts)
    np.testing.assert_array_equal(before, after)
    sent = {file.relative_to(models / name) for file in (models / name).rglob("*") if file.is_file()}
    repo = hub.repo("owner/model")
    assert {file.relative_to(repo) for file in repo.rglob("*") if file.is_file()} == sent


def test_the_revision_goes_everywhere(hub, models):
    """Prevents a model from being written to, or read from, ``main`` where a revision was named."""
    push_to_hub(models / "plain", "owner/model", revision="v2", commit_message="second", token="secret")
    assert hub.tokens == ["secret"]
    assert hub.of("create_branch") == [{"repo_id": "owner/model", "branch": "v2"}]
    [uploaded] = hub.of("upload_folder")
    assert (uploaded["revision"], uploaded["commit_message"]) == ("v2", "second")
    assert not list(hub.repo("owner/model").iterdir())
    for name in ("owner/model@v2", "hub:owner/model@v2"):
        assert load_classifier(name).kind == "naive-bayes"
    assert fetch_from_hub("owner/model", revision="v2", token="secret").is_dir()
    assert [call["revision"] for call in hub.of("snapshot_download")] == ["v2"] * 3
    assert hub.of("snapshot_download")[-1]["token"] == "secret"
    with pytest.raises(SourceNotFoundError, match="at revision 'v3'"):
        fetch_from_hub("owner/model@v3")


def test_a_new_repository_is_private(hub, models):
    """Prevents a company's model from being published by default, or a failure where the repository is there."""
    push_to_hub(models / "plain", "owner/model")
    push_to_hub(models / "plain", "owner/model", private=False)
    assert [call["private"] for call in hub.of("create_repo")] == [True, False]
    assert all(call["exist_ok"] for call in hub.of("create_repo"))


def test_an_earlier_model_is_replaced_whole(hub, models, single):
    """Prevents weights of the model that was there before from being opened as the new one's."""
    push_to_hub(models / "sentence", "owner/model")
    push_to_hub(models / "static", "owner/model")
    assert not (hub.repo("owner/model") / "config.json").exists()
    found = load_classifier("hub:owner/model", device="cpu").predict_proba(single.test_texts)
    np.testing.assert_array_equal(load_classifier(models / "static").predict_proba(single.test_texts), found)


class Bomb:
    """Writes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


UNSAFE = ["model_head.pkl", "pytorch_model.bin", "1_Pooling/weights.pt", "modeling.py", "head.joblib", "x.npy", ".env"]


def add_unsafe(folder, trace):
    """Lay files into a folder that run, or leave a trace, when they are opened."""
    for name in UNSAFE:
        (folder / name).write_bytes(pickle.dumps(Bomb(trace)))


def test_no_pickle_and_no_code_is_sent(hub, models, tmp_path):
    """Prevents files that happen to lie beside a model from being published."""
    folder = shutil.copytree(models / "sentence", tmp_path / "model")
    add_unsafe(folder, tmp_path / "trace")
    push_to_hub(folder, "owner/model")
    assert not [name for name in UNSAFE if (hub.repo("owner/model") / name).exists()]


def test_no_pickle_and_no_code_is_fetched(hub, models, single, tmp_path):
    """Prevents a repository from bringing files that run when they are opened."""
    push_to_hub(models / "sentence", "owner/model")
    add_unsafe(hub.repo("owner/model"), tmp_path / "trace")
    folder = fetch_from_hub("owner/model")
    assert not [name for name in UNSAFE if (folder / name).exists()]
    load_classifier("owner/model", device="cpu").predict(single.test_texts)
    assert not (tmp_path / "trace").exists()


@pytest.mark.parametrize("module", [{"path": "../../elsewhere"}, {"path": "/etc"}, {"type": "evil.Module"}])
def test_a_hostile_repository_is_refused(hub, models, module):
    """Prevents a repository from reading the user's disk or running code, which the local loader refuses."""
    push_to_hub(models / "sentence", "owner/model")
    listing = hub.repo("owner/model") / "modules.json"
    listing.write_text(json.dumps([entry | module for entry in json.loads(listing.read_text())]))
    reseal(listing.parent)
    with pytest.raises(ModelFormatError, match=r"outside its folder|code of its own"):
        load_classifier("hub:owner/model", device="cpu")


def test_only_model_folders_are_sent(hub, models, tmp_path):
    """Prevents a home folder, or what a link points to, from being published."""
    (tmp_path / "notes.txt").write_text("private")
    with pytest.raises(ModelFormatError, match=r"has no fewshot\.json"):
        push_to_hub(tmp_path, "owner/model")
    folder = shutil.copytree(models / "plain", tmp_path / "model")
    (folder / "notes.txt").symlink_to(tmp_path / "notes.txt")
    with pytest.raises(ModelFormatError, match=r"a link, 'notes\.txt'"):
        push_to_hub(folder, "owner/model")
    assert hub.calls == []


IDS = {
    "owner/name": ("owner/name", None),
    "hub:owner/name": ("owner/name", None),
    "hub:owner/name@v1.0": ("owner/name", "v1.0"),
    "o/n@refs/pr/1": ("o/n", "refs/pr/1"),
    "some-owner/all_MiniLM.L6-v2@0123abc": ("some-owner/all_MiniLM.L6-v2", "0123abc"),
}


@pytest.mark.parametrize("text", IDS)
def test_what_is_a_name(text):
    """Prevents a revision from becoming part of a name."""
    assert is_hub_id(text)
    assert split_hub_id(text) == IDS[text]


NO_IDS = (
    ["", "name", "hub:", "hub:name", "hub:hub:a/b", "C:\\a/b", "https://hub/a", "-a/b", "a--b/c", "a/b..c", "a/é"],
    ["a/b/c", "../b", "a/..", "./b", "/a/b", "a/b/", "a b/c", "a/b\n", "a/b@", "a/b@../c", "a/b@-x", "a" * 97 + "/b"],
)


@pytest.mark.parametrize("text", list(itertools.chain(*NO_IDS)))
def test_what_is_no_name(text, hub):
    """Prevents a path, an address or a name that the Hub refuses from being asked for."""
    assert not is_hub_id(text)
    for call in (fetch_from_hub, split_hub_id):
        with pytest.raises(InputError, match="a model on the Hub is named"):
            call(text)
    assert hub.calls == []


def test_two_revisions_are_a_mistake(hub, models):
    """Prevents one of two revisions from being chosen in silence."""
    with pytest.raises(InputError, match="revision must be 'v1', as 'owner/model@v1' says"):
        fetch_from_hub("owner/model@v1", revision="v2")
    with pytest.raises(InputError, match="is named"):
        push_to_hub(models / "plain", "owner/model", revision="../x")


def test_a_local_folder_comes_first(hub, models, tmp_path, monkeypatch):
    """Prevents a model from the network in place of the one in the working folder, or of one misspelt there."""
    push_to_hub(models / "static", "runs/model")
    monkeypatch.chdir(tmp_path)
    shutil.copytree(models / "plain", tmp_path / "runs" / "model")
    assert load_classifier("runs/model").kind == "naive-bayes"
    with pytest.raises(SourceNotFoundError, match="Did you mean 'model'"):
        load_classifier("runs/modle")
    assert hub.of("snapshot_download") == []
    assert load_classifier("hub:runs/model").kind == "linear-probe"


@pytest.mark.parametrize(
    "error", [RepositoryNotFoundError, HFValidationError("bad name"), ConnectionError("no route"), OSError("disk full")]
)
def test_errors_say_what_to_do(hub, models, monkeypatch, error):
    """Prevents a page of traceback where there is no network, no such repository or no permission."""
    if error is RepositoryNotFoundError:
        error = RepositoryNotFoundError.__new__(RepositoryNotFoundError)  # its constructor wants a whole response

    def fail(*arguments, **options):
        raise error

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fail)
    monkeypatch.setattr(hub, "create_repo", fail, raising=False)
    for call in (lambda: fetch_from_hub("owner/model"), lambda: push_to_hub(models / "plain", "owner/model")):
        with pytest.raises(SourceNotFoundError, match="hf auth login") as raised:
            call()
        assert "\n" not in str(raised.value)


def test_the_real_library_takes_what_it_is_given(models):
    """Prevents a fake that takes other arguments than the real functions: without network, they refuse politely."""
    for name in ("create_repo", "create_branch", "upload_folder"):
        ours, theirs = (inspect.signature(getattr(kind, name)).parameters for kind in (Hub, huggingface_hub.HfApi))
        assert set(ours) <= set(theirs)
    with pytest.raises(SourceNotFoundError, match=r"no model 'owner/no-such-model-at-all' on the Hub or in its cache"):
        fetch_from_hub("owner/no-such-model-at-all")
    with pytest.raises(SourceNotFoundError, match="could not be uploaded"):
        push_to_hub(models / "plain", "owner/no-such-model-at-all", token="x")


def test_a_folder_of_setfit_goes_to_its_reader(tmp_path, monkeypatch):
    """Prevents a folder of the setfit package from being refused, and a fewshot folder from being taken for one."""

    class Reader:
        @staticmethod
        def from_setfit_folder(path, *, device=None):
            return path, device

    monkeypatch.setattr(loading, "kind_class", {"setfit": Reader}.__getitem__)
    (tmp_path / "config_setfit.json").write_text("{}")
    assert load_classifier(tmp_path, device="cpu") == (tmp_path, "cpu")
    (tmp_path / "fewshot.json").write_text("{}")
    with pytest.raises(ModelFormatError, match="names no format"):
        load_classifier(tmp_path)


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_where_the_table_says(kind):
    """Prevents a kind that is saved and cannot be opened again."""
    assert kind_class(kind).kind == kind


def test_opening_one_kind_imports_no_other(models):
    """Prevents setfit, and what it brings, from being loaded for a classifier without an encoder."""
    script = f"""
        import sys
        from fewshot.classifiers.loading import load_classifier
        load_classifier({str(models / "plain")!r})
        assert not {{"torch", "setfit", "fewshot.classifiers.setfit_reference"}} & set(sys.modules)
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(script)], check=True)
