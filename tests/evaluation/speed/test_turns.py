"""Turns: who is called when, with which texts and threads, and that a slowing machine is blamed on nobody."""

import itertools

import numpy as np
import pytest

from fewshot.core.errors import InputError
from fewshot.core.progress import show_progress
from fewshot.evaluation.speed.contender import Failure
from fewshot.evaluation.speed.timings import summarize_turns
from fewshot.evaluation.speed.turns import Schedule, Setting, TooSlow, Turn, take_turns
from tests.evaluation.speed_cases import Clock

TEXTS = [f"text {number}" for number in range(100)]


def turns_of(clock, contenders, schedule, texts=TEXTS):
    """Return all events of a run under a simulated clock."""
    return list(take_turns(contenders, texts, schedule, set_threads=clock.set_threads, clock=clock))


def test_latency_and_throughput_are_those_of_the_model():
    """Prevents seconds of a batch under the name of a text's, and warm-up calls in the figures."""
    clock = Clock()
    slow = clock.contender("slow", seconds_a_call=0.010, seconds_a_text=0.002)
    schedule = Schedule((Setting(1, 1), Setting(10, 1)), rounds=4, seconds=8.0)
    turns = [event for event in turns_of(clock, [slow], schedule) if isinstance(event, Turn)]
    found = summarize_turns(turns, ["slow"])["slow"]
    assert found["latency_p50_ms"] == pytest.approx(12.0)
    assert found["latency_p99_ms"] == pytest.approx(12.0)
    assert found["texts_per_second"] == pytest.approx(10 / 0.030)
    assert (found["best_batch_size"], found["best_threads"]) == (10, 1)
    assert clock.now == pytest.approx(8.0, rel=0.1)


def test_threads_are_set_before_each_turn():
    """Prevents figures under the name of a number of threads that never was."""
    clock = Clock()
    scaling = clock.contender("scaling", seconds_a_text=0.02, threads_help=True)
    schedule = Schedule((Setting(1, 1), Setting(1, 4)), rounds=4, seconds=8.0)
    found = summarize_turns(turns_of(clock, [scaling], schedule), ["scaling"])["scaling"]
    assert found["latency_threads"] == found["best_threads"] == 4
    assert found["latency_p50_ms"] == pytest.approx(5.0)
    assert found["texts_per_second"] == pytest.approx(200.0)


def test_models_alternate_and_every_second_round_goes_backwards():
    """Prevents a model that always comes last, or that has all its turns in a row."""
    clock = Clock()
    contenders = [clock.contender(name, seconds_a_text=0.01) for name in "abcd"]
    settings = (Setting(1, 1), Setting(2, 1), Setting(4, 1))
    turns = turns_of(clock, contenders, Schedule(settings, rounds=6, seconds=1.0))
    rounds = [[(turn.setting, turn.name) for turn in turns if turn.round == number] for number in range(6)]
    for forth, back in zip(rounds[::2], rounds[1::2], strict=True):
        assert back == forth[::-1]
        for group in (forth[start : start + 4] for start in range(0, len(forth), 4)):
            assert len({setting for setting, _ in group}) == 1
            assert sorted(name for _, name in group) == list("abcd")
    assert len({tuple(order) for order in rounds[::2]}) == 3


def test_the_same_seed_gives_the_same_turns():
    """Prevents an order that cannot be repeated, and one that no seed changes."""

    def calls(seed):
        clock = Clock()
        contenders = [clock.contender(name, seconds_a_text=0.01) for name in "abc"]
        turns_of(clock, contenders, Schedule((Setting(1, 1), Setting(8, 1)), 2, 1.0, random_state=seed))
        return clock.calls

    assert calls(3) == calls(3)
    assert calls(3) != calls(4)


def test_the_global_random_state_is_left_alone():
    """Prevents a benchmark that changes what the caller draws next."""
    np.random.seed(0)  # noqa: NPY002
    before = np.random.get_state()[1].tolist()  # noqa: NPY002
    clock = Clock()
    turns_of(clock, [clock.contender("a", 0.01)], Schedule((Setting(1, 1),), 2, 0.1))
    assert np.random.get_state()[1].tolist() == before  # noqa: NPY002


