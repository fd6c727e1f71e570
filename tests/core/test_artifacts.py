"""Files and folders that appear whole or not at all."""

import errno
import gzip
import json
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fewshot.core import artifacts
from fewshot.core.artifacts import (
    atomic_directory,
    atomic_path,
    check_replaceable,
    fingerprint,
    folder_bytes,
    gzipped_bytes,
    read_json,
    sha256_file,
    write_json,
    write_text,
)
from fewshot.core.errors import InputError, ModelFormatError, SourceNotFoundError

MARKER = "fewshot.json"


def fill(folder, **files):
    """Write small files into a folder."""
    for name, text in files.items():
        (folder / name.replace("_", ".")).write_text(text)


def write_half(path):
    """Write something, then fail."""
    path.write_text("half")
    raise RuntimeError


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path):
    """Prevents half a file, and temporary files that pile up."""
    path = tmp_path / "a.txt"
    write_text(path, "old")
    with pytest.raises(RuntimeError), atomic_path(path) as temporary:
        write_half(temporary)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_an_interrupt_leaves_the_old_file(tmp_path):
    """Prevents Ctrl-C, which is no Exception, from slipping past the cleaning up."""
    path = tmp_path / "a.txt"
    with pytest.raises(KeyboardInterrupt), atomic_path(path):
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_the_old_file(tmp_path, monkeypatch):
    """Prevents an empty file where the disk was full."""
    path = tmp_path / "a.json"
    write_json(path, {"old": True})

    def full(self, data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space left"):
        write_json(path, {"new": True})
    assert read_json(path) == {"old": True}
    assert list(tmp_path.iterdir()) == [path]


def test_a_disk_full_at_the_last_flush_leaves_the_old_file(tmp_path, monkeypatch):
    """Prevents renaming a file whose bytes never reached the disk."""
    path = tmp_path / "a.txt"
    write_text(path, "old")

    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(artifacts.os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_text(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no permission bits")
def test_files_and_folders_get_ordinary_permissions(tmp_path):
    """Prevents results that only their owner can read, which is what ``mkstemp`` makes."""
    before = os.umask(0o022)
    try:
        write_text(tmp_path / "new" / "a.txt", "x")
        with atomic_directory(tmp_path / "model", marker=MARKER) as folder:
            fill(folder, fewshot_json="{}")
    finally:
        os.umask(before)
    assert (tmp_path / "new" / "a.txt").stat().st_mode & 0o777 == 0o644
    assert (tmp_path / "model").stat().st_mode & 0o777 == 0o755


def test_a_folder_replaces_one_of_ours_whole(tmp_path):
    """Prevents a model folder with files of two models."""
    target = tmp_path / "model"
    for name in ("old", "new"):
        with atomic_directory(target, marker=MARKER) as folder:
            fill(folder, fewshot_json=name, **{name: "x"})
    assert sorted(file.name for file in target.iterdir()) == [MARKER, "new"]
    assert list(tmp_path.iterdir()) == [target]


def test_a_failure_leaves_the_old_folder(tmp_path):
    """Prevents the loss of a model because the next one could not be written."""
    target = tmp_path / "model"
    with atomic_directory(target, marker=MARKER) as folder:
        fill(folder, fewshot_json="old")
    with pytest.raises(RuntimeError), atomic_directory(target, marker=MARKER) as folder:
        write_half(folder / MARKER)
    assert (target / MARKER).read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_swap_that_fails_puts_the_old_folder_back(tmp_path, monkeypatch):
    """Prevents a moment in which neither folder is there from becoming permanent."""
    target = tmp_path / "model"
    with atomic_directory(target, marker=MARKER) as folder:
        fill(folder, fewshot_json="old")
    replace, calls = os.replace, []

    def second_fails(source, destination):
        calls.append(source)
        if len(calls) == 2:
            raise OSError(errno.EACCES, "no")
        replace(source, destination)

    monkeypatch.setattr(artifacts.os, "replace", second_fails)
    with pytest.raises(OSError, match="no"), atomic_directory(target, marker=MARKER) as folder:
        fill(folder, fewshot_json="new")
    assert (target / MARKER).read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_folders_of_others_are_refused_before_the_work(tmp_path):
    """Prevents ``--out ~`` from replacing a home folder."""
    fill(tmp_path, thesis_txt="years of work")
    with pytest.raises(InputError, match=r"holds files but no fewshot\.json, so it is not replaced"):
        check_replaceable(tmp_path, marker=MARKER)
    with pytest.raises(InputError), atomic_directory(tmp_path, marker=MARKER):
        pytest.fail("the work began")
    with pytest.raises(InputError, match="is a file"):
        check_replaceable(tmp_path / "thesis.txt", marker=MARKER)
    (tmp_path / "empty").mkdir()
    check_replaceable(tmp_path / "empty", marker=MARKER)
    check_replaceable(tmp_path / "free", marker=MARKER)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_json_takes_numpy_and_paths(tmp_path):
    """Prevents a crash at the very end of a run, when its metrics are written."""
    value = {"a": np.float32(0.5), "b": np.arange(2), "c": Path("x"), "d": "é"}
    write_json(tmp_path / "a.json", value)
    assert read_json(tmp_path / "a.json") == {"a": 0.5, "b": [0, 1], "c": "x", "d": "é"}
    assert "é" in (tmp_path / "a.json").read_text("utf-8")
    with pytest.raises(TypeError, match="object cannot be written"):
        write_json(tmp_path / "b.json", object())


def test_json_in_ascii_holds_what_utf_8_cannot(tmp_path):
    """Prevents half a surrogate pair in a label from ending a run when its result is written."""
    write_json(tmp_path / "a.json", {"label": "\udcff é"}, ascii_only=True)
    assert read_json(tmp_path / "a.json") == {"label": "\udcff é"}
    assert (tmp_path / "a.json").read_bytes().isascii()


def test_bad_json_files_say_what_is_wrong(tmp_path):
    """Prevents a JSONDecodeError without a file name, and reading gigabytes as settings."""
    fill(tmp_path, bad_json="{", big_json=json.dumps("x" * 100))
    with pytest.raises(SourceNotFoundError, match="no file"):
        read_json(tmp_path / "none.json")
    with pytest.raises(ModelFormatError, match=r"bad\.json' is not valid JSON"):
        read_json(tmp_path / "bad.json")
    with pytest.raises(ModelFormatError, match="has 102 bytes; at most 50 are read"):
        read_json(tmp_path / "big.json", max_bytes=50)


@given(st.lists(st.text(), max_size=4), st.lists(st.text(), max_size=4))
def test_fingerprints_differ_where_the_parts_do(one, other):
    """Prevents a cached embedding of other texts."""
    assert (fingerprint(one) == fingerprint(other)) == (one == other)


def test_fingerprints_take_lone_surrogates():
    """Prevents a crash on a text with half an emoji."""
    assert len(fingerprint(["\ud83d"])) == 32


def test_packed_bytes_are_those_of_gzip(tmp_path):
    """Prevents sizes that depend on dates, names or the size of the pieces that are read."""
    (tmp_path / "sub").mkdir()
    (tmp_path / "a").write_bytes(b"a" * 3_000_000)
    (tmp_path / "sub" / "b").write_bytes(bytes(range(256)) * 100)
    whole = b"a" * 3_000_000 + bytes(range(256)) * 100
    assert gzipped_bytes(tmp_path) == len(gzip.compress(whole, 6, mtime=0))
    assert gzipped_bytes(tmp_path / "a") == len(gzip.compress(b"a" * 3_000_000, 6, mtime=0))


def test_sizes_and_sums(tmp_path):
    """Prevents a size that leaves out subfolders, and sums of the name instead of the bytes."""
    (tmp_path / "sub").mkdir()
    fill(tmp_path, a="123")
    fill(tmp_path / "sub", b="45")
    assert (folder_bytes(tmp_path), folder_bytes(tmp_path / "a")) == (5, 3)
    assert sha256_file(tmp_path / "a") == "a665a45920422f9d417e4867efdc4fb8a04a1f3fff1fa07e998e86f7f7a27ae3"
