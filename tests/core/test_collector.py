"""What the garbage collector need not look at again."""

import gc

import pytest

from fewshot.core.collector import SELDOM, older_objects_kept, seldom_collected


def test_only_what_we_froze_is_let_go():
    """Prevents objects that are never collected again, and a caller's own freeze that is undone."""
    assert gc.get_freeze_count() == 0
    with older_objects_kept():
        assert gc.get_freeze_count() > 10_000
    assert gc.get_freeze_count() == 0
    gc.freeze()
    try:
        with older_objects_kept():
            pass
        assert gc.get_freeze_count()
    finally:
        gc.unfreeze()


def test_it_collects_as_before_afterwards():
    """Prevents a program whose collector stays asleep after a prediction, or is woken where its owner stopped it."""
    before = gc.get_threshold()
    try:
        with seldom_collected():
            assert gc.get_threshold() == (SELDOM, *before[1:])
        with pytest.raises(KeyError), seldom_collected():
            raise KeyError
        assert gc.get_threshold() == before
        gc.set_threshold(0)
        with seldom_collected():
            assert gc.get_threshold()[0] == 0
    finally:
        gc.set_threshold(*before)
