"""What the garbage collector need not look at again, and when it need not look at all."""

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


SELDOM = 1_000_000
"""So many objects more than before, and the collector looks for circles among them."""


@contextlib.contextmanager
def seldom_collected() -> Iterator[None]:
    """Let the garbage collector wait for :data:`SELDOM` new objects, inside a ``with`` block.

    Rows that are read, answered and written are freed without it, as nothing in them leads back to itself; to look
    through them every 700 objects took a quarter of the time of parsing a CSV file.

    Examples
    --------
    >>> with seldom_collected():
    ...     gc.get_threshold()[0]
    1000000
    """
    before = gc.get_threshold()
    if before[0]:  # 0: the caller has turned it off
        gc.set_threshold(max(SELDOM, before[0]), *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
