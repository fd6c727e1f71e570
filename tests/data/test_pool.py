"""Pools: each text once, none of the test set, on disk, and what is told of the rest."""

import gc
import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fewshot.core.artifacts import fingerprint, read_json, write_json
from fewshot.core.errors import DataWarning, InputError, SourceNotFoundError
from fewshot.core.scratch import LOCK
from fewshot.data import pool as pool_module
from fewshot.data.cleaning import clean_texts
from fewshot.data.pool import MANIFEST, TEXTS, Pool, load_pool, open_pool
from fewshot.data.texts import TextData
from fewshot.data.writers import write_rows
from fewshot.encoders.base import check_texts

ROWS = st.lists(
    st.sampled_from(["", " \n", "a", "A ", "b", "b\x00", "a b", "A  B", "c", "日本", "\ud800d"]), max_size=20
)


@given(ROWS, st.sets(st.sampled_from(["a", "B", "a\tb", "zzz", ""])))
@settings(max_examples=60, deadline=None)
def test_it_keeps_what_cleaning_keeps_save_what_is_excluded(rows, exclude):
    """Prevents two ideas of a copy, a row that is counted twice or never, and an excluded text that stays."""
    data = TextData(rows, [None] * len(rows), multi_label=False, rows=list(range(len(rows))))
    expected, report = clean_texts(data)
    keys = {" ".join(text.casefold().split()) for text in exclude}
    kept = [text for text in expected.texts if " ".join(text.casefold().split()) not in keys]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        if not kept:
            with pytest.raises(InputError):
                open_pool(rows, exclude=exclude)
            return
        pool = open_pool(rows, exclude=exclude)
    assert (list(pool), len(pool), pool[-1]) == (kept, len(kept), kept[-1])
    told = pool.report
    assert told.n_rows == len(rows)
    assert told.n_rows == told.broken + told.empty + told.excluded + told.duplicates + told.not_drawn + told.kept
    assert (told.kept, told.empty) == (len(kept), report.empty)


@pytest.mark.parametrize("suffix", [".csv", ".tsv.gz", ".jsonl.gz", ".json", ".parquet"])
def test_files(tmp_path, suffix):
    """Prevents a format in which a pool is another one."""
    path = tmp_path / f"pool{suffix}"
    write_rows(
        path, [{"n": i, "Body": text} for i, text in enumerate(["one", "two, \n2", " ONE", None, "x" * 150_000])]
    )
    pool = open_pool(path, column="Body")
    assert list(pool) == ["one", "two, \n2", "x" * 150_000]
    assert pool.report.summary() == f"3 of 5 rows of file {str(path)!r} kept; left out: 1 empty, 1 duplicate."


def test_a_pool_is_a_sequence_of_texts():
    """Prevents a pool that the encoders, or a training, would not take for texts."""
    pool = open_pool(pd.DataFrame({"text": ["a", "b", "c"]}))
    check_texts(pool)
    assert isinstance(pool, Pool)
    assert (pool[1:], pool.take([2, 0, 2]), "b" in pool, pool.index("c")) == (["b", "c"], ["c", "a", "c"], True, 2)
    assert repr(pool) == "<Pool of 3 texts from DataFrame>"
    assert pool.content_hash == fingerprint(["a", "b", "c"]) != open_pool(["a", "c", "b"]).content_hash


def test_copies_are_found_across_chunks():
    """Prevents duplicates that are seen within a chunk only."""
    pool = open_pool(f"Text {i % 12_000}" for i in range(25_000))
    assert (len(pool), pool.report.duplicates, pool[11_999]) == (12_000, 13_000, "Text 11999")


def test_excluded_texts_are_told():
    """Prevents a test set that leaks into training, and one that is taken out without a word."""
    with pytest.warns(
        DataWarning, match=r"2 of 4 rows of the pool \(list\) are copies of excluded texts, such as test"
    ):
        pool = open_pool(["a", "Test  ONE", "b", "test one"], exclude=iter(["test one ", "other"]))
    assert list(pool) == ["a", "b"]
    assert pool.report.as_facts() == {
        "source": "list",
        "n_rows": 4,
        "broken": 0,
        "empty": 0,
        "excluded": 2,
        "duplicates": 0,
        "not_drawn": 0,
        "kept": 2,
        "broken_examples": [],
    }


