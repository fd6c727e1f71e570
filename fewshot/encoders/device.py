"""Where to compute and how precisely: the device, and whether bfloat16 is native to it."""

import platform
from functools import cache
from pathlib import Path

import torch

from fewshot.core.errors import InputError


def choose_device(device: str | None = None) -> str:
    """Return the device to use: the one asked for, else CUDA, else Apple's MPS, else the CPU.

    Parameters
    ----------
    device : str, optional
        ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``; ``None`` (default) chooses.

    Raises
    ------
    InputError
        If the device asked for is not there.

    Examples
    --------
    >>> choose_device("cpu")
    'cpu'
    """
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if device is None:
        return next(kind for kind in ("cuda", "mps", "cpu") if available[kind])
    kind, _, index = device.partition(":")
    numbers = map(str, range(torch.cuda.device_count() if kind == "cuda" else 1))
    if not available.get(kind) or (index and index not in numbers):
        there = ", ".join(kind for kind, found in available.items() if found)
        raise InputError(f"device {device!r} is not available; this machine has: {there}")
    return device


@cache
def has_native_bfloat16(device: str) -> bool:
    """Return whether ``device`` multiplies bfloat16 matrices in hardware (elsewhere it is emulated and slower)."""
    kind = device.partition(":")[0]
    if kind == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if kind == "cpu":
        return _cpu_flags() & {"avx512_bf16", "amx_bf16", "bf16"} != set()
    return False


def trains_in_half(precision: str, device: str) -> bool:
    """Return whether what learns at ``precision`` computes in bfloat16 on ``device``.

    Parameters
    ----------
    precision : {"auto", "float32", "bfloat16"}
        ``"auto"`` does where it is native.
    device : str
    """
    return precision == "bfloat16" or (precision == "auto" and has_native_bfloat16(device))


def computes_apart(device: str) -> bool:
    """Return whether ``device`` works at one batch while the processor prepares the next.

    Examples
    --------
    >>> computes_apart("cuda:0"), computes_apart("cpu")
    (True, False)
    """
    return device.partition(":")[0] == "cuda"


def _cpu_flags() -> set[str]:
    cpuinfo = Path("/proc/cpuinfo")
    if platform.system() != "Linux" or not cpuinfo.is_file():
        return set()
    lines = cpuinfo.read_text(errors="replace").splitlines()
    wanted = (line.partition(":")[2] for line in lines if line.startswith(("flags", "Features")))
    return set(next(wanted, "").split())
