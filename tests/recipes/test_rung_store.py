"""Finished rungs are found again; beginning anew removes them, and nothing of anybody else's."""

import pytest

from fewshot.core.errors import InputError
from fewshot.recipes.comparison import compare_methods
from fewshot.recipes.rung_store import RungStore

KEY = {"rung": "layers:3", "pool": "3f2a"}


def test_beginning_anew_leaves_what_is_not_ours(tmp_path):
    """Prevents files of a user's from going with the rungs, because a folder has the name that rungs would have."""
    store = RungStore(tmp_path)
    store.begin("layers:3", KEY)
    store.path("layers:3").mkdir()
    (tmp_path / "layers=3.training").mkdir()
    store.finish("layers:3", KEY, 1.5)
    assert store.seconds("layers:3", KEY) == 1.5
    (tmp_path / "notes").mkdir()
    for name in (".env", "mine.json", "notes/a.txt"):
        (tmp_path / name).write_text('{"a": 1}')
    (tmp_path / ".layers=3.x1.part").mkdir()
    store.clear()
    store.sweep()
    assert sorted(path.name for path in tmp_path.iterdir()) == [".env", "mine.json", "notes"]
    assert store.seconds("layers:3", KEY) is None


def test_a_torn_record_does_not_count(tmp_path):
    """Prevents a rung that a kill cut short from being kept."""
    store = RungStore(tmp_path)
    store.begin("static", KEY)
    store.path("static").mkdir()
    assert store.seconds("static", KEY) is None
    assert store.begun("static", KEY)
    (tmp_path / "static.json").write_text('{"key": ')
    assert not store.begun("static", KEY)


def test_unknown_settings_are_named():
    """Prevents a traceback of a dataclass where a keyword is misspelt."""
    with pytest.raises(InputError, match=r"unknown settings slice; there are .*Did you mean 'slices'"):
        compare_methods(["a"], out="never", slice=(1,))
