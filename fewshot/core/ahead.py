"""Work done ahead in a thread of its own, so that what waits for a device need not wait for the processor as well."""

import queue
import threading
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

T = TypeVar("T")

_ITEM, _ERROR, _END = "item", "error", "end"


class Ahead(Iterator[T], Generic[T]):
    """The items of an iterable, in order, made in a thread while earlier ones are used.

    Parameters
    ----------
    items : iterable
        Read in that thread alone. What it raises is raised again where the item was wanted.
    depth : int
        Items that may be ready and not yet used.

    Notes
    -----
    Use it in a ``with`` block, or :meth:`close` it: then the thread ends, if only after the item that it is at.

    Examples
    --------
    >>> with Ahead((number * number for number in range(4)), depth=2) as squares:
    ...     list(squares)
    [0, 1, 4, 9]
    """

    def __init__(self, items: Iterable[T], depth: int) -> None:
        self._ready: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
        self._room = threading.Semaphore(depth)
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._work, args=(iter(items),), name="fewshot-ahead", daemon=True)
        self._thread.start()

    def _work(self, items: Iterator[T]) -> None:
        try:
            while True:
                self._room.acquire()
                if self._closed.is_set():
                    return
                self._ready.put((_ITEM, next(items)))
        except StopIteration:
            self._ready.put((_END, None))
        except BaseException as error:
            self._ready.put((_ERROR, error))

    def __next__(self) -> T:
        if self._closed.is_set():
            raise StopIteration
        kind, value = self._ready.get()
        if kind == _ITEM:
            self._room.release()
            item: T = value
            return item
        self.close()
        if kind == _ERROR:
            raise value
        raise StopIteration

    def close(self) -> None:
        """End the thread; further items are not made."""
        self._closed.set()
        self._room.release()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
