"""Blocks of texts answered by Ray's actors, on this machine or on a cluster that is there already.

Only texts and answers travel; files are read and written by this process, which keeps a processor for itself: actors
that take every one leave none for those who feed them, and all wait for each other.
"""

import contextlib
import importlib
import itertools
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fewshot.core.errors import InputError, WorkerError
from fewshot.recipes.predicting.staff import JOBS_AHEAD, Answering, Engine, Staff, Worker, in_order


@contextlib.contextmanager
def ray_actors(folder: Path, staff: Staff, answering: Answering) -> Iterator[Engine]:
    """Give what answers jobs by actors that open the model each; see :class:`~fewshot.recipes.predicting.staff.Staff`.

    Where Ray runs already, or ``RAY_ADDRESS`` names a cluster, its actors are used, and the folder of the model must be
    there on every machine; else Ray is started on this one, reached by nobody else, and ended with the block.

    Raises
    ------
    InputError
        If the cluster has no processor left besides those for the workers.
    WorkerError
        If an actor dies.
    """
    ray: Any = importlib.import_module("ray")
    with _running(ray, staff.workers):
        variables = {"RAYON_NUM_THREADS": str(staff.threads_each), "OMP_NUM_THREADS": str(staff.threads_each)}
        kind = ray.remote(Worker).options(num_cpus=1, runtime_env={"env_vars": variables})
        actors = [kind.remote(folder.absolute(), staff, answering) for _ in range(staff.workers)]
        turns = itertools.cycle(actors)
        try:
            yield lambda jobs: in_order(
                jobs, lambda texts: next(turns).answers.remote(texts), ray.get, JOBS_AHEAD * staff.workers
            )
        except ray.exceptions.RayActorError as error:
            raise WorkerError(
                f"a worker of Ray ended before its work was done ({' '.join(str(error).split())[:200]}); finished "
                "shards are kept: give the same command again"
            ) from None
        finally:
            for actor in actors:
                ray.kill(actor)


@contextlib.contextmanager
def _running(ray: Any, workers: int) -> Iterator[None]:
    """Use the Ray that this process uses already, that ``RAY_ADDRESS`` names, or one of our own for the time being."""
    is_ours = not ray.is_initialized()
    if is_ours and not os.environ.get("RAY_ADDRESS"):
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        ray.init(
            address="local",
            num_cpus=workers + 1,
            include_dashboard=False,
            _node_ip_address="127.0.0.1",
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
    elif is_ours:
        ray.init(log_to_driver=False, logging_level=logging.ERROR)
    try:
        there = int(ray.cluster_resources().get("CPU", 0))
        if there <= workers:
            raise InputError(
                f"workers={workers} would take all {there} processors that Ray has, and leave none for reading; "
                f"take at most {there - 1} (--workers)"
            )
        yield
    finally:
        if is_ours:
            ray.shutdown()
