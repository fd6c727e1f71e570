"""What the benchmark scripts share: data sets, cells that survive a kill, the words for the machine."""

import json
import os
import platform
import subprocess
from collections.abc import Callable
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