@pytest.mark.parametrize("drift", [0.0, 0.05])
def test_a_machine_that_slows_down_makes_no_model_look_slow(drift):
    """Prevents the model that is measured last from paying for a machine that gets hot.

    One after the other, the second of two equal models would seem 1.5 times as slow here.
    """
    clock = Clock(drift)
    contenders = [clock.contender(name, seconds_a_text=0.02) for name in ("first", "same")]
    contenders.append(clock.contender("twice", seconds_a_text=0.04))
    schedule = Schedule((Setting(1, 1), Setting(4, 1)), rounds=6, seconds=10.0)
    found = summarize_turns(turns_of(clock, contenders, schedule), ["first", "same", "twice"])
    for name, expected in {"first": 1.0, "same": 1.0, "twice": 0.5}.items():
        assert found[name]["latency_speedup"] == pytest.approx(expected, rel=0.02)
        assert found[name]["throughput_speedup"] == pytest.approx(expected, rel=0.02)
    one_after_the_other = 1 + drift * clock.now / 3
    assert one_after_the_other > 1.4 or not drift


def test_all_get_the_same_different_texts():
    """Prevents a model that drew short texts, and one that answers a repeated text once."""
    clock = Clock()
    contenders = [clock.contender(name, seconds_a_text=0.01) for name in "ab"]
    turns_of(clock, contenders, Schedule((Setting(7, 1),), rounds=3, seconds=3.0), TEXTS[:10])
    by_name = {name: [texts for caller, texts, _ in clock.calls if caller == name] for name in "ab"}
    assert all(len(set(texts)) == len(texts) for calls in by_name.values() for texts in calls)
    assert sorted(map(tuple, by_name["a"])) == sorted(map(tuple, by_name["b"]))
    assert {text for texts in by_name["a"] for text in texts} == set(TEXTS[:10])


def test_a_model_that_fails_leaves_the_others_to_go_on():
    """Prevents one broken model from taking the figures of the others with it."""
    clock = Clock()
    contenders = [clock.contender("good", 0.01), clock.contender("bad", 0.01, fails_after=10)]
    events = turns_of(clock, contenders, Schedule((Setting(1, 1),), rounds=4, seconds=1.0))
    assert [event for event in events if isinstance(event, Failure)] == [Failure("bad", "RuntimeError: out of ideas")]
    assert sum(isinstance(event, Turn) and event.name == "good" for event in events) == 4
    clock = Clock()
    events = turns_of(clock, [clock.contender("never", fails_after=0)], Schedule((Setting(1, 1),), 2, 1.0))
    assert events == [Failure("never", "RuntimeError: out of ideas")]


def test_a_slow_model_keeps_to_its_time():
    """Prevents an evening of waiting for a batch of 64 texts that take a second each."""
    clock = Clock()
    slow, fast = clock.contender("slow", seconds_a_text=1.0), clock.contender("fast", seconds_a_text=1e-3)
    schedule = Schedule((Setting(1, 1), Setting(8, 1), Setting(64, 1)), rounds=2, seconds=20.0)
    events = turns_of(clock, [slow, fast], schedule)
    assert [event for event in events if isinstance(event, TooSlow)] == [TooSlow("slow", Setting(64, 1))]
    spent = sum(1.0 * len(texts) for name, texts, _ in clock.calls if name == "slow")
    assert spent < 2.2 * 20
    assert clock.now < 2.2 * 20 * 2


def test_what_was_finished_is_kept():
    """Prevents Ctrl-C from throwing away the rounds that were over."""
    clock = Clock()
    contender = clock.contender("a", seconds_a_text=0.01)
    events = take_turns([contender], TEXTS, Schedule((Setting(1, 1),), 10, 1.0), set_threads=print, clock=clock)
    got = list(itertools.islice(events, 3))
    events.close()
    assert [turn.round for turn in got] == [0, 1, 2]


def test_nothing_is_drawn_while_the_clock_runs(capsys):
    """Prevents progress bars of the models from being part of their time."""
    from fewshot.core.progress import _shown
    from fewshot.evaluation.speed.contender import Answers, Contender

    seen = []
    watcher = Contender("a", lambda texts: seen.append(_shown.get()), Answers)
    with show_progress(enabled=True):
        list(take_turns([watcher], TEXTS, Schedule((Setting(1, 1),), 1, 1e-6), set_threads=lambda n: None))
    assert set(seen) == {None}


@pytest.mark.parametrize("texts", [["a", "a", "b"], ["a"]])
def test_texts_that_would_flatter_are_refused(texts):
    """Prevents repeated texts, which a classifier reads once, and calls of fewer texts than they say."""
    with pytest.raises(InputError, match="all different and at least as many"):
        turns_of(Clock(), [], Schedule((Setting(2, 1),), 1, 1.0), texts)


@pytest.mark.parametrize(
    ("settings", "rounds", "seconds"), [((), 1, 1.0), (((Setting(1, 1)),), 0, 1.0), ((Setting(1, 1),), 1, 0.0)]
)
def test_a_schedule_of_nothing_is_refused(settings, rounds, seconds):
    """Prevents medians of no rounds."""
    with pytest.raises(InputError, match="a schedule needs"):
        Schedule(settings, rounds, seconds)
