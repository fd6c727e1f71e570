"""The commands that an advice ends with: they run as they are printed."""

import dataclasses
import shlex
from collections.abc import Iterable, Sequence
from typing import Any

from fewshot.recipes.advised_slices import Slices
from fewshot.recipes.comparison import CompareSettings
from fewshot.recipes.methods import find_method
from fewshot.recipes.sources import Reading
from fewshot.recipes.task_reading import Task
from fewshot.recipes.training_cost import Workload, in_words, training_seconds

BASELINES = ("naive-bayes", "linear-probe")
"""Every comparison has them: no encoder, and one that is not trained."""

DISTILLED = "distilled:"
TEACHER = "runs/teacher"
FEWER_SEEDS = 3
LONG_COMPARISON = 1_800
"""Seconds from which on a comparison is suggested with fewer seeds."""


@dataclasses.dataclass(frozen=True)
class Command:
    """A line for the shell, and what it is for.

    Parameters
    ----------
    purpose, line : str
    cost : str
        Order of magnitude of its time, as measured on two cores.
    """

    purpose: str
    line: str
    cost: str


@dataclasses.dataclass(frozen=True)
class Files:
    """The names of files on the command line.

    Parameters
    ----------
    labeled : str
    unlabeled, test, label_words : str, optional
    """

    labeled: str
    unlabeled: str | None = None
    test: str | None = None
    label_words: str | None = None


@dataclasses.dataclass(frozen=True)
class Writer:
    """Writes the commands of one task.

    Parameters
    ----------
    files : Files
    task : Task
    reading : Reading
    slices : Slices or None
        None where there are too few labels to compare.
    """

    files: Files
    task: Task
    reading: Reading
    slices: Slices | None

    def commands(self, methods: Sequence[str]) -> list[Command]:
        """Return what to run, in order: compare, train, distil.

        Parameters
        ----------
        methods : sequence of str
            Those to try, best first; all in this version.
        """
        taught = [method for method in methods if not method.startswith(DISTILLED)]
        made = [self._compare(taught, self.slices)] if taught and self.slices is not None else []
        if taught and self._can_train():
            made.append(self._train(taught))
            made += [self._distill(method) for method in methods if method.startswith(DISTILLED)]
        return made

    def _can_train(self) -> bool:
        """Return whether labels tell anything apart; a class without a text does not hinder."""
        n_classes = sum(count > 0 for count in self.task.facts.class_counts.values())
        return n_classes > (0 if self.task.facts.multi_label else 1)

    def hint_without_labels(self) -> str | None:
        """Return how class names and a pool alone make a classifier.

        A command that runs as it stands, and a sketch of a better one, whose teacher must be named.
        """
        facts = self.task.facts
        if not facts.names_are_words or not facts.n_pool or any("," in str(name) for name in facts.class_counts):
            return None
        told = {
            "--classes": ",".join(map(str, facts.class_counts)),
            "--unlabeled": self.files.unlabeled or self.files.labeled,
            "--encoder": facts.encoding.name,
        }
        reading = dataclasses.replace(self.reading, multi_label=facts.multi_label or None).flags()
        named = _line(["train"], {"--method": "zero-shot-embedding", **told, "--out": TEACHER}, reading)
        taught = _line(["distill"], {"--teacher": "nli:FOLDER", **told, "--student": "static"}, reading)
        return (
            f"class names make a first model: {named}; a model of natural-language inference that you have in a folder "
            f"can teach a student: {taught}"
        )

    def _seconds(self, methods: Iterable[str], n_texts: int) -> float:
        """Return about how long methods train on so many labels, as far as it is known."""
        work = Workload(n_texts, self.task.facts.n_pool, self.task.facts.words["mean"])
        return sum(training_seconds(method, work) or 0.0 for method in methods)

    def _compare(self, taught: Sequence[str], slices: Slices) -> Command:
        methods = [*(method for method in BASELINES if method not in taught), *taught]
        a_seed = sum(self._seconds(methods, slices.n_texts(size)) for size in slices.sizes) * (slices.folds or 1)
        seeds = CompareSettings.seeds if a_seed * CompareSettings.seeds < LONG_COMPARISON else FEWER_SEEDS
        line = _line(
            ["compare", self.files.labeled],
            {
                "--test": self.files.test,
                "--unlabeled": self.files.unlabeled if any(map(_uses_pool, methods)) else None,
                "--methods": ",".join(methods),
                "--slices": ",".join(map(str, slices.sizes)),
                "--total": slices.total,
                "--folds": slices.folds if self.files.test is None else None,
                "--label-words": self.files.label_words if any(map(_reads_words, methods)) else None,
                "--seeds": seeds,
                "--encoder": self.task.facts.encoding.name,
            },
            self.reading.flags(),
        )
        return Command("compare them on your labels", line, in_words(seeds * a_seed))

    def _train(self, taught: Sequence[str]) -> Command:
        method = next((method for method in taught if not find_method(method)[0].needs_pool), taught[0])
        line = _line(
            ["train", self.files.labeled],
            {
                "--method": method,
                "--encoder": self.task.facts.encoding.name,
                "--label-words": self.files.label_words if _reads_words(method) else None,
                "--out": TEACHER,
            },
            self.reading.flags(),
        )
        seconds = self._seconds([method], self.task.facts.n_labeled)
        return Command("train on all labels what came out best, such as", line, in_words(seconds))

    def _distill(self, method: str) -> Command:
        student = method.removeprefix(DISTILLED)
        line = _line(
            ["distill"],
            {
                "--teacher": TEACHER,
                "--unlabeled": self.files.unlabeled or self.files.labeled,
                "--labeled": self.files.labeled,
                "--test": self.files.test,
                "--student": student,
                "--out": "runs/student-" + student.replace(":", "-"),
            },
            self.reading.flags(),
        )
        seconds = self._seconds([method], self.task.facts.n_labeled)
        return Command(f"distil the teacher into {student}", line, in_words(seconds))


def _uses_pool(method: str) -> bool:
    return find_method(method)[0].uses_pool


def _reads_words(method: str) -> bool:
    return find_method(method)[0].reads_words


def _line(words: list[str], flags: dict[str, Any], more: Sequence[str] = ()) -> str:
    r"""Join a command line as the shell reads it.

    Examples
    --------
    >>> _line(["train", "my file.csv"], {"--out": "a", "--total": True, "--test": None}, ["--text", "x"])
    "fewshot train 'my file.csv' --out a --total --text x"
    """
    parts = ["fewshot", *words]
    for flag, value in flags.items():
        if value is True:
            parts.append(flag)
        elif value is not None and value is not False:
            parts += [flag, str(value)]
    return shlex.join([*parts, *more])
