"""Comparisons that a worker can open, with contestants that learn, fail, warn or die, as their cell is called."""

import dataclasses
import json
import os
import signal
import sys
import warnings
from pathlib import Path

from fewshot.core.errors import DataWarning
from fewshot.data.texts import TextData
from fewshot.evaluation.runner.contest import Cell, Contest
from fewshot.evaluation.runner.engine import Arena
from fewshot.evaluation.runner.worker import THREAD_VARIABLES

TRAIN = TextData(["good", "bad"], ["pos", "neg"], multi_label=False, rows=[0, 1])
TEST = TextData(["fine", "poor", "nice"], ["pos", "neg", "pos"], multi_label=False, rows=[0, 1, 2])
SEVERAL = TextData(["good", "odd"], [("pos", "new"), ()], multi_label=True, rows=[0, 1])


class Contestant:
    """Answers with the first label it was taught, after it has done what its name says."""

    def __init__(self, what, folder):
        self.what = what
        self.folder = Path(folder)

    def fit(self, texts, labels):
        (self.folder / f"pid-{os.getpid()}").touch()
        getattr(self, f"_{self.what}", lambda: None)()
        self.answer = labels[0]

    def predict(self, texts):
        return [self.answer] * len(texts)

    def _fail(self):
        raise RuntimeError("broken, with a comma")

    def _warn(self):
        warnings.warn("this looks odd", DataWarning, stacklevel=1)

    def _die(self):
        os.kill(os.getpid(), signal.SIGKILL)

    def _leave(self):
        os._exit(3)

    def _hang(self):
        signal.pause()

    def _threads(self):
        from threadpoolctl import threadpool_info

        seen = {name: os.environ[name] for name in THREAD_VARIABLES}
        seen |= {"pools": max([pool["num_threads"] for pool in threadpool_info()], default=0)}
        seen |= {"torch": "torch" in sys.modules}
        (self.folder / "threads.json").write_text(json.dumps(seen))


@dataclasses.dataclass(frozen=True)
class Build:
    """Makes a contestant."""

    what: str
    folder: str

    def __call__(self):
        return Contestant(self.what, self.folder)


@dataclasses.dataclass(frozen=True)
class Opening:
    """A comparison of one cell a word; each opening of it leaves a file."""

    what: tuple[str, ...]
    folder: str
    data: TextData = TRAIN
    test: TextData = TEST

    def __call__(self):
        (Path(self.folder) / f"opened-{os.getpid()}").touch()
        cells = [Cell(what, "", None, 2, 2, seed, key=f"{what}-{seed}") for seed, what in enumerate(self.what)]
        return Arena([Contest(cell, Build(cell.method, self.folder), self.data) for cell in cells], self.test)


@dataclasses.dataclass(frozen=True)
class Locked:
    """Cannot be opened."""

    def __call__(self):
        raise OSError("the key does not fit")
