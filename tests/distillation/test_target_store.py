"""Targets on disk: computed once, whole after any interruption, refused or mended where damaged."""

import errno
import itertools
import json
import os
import shutil
import sys
import tempfile
import tracemalloc
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fewshot.classifiers.linear_probe import LinearProbeClassifier
from fewshot.classifiers.naive_bayes import NaiveBayesClassifier
from fewshot.core.errors import InputError, ModelFormatError, TeacherError
from fewshot.data.labels import LabelSpace
from fewshot.distillation import target_store
from fewshot.distillation.target_shards import RowFile, locked
from fewshot.distillation.target_store import DEFAULT_MAX_BYTES, TargetStore
from fewshot.distillation.teacher_targets import TeacherTargets
from fewshot.distillation.teachers import compute_targets
from fewshot.training.targets import EmbeddingSimilarity
from tests.distillation.store_script import SHARD_ROWS, TEXTS, Oracle, files, fill
from tests.jobs import job_server

N_SHARDS = -(-len(TEXTS) // SHARD_ROWS)
PLACES = [("asked", at) for at in range(1, 6)]  # once before the start, then once a shard
PLACES += [("written", at) for at in range(1, 9)]  # two arrays a shard
PLACES += [("renamed", at) for at in range(1, 9)]  # the head, two arrays, four entries, the mark of the complete set


@pytest.fixture(scope="module")
def run_jobs():
    """A function that runs jobs of ``store_script.py`` at once and returns their exit codes."""
    return job_server("tests.distillation.store_script")


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    """Every file of a store that was filled in one go."""
    folder = tmp_path_factory.mktemp("unbroken")
    fill(folder)
    return files(folder)


def set_folder(folder):
    """Return the only set of targets in a store."""
    (found,) = [path for path in Path(folder).iterdir() if path.is_dir()]
    return found


def test_targets_are_the_teachers(tmp_path):
    """Prevents rows in another order, or of another shard, than the texts."""
    stored, given = fill(tmp_path), Oracle().targets(TEXTS)
    assert isinstance(stored.embeddings, np.memmap)
    assert isinstance(stored.probabilities, np.memmap)
    assert not stored.embeddings.flags.writeable
    np.testing.assert_allclose(stored.embeddings, given.embeddings, atol=1e-3)
    np.testing.assert_allclose(stored.probabilities, given.probabilities, atol=1e-3)
    cosines, _ = EmbeddingSimilarity(stored.embeddings)(torch.arange(10))
    np.testing.assert_allclose(cosines, given.embeddings @ given.embeddings.T, atol=2e-3)


def test_classifiers_teach_through_the_store(tmp_path, tiny_encoder, single, pool):
    """Prevents a second way from classifier to targets; Naive Bayes has no vectors to store."""
    for teacher in (LinearProbeClassifier(encoder=tiny_encoder), NaiveBayesClassifier()):
        teacher.fit(single.texts, single.labels)
        stored, computed = fill(tmp_path, teacher, pool, shard_rows=50), compute_targets(teacher, pool)
        np.testing.assert_allclose(stored.probabilities, computed.probabilities, atol=1e-3)
        if computed.embeddings is None:
            assert stored.embeddings is None
        else:
            np.testing.assert_allclose(stored.embeddings, computed.embeddings, atol=1e-3)


def test_what_is_stored_is_not_asked_again(tmp_path):
    """Prevents paying twice: for the same texts in any form, any cut into shards, by any process."""
    teacher = Oracle()
    fill(tmp_path, teacher)
    assert teacher.asked == [10, 3, 3, 3, 1]
    forms = [
        tuple(TEXTS),
        np.array(TEXTS),
        (text for text in TEXTS),
        [TEXTS[:4], TEXTS[4:]],
        (TEXTS[start : start + 7] for start in range(0, 10, 7)),
        itertools.chain([TEXTS[:9]], TEXTS[9:]),
    ]
    for texts in forms:
        fill(tmp_path, teacher, texts, shard_rows=5)
    assert len(teacher.asked) == 5
    fill(tmp_path, teacher, TEXTS[::-1])
    assert len(teacher.asked) == 10


def test_the_spool_holds_any_text(tmp_path):
    """Prevents a generator's texts from changing on their way through the temporary file, or from being left there."""
    texts = ["two\nlines", "carriage\rreturn", "separator\u2028here", "lone \ud800 surrogate", "", "é 漢 😀"]
    asked = []

    class Listening(Oracle):
        def targets(self, some):
            asked.extend(some)
            return super().targets([text.encode("utf-8", "replace").decode() for text in some])

    fill(tmp_path, Listening(), iter(texts))
    assert asked == texts * 2
    assert {path.suffix for path in tmp_path.rglob("*") if path.is_file()} <= {".npy", ".json", ""}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_killed_anywhere_and_gone_on_with(tmp_path, run_jobs, unbroken):
    """Prevents a store that a kill leaves torn, or that remembers in any byte how often it was interrupted."""
    jobs = [{"folder": str(tmp_path / f"{place}-{at}"), "place": place, "at": at} for place, at in PLACES]
    codes = run_jobs(*jobs)
    assert codes == [-9] * len(jobs)
    for job in jobs:
        before = files(job["folder"])
        teacher = Oracle()
        fill(job["folder"], teacher)
        assert files(job["folder"]) == unbroken, job
        done = sum("shards" in name and not name.endswith(".part") for name in before)
        had_head = any(name.endswith("head.json") for name in before)
        assert len(teacher.asked) == (not had_head) + N_SHARDS - done, job


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_two_processes_at_once(tmp_path, run_jobs, unbroken):
    """Prevents two runs on one folder from computing everything twice, or from spoiling each other's files."""
    job = {"folder": str(tmp_path / "store"), "delay": 0.05, "log": str(tmp_path / "log")}
    assert run_jobs(job, job, job) == [0, 0, 0]
    asked = [line.split() for line in (tmp_path / "log").read_text().splitlines()]
    assert len(asked) == 1 + N_SHARDS
    assert len({process for process, _ in asked}) == 1
    assert files(tmp_path / "store") == unbroken


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_the_second_goes_on_where_the_first_died(tmp_path, run_jobs, unbroken):
    """Prevents a process from waiting for ever for one that was killed while it waited."""
    job = {"folder": str(tmp_path / "store"), "delay": 0.2, "log": str(tmp_path / "log")}
    assert run_jobs({**job, "place": "asked", "at": 3}, {**job, "after": job["log"]}) == [-9, 0]
    assert files(tmp_path / "store") == unbroken
    assert len((tmp_path / "log").read_text().splitlines()) == 2 + N_SHARDS - 1


def test_a_held_folder(tmp_path):
    """Prevents endless waiting where a limit was set, and a lock that a dead process left from locking anyone out."""
    fill(tmp_path)
    folder = set_folder(tmp_path)
    (folder / "complete.json").unlink()
    with locked(folder), pytest.raises(InputError, match=f"process {os.getpid()} is writing to"):
        fill(tmp_path, wait=0)
    (folder / "lock").write_text("4194304000")  # no such process
    fill(tmp_path, wait=0)
    assert (folder / "lock").read_bytes() == b""


def test_a_platform_without_flock_runs_unlocked(tmp_path, monkeypatch, unbroken):
    """Prevents Windows users from being shut out by a missing module."""
    monkeypatch.setitem(sys.modules, "fcntl", None)
    fill(tmp_path)
    assert files(tmp_path) == unbroken


def _flip(file):
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)


