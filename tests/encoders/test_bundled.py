"""The bundled encoder is the published one, or it is refused."""

import shutil

import pytest

from fewshot.core import optional
from fewshot.core.artifacts import sha256_file
from fewshot.core.errors import MissingExtraError, ModelFormatError
from fewshot.encoders.bundled import CHECKSUMS, bundled_folder, verify_folder


@pytest.fixture
def small(tmp_path):
    """A folder of two files, and their checksums."""
    (tmp_path / "1_Pooling").mkdir()
    for name in ("config.json", "1_Pooling/config.json"):
        (tmp_path / name).write_text("{}")
    return tmp_path, {name: sha256_file(tmp_path / name) for name in ("config.json", "1_Pooling/config.json")}


def test_the_right_files_pass(small):
    """Prevents a check that refuses everything."""
    verify_folder(*small)


def test_a_changed_file_is_refused(small):
    """Prevents a package that was tampered with, or a later version, from being used in silence."""
    folder, checksums = small
    (folder / "1_Pooling" / "config.json").write_text("{ }")
    with pytest.raises(
        ModelFormatError, match=r"1_Pooling/config\.json is not the published file \(sha256 [0-9a-f]{64}"
    ):
        verify_folder(folder, checksums)


def test_a_missing_file_is_refused(small):
    """Prevents defaults from taking the place of a file that is gone."""
    folder, checksums = small
    (folder / "config.json").unlink()
    with pytest.raises(ModelFormatError, match="no such file"):
        verify_folder(folder, checksums)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "1_Pooling/weights.pt", "model_head.pkl"])
def test_a_pickle_beside_is_refused(small, name):
    """Prevents a loader that prefers a pickle from finding one beside the verified weights."""
    folder, checksums = small
    (folder / name).write_bytes(b"x")
    with pytest.raises(ModelFormatError, match="is a pickle"):
        verify_folder(folder, checksums)


def test_a_missing_package_says_what_to_install(monkeypatch):
    """Prevents a bare ImportError of a name that nobody knows."""

    def absent(module):
        raise ImportError(f"No module named {module!r}", name=module)

    monkeypatch.setattr(optional.importlib, "import_module", absent)
    with pytest.raises(MissingExtraError, match=r"pip install 'fewshot\[bundled\]'"):
        bundled_folder.__wrapped__()


@pytest.mark.slow
def test_a_tampered_copy_of_the_real_one_is_refused(tmp_path):
    """Prevents checksums that are listed and not compared: one changed byte in any file is found."""
    real = bundled_folder()
    copied = tmp_path / "model"
    shutil.copytree(real, copied, copy_function=lambda source, target: target and shutil.copy(source, target))
    verify_folder(copied, CHECKSUMS)
    for name in CHECKSUMS:
        content = (copied / name).read_bytes()
        if len(content) > 2**20:
            continue
        (copied / name).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        with pytest.raises(ModelFormatError, match="is not the published file"):
            verify_folder(copied, {name: CHECKSUMS[name]})
        (copied / name).write_bytes(content)
