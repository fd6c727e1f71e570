"""Rows of an array where the training runs."""

import numpy as np
import pytest
import torch

from fewshot.training import row_table
from fewshot.training.row_table import RowTable
from fewshot.training.targets import EmbeddingSimilarity


@pytest.fixture
def roomy(monkeypatch):
    """Let the CPU pass for a device of its own with this much free memory."""
    free = {"bytes": 2**20}
    monkeypatch.setattr(row_table, "computes_apart", lambda device: True)
    monkeypatch.setattr(row_table, "_free_bytes", lambda device: free["bytes"])
    return free


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("shape", [(11, 3), (11,)])
def test_rows_kept_on_a_device_are_the_same(roomy, monkeypatch, dtype, shape):
    """Prevents rounding, rows that a chunk's border loses, and a table kept where it was not asked for."""
    monkeypatch.setattr(row_table, "_ROWS_AT_ONCE", 4)
    array, rows = np.random.default_rng(0).normal(size=shape).astype(dtype), torch.tensor([10, 0, 4, 4])
    array.setflags(write=False)  # as a memory map is
    kept = RowTable(array)
    found = kept(rows)
    assert kept._kept is not None
    monkeypatch.setattr(row_table, "computes_apart", lambda device: False)
    plain = RowTable(array)
    assert torch.equal(found, plain(rows))
    assert plain._kept is None
    assert found.dtype == torch.float32


def test_a_table_that_takes_too_much_stays_where_it_is(roomy):
    """Prevents a pool of millions from taking the memory that the training needs."""
    array = np.ones((64, 4), dtype=np.float32)
    roomy["bytes"] = array.nbytes * 4 - 1
    table = RowTable(array)
    assert torch.equal(table(torch.tensor([1])), torch.ones(1, 4))
    assert table._kept is None
    roomy["bytes"] += 1
    table(torch.tensor([1]))
    assert table._kept is not None


def test_targets_are_the_same(roomy, monkeypatch):
    """Prevents targets that depend on where the teacher's vectors lie."""
    vectors, rows = np.random.default_rng(0).normal(size=(9, 4)), torch.tensor([3, 1, 8])
    kept = EmbeddingSimilarity(vectors)(rows)
    monkeypatch.setattr(row_table, "computes_apart", lambda device: False)
    plain = EmbeddingSimilarity(vectors)(rows)
    assert all(torch.equal(one, other) for one, other in zip(kept, plain, strict=True))