@pytest.mark.parametrize(
    ("name", "damage", "asked"),
    [
        ("embeddings.npy", _flip, [1]),
        ("probabilities.npy", lambda file: os.truncate(file, file.stat().st_size - 1), [1]),
        ("probabilities.npy", lambda file: os.truncate(file, 10), [3, 3, 3, 1]),
        ("embeddings.npy", lambda file: file.write_bytes(b"no array"), [3, 3, 3, 1]),
        ("embeddings.npy", Path.unlink, [3, 3, 3, 1]),
        ("shards/00000001.json", Path.unlink, [3]),
        ("shards/00000001.json", lambda file: file.write_text("{"), [3]),
        ("shards/00000001.json", lambda file: file.write_text("[" * 60000), [3]),
        ("shards/00000001.json", lambda file: file.write_text('{"texts": null}'), [3]),
        ("head.json", Path.unlink, [10]),
        ("head.json", lambda file: file.write_text("[1]"), [10]),
        ("complete.json", Path.unlink, []),
    ],
)
def test_damage_is_mended(tmp_path, unbroken, name, damage, asked):
    """Prevents a student from learning numbers that a disk or a person has changed; only that is asked again."""
    fill(tmp_path)
    damage(set_folder(tmp_path) / name)
    teacher = Oracle()
    fill(tmp_path, teacher)
    assert teacher.asked == asked
    assert files(tmp_path) == unbroken


