"""Threads: as many as asked for, and afterwards as many as before."""

import os

import numpy as np
import torch
from threadpoolctl import threadpool_info

from fewshot.recipes.threads import adjustable_threads


def pools():
    """Threads of the libraries beneath NumPy."""
    return {info["filepath"]: info["num_threads"] for info in threadpool_info()}


def test_threads_are_set_and_given_back(monkeypatch):
    """Prevents a benchmark that leaves the caller's process with one thread."""
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "yes")
    np.ones((2, 2)) @ np.ones((2, 2))
    before = torch.get_num_threads(), pools()
    with adjustable_threads() as set_threads:
        for n, tokenizers in ((1, "false"), (2, "true"), (1, "false")):
            set_threads(n)
            assert torch.get_num_threads() == n
            assert set(pools().values()) == {n}
            assert os.environ["TOKENIZERS_PARALLELISM"] == tokenizers
    assert (torch.get_num_threads(), pools()) == before
    assert os.environ["TOKENIZERS_PARALLELISM"] == "yes"
    monkeypatch.delenv("TOKENIZERS_PARALLELISM")
    with adjustable_threads() as set_threads:
        set_threads(1)
    assert "TOKENIZERS_PARALLELISM" not in os.environ
