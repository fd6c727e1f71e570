"""Cells: made again from their arrays, and refused where these are damaged."""

import numpy as np
import pytest

from fewshot.core.errors import ModelFormatError
from fewshot.heads.cells import Cells, number_of_cells
from fewshot.heads.index import VectorIndex

X = np.random.default_rng(0).normal(size=(400, 8)).astype(np.float32)


@pytest.mark.parametrize("metric", ["cosine", "l2"])
def test_kept_cells_are_the_same_cells(metric):
    """Prevents a model that answers otherwise after it was saved, or that finds its centres again on loading."""
    cells = Cells.of(X, metric)
    again = Cells.from_state(X, metric, cells.state())
    np.testing.assert_array_equal(again.candidates(X, 5), cells.candidates(X, 5))
    assert Cells.from_state(X, metric, {}) is None


def test_what_was_kept_is_not_found_again(monkeypatch):
    """Prevents an index whose candidates depend on the machine that opens it, and slow opening."""
    cells = Cells.of(X, "cosine")
    for name in ("_centers", "_nearest_center", "_code_book"):
        monkeypatch.setattr(f"fewshot.heads.cells.{name}", None)
    again = Cells.from_state(X, "cosine", cells.state())
    np.testing.assert_array_equal(again.candidates(X, 5), cells.candidates(X, 5))


@pytest.mark.parametrize("dimension", [7, 8, 768])
def test_any_dimension(dimension):
    """Prevents vectors of an odd number of dimensions, or of very many, from being refused."""
    rows = np.random.default_rng(1).normal(size=(600, dimension)).astype(np.float32)
    cells = Cells.of(rows, "l2")
    assert cells.code_book.shape == ((dimension, 16, 1) if dimension % 2 else (dimension // 2, 16, 2))
    found = cells.candidates(rows[:50], 3)
    assert np.mean([row in line for row, line in enumerate(found)]) > 0.9


def test_models_without_a_code_book():
    """Prevents classifiers that were saved before rows were rounded by one from being lost."""
    state = Cells.of(X, "l2").state()
    book = state.pop("code_book")
    np.testing.assert_array_equal(Cells.from_state(X, "l2", state).code_book, book)


def test_rows_lie_in_the_nearest_cell():
    """Prevents lists that do not belong to their centres."""
    cells = Cells.of(X, "l2")
    distances = np.linalg.norm(X[:, None] - cells.centers, axis=2)
    np.testing.assert_array_equal(cells.cell_of_row, distances.argmin(axis=1))


@pytest.mark.parametrize(
    "changes",
    [
        {"centers": np.ones((3, 9), dtype=np.float32)},
        {"centers": np.ones((0, 8), dtype=np.float32)},
        {"centers": np.full((100, 8), np.nan, dtype=np.float32)},
        {"cell_of_row": np.zeros(399, dtype=np.int32)},
        {"cell_of_row": np.full(400, 10**6, dtype=np.int32)},
        {"cell_of_row": np.full(400, -1, dtype=np.int32)},
        {"centers": np.full((100, 8), 3e38, dtype=np.float32)},
        {"code_book": np.ones((4, 16, 3), dtype=np.float32)},
        {"code_book": np.full((4, 16, 2), np.inf, dtype=np.float32)},
    ],
)
def test_damaged_arrays(changes):
    """Prevents a stranger's file from making FAISS write outside its lists."""
    with pytest.raises(ModelFormatError, match="the index is damaged"):
        Cells.from_state(X, "cosine", {**Cells.of(X, "cosine").state(), **changes})


@pytest.mark.parametrize("metric", ["cosine", "l2"])
def test_equal_rows(metric):
    """Prevents k-means from failing where all texts are copies of one, and answers that are no rows."""
    same = np.full((40, 4), 0.5, dtype=np.float32)
    assert Cells.of(same, metric).candidates(same[:1], 3).shape[0] == 1
    similarities, rows = VectorIndex(same, metric=metric, kind="approximate").search(same[:2], 3)
    assert rows.tolist() == [[0, 1, 2]] * 2
    np.testing.assert_allclose(similarities, 1.0 if metric == "cosine" else 0.0)


def test_huge_vectors_without_a_code_book():
    """Prevents a stranger's file from ending the process: FAISS's k-means cannot be caught."""
    state = Cells.of(X, "l2").state()
    del state["code_book"]
    with pytest.raises(ModelFormatError, match="numbers above"):
        Cells.from_state(np.full_like(X, 3e38), "l2", state)


@pytest.mark.parametrize(("metric", "n_groups", "noise"), [("cosine", 60, 0.25), ("l2", 12, 0.05)])
def test_texts_in_tight_groups_are_told_apart(metric, n_groups, noise):
    """Prevents rows of one group from having one code: what is rounded is their way from the center."""
    rng = np.random.default_rng(3)
    groups = rng.normal(size=(n_groups, 64))[np.arange(12_000) % n_groups]
    rows = (groups + noise * rng.normal(size=groups.shape)).astype(np.float32)
    if metric == "cosine":
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    index, exact = (VectorIndex(rows, metric=metric, kind=kind) for kind in ("approximate", "exact"))
    found, right = (one.search_others(np.arange(0, 12_000, 50), 10)[1] for one in (index, exact))
    assert np.mean([len(set(a) & set(b)) / 10 for a, b in zip(found, right, strict=True)]) > 0.85


@pytest.mark.parametrize(("n", "expected"), [(1, 1), (3, 1), (8, 2), (50_001, 894), (10**6, 4000)])
def test_number_of_cells(n, expected):
    """Prevents more cells than rows, and cells so large that looking into a few is looking at all."""
    assert number_of_cells(n) == expected