def test_what_is_not_ours_is_refused(tmp_path):
    """Prevents writing through a link, and taking over a later version's or another teacher's targets."""
    fill(tmp_path)
    folder = set_folder(tmp_path)
    head = json.loads((folder / "head.json").read_text())
    for change, message in (({"format": 2}, "format 2, this version reads up to 1"), ({"teacher": "x"}, "of another")):
        (folder / "head.json").write_text(json.dumps(head | change))
        with pytest.raises(ModelFormatError, match=message):
            fill(tmp_path)
    (folder / "head.json").write_text(json.dumps(head))
    shutil.move(folder / "embeddings.npy", tmp_path / "elsewhere.npy")
    (folder / "embeddings.npy").symlink_to(tmp_path / "elsewhere.npy")
    (folder / "complete.json").unlink()
    with pytest.raises(ModelFormatError, match="no plain file"):
        fill(tmp_path)


def test_a_full_disk_is_seen_before_the_start(tmp_path, monkeypatch):
    """Prevents hours of work for numbers that have no room."""
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(target_store.shutil, "disk_usage", lambda path: usage(100, 90, 10))
    teacher = Oracle()
    with pytest.raises(InputError, match=r"need .* more and .* free"):
        fill(tmp_path, teacher)
    assert teacher.asked == [10]
    assert not list(tmp_path.rglob("*.npy"))


def test_a_disk_that_fills_up_on_the_way(tmp_path, monkeypatch, unbroken):
    """Prevents the loss of what is done when the disk is full after all."""
    original, calls = RowFile.write, []

    def write(self, start, rows):
        calls.append(start)
        if len(calls) == 5:
            original(self, start, rows[:1])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        original(self, start, rows)

    monkeypatch.setattr(RowFile, "write", write)
    with pytest.raises(OSError, match="disk is full; 6 of 10 rows are kept") as caught:
        fill(tmp_path)
    assert caught.value.errno == errno.ENOSPC
    teacher = Oracle()
    fill(tmp_path, teacher)
    assert teacher.asked == [3, 1]
    assert files(tmp_path) == unbroken


def test_the_bound_counts_all_sets(tmp_path):
    """Prevents a store from growing past its bound, and older targets from being thrown away for new ones."""
    bytes_each = 2 * 128 + 10 * (2 * 16 + 2 * 2)
    fill(tmp_path, max_bytes=2 * bytes_each)
    assert TargetStore(tmp_path).size() == bytes_each
    fill(tmp_path, texts=TEXTS[::-1], max_bytes=2 * bytes_each)
    fill(tmp_path, max_bytes=1)  # reading takes no room
    with pytest.raises(InputError, match="more than max_bytes"):
        fill(tmp_path, texts=TEXTS[1:] + TEXTS[:1], max_bytes=3 * bytes_each - 1)
    assert TargetStore(tmp_path).max_bytes is None  # who names a folder may fill its disk
    assert TargetStore().max_bytes == DEFAULT_MAX_BYTES
    assert TargetStore(tmp_path).size() == 2 * bytes_each


