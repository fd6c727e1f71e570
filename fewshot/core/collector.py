"""What the garbage collector need not look at again."""

import contextlib
import gc
from collections.abc import Iterator


@contextlib.contextmanager
def older_objects_kept() -> Iterator[None]:
    """Spare the garbage collector the objects that are there already, inside a ``with`` block.

    To walk through all of torch's and transformers' objects takes a third of a second: more than a training on a
    handful of texts, before each of which accelerate collects, or than the parsing of a hundred thousand rows. What the
    caller has frozen stays so.
    """
    if gc.get_freeze_count():
        yield
        return
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
