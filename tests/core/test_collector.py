"""What the garbage collector need not look at again."""

import gc

from fewshot.core.collector import older_objects_kept


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
