"""The encoder that all cells of a comparison share."""

import pytest

from fewshot.core.errors import SourceNotFoundError
from fewshot.recipes.once_adapted import FoundAdapted, OnceAdapted


def test_it_is_made_when_asked_for_and_once(toy_encoder, tmp_path, monkeypatch):
    """Prevents an adaptation for a comparison that has none of its cells left, and one for each cell."""
    made = []
    monkeypatch.setattr("fewshot.recipes.adapted.adapt_to", lambda *args, **options: made.append((args, options)) or 7)
    once = OnceAdapted(["a", "b"], toy_encoder, tmp_path, "cpu", 3)
    assert made == []
    assert [once(), once()] == [7, 7]
    assert made == [((["a", "b"], toy_encoder, once.folder), {"device": "cpu", "random_state": 3})]


def test_a_failure_is_not_remembered(toy_encoder, tmp_path, monkeypatch):
    """Prevents a comparison that cannot recover from a disk that was full for a moment."""
    answers = iter([OSError("full"), 7])

    def adapt(*args, **options):
        answer = next(answers)
        if isinstance(answer, OSError):
            raise answer
        return answer

    monkeypatch.setattr("fewshot.recipes.adapted.adapt_to", adapt)
    once = OnceAdapted(["a"], toy_encoder, tmp_path, "cpu", 3)
    with pytest.raises(OSError, match="full"):
        once()
    assert once() == 7


def test_each_pool_encoder_and_seed_has_a_folder(toy_encoder, tmp_path):
    """Prevents a second comparison in the same folder from taking an encoder that was adapted to other texts."""
    folders = {
        OnceAdapted(pool, toy_encoder, tmp_path, "cpu", seed).folder for pool in (["a"], ["a", "b"]) for seed in (0, 1)
    }
    assert len(folders) == 4
    assert {folder.parent for folder in folders} == {tmp_path}


def test_a_worker_opens_what_is_there_and_makes_nothing(tiny_static, tmp_path):
    """Prevents two workers from adapting side by side, and a machine that lacks the folder from asking the Hub."""
    found = FoundAdapted(tmp_path / "adapted", "cpu")
    with pytest.raises(SourceNotFoundError, match="all machines of the cluster"):
        found()
    tiny_static.save(tmp_path / "adapted")
    assert found() is found()
    assert found().dimension == 16
