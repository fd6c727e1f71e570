"""How many processes answer texts, what each of them holds, and how their answers come back in order.

Every process opens the model for itself, and all together use no more threads than there are processors.
"""

import collections
import dataclasses
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from threadpoolctl import threadpool_limits

from fewshot.classifiers.base import TextClassifier
from fewshot.classifiers.loading import load_classifier
from fewshot.core.collector import seldom_collected
from fewshot.core.errors import InputError
from fewshot.core.optional import import_extra
from fewshot.recipes.judging import ANSWER_ALL, Abstaining, Answers, answer_texts

ENGINES = ("processes", "ray")
JOBS_AHEAD = 2
"""Blocks that wait for each process, so that it need not wait for the reader."""

THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS")

J = TypeVar("J")
Jobs = Iterator[tuple[J, list[str]]]
Answered = Iterator[tuple[J, Answers]]
Engine = Callable[[Jobs[Any]], Answered[Any]]


@dataclasses.dataclass(frozen=True)
class Answering:
    """How texts are answered, in whichever process.

    Parameters
    ----------
    abstaining : Abstaining
    at_least_one : bool
    """

    abstaining: Abstaining = ANSWER_ALL
    at_least_one: bool = False

    def answers(self, classifier: TextClassifier, texts: list[str]) -> Answers:
        """Answer some texts, perhaps none."""
        if not texts:
            return Answers([], [], [])
        return answer_texts(classifier, texts, self.abstaining, at_least_one=self.at_least_one)


@dataclasses.dataclass(frozen=True)
class Staff:
    """Who shall do the work.

    Parameters
    ----------
    workers : int, default 1
        Processes; one means that this process does the work itself, unless Ray is asked.
    engine : {"processes", "ray"}, default "processes"
    device : str, optional
        Where encoders run; default: the fastest there is.
    threads : int, optional
        Threads of each process, at least 1. Default: with several workers an equal share of the processors, else what
        the libraries choose.

    Raises
    ------
    InputError
        If a setting is none of these.
    MissingExtraError
        If Ray is asked and not installed.
    """

    workers: int = 1
    engine: str = "processes"
    device: str | None = None
    threads: int | None = None

    def __post_init__(self) -> None:
        for name, number in {"workers": self.workers, "threads": 1 if self.threads is None else self.threads}.items():
            if isinstance(number, bool) or not isinstance(number, int) or number < 1:
                raise InputError(f"{name} must be a positive integer, got {number!r} (--{name})")
        if self.engine not in ENGINES:
            raise InputError(f"engine must be one of {', '.join(ENGINES)}, got {self.engine!r}")
        if self.engine == "ray":  # before anything is written
            import_extra("ray", extra="ray", purpose="engine='ray' (--engine ray)")

    @property
    def is_here(self) -> bool:
        """Whether this process does the work itself."""
        return self.workers == 1 and self.engine == "processes"

    @property
    def threads_each(self) -> int:
        """How many threads each of several processes may use."""
        return self.threads or max(1, (os.cpu_count() or 1) // self.workers)


def in_order(
    jobs: Jobs[J], submit: Callable[[list[str]], Any], result: Callable[[Any], Answers], depth: int
) -> Answered[J]:
    """Keep at most ``depth`` jobs under way and give their answers in the order of the jobs.

    Examples
    --------
    >>> list(in_order(iter([(1, ["a"]), (2, ["b"])]), lambda texts: texts, lambda texts: texts[0], depth=2))
    [(1, 'a'), (2, 'b')]
    """
    under_way: collections.deque[tuple[J, Any]] = collections.deque()
    for job, texts in jobs:
        under_way.append((job, submit(texts)))
        if len(under_way) >= depth:
            first, handle = under_way.popleft()
            yield first, result(handle)
    for first, handle in under_way:
        yield first, result(handle)


class Worker:
    """A process's own copy of the model.

    Parameters
    ----------
    folder : Path
    staff : Staff
    answering : Answering
    """

    def __init__(self, folder: Path, staff: Staff, answering: Answering) -> None:
        bound_threads(staff.threads_each)
        self._answering = answering
        self._classifier = load_classifier(folder, device=staff.device)
        if hasattr(self._classifier, "set_threads"):  # ONNX Runtime has threads of its own
            self._classifier.set_threads(staff.threads_each)

    def answers(self, texts: list[str]) -> Answers:
        """Answer some texts."""
        with seldom_collected():
            return self._answering.answers(self._classifier, texts)


def bound_threads(n: int) -> None:
    """Let this process use ``n`` threads, in libraries that are loaded and in those to come."""
    for name in THREAD_VARIABLES:
        os.environ[name] = str(n)
    if n == 1:
        os.environ["TOKENIZERS_PARALLELISM"] = "false"
    threadpool_limits(n)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(n)
