"""The process in which a model's cold start is measured; see :mod:`fewshot.recipes.cold_start`.

It is told by JSON on standard input what to open, and tells by JSON lines on standard output how it went. Nothing but
the standard library is imported before the clock and the memory have been read.
"""

import json
import sys
import time
from pathlib import Path

READY = '{"ready": true}'
_STATUS = Path("/proc/self/status")


def resident_bytes(field: str) -> int | None:
    """Return this process's resident memory: ``VmRSS`` now, ``VmHWM`` at most so far; ``None`` where nobody tells.

    The peak that ``resource.getrusage`` tells would be no use: a new process inherits that of the one that began it.
    """
    try:
        lines = _STATUS.read_text("ascii", errors="replace").splitlines()
    except OSError:
        return None
    found = [line.split()[1] for line in lines if line.startswith(f"{field}:")]
    return int(found[0]) * 1024 if found else None


def answer(bare: int | None) -> None:
    """Open a model, predict, and tell what it took; ``bare`` is the memory that was resident before."""
    out, sys.stdout = sys.stdout, sys.stderr  # what libraries print is no answer
    task = json.load(sys.stdin)
    try:
        from fewshot.recipes.contenders import open_model

        model = open_model(Path(task["folder"]), device=task["device"])
        model.predict(task["texts"][:1])
        print(READY, file=out, flush=True)
        model.predict(task["texts"])
        peak = resident_bytes("VmHWM")
        start = time.perf_counter()
        open_model(Path(task["folder"]), device=task["device"])
        seconds = time.perf_counter() - start
    except Exception as error:  # told to the process that waits for it
        print(json.dumps({"error": f"{type(error).__name__}: {error}"}), file=out, flush=True)
        sys.exit(1)
    used = None if peak is None or bare is None else peak - bare
    print(json.dumps({"load_seconds": seconds, "peak_memory_bytes": used}), file=out, flush=True)


if __name__ == "__main__":
    answer(resident_bytes("VmRSS"))
