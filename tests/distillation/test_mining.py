"""Batches of neighbours and of texts near a decision, on any pool."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fewshot.core.errors import InputError
from fewshot.distillation import mining
from fewshot.distillation.mining import BoundaryBatches, HardBatches, nearest_rows
from fewshot.heads.vectors import unit_rows
from fewshot.training.checkpoints import batches_fingerprint
from fewshot.training.samplers import ShuffledBatches
from tests.distillation.similarity_cases import vectors_for

SIZES = {"n": st.integers(2, 50), "batch_size": st.integers(2, 20), "seed": st.integers(0, 99)}


def check_batches(sampler, n, batch_size, steps):
    """Check what any sampler promises; return its batches."""
    batches = list(sampler)
    assert len(batches) == len(sampler) == steps
    for batch in batches:
        assert all(type(row) is int and 0 <= row < n for row in batch)
        assert len(batch) == len(set(batch)) == min(n, batch_size)
    assert batches == list(sampler)
    return batches


@settings(deadline=None)
@given(**SIZES, neighbors=st.integers(1, 9), distinct=st.integers(1, 50))
def test_hard_batches(n, batch_size, seed, neighbors, distinct):
    """Prevents repeated rows, wrong sizes, an endless loop on duplicates, and rows that never come."""
    drawn = -(-min(n, batch_size) // (1 + neighbors))
    steps = -(-n // drawn)
    vectors = vectors_for(n)[np.arange(n) % distinct]
    sampler = HardBatches(vectors, batch_size=batch_size, steps=steps, random_state=seed, neighbors=neighbors)
    batches = check_batches(sampler, n, batch_size, steps)
    assert {row for batch in batches for row in batch} == set(range(n))


@settings(deadline=None)
@given(**SIZES, share=st.floats(0, 0.99), unsure=st.integers(0, 50))
def test_boundary_batches(n, batch_size, seed, share, unsure):
    """Prevents the same where few texts, or none, lie near a decision."""
    first = np.where(np.arange(n) < unsure, 0.5, 1.0)
    size = min(n, batch_size)
    steps = -(-n // max(1, size - round(share * size)))
    sampler = BoundaryBatches(
        np.column_stack([first, 1 - first]), batch_size=batch_size, steps=steps, random_state=seed, share=share
    )
    batches = check_batches(sampler, n, batch_size, steps)
    assert {row for batch in batches for row in batch} == set(range(n))


@settings(deadline=None)
@given(n=st.integers(2, 40), count=st.integers(1, 39), at_once=st.integers(1, 200))
def test_nearest_rows_are_the_nearest(n, count, at_once):
    """Prevents a text as its own neighbour, raw dot products, the furthest first, and a seam between blocks."""
    count = min(count, n - 1)
    vectors = vectors_for(n)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mining, "_COSINES_AT_ONCE", at_once)
        found = nearest_rows(vectors, np.arange(n), count)
    cosines = unit_rows(vectors) @ unit_rows(vectors).T
    assert not (found == np.arange(n)[:, None]).any()
    np.fill_diagonal(cosines, -np.inf)
    expected = -np.sort(-cosines, axis=1)[:, :count]
    np.testing.assert_allclose(np.take_along_axis(cosines, found, axis=1), expected, atol=1e-6)


@pytest.fixture(scope="module")
def clusters():
    """2,000 vectors in 40 clusters."""
    rng = np.random.default_rng(0)
    return (rng.normal(size=(40, 16)).repeat(50, axis=0) + 0.2 * rng.normal(size=(2000, 16))).astype(np.float32)


def test_the_index_finds_most(clusters, monkeypatch):
    """Prevents an index that knows other rows than those asked for, or squared distances for cosines."""
    rows = np.arange(0, 2000, 7)
    exact = nearest_rows(clusters, rows, 10)
    monkeypatch.setattr(mining, "EXACT_ROWS", 500)
    found = nearest_rows(clusters, rows, 10)
    assert not (found == rows[:, None]).any()
    assert np.mean([len(set(a) & set(b)) / 10 for a, b in zip(found, exact, strict=True)]) > 0.8
    np.testing.assert_array_equal(found, nearest_rows(clusters, rows, 10))


def test_the_index_holds_no_more_than_its_bound(clusters, monkeypatch):
    """Prevents an index that grows with the pool; what it leaves out still has neighbours."""
    monkeypatch.setattr(mining, "EXACT_ROWS", 100)
    monkeypatch.setattr(mining, "INDEXED_ROWS", 400)
    found = nearest_rows(clusters, np.arange(2000), 3)
    assert len(np.unique(found[found >= 0])) <= 400
    assert np.mean(found // 50 == np.arange(2000)[:, None] // 50) > 0.9
    batches = check_batches(HardBatches(clusters, batch_size=32, steps=5, random_state=0), 2000, 32, 5)
    assert batches


def test_neighbours_that_the_index_does_not_find(monkeypatch):
    """Prevents the last row of the pool from standing in for a neighbour that was not found."""
    monkeypatch.setattr(mining, "EXACT_ROWS", 10)
    monkeypatch.setattr(mining, "_LISTS_SEARCHED", 1)
    vectors = np.eye(4, dtype=np.float32).repeat(40, axis=0) + 0.01 * vectors_for(160, dimension=4).astype(np.float32)
    monkeypatch.setattr(mining, "INDEXED_ROWS", 130)
    found = nearest_rows(vectors, np.arange(160), 100)
    assert (found == -1).any()
    check_batches(HardBatches(vectors, batch_size=40, steps=8, random_state=0, neighbors=39), 160, 40, 8)


def test_hard_batches_hold_neighbourhoods(clusters):
    """Prevents a sampler that costs a search and draws as one without."""
    cosines = unit_rows(clusters) @ unit_rows(clusters).T

    def near_pairs(sampler):
        return np.mean([(cosines[np.ix_(batch, batch)] > 0.7).mean() for batch in sampler])

    hard = near_pairs(HardBatches(clusters, batch_size=32, steps=20, random_state=0))
    assert hard > 3 * near_pairs(ShuffledBatches(2000, batch_size=32, steps=20, random_state=0))
    batch = next(iter(HardBatches(clusters, batch_size=32, steps=1, random_state=0)))
    assert np.bincount(np.array(batch) // 50).max() >= 7


def test_a_memory_map_is_read_in_blocks(clusters, tmp_path, monkeypatch):
    """Prevents a sampler that takes arrays alone, or half precision that ends in other types."""
    np.save(tmp_path / "teacher.npy", clusters.astype(np.float16))
    mapped = np.load(tmp_path / "teacher.npy", mmap_mode="r")
    exact = nearest_rows(mapped, np.arange(9), 2)
    assert (exact // 50 == 0).all()
    monkeypatch.setattr(mining, "EXACT_ROWS", 100)
    assert (nearest_rows(mapped, np.arange(9), 2) // 50 == 0).all()


def test_texts_near_a_decision_come_more_often():
    """Prevents sure texts from being drawn instead, and a share that is not the one asked for."""
    first = np.where(np.arange(400) < 40, 0.5, 1.0)
    sampler = BoundaryBatches(np.column_stack([first, 1 - first]), batch_size=20, steps=300, random_state=0, share=0.5)
    near = np.mean(np.concatenate(list(sampler)) < 40)
    assert 0.52 < near < 0.58  # half, and a tenth of the other half


def test_a_label_at_its_threshold_is_near_a_decision():
    """Prevents multi-label texts from being judged by their two largest probabilities."""
    probabilities = np.zeros((100, 3))
    probabilities[:10, 2] = 0.3
    probabilities[10:20] = 0.99
    options = {"batch_size": 10, "steps": 100, "random_state": 0, "multi_label": True}
    seen = np.bincount(np.concatenate(list(BoundaryBatches(probabilities, threshold=0.3, **options))), minlength=100)
    assert seen[:10].mean() > 2.5 * seen[20:].mean()


def test_the_seed_decides(clusters):
    """Prevents batches drawn from a global state, seeds that make no difference, and a run unlike its checkpoint's."""
    p = np.random.default_rng(0).dirichlet(np.ones(3), size=60)
    for make in (
        lambda seed: HardBatches(clusters[::20], batch_size=16, steps=5, random_state=seed),
        lambda seed: BoundaryBatches(p, batch_size=16, steps=5, random_state=seed),
    ):
        np.random.seed(0)  # noqa: NPY002 - must make no difference
        one = batches_fingerprint(make(1))
        np.random.seed(1)  # noqa: NPY002
        assert one == batches_fingerprint(make(1))
        assert one != batches_fingerprint(make(2))


