"""What turns come to, against NumPy on the plain numbers."""

import numpy as np
import pytest

from fewshot.evaluation.speed.timings import Spread, speeds_by_setting, summarize_turns
from fewshot.evaluation.speed.turns import Setting, Turn


@pytest.fixture
def turns():
    """Two models, two settings, five rounds of random calls; the second lacks a round."""
    rng = np.random.default_rng(0)
    return [
        Turn(name, setting, number, tuple(rng.uniform(0.5, 1.5, size=20) * pace * setting.batch_size**0.5))
        for number in range(5)
        for setting in (Setting(1, 1), Setting(1, 2), Setting(16, 2))
        for name, pace in (("a", 0.01), ("b", 0.002))
        if (name, number) != ("b", 3)
    ]


def calls(turns, name, setting):
    """Return the seconds of calls, round by round."""
    return {turn.round: np.array(turn.seconds) for turn in turns if (turn.name, turn.setting) == (name, setting)}


def test_figures_are_medians_over_rounds_with_quartiles(turns):
    """Prevents means, which one interrupted call would spoil, and quartiles of calls in place of rounds."""
    found = summarize_turns(turns, ["a", "b"])["a"]
    alone = Setting(1, found["latency_threads"])
    middles = [1000 * np.median(seconds) for seconds in calls(turns, "a", alone).values()]
    assert found["latency_p50_ms"] == pytest.approx(np.median(middles))
    assert (found["latency_p50_ms_q1"], found["latency_p50_ms_q3"]) == pytest.approx(
        tuple(np.percentile(middles, [25, 75]))
    )
    pooled = 1000 * np.concatenate(list(calls(turns, "a", alone).values()))
    assert found["latency_p95_ms"] == pytest.approx(np.percentile(pooled, 95))
    assert found["latency_p99_ms"] == pytest.approx(np.percentile(pooled, 99))
    assert found["latency_calls"] == 100
    speeds = [16 * 20 / seconds.sum() for seconds in calls(turns, "a", Setting(16, 2)).values()]
    assert found["texts_per_second"] == pytest.approx(np.median(speeds))
    assert (found["best_batch_size"], found["best_threads"]) == (16, 2)


def test_ratios_are_taken_round_by_round(turns):
    """Prevents a ratio of two medians, which drift between rounds would spoil, and one of different rounds."""
    found = summarize_turns(turns, ["a", "b"])
    first, other = (
        {
            number: np.median(seconds)
            for number, seconds in calls(turns, name, Setting(1, found[name]["latency_threads"])).items()
        }
        for name in "ab"
    )
    ratios = [first[number] / other[number] for number in (0, 1, 2, 4)]
    assert found["b"]["latency_speedup"] == pytest.approx(np.median(ratios))
    assert found["b"]["latency_speedup_q1"] == pytest.approx(np.percentile(ratios, 25))
    assert found["b"]["latency_speedup"] > 3
    assert found["b"]["throughput_speedup"] > 3
    assert found["a"]["latency_speedup"] == found["a"]["throughput_speedup"] == 1.0


def test_the_fastest_setting_is_named():
    """Prevents a best speed that nobody can set."""
    turns = [Turn("a", Setting(size, n), 0, (0.01 / n,)) for size in (1, 8) for n in (1, 2)]
    found = summarize_turns(turns, ["a"])["a"]
    assert (found["best_batch_size"], found["best_threads"], found["latency_threads"]) == (8, 2, 2)
    assert found["texts_per_second"] == pytest.approx(1600)
    rows = speeds_by_setting(turns)
    assert [(row["batch_size"], row["threads"]) for row in rows] == [(1, 1), (1, 2), (8, 1), (8, 2)]
    assert [row["texts_per_second"] for row in rows] == pytest.approx([100, 200, 800, 1600])


def test_a_model_without_turns_has_no_figures():
    """Prevents a crash where a run was broken off before the first model's turn."""
    turns = [Turn("b", Setting(1, 1), 0, (0.1,))]
    found = summarize_turns(turns, ["a", "b"])
    assert set(found) == {"b"}
    assert "latency_speedup" not in found["b"]
    assert summarize_turns([], ["a"]) == {}


def test_a_call_too_short_for_the_clock_divides_nothing_by_zero():
    """Prevents an infinite speed of a model that the clock cannot see."""
    found = summarize_turns([Turn("a", Setting(1, 1), 0, (0.0,))], ["a"])["a"]
    assert np.isfinite(found["texts_per_second"])
    assert found["latency_speedup"] == 1.0


def test_a_spread_is_named_with_its_quartiles():
    """Prevents a figure in the table without what it varies by."""
    assert Spread.of([1, 2, 3, 4]).named("x") == {"x": 2.5, "x_q1": 1.75, "x_q3": 3.25}
