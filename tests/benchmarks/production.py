"""What a student costs in production: a part a door, each with its own file of results.

``python -m tests.benchmarks.production --part NAME [--quick]``

- ``predict``: files of any size (``production_predict``).

Each part is a module with ``measure(quick, folder)``, which keeps its cells in ``folder``, so that what a kill leaves
is not run again, and returns all figures, the goals among them.
"""

import argparse
import importlib
import os

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("RAYON_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

from tests.benchmarks.common import ROOT, finish, machine

PARTS = {"predict": "tests.benchmarks.production_predict"}


def main() -> None:
    """Measure one part."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=sorted(PARTS), required=True)
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that it runs")
    options = parser.parse_args()
    name = f"production_{options.part}{'_quick' if options.quick else ''}"
    found = importlib.import_module(PARTS[options.part]).measure(options.quick, ROOT / "runs" / name)
    finish(name, {**found, "machine": machine()})


if __name__ == "__main__":
    main()