def test_broken_rows_are_told(tmp_path):
    """Prevents half a pool that is lost without a word."""
    (tmp_path / "a.csv").write_text("n,text\n1,a\n2\n3,b\n")
    with pytest.warns(DataWarning, match=r"1 of 3 rows .* could not be read and were left out; the first: line 3: 1 f"):
        pool = open_pool(tmp_path / "a.csv")
    assert (list(pool), pool.report.broken_examples) == (["a", "b"], ("line 3: 1 fields where the header has 2",))


def test_a_sample_keeps_order_follows_its_seed_and_counts():
    """Prevents the first rows instead of a sample, and a sample of copies."""
    rows = [f"text {i % 3_000}" for i in range(6_000)]
    pool = open_pool(rows, max_rows=500, random_state=3)
    numbers = [int(text.split()[1]) for text in pool]
    assert (len(numbers), numbers) == (500, sorted(set(numbers)))
    assert 1_300 < np.mean(numbers) < 1_700
    assert list(open_pool(iter(rows), max_rows=500, random_state=3)) == list(pool)
    assert list(open_pool(rows, max_rows=500, random_state=4)) != list(pool)
    assert (pool.report.not_drawn, pool.report.duplicates) == (2_500, 3_000)
    assert list(open_pool(rows, max_rows=3_000)) == rows[:3_000]
    assert {path.name for path in pool.path.parent.iterdir()} == {TEXTS, LOCK}  # those not drawn are gone from the disk


def test_its_file_goes_when_nobody_holds_it():
    """Prevents a temporary folder that fills up."""
    pool = open_pool(["a"])
    folder = pool.path.parent
    assert folder.is_dir()
    del pool
    gc.collect()
    assert not folder.exists()


def test_nothing_is_left_after_an_error(tmp_path, monkeypatch):
    """Prevents the same after wrong input, or Ctrl-C halfway."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    def interrupted():
        yield "a"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        open_pool(interrupted())
    with pytest.raises(InputError):
        open_pool([""])
    assert list(tmp_path.iterdir()) == []


def test_spill_and_load(tmp_path):
    """Prevents a pool that changes on its way to disk and back, and a second writing of the same."""
    pool = open_pool(["b", "a", "a"], max_rows=5)
    kept = pool.spill(tmp_path / "deep" / "pool")
    del pool
    gc.collect()
    assert kept.path == tmp_path / "deep" / "pool" / TEXTS
    loaded = load_pool(tmp_path / "deep" / "pool")
    assert list(loaded) == list(kept) == ["b", "a"]
    assert loaded.report == kept.report
    assert loaded.content_hash == kept.content_hash == fingerprint(["b", "a"])
    before = os.stat(kept.path).st_ino
    assert list(open_pool(["b", "a"]).spill(tmp_path / "deep" / "pool")) == ["b", "a"]
    assert os.stat(kept.path).st_ino == before
    other = open_pool(["c"]).spill(str(tmp_path / "deep" / "pool"))
    assert list(other) == ["c"]
    assert list(loaded) == ["b", "a"]  # who has it open keeps it


def test_an_interrupted_spill_goes_on(tmp_path, monkeypatch):
    """Prevents half a pool that is taken for a whole one, and a folder that must be emptied by hand."""

    def interrupted(*_):
        raise KeyboardInterrupt

    pool = open_pool(["a", "b"])
    with monkeypatch.context() as patch:
        patch.setattr(pool_module, "write_json", interrupted)
        with pytest.raises(KeyboardInterrupt):
            pool.spill(tmp_path / "pool")
    assert list(tmp_path.iterdir()) == []
    assert list(pool.spill(tmp_path / "pool")) == ["a", "b"]


def test_a_spilled_folder_is_a_source(tmp_path):
    """Prevents a second form of pool files, and a test set that gets in through the first."""
    open_pool(["a", "b", "c"]).spill(tmp_path / "pool")
    with pytest.warns(DataWarning, match="1 of 3"):
        assert list(open_pool(str(tmp_path / "pool"), exclude=["B"])) == ["a", "c"]


def test_damaged_folders_are_refused_and_replaced(tmp_path):
    """Prevents training on half a pool, and a run that cannot go on because of one."""
    pool, folder = open_pool(["a", "b"]), tmp_path / "pool"
    with pytest.raises(SourceNotFoundError):
        load_pool(folder)
    for damage in (
        lambda: (folder / TEXTS).write_bytes((folder / TEXTS).read_bytes()[:-1]),
        lambda: (folder / TEXTS).unlink(),
        lambda: (folder / MANIFEST).write_text("{"),
        lambda: (folder / MANIFEST).write_text("[]"),
        lambda: write_json(folder / MANIFEST, read_json(folder / MANIFEST) | {"version": 2}),
        lambda: write_json(folder / MANIFEST, read_json(folder / MANIFEST) | {"report": {"kept": 2}}),
        lambda: write_json(
            folder / MANIFEST,
            read_json(folder / MANIFEST) | {"report": pool.report.as_facts() | {"kept": 3}},
        ),
    ):
        pool.spill(folder)
        damage()
        with pytest.raises(InputError, match=r"is damaged .* spill the pool again"):
            load_pool(folder)
    assert list(pool.spill(folder)) == ["a", "b"]


def test_a_folder_of_something_else_stays(tmp_path):
    """Prevents a wrong path from costing somebody's files."""
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(InputError, match=r"holds files but no pool\.json"):
        open_pool(["a"]).spill(tmp_path)
    assert (tmp_path / "thesis.tex").is_file()