def test_no_steps():
    """Prevents a search for neighbours of nothing from failing."""
    assert list(HardBatches(vectors_for(5), batch_size=2, steps=0, random_state=0)) == []


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda **o: HardBatches(vectors_for(5), **(o | {"neighbors": 0})), "neighbors must be at least 1, got 0"),
        (lambda **o: HardBatches(np.ones(5), **o), r"embeddings must be a matrix .* got shape \(5,\)"),
        (lambda **o: HardBatches(vectors_for(1), **o), "at least 2 texts, got 1"),
        (lambda **o: HardBatches(vectors_for(5), **(o | {"batch_size": 1})), "batch_size must be at least 2"),
        (lambda **o: HardBatches(vectors_for(5), **(o | {"steps": -1})), "steps must be 0 or more, got -1"),
        (lambda **o: BoundaryBatches(np.ones((1, 1)), **o), "at least 2 texts, got 1"),
        (lambda **o: BoundaryBatches(np.eye(3), **(o | {"share": 1.0})), "share must be from 0 to below 1"),
        (lambda **o: BoundaryBatches(np.eye(3) * 9, **o), "probabilities must lie from 0 to 1"),
        (lambda **o: BoundaryBatches(np.eye(3), **(o | {"batch_size": 0})), "batch_size must be at least 2"),
    ],
)
def test_what_is_refused(make, message):
    """Prevents an endless loop, and a share that leaves rows out for good."""
    with pytest.raises(InputError, match=message):
        make(batch_size=4, steps=3, random_state=0)
