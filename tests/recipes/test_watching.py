"""What a comparison shows while it runs."""

import pytest

from fewshot.core.progress import show_progress
from fewshot.evaluation.runner.contest import Cell
from fewshot.recipes.watching import SHARE, PageKeeper, Watch

CELLS = [Cell("knn", "", None, size, size, seed, key=f"{size}-{seed}") for size in (8, 16) for seed in (0, 1)]
ROW = {"status": "ok", "macro_f1": 0.5}


class Clock:
    """A clock that only work moves on."""

    now = 0.0

    def __call__(self):
        return self.now


@pytest.mark.parametrize(("cell_seconds", "page_seconds"), [(0.01, 0.2), (0.5, 2.0), (30.0, 0.5), (600.0, 3.0)])
def test_pages_take_a_twentieth_of_the_time_at_most(cell_seconds, page_seconds):
    """Prevents a comparison that spends its time on pictures of itself; slow cells have a page each."""
    clock, written = Clock(), []

    def write():
        written.append(clock.now)
        clock.now += page_seconds

    keeper, n_cells = PageKeeper(write, clock), int(3000 / cell_seconds)
    for _ in range(min(n_cells, 20_000)):
        clock.now += cell_seconds
        keeper.refresh()
    assert written
    assert page_seconds * len(written) <= SHARE * clock.now + page_seconds
    if cell_seconds > page_seconds / SHARE:
        assert len(written) == n_cells


def test_a_comparison_of_seconds_writes_no_page_early():
    """Prevents the first page, which loads what draws, from doubling the time of a short comparison."""
    clock = Clock()
    keeper = PageKeeper(lambda: pytest.fail("too early"), clock)
    for clock.now in (1.0, 5.0, 15.0):
        keeper.refresh()


def test_a_page_that_cannot_be_written_stops_nothing():
    """Prevents a page that is open in a viewer, which some systems lock, from ending hours of work."""
    clock = Clock()

    def write():
        raise PermissionError

    keeper = PageKeeper(write, clock)
    clock.now = 1000.0
    keeper.refresh()


def test_results_reach_the_page_and_whoever_looks(capsys):
    """Prevents a page without the results of earlier runs, and a line for each cell in a log."""
    pages, seen = [], []
    with show_progress():
        watch = Watch(CELLS, lambda rows, n_missing: pages.append((rows, n_missing)), lambda *it: seen.append(it))
        watch._keeper._next = 0.0
        with watch.shown():
            watch.started([(CELLS[2], ROW)])
            watch.note(CELLS[0], ROW)
            watch.note(CELLS[1], ROW)
    assert pages == [([ROW, ROW], 2)], "one page: the next would come too early"
    assert seen == [(CELLS[0], ROW), (CELLS[1], ROW)]
    assert capsys.readouterr() == ("", "knn, slice 8: macro F1 50.0 % (3 of 4 cells done)\n")


def test_the_last_cell_has_no_page_of_its_own():
    """Prevents a page of an unfinished comparison that is finished, a moment before the page of all."""
    watch = Watch(CELLS[:1], lambda rows, n_missing: pytest.fail("not needed"))
    watch._keeper._next = 0.0
    watch.note(CELLS[0], ROW)


@pytest.mark.parametrize("n_done", [0, 1])
def test_an_interrupted_comparison_leaves_its_page(n_done):
    """Prevents Ctrl-C from leaving no page of an hour's results, or an empty one where there are none."""
    pages = []
    watch = Watch(CELLS, lambda rows, n_missing: pages.append(n_missing))
    with pytest.raises(KeyboardInterrupt):
        interrupted(watch, CELLS[:n_done])
    assert pages == [3] * n_done


def interrupted(watch, cells):
    """Press Ctrl-C after some cells."""
    with watch.shown():
        for cell in cells:
            watch.note(cell, ROW)
        raise KeyboardInterrupt