@pytest.mark.parametrize(
    ("source", "settings", "message"),
    [
        ([], {}, "list is empty: it holds no rows"),
        (["", " ", None], {}, "has no text in column 'text': 3 of 3 rows are empty"),
        ([["a"], 7], {}, "no row of list can be read; row 1: a text must be a string, got list"),
        (
            ["a", "b"],
            {"exclude": ["A", "b", "c"]},
            "every text of list is one of the excluded texts; is the pool the test",
        ),
        ([{"txet": "a"}], {}, "no column 'text'; columns there: 'txet'; .*Did you mean 'txet'"),
        (["a"], {"exclude": "a"}, "exclude must be texts"),
        (["a"], {"exclude": [1]}, "exclude must hold strings, got 1 of type int"),
        (["a"], {"exclude": None}, "exclude must be texts"),
        (["a"], {"max_rows": 0}, "max_rows must be a positive integer"),
        (["a"], {"random_state": -1}, "random_state must be an integer of at least 0, got -1"),
        (["a"], {"random_state": "0"}, "random_state must be an integer"),
        ({"a"}, {}, "has no order"),
    ],
)
def test_wrong_input(source, settings, message):
    """Prevents an empty pool, and a traceback of somebody else's library."""
    with pytest.raises(InputError, match=message):
        open_pool(source, **settings)


def test_wrong_files(tmp_path):
    """Prevents the same for files: another encoding, a binary, nothing there."""
    (tmp_path / "a.csv").write_bytes(b"text\nok\nsch\xf6n\n")
    with pytest.raises(InputError, match=r"a\.csv', line 3: byte 0xf6 is not valid utf-8"):
        open_pool(tmp_path / "a.csv")
    assert list(open_pool(tmp_path / "a.csv", encoding="cp1252")) == ["ok", "schön"]
    (tmp_path / "b.csv").write_bytes(bytes(range(256)) * 9)
    with pytest.raises(InputError, match="binary"):
        open_pool(tmp_path / "b.csv")
    with pytest.raises(SourceNotFoundError, match=r"Did you mean 'a\.csv'"):
        open_pool(tmp_path / "aa.csv")


MEASURE = """
import sys, tracemalloc
from fewshot.data.pool import open_pool, stream_texts
import pyarrow as pa
open_pool(["warm", "up"], max_rows=1)
tracemalloc.start()
if sys.argv[2] == "pool":
    pool = open_pool(sys.argv[1])
    found = len(pool.spill(sys.argv[1] + ".pool"))
else:
    found = sum(map(len, stream_texts(sys.argv[1])))
print(found, tracemalloc.get_traced_memory()[1], pa.default_memory_pool().max_memory())
"""


@pytest.mark.parametrize("work", ["stream", "pool"])
def test_memory_does_not_grow_with_the_texts(tmp_path, work):
    """Prevents a pool in memory: 200,000 rows of 60 MB are read within 24 MB, most of which is one chunk."""
    path, n = tmp_path / "big.jsonl", 200_000
    with path.open("w") as handle:
        handle.writelines(f'{{"text": "{i} {"x" * 280}"}}\n' for i in range(n))
    assert path.stat().st_size > 55_000_000
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-c", MEASURE, str(path), work]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    found, python_peak, arrow_peak = map(int, done.stdout.split())
    assert found == n
    assert python_peak + arrow_peak < 24_000_000
