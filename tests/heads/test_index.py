"""The index against scikit-learn and NumPy: every row compared, and cells."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.neighbors import NearestNeighbors

from fewshot.core.errors import InputError
from fewshot.heads import index as index_module
from fewshot.heads.index import VectorIndex


def vectors(n=300, dimension=16, seed=0, metric="cosine"):
    """Draw vectors around a few centres; of length 1 for cosines."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(12, dimension))[rng.integers(12, size=n)] + 0.5 * rng.normal(size=(n, dimension))
    return (X / np.linalg.norm(X, axis=1, keepdims=True) if metric == "cosine" else 3 * X).astype(np.float32)


def by_hand(X, queries, k, metric):
    """Compare everything with everything."""
    likeness = queries @ X.T if metric == "cosine" else -np.linalg.norm(queries[:, None] - X, axis=2)
    rows = np.argsort(-likeness, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(likeness, rows, axis=1), rows


@pytest.mark.parametrize("metric", ["cosine", "l2"])
def test_neighbours_are_scikit_learns(metric):
    """Prevents another distance, squared distances, and rows that are not in order."""
    X, queries = vectors(metric=metric), vectors(40, seed=1, metric=metric)
    similarities, rows = VectorIndex(X, metric=metric).search(queries, 7)
    theirs = NearestNeighbors(n_neighbors=7, metric=metric, algorithm="brute").fit(X)
    distances, expected = theirs.kneighbors(queries)
    np.testing.assert_array_equal(rows, expected)
    np.testing.assert_allclose(similarities, 1 - distances if metric == "cosine" else -distances, atol=1e-5)


@pytest.mark.parametrize("metric", ["cosine", "l2"])
def test_cells_find_most_and_measure_exactly(metric):
    """Prevents a search in the wrong cells, and similarities of rounded vectors."""
    X, queries = vectors(2000, metric=metric), vectors(200, seed=1, metric=metric)
    index = VectorIndex(X, metric=metric, kind="approximate")
    assert len(index.cells.centers) > 100
    similarities, rows = index.search(queries, 10)
    expected, right = by_hand(X, queries, 10, metric)
    assert np.mean([len(set(a) & set(b)) / 10 for a, b in zip(rows, right, strict=True)]) > 0.8
    exact = np.einsum("nd,nkd->nk", queries, X[rows])
    if metric == "l2":
        exact = -np.linalg.norm(queries[:, None] - X[rows], axis=2)
    np.testing.assert_allclose(similarities, exact, atol=1e-5)
    assert (np.diff(similarities, axis=1) <= 0).all()
    assert (similarities <= expected + 1e-5).all()


@pytest.mark.parametrize("kind", ["exact", "approximate"])
def test_more_neighbours_than_a_cell_holds(kind):
    """Prevents FAISS's row -1, which would be the last row."""
    X = vectors(200)
    similarities, rows = VectorIndex(X, kind=kind).search(vectors(5, seed=1), 500)
    assert rows.shape == similarities.shape == (5, 200)
    assert all(sorted(row) == list(range(200)) for row in rows.tolist())


@given(st.integers(1, 30), st.integers(1, 40), st.sampled_from(["cosine", "l2"]), st.booleans())
def test_any_size(n, k, metric, approximate):
    """Prevents a crash on fewer rows than cells or neighbours, and a row that is found twice or not at all."""
    X = vectors(n, dimension=3, metric=metric)
    index = VectorIndex(X, metric=metric, kind="approximate" if approximate else "exact")
    similarities, rows = index.search(X, k)
    assert rows.shape == (n, min(k, n))
    assert np.isfinite(similarities).all()
    assert all(len(set(row)) == len(row) for row in rows.tolist())
    assert ((rows >= 0) & (rows < n)).all()
    _, others = index.search_others(np.arange(n), k)
    assert others.shape == (n, min(k, n - 1))
    assert not (others == np.arange(n)[:, None]).any()


def test_numbers_of_numpy_are_numbers():
    """Prevents a grid of ``np.arange``, as scikit-learn's searches have it, from failing inside FAISS."""
    X = vectors(9)
    np.testing.assert_array_equal(VectorIndex(X).search(X, np.int64(3))[1], VectorIndex(X).search(X, 3)[1])


def test_copies_come_in_the_order_of_the_rows():
    """Prevents an answer among equals that depends on how many are asked at once."""
    X = np.repeat(vectors(4), 50, axis=0)
    index = VectorIndex(X)
    _, rows = index.search(X[:1], 50)
    assert rows.tolist() == [list(range(50))]
    similarities, many = index.search(np.repeat(X[:1], 64, axis=0), 50)
    assert (many == rows).all()
    assert len(set(similarities.ravel().tolist())) == 1


def test_copies_do_not_find_themselves():
    """Prevents a row from being its own neighbour where more copies of it exist than neighbours are looked at."""
    X = np.repeat(np.eye(2, dtype=np.float32), [40, 5], axis=0)
    _, rows = VectorIndex(X).search_others(np.arange(45), 16)
    assert rows.shape == (45, 16)
    assert not (rows == np.arange(45)[:, None]).any()


def test_many_rows_are_searched_in_cells(monkeypatch):
    """Prevents an exact search of a million rows, or an approximate one of a hundred, that nobody asked for."""
    monkeypatch.setattr(index_module, "EXACT_UP_TO", 50)
    assert VectorIndex(vectors(50)).cells is None
    assert VectorIndex(vectors(51)).cells is not None
    assert VectorIndex(vectors(51), kind="exact").cells is None


def test_the_answer_does_not_depend_on_the_batch(monkeypatch):
    """Prevents a vector from having other neighbours alone than among many."""
    X, queries = vectors(500), vectors(100, seed=1)
    for kind in ("exact", "approximate"):
        index = VectorIndex(X, kind=kind)
        similarities, rows = index.search(queries, 5)
        alone = [index.search(queries[[row]], 5) for row in range(100)]
        np.testing.assert_array_equal(rows, np.concatenate([found for _, found in alone]))
        np.testing.assert_array_equal(similarities, np.concatenate([near for near, _ in alone]))
        with monkeypatch.context() as patch:
            patch.setattr(index_module, "QUERIES_AT_ONCE", 7)
            patch.setattr(index_module, "NUMBERS_AT_ONCE", 200)
            np.testing.assert_array_equal(index.search(queries, 5)[1], rows)


@pytest.mark.parametrize("threads", [1, 2])
def test_the_same_rows_make_the_same_index(threads):
    """Prevents a model that answers otherwise when it is trained again, on as many cores or on more."""
    import faiss

    X = vectors(3000, dimension=32)
    before = faiss.omp_get_max_threads()
    first = VectorIndex(X, kind="approximate")
    try:
        faiss.omp_set_num_threads(threads)
        again = VectorIndex(X, kind="approximate")
    finally:
        faiss.omp_set_num_threads(before)
    for name, array in first.cells.state().items():
        np.testing.assert_array_equal(again.cells.state()[name], array)
    np.testing.assert_array_equal(first.search(X, 5)[1], again.search(X, 5)[1])


def test_the_callers_rows_stay_as_they_are():
    """Prevents a search that subtracts in place in the caller's matrix, and a second copy of a large one."""
    X = vectors(metric="l2")
    kept, index = X.copy(), VectorIndex(X, metric="l2")
    index.search(X, 3)
    np.testing.assert_array_equal(X, kept)
    assert np.shares_memory(index.X, X)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"metric": "dot"}, "metric must be one of cosine, l2, got 'dot'"),
        ({"kind": "hnsw"}, "index must be one of auto, exact, approximate, got 'hnsw'"),
        ({"X": np.ones(3)}, "X must be a matrix"),
        ({"X": np.ones((0, 3))}, "at least one row"),
        ({"X": np.array([[np.nan, 1.0]])}, "finite"),
    ],
)
def test_bad_arguments(options, message):
    """Prevents an error of FAISS's, which names no argument."""
    with pytest.raises(InputError, match=message):
        VectorIndex(**{"X": np.eye(3), **options})
