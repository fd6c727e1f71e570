"""Predictions of files of any size."""

import dataclasses
import errno
import gzip
import json
import os
import signal
import subprocess
import sys
import time

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fewshot.classifiers.loading import load_classifier
from fewshot.core.errors import InputError
from fewshot.core.locks import take_lock
from fewshot.data import row_blocks
from fewshot.data.readers import read_rows
from fewshot.data.row_writers import DelimitedWriter
from fewshot.data.writers import write_rows
from fewshot.recipes.judging import Abstaining, predict_texts
from fewshot.recipes.predicting import staff
from fewshot.recipes.predicting.pool import predict_pool
from fewshot.recipes.sources import Reading

WORDS = ["refund", "parcel", "password", "late", "card", 'say "please"', "new\nline", "über, all", ""]
FORMATS = [".csv", ".tsv", ".jsonl", ".json", ".parquet", ".csv.gz", ".jsonl.gz", ".json.gz"]


def made_up(n):
    """Return rows with columns of all kinds, some of them without a text."""
    return [
        {"id": n, "text": f"{WORDS[n % 9]} {WORDS[n * 7 % 8]}" if n % 9 < 8 else "", "tags": ["a"]} for n in range(n)
    ]


@pytest.fixture
def small_blocks(monkeypatch):
    """Blocks of four rows."""
    monkeypatch.setattr(row_blocks, "BLOCK_ROWS", 4)


@pytest.fixture
def source(tmp_path, small_blocks):
    """A file of 50 rows, 5 of them without a text."""
    write_rows(tmp_path / "in.csv", [{"id": row["id"], "text": row["text"]} for row in made_up(50)])
    return tmp_path / "in.csv"


def whole(student, source):
    """Return what an uninterrupted run writes."""
    out = source.with_name("whole.csv")
    predict_pool(student, source, out=out, rows_per_shard=6)
    return out.read_bytes()


def stopping_after(monkeypatch, n_blocks, error=KeyboardInterrupt):
    """Let answers end in an error after so many blocks."""
    real, done = staff.Answering.answers, []

    def answers(self, classifier, texts):
        if len(done) == n_blocks:
            raise error
        done.append(texts)
        return real(self, classifier, texts)

    monkeypatch.setattr(staff.Answering, "answers", answers)
    return done


