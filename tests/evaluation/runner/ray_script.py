"""Comparisons on a Ray of this machine, and what can be seen of it meanwhile; the last line is JSON.

A process of its own: Ray reads some of its settings when it is imported, and leaves threads behind.
"""

import json
import os
import sys
from pathlib import Path

import psutil

from fewshot import compare_methods
from fewshot.data.texts import TextData
from fewshot.evaluation.runner.compare import run_comparison
from fewshot.evaluation.runner.ray_engine import LOCAL, RayEngine
from fewshot.evaluation.runner.store import ResultStore
from tests.evaluation.runner.openings import Opening


def listening() -> list[str]:
    """Return the addresses on which this process and its children listen."""
    here = psutil.Process()
    addresses = set()
    for process in [here, *here.children(recursive=True)]:
        try:
            sockets = process.net_connections("inet")
        except psutil.Error:  # it has ended
            continue
        addresses |= {socket.laddr.ip for socket in sockets if socket.status == psutil.CONN_LISTEN}
    return sorted(addresses)


def main(job: dict) -> dict:
    """Compare with a Ray that is begun for it, then on one that is there."""
    seen: list[str] = []
    data = [TextData(*given, False, list(range(len(given[0])))) for given in (job["labeled"], job["test"])]
    compare_methods(
        *data,
        out=job["out"],
        workers=2,
        engine="ray",
        on_result=lambda cell, row: seen or seen.extend(listening()),
        **job["options"],
    )
    import ray

    told = {"listening": seen, "ended": not ray.is_initialized(), "left": sorted(LOCAL.keys() & os.environ.keys())}
    os.environ.update(LOCAL)
    ray.init("local", num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    opening = Opening(("threads", "die", "ok", "fail"), job["desk"])
    engine = RayEngine(5, opening)
    rows = run_comparison(*opening()[:2], ResultStore(Path(job["desk"]) / "out"), engine=engine)
    told |= {"errors": [row["error"] for row in rows], "workers": engine.workers, "there": ray.is_initialized()}
    ray.shutdown()
    return told


if __name__ == "__main__":
    print(json.dumps(main(json.loads(sys.argv[1]))))  # noqa: T201
