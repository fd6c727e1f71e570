"""How long cells still take, and whether they fit into a budget."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fewshot.core.errors import InputError
from fewshot.evaluation.runner.contest import Cell
from fewshot.evaluation.runner.pace import Pace, in_time, seconds_in


def cell(method, n, encoder="", pool=None):
    """Return a cell with ``n`` training texts."""
    return Cell(method, encoder, pool, n, n, 0, key=f"{method}{n}")


def row(method, n, fit, predict=0.0, encoder="", pool=None):
    """Return the row of a finished cell."""
    seconds = {"fit_seconds": fit, "predict_seconds": predict}
    return {"method": method, "encoder": encoder, "pool": pool, "n_train": n} | seconds


def test_the_nearest_size_of_the_method_tells():
    """Prevents an estimate for large slices from small ones' seconds, or from another method's."""
    pace = Pace()
    for seconds in (2.0, 4.0):
        pace.note(row("setfit", 16, seconds))
    pace.note(row("setfit", 64, 20.0, 4.0))
    pace.note(row("knn", 16, 0.1))
    pace.note(row("uda", 16, None, None))
    assert pace.seconds_of(cell("setfit", 16)) == 3.0
    assert pace.seconds_of(cell("setfit", 0)) == 3.0
    assert pace.seconds_of(cell("setfit", 60)) == 24.0
    assert pace.seconds_of(cell("setfit", 128)) == 48.0
    assert pace.seconds_of(cell("uda", 16)) is None
    assert pace.left([cell("setfit", 16), cell("knn", 16), cell("uda", 16), cell("prompt", 2)]) == (3.1, 2)


def test_another_encoder_or_pool_takes_its_own_time():
    """Prevents the minutes of a large encoder from being reckoned by the seconds of a small one."""
    pace = Pace()
    pace.note(row("setfit", 16, 2.0, encoder="small"))
    pace.note(row("uda", 16, 3.0, encoder="small", pool=200))
    assert pace.seconds_of(cell("setfit", 16, "small")) == 2.0
    assert pace.seconds_of(cell("setfit", 16, "large")) is None
    assert pace.seconds_of(cell("uda", 16, "small", 2000)) is None
    assert pace.left([cell("uda", 16, "small", 200), cell("uda", 16, "small", 2000)]) == (3.0, 1)


def test_no_cell_is_begun_beyond_the_budget():
    """Prevents an hour's cell in the last minute, and a method from never being tried because nobody knows it yet."""
    now = [100.0]
    pace = Pace(60, clock=lambda: now[0])
    pace.note(row("setfit", 16, 50.0))
    pace.note(row("knn", 16, 1.0))
    assert pace.allows(cell("setfit", 16))
    now[0] += 20
    assert not pace.allows(cell("setfit", 16))
    assert pace.allows(cell("knn", 16))
    assert pace.allows(cell("unknown", 16))
    now[0] += 40
    assert not pace.allows(cell("knn", 16))
    assert not pace.allows(cell("unknown", 16))
    assert Pace(clock=lambda: 1e9).allows(cell("unknown", 16))


@given(st.floats(0.5, 1e5).map(lambda x: round(x, 2)), st.sampled_from("smh"))
def test_durations_are_read(number, unit):
    """Prevents 30m from being thirty seconds."""
    expected = number * {"s": 1, "m": 60, "h": 3600}[unit]
    assert seconds_in(f"{number}{unit}") == pytest.approx(expected)
    assert seconds_in(f" {number} {unit.upper()} ") == pytest.approx(expected)
    assert seconds_in(expected) == pytest.approx(expected)


@pytest.mark.parametrize("wrong", ["", "0", "-5m", "half an hour", "5x", "m", "5m!", "nan", "inf", "1e999"])
def test_other_durations_are_refused(wrong):
    """Prevents a comparison that stops at once, or never."""
    with pytest.raises(InputError, match="budget must be a time above 0 such as 90s"):
        seconds_in(wrong)
    with pytest.raises(InputError, match="budget must be above 0 seconds"):
        Pace(0)


def test_durations_are_told():
    """Prevents 60 min for an hour, and seconds without end."""
    told = [in_time(seconds) for seconds in (0.4, 89, 91, 3570, 3600, 7261)]
    assert told == ["0 s", "89 s", "2 min", "1 h 0 min", "1 h 0 min", "2 h 1 min"]
