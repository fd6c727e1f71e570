"""What this machine computes with: cores, memory, GPU."""

import contextlib
import dataclasses
import os
import platform
from pathlib import Path

_MEMORY_LIMIT = Path("/sys/fs/cgroup/memory.max")
_CPUINFO = Path("/proc/cpuinfo")


@dataclasses.dataclass(frozen=True)
class Machine:
    """What there is to compute with.

    Parameters
    ----------
    cores : int
        That this process may use.
    memory_gb : float or None
        Gigabytes (10⁹ bytes) of the machine or its container; ``None`` where the system does not tell.
    gpu : str or None
        Name of the GPU that would be used.
    """

    cores: int
    memory_gb: float | None
    gpu: str | None

    def __str__(self) -> str:
        cores = f"{self.cores} core{'s' if self.cores > 1 else ''}"
        memory = "" if self.memory_gb is None else f", {self.memory_gb:.0f} GB of memory"
        return f"{cores}{memory}, {self.gpu or 'no GPU'}"


def look_at_machine() -> Machine:
    """Return what this machine computes with."""
    import torch

    from fewshot.encoders.device import choose_device

    device = choose_device()
    gpu = {"cuda": torch.cuda.get_device_name, "mps": lambda: "Apple MPS"}.get(device)
    return Machine(count_cores(), _memory_gb(), None if gpu is None else gpu())


def processor_name() -> str:
    """Return the name of the processor, as far as the system tells it."""
    with contextlib.suppress(OSError):
        for line in _CPUINFO.read_text("utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def count_cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _memory_gb() -> float | None:
    try:
        n_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None
    with contextlib.suppress(OSError, ValueError):  # no container, or one without a limit ("max")
        n_bytes = min(n_bytes, int(_MEMORY_LIMIT.read_text("ascii")))
    return n_bytes / 1e9
