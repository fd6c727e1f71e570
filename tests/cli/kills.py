"""A real ``fewshot compare`` that is killed at random moments and gone on with, and what it leaves in the end."""

import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer, models, pre_tokenizers

from fewshot.encoders.static import StaticEncoder

WORDS = {"fruit": "apple pear plum cherry", "tool": "hammer saw drill wrench", "bird": "robin crow heron finch"}
BEGUN = "manifest.json"
"""Written when the reading is done and the work begins."""


def write_inputs(folder: Path) -> None:
    """Write a file of labelled texts and the folder of a tiny encoder."""
    pairs = [
        (f"{word} number {i}", label) for label, words in WORDS.items() for i in range(24) for word in words.split()
    ]
    lines = [f"{text},{label},{'train' if i % 3 else 'test'}" for i, (text, label) in enumerate(pairs)]
    (folder / "things.csv").write_text("\n".join(["text,label,split", *lines]) + "\n")
    words = ["[UNK]", *" ".join(WORDS.values()).split(), "number", *map(str, range(24))]
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    table = np.random.default_rng(0).normal(size=(len(words), 16))
    StaticEncoder(table, tokenizer, name="tiny").save(folder / "encoder")


def begin(folder: Path, out: str, *, seeds: int, workers: int = 1) -> subprocess.Popen[bytes]:
    """Begin the command in a process group of its own."""
    command = [sys.executable, "-m", "fewshot", "compare", "things.csv:train", "--test", "things.csv:test"]
    command += ["--methods", "naive-bayes,knn", "--slices", "1,2,4", "--seeds", str(seeds), "--encoder", "encoder"]
    command += ["--workers", str(workers), "--out", out, "--quiet"]
    environment = os.environ | {"FEWSHOT_CACHE": str(folder / "cache"), "HF_HUB_OFFLINE": "1"}
    streams: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, cwd=folder, env=environment, start_new_session=True, **streams)


def finish(process: subprocess.Popen[bytes]) -> None:
    """Wait for the command, which must end well."""
    _, errors = process.communicate()
    assert process.returncode == 0, errors.decode()[-2000:]


def kill_at_random(folder: Path, *, kills: int, seeds: int, seed: int = 0, workers: int = 1) -> dict[str, Any]:
    """Kill the command at random moments, and go on with it until that many kills are done and all is finished.

    A comparison that is finished before it is killed is held against the undisturbed one, and another is begun.

    Returns
    -------
    dict
        ``kills`` at which something was under way, of these ``among_cells`` when some and not all were on disk,
        ``comparisons``, and ``differences``: the files that are not as those of the undisturbed run.
    """
    rng = random.Random(seed)
    started = time.monotonic()
    finish(begin(folder, "whole", seeds=seeds, workers=workers))
    longest = time.monotonic() - started
    wanted = left(folder / "whole")
    n_cells = len(list((folder / "whole" / "cells").iterdir()))
    done = {"kills": 0, "among_cells": 0, "comparisons": 0, "differences": []}
    while done["kills"] < kills:
        out = f"killed{done['comparisons']}"
        while done["kills"] < kills and not killed_before_end(folder, out, rng, longest, seeds, workers, done, n_cells):
            pass
        finish(begin(folder, out, seeds=seeds, workers=workers))
        done["comparisons"] += 1
        found = left(folder / out)
        done["differences"] += [name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name)]
    return done


def killed_before_end(
    folder: Path,
    out: str,
    rng: random.Random,
    longest: float,
    seeds: int,
    workers: int,
    done: dict[str, Any],
    n_cells: int,
) -> bool:
    """Run and kill once; return whether it had ended before. A tenth of the kills falls before the work begins."""
    process = begin(folder, out, seeds=seeds, workers=workers)
    manifest, before = folder / out / BEGUN, time.time_ns()
    if rng.random() > 0.1:
        while process.poll() is None and not (manifest.is_file() and manifest.stat().st_mtime_ns > before):
            time.sleep(0.005)
    try:
        process.wait(rng.uniform(0, longest / 2))
        ended = True
    except subprocess.TimeoutExpired:
        os.kill(process.pid, signal.SIGKILL)
        ended = False
    process.communicate()
    if ended:
        assert process.returncode == 0
        return True
    done["kills"] += 1
    done["among_cells"] += 0 < len(list((folder / out).glob("cells/*.json"))) < n_cells
    return False


def left(out: Path) -> dict[str, bytes]:
    """Return the bytes of all files that hold results, by name, with times blanked, and of torn files, if any."""
    cells = {f"cells/{path.name}": path.read_bytes() for path in (out / "cells").iterdir()}
    made = {name: re.sub(rb'(_seconds": )[0-9.e-]+', rb"\1", content) for name, content in cells.items()}
    results = (out / "results.csv").read_text().splitlines()
    columns = [i for i, name in enumerate(results[0].split(",")) if "seconds" not in name]
    made["results.csv"] = "\n".join(",".join(line.split(",")[i] for i in columns) for line in results).encode()
    made["contrasts.csv"] = (out / "contrasts.csv").read_bytes()
    return made | {path.name: b"torn" for path in out.glob(".*.part")}
