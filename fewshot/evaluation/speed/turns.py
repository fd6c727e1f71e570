"""Models that take turns under one clock, so that a machine that slows down slows all of them alike.

A round gives each model one turn in each setting (threads, texts a call). The order is shuffled, and every second round
goes backwards through the order of the one before: what drifts steadily then weighs on all models alike. What the turns
come to is left to :mod:`fewshot.evaluation.speed.timings`, and how threads are set to whoever calls.
"""

import dataclasses
import itertools
import time
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from fewshot.core.errors import InputError
from fewshot.core.progress import hide_progress, track
from fewshot.evaluation.speed.contender import Contender, Failure

IN_BATCH = 0.5
"""What a text in a batch is expected to cost, as a share of one in a smaller batch, before it has been tried."""

SetThreads = Callable[[int], object]
Clock = Callable[[], float]


@dataclasses.dataclass(frozen=True, order=True)
class Setting:
    """How predictions are asked for.

    Parameters
    ----------
    batch_size : int
        Texts a call.
    threads : int
    """

    batch_size: int
    threads: int


@dataclasses.dataclass(frozen=True)
class Turn:
    """One model's turn in one setting.

    Parameters
    ----------
    name : str
        Of the model.
    setting : Setting
    round : int
        From 0.
    seconds : tuple of float
        Of each call, its texts predicted from call to answer. A turn's first call, for which caches have to be filled
        anew, is left out where others follow.
    """

    name: str
    setting: Setting
    round: int
    seconds: tuple[float, ...]


@dataclasses.dataclass(frozen=True)
class TooSlow:
    """A setting in which a model was not measured, since one call would take more than its share of the time."""

    name: str
    setting: Setting


@dataclasses.dataclass(frozen=True)
class Schedule:
    """How long and how often models are measured.

    Parameters
    ----------
    settings : tuple of Setting
        Those of one text a call are always measured.
    rounds : int
    seconds : float
        For one model, over all rounds and settings; at most about twice as long, unless single texts alone take longer.
    random_state : int
        Decides the texts of each turn and the order of turns.
    """

    settings: tuple[Setting, ...]
    rounds: int
    seconds: float
    random_state: int = 0

    def __post_init__(self) -> None:
        if not self.settings or self.rounds < 1 or not self.seconds > 0:
            raise InputError(
                "a schedule needs a setting, a round and more than 0 seconds, got "
                f"{len(self.settings)} settings, {self.rounds} rounds and {self.seconds} seconds"
            )


def take_turns(
    contenders: Sequence[Contender],
    texts: Sequence[str],
    schedule: Schedule,
    *,
    set_threads: SetThreads,
    clock: Clock = time.perf_counter,
) -> Iterator[Turn | TooSlow | Failure]:
    """Measure models in turn; whoever stops listening has all that was finished.

    Parameters
    ----------
    contenders : sequence of Contender
        Warmed up: each has predicted before.
    texts : sequence of str
        All different, so that no model saves work on equal texts of a call; at least as many as the largest batch. In
        one round and setting all models get the same ones, from the same place on.
    schedule : Schedule
    set_threads : callable
        Called with the number of threads before a setting is measured.
    clock : callable, default time.perf_counter
        Seconds since some moment.

    Yields
    ------
    Turn, TooSlow or Failure
        As they come. A model that fails is not asked again.

    Raises
    ------
    InputError
        If texts are too few or occur twice.

    Examples
    --------
    >>> from fewshot.evaluation.speed.contender import Answers
    >>> lengths = Contender("length", lambda texts: list(map(len, texts)), lambda texts: Answers(list(map(len, texts))))
    >>> schedule = Schedule((Setting(1, 1),), rounds=2, seconds=0.001)
    >>> [turn.round for turn in take_turns([lengths], ["a", "b"], schedule, set_threads=print)]
    1
    1
    1
    [0, 1]
    """
    _check_texts(texts, schedule)
    yield from _Race(contenders, texts, schedule, set_threads, clock).run()


def _check_texts(texts: Sequence[str], schedule: Schedule) -> None:
    largest = max(setting.batch_size for setting in schedule.settings)
    if len(set(texts)) < len(texts) or len(texts) < largest:
        raise InputError(
            f"texts must be all different and at least as many as the largest batch, {largest}; got {len(texts)}, "
            f"{len(set(texts))} of them different"
        )


