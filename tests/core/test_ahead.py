"""Items made in a thread while earlier ones are used."""

import threading
import time

import pytest

from fewshot.core.ahead import Ahead


def test_all_items_in_order():
    """Prevents a lost, doubled or early item, and a queue that ends before it is empty."""
    with Ahead(range(100), depth=3) as numbers:
        assert list(numbers) == list(range(100))
        assert list(numbers) == []


def test_no_more_is_made_than_there_is_room_for():
    """Prevents a pool's batches from all being made, and kept, before the first is used."""
    made = []
    with Ahead((made.append(n) or n for n in range(100)), depth=3) as numbers:
        assert [next(numbers), next(numbers)] == [0, 1]
        end = time.monotonic() + 10
        while len(made) < 5 and time.monotonic() < end:
            time.sleep(0.001)
        time.sleep(0.01)
        assert made == list(range(5))


def test_errors_are_raised_where_the_item_was_wanted():
    """Prevents an error from dying with the thread, which would leave the other side waiting for ever."""

    def items():
        yield 1
        raise ValueError("broken")

    with Ahead(items(), depth=2) as numbers:
        assert next(numbers) == 1
        with pytest.raises(ValueError, match="broken"):
            next(numbers)
        with pytest.raises(StopIteration):
            next(numbers)


def test_the_thread_ends_with_the_block():
    """Prevents threads that wait for room for ever after an early stop or an error."""
    before = threading.active_count()
    with Ahead(iter(int, 1), depth=2) as zeros:
        assert next(zeros) == 0
        assert threading.active_count() == before + 1
    assert threading.active_count() == before
    assert list(zeros) == []
