"""What the benchmark scripts share: data sets, cells that survive a kill, the words for the machine."""

import json
import os
import platform
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from fewshot import load_texts
from fewshot.core.artifacts import read_json, write_json
from fewshot.core.versions import library_versions
from fewshot.data.texts import TextData

ROOT = Path(__file__).parents[2]
DATASETS = ROOT.parent / "shared" / "datasets"
RESULTS = Path(__file__).parent / "results"


def load_split(name: str, split: str) -> TextData:
    """Load one split of a shared data set, or end the script where the data sets are absent."""
    path = DATASETS / name / f"{split}.csv.gz"
    if not path.is_file():
        raise SystemExit(f"this benchmark needs {name}/{split}.csv.gz in ../shared/datasets beside the repository")
    return load_texts(path)


def cell(folder: Path, name: str, compute: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return what an earlier run left in ``folder/name.json``, or compute it and leave it there."""
    path = folder / f"{name}.json"
    if path.is_file():
        return read_json(path)
    result = compute()
    write_json(path, result)
    return read_json(path)


def unpack_cells(name: str, folder: Path) -> None:
    """Lay the cells that the repository keeps beside its results into ``folder``, where these are not there yet."""
    packed = RESULTS / "cells" / f"{name}.json"
    for key, result in (read_json(packed) if packed.is_file() else {}).items():
        if not (folder / f"{key}.json").is_file():
            write_json(folder / f"{key}.json", result)


def pack_cells(name: str, cells: Mapping[str, Mapping[str, Any]], *, whole: bool = False) -> None:
    """Keep cells in the repository, so that another machine goes on from there.

    Of each its plain numbers and words alone, or, for small ones, the ``whole``.
    """
    plain = (int, float, str)
    kept = {
        key: {one: value for one, value in cells[key].items() if whole or isinstance(value, plain)}
        for key in sorted(cells)
    }
    write_json(RESULTS / "cells" / f"{name}.json", kept)


def mean_sd(values: list[float]) -> dict[str, Any]:
    """Return mean and sample standard deviation, and the values themselves."""
    sd = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return {"mean": float(np.mean(values)), "sd": sd, "values": values}


def machine() -> dict[str, Any]:
    """Return the processor, its cores and the versions."""
    try:
        listing = subprocess.run(["lscpu"], capture_output=True, text=True, check=False).stdout
    except OSError:
        listing = ""
    models = [line.partition(":")[2].strip() for line in listing.splitlines() if line.startswith("Model name")]
    return {"cpu": (models or [platform.processor()])[0], "cores": os.cpu_count(), "versions": library_versions()}


def finish(name: str, result: dict[str, Any]) -> None:
    """Write the full results and print them as the last line."""
    write_json(RESULTS / f"{name}.json", result)
    print(json.dumps(result))
