"""Who computes the answers to blocks of texts: this process, several on this machine, or Ray's."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fewshot.classifiers.base import TextClassifier
from fewshot.recipes.predicting.processes import worker_processes
from fewshot.recipes.predicting.ray_actors import ray_actors
from fewshot.recipes.predicting.staff import Answering, Engine, Staff
from fewshot.recipes.threads import adjustable_threads


@contextlib.contextmanager
def engine_of(staff: Staff, folder: Path, classifier: TextClassifier, answering: Answering) -> Iterator[Engine]:
    """Give what answers jobs, in order; processes that it starts end with the block.

    Parameters
    ----------
    staff : Staff
    folder : Path
        The model, which every process opens.
    classifier : TextClassifier
        The same model, open in this process.
    answering : Answering

    Raises
    ------
    WorkerError
        If a process ends before its work is done.
    """
    if staff.is_here:
        with _threads_here(staff.threads, classifier):
            yield lambda jobs: ((job, answering.answers(classifier, texts)) for job, texts in jobs)
        return
    with (ray_actors if staff.engine == "ray" else worker_processes)(folder, staff, answering) as engine:
        yield engine


@contextlib.contextmanager
def _threads_here(threads: int | None, classifier: Any) -> Iterator[None]:
    """Let this process and the model's own runtime take so many threads inside this block; ``None`` changes nothing."""
    if threads is None:
        yield
        return
    own = getattr(classifier, "set_threads", None)
    before = classifier.threads if own else None
    with adjustable_threads() as set_threads:
        set_threads(threads)
        try:
            if own:
                own(threads)
            yield
        finally:
            if own:
                own(before)