class Fixed(Oracle):
    """Gives fixed probabilities, row by row."""

    def __init__(self, rows, *, multi_label=False, threshold=0.5, **options):
        super().__init__(**options)
        self.rows, self._threshold = np.array(rows), threshold
        self.label_space_ = LabelSpace(("a", "b"), multi_label)

    def targets(self, texts):
        start = TEXTS.index(texts[0])
        return TeacherTargets(super().targets(texts).embeddings, self.rows[start : start + len(texts)])


CLEAR = [[0.9, 0.1], [0.2, 0.8]] * 5
NEAR = [[0.9, 0.1], [0.49999, 0.50001]] * 5


@pytest.mark.parametrize(
    ("teacher", "precision", "types"),
    [
        (Fixed(CLEAR), "auto", ("float16", "float16")),
        (Fixed(NEAR), "auto", ("float16", "float32")),  # half of 0.49999 is 0.5: the other class
        (Fixed([[0.9, 0.1], [0.6, 0.49999]] * 5, multi_label=True), "auto", ("float16", "float32")),
        (Fixed([[0.9, 0.1], [0.6, 0.49]] * 5, multi_label=True), "auto", ("float16", "float16")),
        (Fixed([[0.9, 0.1], [0.6, 0.29999]] * 5, multi_label=True, threshold=0.3), "auto", ("float16", "float32")),
        (Fixed([[0.9, 0.1], [0.6, 0.49999]] * 5, multi_label=True, threshold=0.3), "auto", ("float16", "float16")),
        (Fixed(CLEAR, scale=1e6), "auto", ("float32", "float16")),  # beyond float16
        (Fixed(CLEAR, scale=1e-7), "auto", ("float32", "float16")),  # below it
        (Fixed(CLEAR), "float32", ("float32", "float32")),
    ],
)
def test_half_precision_where_it_agrees(tmp_path, teacher, precision, types):
    """Prevents targets that rounding has moved: other classes, other cosines; the head says what was chosen."""
    stored = fill(tmp_path, teacher, precision=precision)
    assert (stored.embeddings.dtype.name, stored.probabilities.dtype.name) == types
    given = teacher.targets(TEXTS)
    np.testing.assert_array_equal(stored.probabilities.argmax(axis=1), given.probabilities.argmax(axis=1))
    cosines, _ = EmbeddingSimilarity(stored.embeddings)(torch.arange(10))
    exact, _ = EmbeddingSimilarity(given.embeddings)(torch.arange(10))
    np.testing.assert_allclose(cosines, exact, atol=1.1e-3)
    arrays = json.loads((set_folder(tmp_path) / "head.json").read_text())["arrays"]
    assert [np.dtype(arrays[name][0]).name for name in ("embeddings", "probabilities")] == list(types)


class Moody(Oracle):
    """Answers the first texts, and says something else of the last shard."""

    def __init__(self, last):
        super().__init__()
        self.last = last

    def targets(self, texts):
        answer = super().targets(texts)
        return self.last(answer) if len(texts) == 1 else answer


@pytest.mark.parametrize(
    ("last", "message"),
    [
        (lambda t: TeacherTargets(t.embeddings * np.nan, t.probabilities), "embeddings hold NaN"),
        (lambda t: TeacherTargets(t.embeddings * 1e9, t.probabilities), "too large for float16"),
        (lambda t: TeacherTargets(t.embeddings[:, :3], t.probabilities), "shape .1, 3., not .1, 16. as before"),
        (lambda t: TeacherTargets(None, t.probabilities), "embeddings have shape"),
        (lambda t: TeacherTargets(t.embeddings, t.probabilities * np.inf), "probabilities hold NaN"),
    ],
)
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_a_teacher_that_goes_astray(tmp_path, last, message):
    """Prevents a late shard of NaN, or of another shape, from being stored among good ones."""
    with pytest.raises(TeacherError, match=message):
        fill(tmp_path, Moody(last))
    teacher = Oracle()
    fill(tmp_path, teacher)
    assert teacher.asked == [1]


