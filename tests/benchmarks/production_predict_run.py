"""One prediction of a file in a process of its own, which imports nothing else; prints its seconds and peak memory."""

import json
import sys
import time
from pathlib import Path
from typing import Any

from fewshot.core.artifacts import sha256_file
from fewshot.recipes.predicting.pool import predict_pool


def predict_once(model: str, source: str, out: str, **options: Any) -> dict[str, Any]:
    """Predict a file, and return seconds and the high-water mark of this process's resident memory."""
    start = time.perf_counter()
    made = predict_pool(model, source, out=out, **options)
    seconds = time.perf_counter() - start
    lines = Path("/proc/self/status").read_text("utf-8").splitlines()
    peak = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))
    return {"rows": made.n_rows, "seconds": seconds, "peak_bytes": peak, "sha256": sha256_file(out)}


if __name__ == "__main__":
    print(json.dumps(predict_once(**json.loads(sys.argv[1]))))
