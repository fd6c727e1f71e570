"""What turns come to: seconds of one text, texts a second in bulk, and how many times as fast as the first model.

Each figure is the median over rounds, with its quartiles; a ratio is taken round by round, between turns that were near
each other in time, before its median is.
"""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from fewshot.evaluation.speed.turns import Setting, Turn

PERCENTILES = (50, 95, 99)
SHORTEST = 1e-9


@dataclasses.dataclass(frozen=True)
class Spread:
    """A figure over rounds.

    Parameters
    ----------
    median, q1, q3 : float
        The middle one, and the quartiles, between which half of the rounds lie.
    """

    median: float
    q1: float
    q3: float

    @classmethod
    def of(cls, values: Iterable[float]) -> "Spread":
        """Return median and quartiles of one value or more.

        Examples
        --------
        >>> Spread.of([1.0, 2.0, 3.0, 4.0, 5.0])
        Spread(median=3.0, q1=2.0, q3=4.0)
        """
        q1, median, q3 = np.percentile(list(values), [25, 50, 75])
        return cls(float(median), float(q1), float(q3))

    def named(self, name: str) -> dict[str, float]:
        """Return the three as columns ``name``, ``name_q1`` and ``name_q3``."""
        return {name: self.median, f"{name}_q1": self.q1, f"{name}_q3": self.q3}


def summarize_turns(turns: Iterable[Turn], names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return the speed of each model, and how it compares with that of the first.

    Parameters
    ----------
    turns : iterable of Turn
        Of any number of whole or broken rounds.
    names : sequence of str
        Of the models, the first being the one that all are compared with.

    Returns
    -------
    dict of str to dict
        For each model that had a turn: ``latency_p50_ms`` of one text with its quartiles over rounds, ``…_p95_ms`` and
        ``…_p99_ms`` over all calls, ``latency_calls``, ``latency_threads``; ``texts_per_second`` with its quartiles,
        ``best_batch_size``, ``best_threads``; ``latency_speedup`` and ``throughput_speedup``, how many times as fast as
        the first model it is, with their quartiles. Both are taken in the setting in which the model was fastest.

    Notes
    -----
    The fastest setting is chosen by the same medians that are reported, which flatters each model a little, by less
    than its quartiles are apart.

    Examples
    --------
    >>> turns = [Turn("a", Setting(1, 1), 0, (0.002, 0.004)), Turn("b", Setting(1, 1), 0, (0.001,))]
    >>> found = summarize_turns(turns, ["a", "b"])["b"]
    >>> found["latency_p50_ms"], found["texts_per_second"], found["latency_speedup"]
    (1.0, 1000.0, 3.0)
    """
    grouped = _grouped(turns)
    best = {name: _Best.of(grouped[name]) for name in names if name in grouped}
    first = best.get(names[0]) if names else None
    return {name: found.facts() | (found.against(first) if first else {}) for name, found in best.items()}


def speeds_by_setting(turns: Iterable[Turn]) -> list[dict[str, Any]]:
    """Return texts a second by model and setting, in the order of their first turns.

    Returns
    -------
    list of dict
        ``model``, ``batch_size``, ``threads``, ``texts_per_second`` with its quartiles, ``rounds``.
    """
    rows: list[dict[str, Any]] = []
    for name, settings in _grouped(turns).items():
        for setting, by_round in sorted(settings.items()):
            speed = Spread.of(_speeds(by_round, setting).values()).named("texts_per_second")
            rows.append({"model": name, **dataclasses.asdict(setting), **speed, "rounds": len(by_round)})
    return rows


Rounds = Mapping[int, tuple[float, ...]]
"""Seconds of each call, by the number of the round."""


def _grouped(turns: Iterable[Turn]) -> dict[str, dict[Setting, dict[int, tuple[float, ...]]]]:
    grouped: dict[str, dict[Setting, dict[int, tuple[float, ...]]]] = {}
    for turn in turns:
        grouped.setdefault(turn.name, {}).setdefault(turn.setting, {})[turn.round] = turn.seconds
    return grouped


def _speeds(by_round: Rounds, setting: Setting) -> dict[int, float]:
    """Return texts a second, by round."""
    return {number: setting.batch_size * len(calls) / max(sum(calls), SHORTEST) for number, calls in by_round.items()}


def _middles(by_round: Rounds) -> dict[int, float]:
    """Return the median seconds of a call, by round."""
    return {number: max(float(np.median(calls)), SHORTEST) for number, calls in by_round.items()}


@dataclasses.dataclass(frozen=True)
class _Best:
    """One model in the settings in which it was fastest: for texts one at a time, where there are such, and in bulk."""

    alone: Setting | None
    bulk: Setting
    calls: Rounds
    speeds: Mapping[int, float]

    @classmethod
    def of(cls, settings: Mapping[Setting, Rounds]) -> "_Best":
        alone = min(
            (setting for setting in settings if setting.batch_size == 1),
            key=lambda setting: Spread.of(_middles(settings[setting]).values()).median,
            default=None,
        )
        speeds = {setting: _speeds(by_round, setting) for setting, by_round in settings.items()}
        bulk = max(speeds, key=lambda setting: Spread.of(speeds[setting].values()).median)
        return cls(alone, bulk, settings[alone] if alone else {}, speeds[bulk])

    def facts(self) -> dict[str, Any]:
        return {
            **self._latency(),
            **Spread.of(self.speeds.values()).named("texts_per_second"),
            "best_batch_size": self.bulk.batch_size,
            "best_threads": self.bulk.threads,
        }

    def _latency(self) -> dict[str, Any]:
        if self.alone is None:
            return {}
        calls = 1000 * np.concatenate([np.asarray(some) for some in self.calls.values()])
        middle = Spread.of(1000 * value for value in _middles(self.calls).values())
        tails = {f"latency_p{p}_ms": float(np.percentile(calls, p)) for p in PERCENTILES[1:]}
        own = {"latency_calls": len(calls), "latency_threads": self.alone.threads}
        return {**middle.named("latency_p50_ms"), **tails, **own}

    def against(self, first: "_Best") -> dict[str, Any]:
        """Return the ratios to the first model over the rounds that both have."""
        ratios = {
            "latency_speedup": _ratios(_middles(first.calls), _middles(self.calls)),
            "throughput_speedup": _ratios(self.speeds, first.speeds),
        }
        return {
            key: value
            for name, values in ratios.items()
            if values
            for key, value in Spread.of(values).named(name).items()
        }


def _ratios(above: Mapping[int, float], below: Mapping[int, float]) -> list[float]:
    return [above[number] / below[number] for number in above if number in below]
