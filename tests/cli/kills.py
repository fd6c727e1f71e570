"""A real ``fewshot compare`` that is killed at random moments and gone on with, and what it leaves in the end."""

import dataclasses
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


def hear_ctrl_c() -> None:
    """Let a new process hear Ctrl-C; a shell's background jobs, and what they begin, are deaf to it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@dataclasses.dataclass(frozen=True)
class Command:
    """``fewshot compare`` on these files: two methods, three slices, so many seeds."""

    folder: Path
    seeds: int
    workers: int = 1

    @property
    def n_cells(self) -> int:
        """How many cells it has."""
        return 2 * 3 * self.seeds

    def begin(self, out: str) -> subprocess.Popen[bytes]:
        """Begin it in a process group of its own."""
        command = [sys.executable, "-m", "fewshot", "compare", "things.csv:train", "--test", "things.csv:test"]
        command += ["--methods", "naive-bayes,knn", "--slices", "1,2,4", "--seeds", str(self.seeds)]
        command += ["--encoder", "encoder", "--workers", str(self.workers), "--out", out, "--quiet"]
        environment = os.environ | {"FEWSHOT_CACHE": str(self.folder / "cache"), "HF_HUB_OFFLINE": "1"}
        streams: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
        hearing = {"preexec_fn": hear_ctrl_c, "start_new_session": True}
        return subprocess.Popen(command, cwd=self.folder, env=environment, **hearing, **streams)

    def finish(self, out: str) -> None:
        """Run it to its end, which must be a good one."""
        process = self.begin(out)
        _, errors = process.communicate()
        assert process.returncode == 0, errors.decode()[-2000:]

    def killed(self, out: str, rng: random.Random, longest: float) -> bool:
        """Run it and kill it; return whether there was anything to kill. A tenth dies before its work begins."""
        before, process = time.time_ns(), self.begin(out)
        manifest = self.folder / out / BEGUN
        if rng.random() > 0.1:
            while process.poll() is None and not (manifest.is_file() and manifest.stat().st_mtime_ns > before):
                time.sleep(0.005)
        try:
            process.wait(rng.uniform(0, longest))
        except subprocess.TimeoutExpired:
            os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        assert process.returncode in (0, -signal.SIGKILL)
        return process.returncode != 0

    def n_kept(self, out: str) -> int:
        """Return how many cells are on disk."""
        return len(list((self.folder / out).glob("cells/*.json")))


def kill_at_random(command: Command, kills: int, *, seed: int = 0) -> dict[str, Any]:
    """Kill a command at random moments and go on with it, until that many kills are done and all is finished.

    A comparison that is finished before that is held against the undisturbed one, and another is begun.

    Returns
    -------
    dict
        ``kills``; of these ``among_cells``, when some cells and not all were on disk; ``comparisons``; and
        ``differences``: the files that are not as those of the undisturbed run.
    """
    rng, start = random.Random(seed), time.monotonic()
    command.finish("whole")
    longest = (time.monotonic() - start) / 2  # the other half is spent on imports
    wanted = left(command.folder / "whole")
    done: dict[str, Any] = {"kills": 0, "among_cells": 0, "comparisons": 0, "differences": []}
    while done["kills"] < kills:
        out = f"killed{done['comparisons']}"
        while done["kills"] < kills and command.killed(out, rng, longest):
            done["kills"] += 1
            done["among_cells"] += 0 < command.n_kept(out) < command.n_cells
        command.finish(out)
        done["comparisons"] += 1
        found = left(command.folder / out)
        done["differences"] += [name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name)]
    return done


def left(out: Path) -> dict[str, bytes]:
    """Return the bytes of all files that hold results, by name, with times blanked, and of torn files, if any."""
    cells = {f"cells/{path.name}": path.read_bytes() for path in (out / "cells").iterdir()}
    made = {name: re.sub(rb'(_seconds": )[0-9.e-]+', rb"\1", content) for name, content in cells.items()}
    results = (out / "results.csv").read_text().splitlines()
    columns = [i for i, name in enumerate(results[0].split(",")) if "seconds" not in name]
    made["results.csv"] = "\n".join(",".join(line.split(",")[i] for i in columns) for line in results).encode()
    made["contrasts.csv"] = (out / "contrasts.csv").read_bytes()
    return made | {path.name: b"torn" for path in out.glob(".*.part")}
