"""Answers by Ray's actors."""

import sys

import pytest

from fewshot.core.errors import MissingExtraError
from fewshot.data.writers import write_rows
from fewshot.recipes.predicting.pool import predict_pool


def test_without_ray_the_extra_is_named(tmp_path, student, monkeypatch):
    """Prevents a traceback of an import, and a folder that is begun for nothing."""
    write_rows(tmp_path / "in.csv", [{"text": "refund"}])
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'fewshot\[ray\]'"):
        predict_pool(student, tmp_path / "in.csv", out=tmp_path / "out.csv", engine="ray")
    assert [path.name for path in tmp_path.iterdir()] == ["in.csv"]


@pytest.mark.slow
@pytest.mark.long
def test_ray_gives_the_same_bytes(tmp_path, student):
    """Prevents actors that take every processor, answers out of order, and a Ray that stays behind."""
    ray = pytest.importorskip("ray")
    write_rows(tmp_path / "in.csv", [{"id": n, "text": f"refund {n} card {n * 7 % 101}"} for n in range(5_000)])
    predict_pool(student, tmp_path / "in.csv", out=tmp_path / "one.csv", rows_per_shard=1_000)
    predict_pool(student, tmp_path / "in.csv", out=tmp_path / "two.csv", rows_per_shard=1_000, workers=2, engine="ray")
    assert (tmp_path / "two.csv").read_bytes() == (tmp_path / "one.csv").read_bytes()
    assert not ray.is_initialized()
