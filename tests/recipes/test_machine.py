"""What the machine has."""

import torch

from fewshot.recipes import machine
from fewshot.recipes.machine import Machine, look_at_machine


def test_this_machine_has_cores_and_memory():
    """A machine without cores or memory would be told of whoever reads the wrong file."""
    found = look_at_machine()
    assert found.cores >= 1
    assert found.memory_gb is None or found.memory_gb > 0.1
    assert (found.gpu is None) == (not torch.cuda.is_available() and not torch.backends.mps.is_available())


def test_the_limit_of_a_container_counts(tmp_path, monkeypatch):
    """In a container the machine's own memory is not to be had."""
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(machine, "_MEMORY_LIMIT", limit)
    whole = look_at_machine().memory_gb
    limit.write_text("max\n")
    assert look_at_machine().memory_gb == whole
    limit.write_text("100000000\n")
    assert look_at_machine().memory_gb == 0.1


def test_it_is_told_in_a_line():
    """Unknown memory is left out, not printed as None."""
    assert str(Machine(1, None, None)) == "1 core, no GPU"
    assert str(Machine(16, 127.6, "a GPU")) == "16 cores, 128 GB of memory, a GPU"