def test_a_constant_teacher_is_refused_at_once(tmp_path):
    """Prevents computing a whole pool of one and the same vector; the same text over and over is no sign of it."""

    class Constant(Oracle):
        def targets(self, texts):
            return TeacherTargets(np.ones((len(texts), 2)), np.full((len(texts), 2), 0.5))

    with pytest.raises(TeacherError, match="same vector"):
        fill(tmp_path, Constant())
    assert fill(tmp_path, Oracle(), ["again"] * 7).embeddings.shape == (7, 16)


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ([], "texts must not be empty"),
        (iter([]), "texts must not be empty"),
        ("one text", "got str"),
        (b"bytes", "got bytes"),
        ({"text": ["a"]}, "got dict"),
        (None, "got NoneType"),
        (["a", 1], r"texts\[1\] must be a string, got 1"),
        ([["a"], ["b", None]], r"texts\[2\] must be a string, got None"),
        ([{"text": "a"}], r"texts\[0\] must be a string, got {'text': 'a'}"),
        ([["a"], b"b"], r"texts\[1\] must be a string, got b'b'"),
    ],
)
def test_wrong_texts(tmp_path, texts, message):
    """Prevents column names, bytes or numbers from being taught as texts."""
    with pytest.raises(InputError, match=message):
        fill(tmp_path, texts=texts)


def test_wrong_settings(tmp_path):
    """Prevents settings that would only fail, or be ignored, hours later."""
    for options in ({"max_bytes": 0}, {"shard_rows": 0}, {"precision": "float16"}):
        with pytest.raises(InputError, match=next(iter(options))):
            TargetStore(tmp_path, **options)
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="is a file"):
        TargetStore(tmp_path / "file")
    with pytest.raises(InputError, match="teacher must be"):
        TargetStore(tmp_path).targets(["nothing"], TEXTS)


@pytest.mark.parametrize("second", [TEXTS[::-1], TEXTS[:-1], TEXTS[:4], [*TEXTS, "more"]])
def test_texts_that_change_between_readings(tmp_path, unbroken, second):
    """Prevents targets of other texts under these texts' name; a later run with the right texts mends them."""

    class Changing:
        readings = 0

        def __iter__(self):
            self.readings += 1
            return iter(TEXTS if self.readings < 4 else second)  # a look, the hash, the first texts; then the work

    with pytest.raises(InputError, match="changed between two readings"):
        fill(tmp_path, texts=Changing())
    stored = fill(tmp_path)
    np.testing.assert_allclose(stored.embeddings, Oracle().targets(TEXTS).embeddings, atol=1e-3)
    assert files(tmp_path) == unbroken


def test_memory_stays_flat(tmp_path):
    """Prevents a pool of millions from being held in memory, as texts or as numbers."""
    peaks = []
    for count in (2_000, 16_000):
        chunks = ([f"text {i} {'x' * 200}" for i in range(start, start + 500)] for start in range(0, count, 500))
        tracemalloc.start()
        try:
            fill(tmp_path, texts=chunks, shard_rows=500)
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    assert peaks[1] < peaks[0] * 1.5 + 2**17


@settings(max_examples=25, deadline=None)
@given(st.lists(st.text(max_size=5), min_size=1, max_size=15), st.integers(1, 9), st.integers(1, 7))
def test_any_cut_gives_the_same(texts, shard_rows, chunk):
    """Prevents a row from being lost or doubled at the edge of a shard or a chunk."""
    texts = [text.encode("utf-8", "replace").decode() for text in texts]
    chunks = (texts[start : start + chunk] for start in range(0, len(texts), chunk))
    given_ = Oracle().targets(texts)
    with tempfile.TemporaryDirectory() as folder:
        stored = fill(folder, texts=chunks, shard_rows=shard_rows)
    np.testing.assert_array_equal(stored.embeddings, given_.embeddings.astype(stored.embeddings.dtype))
    np.testing.assert_array_equal(stored.probabilities, given_.probabilities.astype(stored.probabilities.dtype))