@pytest.mark.parametrize("kind", ["single", "multi"])
@pytest.mark.parametrize("suffix", FORMATS)
def test_every_row_in_order_in_every_format(tmp_path, students, small_blocks, suffix, kind):
    """Prevents labels on the wrong rows, columns that are lost, and shards that can be seen in the output."""
    rows = made_up(20)
    write_rows(tmp_path / f"in{suffix}", rows)
    given = read_rows(tmp_path / f"in{suffix}").rows
    files = []
    for number, per_shard in enumerate((1000, 7)):
        out = tmp_path / f"{number}{suffix}"
        made = predict_pool(students[kind], tmp_path / f"in{suffix}", out=out, rows_per_shard=per_shard)
        assert (made.n_rows, made.n_rejected, made.n_shards) == (20, 2, -(-20 // per_shard))
        assert not out.with_name(f"{out.name}.shards").exists()
        rejected = out.with_name(f"{out.name}.rejected.csv")
        assert made.rejected_file == rejected
        assert [row["row"] for row in read_rows(rejected).rows] == ["8", "17"]
        files.append((read_rows(out).rows, rejected.read_bytes()))
    assert files[0] == files[1]
    column = "label" if kind == "single" else "labels"
    wanted = predict_texts(load_classifier(students[kind]), [row["text"] for row in rows])
    for n, (found, before) in enumerate(zip(files[0][0], given, strict=True)):
        assert {name: found[name] for name in before} == before
        if n in (8, 17):
            assert not found[column]
        elif suffix.startswith((".csv", ".tsv")):
            label = wanted[n][column]
            assert found[column] == ("|".join(label) if kind == "multi" else label)
            assert float(found["confidence"]) == wanted[n]["confidence"]
        else:
            assert {name: found[name] for name in (column, "confidence")} == wanted[n]
    assert sum(made.counts.values()) == sum(
        len(answer[column]) if kind == "multi" else 1 for n, answer in enumerate(wanted) if n not in (8, 17)
    )


CELLS = st.text(st.sampled_from('ab,"\n\r\t üß😀'), max_size=6)


@given(
    st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=12), st.integers(1, 14), st.sampled_from([".csv", ".jsonl"])
)
@settings(max_examples=40)
def test_whatever_the_cells_hold(tmp_path_factory, student, rows, rows_per_shard, suffix):
    """Prevents quotes, line ends, signs or empty cells from changing the input's columns or the labels' order."""
    folder = tmp_path_factory.mktemp("cells")
    given = [{"text": text, "other": other} for text, other in rows]
    write_rows(folder / f"in{suffix}", given)
    model = load_classifier(student)
    predict_pool(model, folder / f"in{suffix}", out=folder / f"out{suffix}", rows_per_shard=rows_per_shard)
    found = read_rows(folder / f"out{suffix}").rows
    assert [{name: row[name] for name in ("text", "other")} for row in found] == given
    for row, (text, _) in zip(found, rows, strict=True):
        assert (row["label"] or None) == (model.predict([text])[0] if text.strip() else None)


def test_types_of_parquet_stay(tmp_path, student, small_blocks):
    """Prevents dates, small integers or categories from becoming something else on their way."""
    table = pa.table(
        {
            "text": ["refund", "parcel"] * 5,
            "day": pa.array([1, None] * 5, pa.date32()),
            "n": pa.array(range(10), pa.uint8()),
            "kind": pa.array(["x", "y"] * 5).dictionary_encode(),
            "label": pa.array([[1], None] * 5, pa.list_(pa.int8())),
        }
    )
    pq.write_table(table, tmp_path / "in.parquet", row_group_size=3)
    predict_pool(student, tmp_path / "in.parquet", out=tmp_path / "out.parquet", rows_per_shard=7)
    found = pq.read_table(tmp_path / "out.parquet")
    assert found.column_names == ["text", "day", "n", "kind", "label_given", "label", "confidence"]
    assert found.drop(["label", "confidence"]).rename_columns(table.column_names).cast(table.schema) == table
    assert found.schema.types[1:5] == table.schema.types[1:]
    predict_pool(student, tmp_path / "in.parquet", out=tmp_path / "out.csv")
    assert read_rows(tmp_path / "out.csv").rows[0]["day"] == "1970-01-02"


def test_a_killed_run_goes_on_to_the_same_bytes(source, student, monkeypatch):
    """Prevents hours of work from being lost, and rows that come twice or never where a run went on."""
    wanted, out = whole(student, source), source.with_name("out.csv")
    for n_blocks in (0, 1, 5, 3):
        with monkeypatch.context() as patch:
            stopping_after(patch, n_blocks)
            with pytest.raises(KeyboardInterrupt):
                predict_pool(student, source, out=out, rows_per_shard=6)
        assert not out.exists()
    with monkeypatch.context() as patch:
        done = stopping_after(patch, -1)
        made = predict_pool(student, source, out=out, rows_per_shard=6)
    assert made.n_resumed == 3, "0, 0, 2 and 1 shards of two blocks each were whole"
    assert sum(map(len, done)) == 45 - 16, "finished shards were computed again"
    assert out.read_bytes() == wanted
    assert not out.with_name("out.csv.shards").exists()


def test_a_damaged_shard_is_made_anew(source, student, monkeypatch):
    """Prevents half a file, from a disk that lied, in the middle of the output."""
    wanted, out = whole(student, source), source.with_name("out.csv")
    with monkeypatch.context() as patch:
        stopping_after(patch, 7)
        with pytest.raises(KeyboardInterrupt):
            predict_pool(student, source, out=out, rows_per_shard=6)
    folder = out.with_name("out.csv.shards")
    assert [path.name for path in sorted(folder.glob("part-*"))] == [f"part-0000{n}.csv" for n in range(3)]
    (folder / "part-00001.csv").write_bytes(b"torn")
    (folder / ".work" / "00002.json").write_bytes(b"{")
    assert predict_pool(student, source, out=out, rows_per_shard=6).n_resumed == 1
    assert out.read_bytes() == wanted


def begun(student, source, monkeypatch, **options):
    """Leave a run with a finished shard behind, and return its output."""
    out = source.with_name("out.csv")
    with monkeypatch.context() as patch:
        stopping_after(patch, 3)
        with pytest.raises(KeyboardInterrupt):
            predict_pool(student, source, out=out, rows_per_shard=6, **options)
    return out


def test_what_changed_is_told_and_nothing_is_lost(source, students, monkeypatch):
    """Prevents one output of two models or two inputs, and a run that throws away the shards of another."""
    student = students["single"]
    out = begun(student, source, monkeypatch)
    before = sorted((path, path.read_bytes()) for path in out.with_name("out.csv.shards").rglob("*") if path.is_file())
    with pytest.raises(
        InputError, match=r"holds 1 finished shards.*changed since: at_least_one \(was False, is True\)"
    ):
        predict_pool(student, source, out=out, rows_per_shard=6, at_least_one=True)
    with pytest.raises(InputError, match=r"rows_per_shard \(was 6, is 7\).*choose another out"):
        predict_pool(student, source, out=out, rows_per_shard=7)
    with pytest.raises(InputError, match="changed since: the model"):
        predict_pool(students["multi"], source, out=out, rows_per_shard=6)
    content = source.read_bytes()
    source.write_bytes(content + b"99,refund\n")
    with pytest.raises(InputError, match="changed since: the input"):
        predict_pool(student, source, out=out, rows_per_shard=6)
    source.write_bytes(content)  # a new date alone is no other input
    after = sorted((path, path.read_bytes()) for path in out.with_name("out.csv.shards").rglob("*") if path.is_file())
    assert [found for found in after if found[0].suffix != ".lock"] == [
        found for found in before if found[0].suffix != ".lock"
    ]
    predict_pool(student, source, out=out, rows_per_shard=6)
    assert out.read_bytes() == whole(student, source)
    folder = out.with_name("out.csv.shards")
    folder.mkdir()
    (folder / "diary.txt").write_text("mine")
    with pytest.raises(InputError, match="not replaced"):
        predict_pool(student, source, out=out)
    (folder / "diary.txt").rename(folder / "manifest.json")
    with pytest.raises(InputError, match=r"not valid JSON.*remove that folder"):
        predict_pool(student, source, out=out)


def test_two_runs_do_not_write_one_output(source, student, monkeypatch):
    """Prevents two runs from taking each other's files away."""
    out = begun(student, source, monkeypatch)
    with (out.with_name("out.csv.shards") / ".work" / "lock").open("ab") as handle:
        assert take_lock(handle)
        with pytest.raises(InputError, match="another run is writing to"):
            predict_pool(student, source, out=out, rows_per_shard=6)
        with pytest.raises(InputError, match="another run is writing to"):
            predict_pool(student, source, out=out, rows_per_shard=6, shard="1/2")


def test_an_input_that_changes_under_the_run_is_not_put_together(source, student, monkeypatch):
    """Prevents an output of which the first half belongs to another file than the second."""
    real = staff.Answering.answers

    def answers(self, classifier, texts):
        os.utime(source, ns=(1, 1))
        return real(self, classifier, texts)

    monkeypatch.setattr(staff.Answering, "answers", answers)
    with pytest.raises(InputError, match="changed while it was read"):
        predict_pool(student, source, out=source.with_name("out.csv"), rows_per_shard=6)
    assert not source.with_name("out.csv").exists()


def test_a_full_disk_keeps_finished_shards(source, student, monkeypatch):
    """Prevents a disk that fills up from costing more than the shard that no longer fits."""
    wanted, out = whole(student, source), source.with_name("out.csv")
    real, written = DelimitedWriter.write, []

    def write(self, columns):
        written.append(1)
        if len(written) > 9:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(self, columns)

    with monkeypatch.context() as patch:
        patch.setattr(DelimitedWriter, "write", write)
        with pytest.raises(OSError, match="disk is full; finished shards are kept") as failure:
            predict_pool(student, source, out=out, rows_per_shard=6)
    assert failure.value.errno == errno.ENOSPC
    left = [path.name for path in out.with_name("out.csv.shards").rglob(".*.part")]
    assert left == []
    assert predict_pool(student, source, out=out, rows_per_shard=6).n_resumed > 0
    assert out.read_bytes() == wanted


def test_machines_share_the_work(source, student, monkeypatch):
    """Prevents machines that wait for each other, do a shard twice, or leave the output to nobody."""
    wanted, out = whole(student, source), source.with_name("out.csv")
    with monkeypatch.context() as patch:
        done = stopping_after(patch, -1)
        first = predict_pool(student, source, out=out, rows_per_shard=6, shard="2/3")
        assert (first.is_whole, first.n_shards, first.n_rows) == (False, 3, 18)
        assert not out.exists()
        again = predict_pool(student, source, out=out, rows_per_shard=6, shard="2/3")
        assert (again.n_resumed, again.n_shards) == (3, 3)
        predict_pool(student, source, out=out, rows_per_shard=6, shard="3/3")
        last = predict_pool(student, source, out=out, rows_per_shard=6, shard="1/3")
    assert (last.is_whole, last.n_rows, last.n_rejected) == (True, 50, 5)
    assert sum(map(len, done)) == 45
    assert out.read_bytes() == wanted


def test_the_last_machine_leaves_a_shard_that_another_is_at(source, student):
    """Prevents two writers of one shard; whoever ends later puts the file together, or a plain run does."""
    wanted, out = whole(student, source), source.with_name("out.csv")
    predict_pool(student, source, out=out, rows_per_shard=6, shard="2/2")
    work = out.with_name("out.csv.shards") / ".work"
    with (work / "lock").open("ab") as shared, (work / "00004.lock").open("ab") as handle:
        assert take_lock(shared, shared=True)
        assert take_lock(handle)
        made = predict_pool(student, source, out=out, rows_per_shard=6, shard="1/2")
        assert (made.is_whole, made.n_shards) == (False, 8)
        handle.close()
        assert not predict_pool(student, source, out=out, rows_per_shard=6, shard="1/2").is_whole, "a run is at work"
    assert predict_pool(student, source, out=out, rows_per_shard=6).n_resumed == 9
    assert out.read_bytes() == wanted


def test_a_folder_keeps_a_file_a_shard(source, student):
    """Prevents parts that no other program reads, and a second run that computes anything."""
    folder = source.with_name("parts")
    made = predict_pool(student, source, out=f"{folder}/", rows_per_shard=20, abstaining=Abstaining(min_confidence=1.0))
    parts = sorted(folder.glob("part-*"))
    assert [path.name for path in parts] == ["part-00000.csv", "part-00001.csv", "part-00002.csv"]
    assert [row["id"] for path in parts for row in read_rows(path).rows] == [str(n) for n in range(50)]
    manifest = json.loads((folder / "manifest.json").read_text())
    assert [shard["rows"] for shard in manifest["shards"]] == [[0, 20], [20, 40], [40, 50]]
    assert {len(shard["sha256"]) for shard in manifest["shards"]} == {64}
    assert {"bytes", "sha256"} <= set(manifest["input"])
    assert (made.rejected_file, made.review_file) == (folder / "rejected.csv", folder / "review.csv")
    again = predict_pool(student, source, out=folder, rows_per_shard=20, abstaining=Abstaining(min_confidence=1.0))
    assert again == dataclasses.replace(made, n_resumed=3)
    parts[1].unlink()
    assert (
        predict_pool(
            student, source, out=folder, rows_per_shard=20, abstaining=Abstaining(min_confidence=1.0)
        ).n_resumed
        == 2
    )
    with pytest.raises(InputError, match="changed since: min_confidence"):
        predict_pool(student, source, out=folder, rows_per_shard=20)


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_unsure_rows_go_to_a_file_for_review(tmp_path, student, small_blocks, suffix):
    """Prevents unsure labels that nobody sees, and rows for review that cannot be found again."""
    write_rows(tmp_path / f"in{suffix}", made_up(30))
    predict_pool(student, tmp_path / f"in{suffix}", out=tmp_path / f"all{suffix}")
    answers = read_rows(tmp_path / f"all{suffix}").rows
    sure = sorted(float(row["confidence"]) for row in answers if row["confidence"] not in (None, ""))[10]
    out = tmp_path / f"out{suffix}"
    abstaining = Abstaining(min_confidence=sure)
    made = predict_pool(student, tmp_path / f"in{suffix}", out=out, rows_per_shard=7, abstaining=abstaining)
    rows, review = read_rows(out).rows, read_rows(tmp_path / f"out{suffix}.review{suffix}").rows
    below = [n for n, row in enumerate(answers) if row["label"] and float(row["confidence"]) < sure]
    assert [int(row["row"]) for row in review] == below
    assert made.n_abstained == len(below) > 0
    assert made.review_file == tmp_path / f"out{suffix}.review{suffix}"
    for row, n in zip(review, below, strict=True):
        assert {name: row[name] for name in answers[n]} == answers[n]
        assert rows[n] == answers[n] | {"label": "" if suffix == ".csv" else None}
    predict_pool(student, tmp_path / f"in{suffix}", out=out)
    assert not made.review_file.exists(), "a review of another run"


def test_rows_that_cannot_be_predicted(tmp_path, student, small_blocks):
    """Prevents one bad row from stopping the others, from shifting them, or from getting a label."""
    lines = [b'{"text": "refund"}', b'{"text": ""}', b'{"txt": "x"}', b"{", b'{"text": "caf\xe9"}', b'{"text": "card"}']
    (tmp_path / "in.jsonl").write_bytes(b"\n".join([*lines, b'{"text": "half a \\ud83d"}', b'{"text": [1]}']))
    made = predict_pool(student, tmp_path / "in.jsonl", out=tmp_path / "out.jsonl")
    rows = read_rows(tmp_path / "out.jsonl").rows
    assert [bool(row["label"]) for row in rows] == [True, False, False, False, False, True, False, False]
    assert rows[6]["text"] == "half a \ud83d"
    reasons = [(int(row["row"]), row["reason"]) for row in read_rows(made.rejected_file).rows]
    assert [number for number, _ in reasons] == [1, 2, 3, 4, 6, 7]
    for (_, reason), word in zip(reasons, ["empty", "missing", "JSON", "utf-8", "no text", "list"], strict=True):
        assert word in reason


def test_nothing_is_written_where_nothing_can_be(tmp_path, student):
    """Prevents empty folders and half outputs after a mistake in the command."""
    write_rows(tmp_path / "in.csv", [{"txt": "refund"}])
    for options, message in (
        ({}, r"no column 'text'; columns there: 'txt'.*Did you mean 'txt'"),
        ({"reading": Reading(text=("txt",)), "shard": "3/2"}, "--shard"),
        ({"reading": Reading(text=("txt",)), "workers": 0}, "workers must be a positive integer"),
        ({"reading": Reading(text=("txt",)), "threads": 0}, r"threads must be a positive integer, got 0 \(--threads\)"),
        ({"reading": Reading(text=("txt",)), "engine": "rai"}, "engine must be one of"),
        ({"reading": Reading(text=("txt",)), "rows_per_shard": 0}, "rows_per_shard must be"),
        ({"reading": Reading(text=("txt",)), "abstaining": Abstaining(min_confidence=2)}, "min_confidence must be"),
    ):
        with pytest.raises(InputError, match=message):
            predict_pool(student, tmp_path / "in.csv", out=tmp_path / "out.csv", **options)
    with pytest.raises(InputError, match="expected one of"):
        predict_pool(student, tmp_path / "in.csv", out=tmp_path / "out.xls")
    with pytest.raises(InputError, match="another file"):
        predict_pool(student, tmp_path / "in.csv", out=tmp_path / "in.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["in.csv"]


def test_equal_texts_are_asked_once(tmp_path, student, monkeypatch):
    """Prevents a pool of copies from taking as long as one of different texts."""
    write_rows(tmp_path / "in.csv", [{"text": ["refund", "parcel"][n % 2]} for n in range(20)])
    model, asked = load_classifier(student), []
    real = type(model).predict_proba
    monkeypatch.setattr(type(model), "predict_proba", lambda self, texts: asked.extend(texts) or real(self, texts))
    predict_pool(model, tmp_path / "in.csv", out=tmp_path / "out.csv")
    assert asked == ["refund", "parcel"]
    labels = [row["label"] for row in read_rows(tmp_path / "out.csv").rows]
    assert labels == model.predict(["refund", "parcel"]).tolist() * 10


def test_a_gzipped_output_is_one_file_for_others_too(source, student):
    """Prevents a file that only readers of several members read whole."""
    predict_pool(student, source, out=source.with_name("out.csv.gz"), rows_per_shard=6)
    assert gzip.decompress(source.with_name("out.csv.gz").read_bytes()) == whole(student, source)


SCRIPT = (
    "import sys; from fewshot.recipes.predicting.pool import predict_pool as p; p(*sys.argv[1:3], out=sys.argv[3], "
)


@pytest.mark.slow
def test_sigkill_at_any_moment(tmp_path, student):
    """Prevents what only a real kill shows: locks that stay, temporary files, a torn shard."""
    write_rows(tmp_path / "in.csv", [{"id": n, "text": f"refund {n} card {n * 7 % 101}"} for n in range(60_000)])
    predict_pool(student, tmp_path / "in.csv", out=tmp_path / "whole.csv", rows_per_shard=2_000)
    command = [
        sys.executable,
        "-c",
        f"{SCRIPT}rows_per_shard=2000)",
        student,
        tmp_path / "in.csv",
        tmp_path / "out.csv",
    ]
    folder = tmp_path / "out.csv.shards"
    for n_shards in (1, 9, 20):
        process = subprocess.Popen(command, start_new_session=True)
        while process.poll() is None and len(list(folder.glob("part-*"))) < n_shards:
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    made = predict_pool(student, tmp_path / "in.csv", out=tmp_path / "out.csv", rows_per_shard=2_000)
    assert made.n_resumed >= 19
    assert (tmp_path / "out.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
