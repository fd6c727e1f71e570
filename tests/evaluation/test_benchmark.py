"""Speed: who is called with what, never how fast."""

import pytest

from fewshot.core.errors import InputError
from fewshot.evaluation import benchmark
from fewshot.evaluation.benchmark import measure_latency, measure_throughput

TEXTS = [f"text {number}" for number in range(100)]


class Clock:
    """A clock that moves only when a fake predictor says so."""

    now = 0.0

    def predictor(self, seconds_a_text, calls=None):
        def predict(texts):
            self.now += seconds_a_text * len(texts)
            if calls is not None:
                calls.append(list(texts))

        return predict


@pytest.fixture
def clock(monkeypatch):
    """A clock in place of the machine's."""
    clock = Clock()
    monkeypatch.setattr(benchmark.time, "perf_counter", lambda: clock.now)
    return clock


def test_throughput_is_texts_a_second(clock):
    """Prevents repeats or warm-up texts from being left out of, or counted in, the rate."""
    speeds = measure_throughput({"fast": clock.predictor(0.0001), "slow": clock.predictor(0.01)}, TEXTS)
    assert speeds == pytest.approx({"fast": 10_000, "slow": 100})


def test_candidates_take_turns(clock):
    """Prevents a machine that slows down from being blamed on the candidate measured last."""
    order = []
    candidates = {
        name: lambda texts, name=name: (order.append((name, len(texts))), clock.predictor(0.1)(texts)) for name in "ab"
    }
    measure_throughput(candidates, TEXTS[:20], rounds=2, warmup=2)
    assert order == [(name, 2) for name in "aabb"] + [(name, 20) for name in "abab"]


def test_fast_candidates_repeat_and_slow_ones_get_a_spread_share(clock):
    """Prevents a reading of a microsecond, a wait of hours, and a share of only the first class."""
    fast, slow = [], []
    measure_throughput(
        {"fast": clock.predictor(0.001, fast), "slow": clock.predictor(1.0, slow)}, TEXTS, rounds=1, max_seconds=20
    )
    assert [len(call) for call in fast[2:]] == [100] * 5
    assert len(slow[-1]) == 20
    assert (slow[-1][0], slow[-1][-1]) == (TEXTS[0], TEXTS[-1])


def test_real_predictors_give_positive_numbers():
    """Prevents a division by zero where a call takes less than the clock can see."""
    speeds = measure_throughput({"none": lambda texts: None, "len": len}, TEXTS, rounds=2, min_seconds=0)
    assert set(speeds) == {"none", "len"}
    assert all(speed > 0 for speed in speeds.values())


def test_latency_is_that_of_a_single_text_in_milliseconds(clock):
    """Prevents the latency of a batch, or seconds under the name of milliseconds."""
    calls = []
    assert measure_latency(clock.predictor(0.002, calls), TEXTS[:3], n_calls=10, warmup=2) == pytest.approx(
        {"p50_ms": 2.0, "p95_ms": 2.0}
    )
    assert all(len(call) == 1 for call in calls)
    assert len(calls) == 12


def test_latency_gives_up_after_its_time(clock):
    """Prevents two hundred calls of a model that takes a minute for each."""
    calls = []
    measure_latency(clock.predictor(4.0, calls), TEXTS, warmup=1, max_seconds=10)
    assert len(calls) == 1 + 3


@pytest.mark.parametrize(
    ("candidates", "texts", "changes"),
    [({}, TEXTS, {}), ({"a": len}, [], {}), ({"a": len}, "one text", {}), ({"a": len}, TEXTS, {"rounds": 0})],
)
def test_nothing_to_measure_is_refused(candidates, texts, changes):
    """Prevents a median of nothing, and a string from being measured letter by letter."""
    with pytest.raises(InputError):
        measure_throughput(candidates, texts, **changes)
    if not len(texts) or isinstance(texts, str):
        with pytest.raises(InputError):
            measure_latency(len, texts)
