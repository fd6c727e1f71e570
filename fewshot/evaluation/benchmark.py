"""How fast predictors are: texts a second in bulk, milliseconds for a single text.

All candidates are measured in turn inside each round, so that a machine that slows down slows all of them; figures
from different runs should not be compared. How many threads may run is the caller's matter.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from fewshot.core.errors import InputError

Predict = Callable[[Sequence[str]], Any]

SHORTEST = 1e-9


def measure_throughput(
    candidates: Mapping[str, Predict],
    texts: Sequence[str],
    *,
    rounds: int = 3,
    warmup: int = 16,
    min_seconds: float = 0.5,
    max_seconds: float = 10.0,
) -> dict[str, float]:
    """Measure how many texts a second each candidate predicts, the candidates taking turns.

    Parameters
    ----------
    candidates : mapping of str to callable
        Each called with a list of texts.
    texts : sequence of str
        What to predict. A fast candidate predicts them again and again until ``min_seconds`` are over; one so slow
        that they would take longer than ``max_seconds`` is given fewer of them, evenly spread.
    rounds : int, default 3
        How often each candidate has its turn.
    warmup : int, default 16
        How many texts each predicts first, untimed (models load, caches fill), then once more to guess its speed.
    min_seconds, max_seconds : float, default 0.5 and 10
        Bounds of one turn. The upper one is a guess from the warm-up, not a deadline.

    Returns
    -------
    dict of str to float
        Texts a second: the median over rounds.

    Raises
    ------
    InputError
        If there are no candidates, texts or rounds.

    Examples
    --------
    >>> speed = measure_throughput({"length": lambda texts: [len(text) for text in texts]}, ["a", "b"], min_seconds=0)
    >>> speed["length"] > 0
    True
    """
    _check(texts, rounds=rounds, warmup=warmup, candidates=len(candidates))
    work = {name: _share(predict, texts, warmup, max_seconds) for name, predict in candidates.items()}
    speeds: dict[str, list[float]] = {name: [] for name in candidates}
    for _ in range(rounds):
        for name, predict in candidates.items():
            speeds[name].append(_speed(predict, work[name], min_seconds))
    return {name: float(np.median(values)) for name, values in speeds.items()}


def measure_latency(
    predict: Predict, texts: Sequence[str], *, n_calls: int = 200, warmup: int = 16, max_seconds: float = 10.0
) -> dict[str, float]:
    """Measure how long a single text takes, from call to answer.

    Parameters
    ----------
    predict : callable
        Called with a list of one text.
    texts : sequence of str
        Taken in turn, from the start again where there are fewer than ``n_calls``.
    n_calls : int, default 200
        How many calls are timed.
    warmup : int, default 16
        How many untimed calls come first.
    max_seconds : float, default 10
        No further call is begun after this time.

    Returns
    -------
    dict of str to float
        ``p50_ms`` and ``p95_ms``: half, and nineteen in twenty, of the calls are faster.

    Raises
    ------
    InputError
        If there are no texts or calls.

    Examples
    --------
    >>> sorted(measure_latency(len, ["a", "b"], n_calls=5))
    ['p50_ms', 'p95_ms']
    """
    _check(texts, n_calls=n_calls, warmup=warmup)
    for call in range(warmup):
        predict([texts[call % len(texts)]])
    seconds: list[float] = []
    deadline = time.perf_counter() + max_seconds
    while len(seconds) < n_calls and (not seconds or time.perf_counter() < deadline):
        text = texts[len(seconds) % len(texts)]
        start = time.perf_counter()
        predict([text])
        seconds.append(time.perf_counter() - start)
    p50, p95 = np.percentile(seconds, [50, 95])
    return {"p50_ms": 1000 * float(p50), "p95_ms": 1000 * float(p95)}


def _check(texts: Sequence[str], **counts: int) -> None:
    if isinstance(texts, str) or not len(texts):
        raise InputError(f"texts must be a sequence of one or more texts, got {texts!r}")
    for name, count in counts.items():
        if count < 1:
            raise InputError(f"{name} must be at least 1, got {count}")


def _share(predict: Predict, texts: Sequence[str], warmup: int, max_seconds: float) -> list[str]:
    first = list(texts[:warmup])
    predict(first)
    start = time.perf_counter()
    predict(first)
    speed = len(first) / max(time.perf_counter() - start, SHORTEST)
    size = max(len(first), min(len(texts), int(speed * max_seconds)))
    return [texts[int(index)] for index in np.linspace(0, len(texts) - 1, size)]


def _speed(predict: Predict, texts: list[str], min_seconds: float) -> float:
    done, start = 0, time.perf_counter()
    while True:
        predict(texts)
        done += len(texts)
        elapsed = time.perf_counter() - start
        if elapsed >= min_seconds:
            return done / max(elapsed, SHORTEST)