class _Race:
    """The state of one run: who is still in it, in which settings, and where in the texts a turn begins."""

    def __init__(
        self,
        contenders: Sequence[Contender],
        texts: Sequence[str],
        schedule: Schedule,
        set_threads: SetThreads,
        clock: Clock,
    ) -> None:
        self.contenders = {contender.name: contender for contender in contenders}
        self.schedule, self.set_threads, self.clock = schedule, set_threads, clock
        self.rng = np.random.default_rng(schedule.random_state)
        self.texts = [texts[row] for row in self.rng.permutation(len(texts))]
        self.share = schedule.seconds / schedule.rounds
        self.settings_of: dict[str, list[Setting]] = {}

    def run(self) -> Iterator[Turn | TooSlow | Failure]:
        n_turns = self.schedule.rounds * len(self.schedule.settings) * len(self.contenders)
        for contender in list(self.contenders.values()):
            try:
                yield from self._settle(contender)
            except Exception as error:
                yield self._out(contender.name, error)
        order: list[tuple[Setting, str]] = []
        with track("measuring speed", total=n_turns) as advance:
            for number in range(self.schedule.rounds):
                order = order[::-1] if number % 2 else self._shuffled()
                starts = {setting: int(self.rng.integers(len(self.texts))) for setting, _ in order}
                for setting, name in order:
                    yield from self._turn(name, setting, number, starts[setting])
                    advance(1)

    def _shuffled(self) -> list[tuple[Setting, str]]:
        """Return each setting with all models in turn, both in a random order."""
        settings, names = list(self.schedule.settings), list(self.contenders)
        return [
            (settings[i], names[j])
            for i in self.rng.permutation(len(settings))
            for j in self.rng.permutation(len(names))
        ]

    def _settle(self, contender: Contender) -> Iterator[TooSlow]:
        """Choose the settings whose calls fit into one round's share of the time, small batches first."""
        chosen: list[Setting] = []
        cost, seconds_a_text = 0.0, dict[int, float]()
        for setting in sorted(self.schedule.settings):
            expected = IN_BATCH * setting.batch_size * seconds_a_text.get(setting.threads, 0.0)
            needed = setting.batch_size == 1
            if needed or cost + expected <= self.share:
                call = self._first_call(contender, setting)
                if needed or cost + call <= self.share:
                    seconds_a_text[setting.threads] = call / setting.batch_size
                    cost += call
                    chosen.append(setting)
                    continue
            yield TooSlow(contender.name, setting)
        self.settings_of[contender.name] = chosen

    def _first_call(self, contender: Contender, setting: Setting) -> float:
        self.set_threads(setting.threads)
        self._call(contender, self._batches(0, 1))  # threads start at their first work
        return self._call(contender, self._batches(0, setting.batch_size))

    def _turn(self, name: str, setting: Setting, number: int, start: int) -> Iterator[Turn | Failure]:
        contender = self.contenders.get(name)
        if contender is None or setting not in self.settings_of[name]:
            return
        try:
            yield Turn(name, setting, number, self._calls(contender, setting, start))
        except Exception as error:
            yield self._out(name, error)

    def _calls(self, contender: Contender, setting: Setting, start: int) -> tuple[float, ...]:
        until = self.share / len(self.settings_of[contender.name])
        batches = self._batches(start, setting.batch_size)
        self.set_threads(setting.threads)
        began, calls = self.clock(), list[float]()
        while not calls or self.clock() - began < until:
            calls.append(self._call(contender, batches))
        return tuple(calls[1:] or calls)

    def _call(self, contender: Contender, batches: Iterator[list[str]]) -> float:
        batch = next(batches)
        with hide_progress():  # a bar drawn for each call would be timed, too
            start = self.clock()
            contender.predict(batch)
            return self.clock() - start

    def _batches(self, start: int, size: int) -> Iterator[list[str]]:
        """Give batches of different texts without end, round and round from ``start``."""
        texts = itertools.cycle(self.texts)
        rest = itertools.islice(texts, start, None)
        while True:
            yield list(itertools.islice(rest, size))

    def _out(self, name: str, error: Exception) -> Failure:
        """Take a model out of the race: whatever it raised, the others go on."""
        self.contenders.pop(name)
        return Failure.of(name, error)
