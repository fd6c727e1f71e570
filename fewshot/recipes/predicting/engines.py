"""Who computes the answers to blocks of texts: this process, several on this machine, or Ray's."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from fewshot.classifiers.base import TextClassifier
from fewshot.recipes.predicting.processes import worker_processes
from fewshot.recipes.predicting.ray_actors import ray_actors
from fewshot.recipes.predicting.staff import Answering, Engine, Staff


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
        yield lambda jobs: ((job, answering.answers(classifier, texts)) for job, texts in jobs)
        return
    with (ray_actors if staff.engine == "ray" else worker_processes)(folder, staff, answering) as engine:
        yield engine
