"""``fewshot predict`` over files: memory, time by size, share of the model's own rate, two workers, random kills.

A token table of random rows and made-up texts (twelve words and a number of its own each), so that what is measured is
the way from file to file. Each run is a process of its own; the high-water mark of its resident memory is the kernel's.
"""

import json
import random
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from fewshot.core.artifacts import sha256_file
from tests.benchmarks.common import ROOT, cell
from tests.benchmarks.distillation_memory import N_TOPICS, N_WORDS, made_up_texts, made_up_words
from tests.benchmarks.teacher_plan import goal

SIZES, QUICK_SIZES = (500_000, 5_000_000), (20_000, 200_000)
REPEATS, WORKER_TURNS = 1, 3
"""Turns of rates and of workers: at 5,000,000 rows each is minutes long."""
BLOCK = 10_000
DIMENSION = 256
KILLS, QUICK_KILLS = 20, 4
SHARD_ROWS = 10_000


def make_student(folder: Path) -> None:
    """Save a linear probe on a token table of random rows; it knows topics by their words."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

    from fewshot.classifiers.linear_probe import LinearProbeClassifier
    from fewshot.encoders.static import StaticEncoder

    words = made_up_words()
    pieces = ["[UNK]", *(f"{mark}{digit}" for mark in ("", "##") for digit in range(10)), *words]
    tokenizer = Tokenizer(models.WordPiece({piece: at for at, piece in enumerate(pieces)}, unk_token="[UNK]"))
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    encoder = StaticEncoder(np.random.default_rng(0).normal(size=(len(pieces), DIMENSION)), tokenizer)
    texts = list(made_up_texts(400, seed=1))
    topics = [words.index(text.split()[0]) // (N_WORDS // N_TOPICS) for text in texts]
    LinearProbeClassifier(encoder).fit(texts, [f"topic {topic}" for topic in topics]).save(folder)


def make_pool(path: Path, n: int) -> None:
    """Write a CSV file of ``n`` rows, every text in quotes."""
    with path.open("w", encoding="utf-8") as handle:
        handle.write("id,text,source\n")
        handle.writelines(f'{i},"{text}, thanks",web\n' for i, text in enumerate(made_up_texts(n, seed=2)))


def run_once(folder: Path, n: int, out: str, **options: Any) -> dict[str, Any]:
    """Predict a file in a process of its own; return its seconds, with the model's opening, and its peak memory."""
    done = subprocess.run(_command(folder, n, out, **options), cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _command(folder: Path, n: int, out: str, **options: Any) -> list[str]:
    given = json.dumps({"model": str(folder / "student"), "source": str(folder / f"{n}.csv"), "out": out, **options})
    return [sys.executable, "-m", "tests.benchmarks.production_predict_run", given]


def measure_size(folder: Path, n: int) -> dict[str, Any]:
    """Predict a file of ``n`` rows."""
    _need_pool(folder, n)
    return run_once(folder, n, str(folder / f"out-{n}.csv"))


def measure_rate(folder: Path, n: int) -> dict[str, Any]:
    """Return rows a second of the model on lists in memory and of the file, in turns."""
    from fewshot.classifiers.loading import load_classifier
    from fewshot.recipes.predicting.pool import predict_pool

    _need_pool(folder, n)
    texts = [f"{text}, thanks" for text in made_up_texts(n, seed=2)]
    seconds: dict[str, list[float]] = {"memory": [], "file": []}
    for _ in range(REPEATS):
        model = load_classifier(folder / "student")  # afresh, so that neither side knows the words of the other
        start = time.perf_counter()
        for at in range(0, n, BLOCK):
            model.predict_proba(texts[at : at + BLOCK])
        seconds["memory"].append(time.perf_counter() - start)
        start = time.perf_counter()
        predict_pool(folder / "student", folder / f"{n}.csv", out=folder / "rate.csv")
        seconds["file"].append(time.perf_counter() - start)
    rates = {name: n / float(np.median(values)) for name, values in seconds.items()}
    return {"rows": n, "seconds": seconds, "rates": rates, "share": rates["file"] / rates["memory"]}


def measure_workers(folder: Path, n: int) -> dict[str, Any]:
    """Return seconds with one and with two workers, in turns, each with one thread a process."""
    _need_pool(folder, n)
    runs: dict[int, list[dict[str, Any]]] = {1: [], 2: []}
    for _ in range(WORKER_TURNS):
        for workers in (1, 2):
            runs[workers].append(run_once(folder, n, str(folder / f"workers-{workers}.csv"), workers=workers))
    seconds = {workers: [run["seconds"] for run in found] for workers, found in runs.items()}
    hashes = {run["sha256"] for found in runs.values() for run in found}
    ratio = float(np.median(seconds[1]) / np.median(seconds[2]))
    return {"rows": n, "seconds": seconds, "ratio": ratio, "same_bytes": len(hashes) == 1}


def measure_kills(folder: Path, n: int, kills: int) -> dict[str, Any]:
    """Kill runs at random moments, and compare what the last one writes with an uninterrupted run."""
    _need_pool(folder, n)
    rng = random.Random(0)
    whole = run_once(folder, n, str(folder / "whole.csv"), rows_per_shard=SHARD_ROWS)
    out, work = folder / "killed.csv", folder / "killed.csv.shards"
    moments, kept, wrong = [], [], 0
    while len(moments) < kills:
        before = _finished(work)
        process = subprocess.Popen(
            _command(folder, n, str(out), rows_per_shard=SHARD_ROWS), cwd=ROOT, stdout=subprocess.DEVNULL
        )
        moment = rng.uniform(0, 2 + whole["seconds"] / 2)
        try:
            process.wait(moment)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            moments.append(moment)
            kept.append([len(before), len(_finished(work))])
            wrong += not before <= _finished(work)
        else:
            wrong += sha256_file(out) != whole["sha256"]
            out.unlink()
    last = run_once(folder, n, str(out), rows_per_shard=SHARD_ROWS)
    same = last["sha256"] == whole["sha256"] and not wrong
    return {"rows": n, "kills": len(moments), "moments": moments, "shards": kept, "same_bytes": same}


def _finished(work: Path) -> set[str]:
    return {path.name for path in (work / ".work").glob("[0-9]*.json")}


def _need_pool(folder: Path, n: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "student").is_dir():
        make_student(folder / "student")
    if not (folder / f"{n}.csv").is_file():
        make_pool(folder / f"{n}.part", n)
        (folder / f"{n}.part").rename(folder / f"{n}.csv")


def measure(quick: bool, folder: Path) -> dict[str, Any]:
    """Return all figures."""
    few, many = QUICK_SIZES if quick else SIZES
    parts = {
        "few": partial(measure_size, folder, few),
        "many": partial(measure_size, folder, many),
        "rate": partial(measure_rate, folder, many),
        "workers": partial(measure_workers, folder, many),
        "kills": partial(measure_kills, folder, many if quick else few, QUICK_KILLS if quick else KILLS),
    }
    found = {}
    for name, compute in parts.items():
        found[name] = cell(folder / "cells", name, compute)
        print(f"{name}: {found[name]}", flush=True)
    peaks = [found[name]["peak_bytes"] for name in ("few", "many")]
    goals = [
        goal(f"GB at {many:,} rows", 1.2, peaks[1] / 1e9, at_most=True),
        goal(f"memory at {many:,} rows over that at {few:,}", 1.1, peaks[1] / peaks[0], at_most=True),
        goal(
            f"time at {many:,} rows over that at {few:,}",
            10.5,
            found["many"]["seconds"] / found["few"]["seconds"],
            at_most=True,
        ),
        goal("share of the model's rate on lists in memory", 0.8, found["rate"]["share"]),
        goal("one worker's time over that of two", 1.8, found["workers"]["ratio"]),
        goal("same bytes after kills (1: yes)", 1, float(found["kills"]["same_bytes"])),
        goal("same bytes with two workers (1: yes)", 1, float(found["workers"]["same_bytes"])),
    ]
    return {"parts": found, "goals": goals}
