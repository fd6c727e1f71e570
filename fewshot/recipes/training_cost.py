"""Roughly how long methods take: lines through what the benchmarks measured on two cores with the encoder ``bundled``.

The figures are those of ``seconds`` in ``teacher.json``, ``seconds_after_the_teacher`` in ``distillation.json``, and
what cells of ``few_labels.json`` took beside SetFit's; the tests hold these lines against them, within a factor of 2.5.
Told are orders of magnitude, no seconds.
"""

import dataclasses

MEASURED_ON = "two cores with the encoder 'bundled'"

_WORDS_PER_SECOND = 3_000
_MOST_READ = 4_000
"""Texts that SetFit's training reads at most, copies counted: 60 steps."""

_MOST_POOLED = 10_000
"""Texts of a pool from which on a token table takes no more steps, about."""

_MOST_STEPS_FROM, _TABLE_BATCH = 5_000 / 3, 512
"""Texts of a pool from which on its training takes about as many steps, and texts a step."""

_MOST_ADAPTED_TO = 1_600
"""Texts from which on adapting an encoder takes no more steps."""

_TIMES_SETFIT = {"setfit+augment": 1.9, "fine-tune": 1.8, "adapt+fine-tune": 1.8, "uda": 4.0, "self-training": 12.0}
"""How many times what SetFit takes on the same labels, the pool's 2,000 texts included; adapting comes on top."""

_CLASSES = ((10, "seconds"), (90, "about a minute"), (600, "minutes"), (3_600, "tens of minutes"), (36_000, "hours"))


@dataclasses.dataclass(frozen=True)
class Workload:
    """How much there is to read.

    Parameters
    ----------
    n_texts : int
        Labelled texts.
    n_pool : int
        Unlabelled texts.
    words : float
        Mean words a text.
    """

    n_texts: int
    n_pool: int
    words: float


def training_seconds(method: str, work: Workload) -> float | None:
    """Return about how many seconds a method trains; ``None`` for one that was not measured.

    Examples
    --------
    >>> training_seconds("setfit", Workload(n_texts=64, n_pool=0, words=40)) > 30
    True
    >>> training_seconds("zero-shot-nli", Workload(64, 0, 40)) is None
    True
    """
    if method == "naive-bayes":
        return 1.0
    if method in ("knn", "linear-probe"):
        return 3.0 + work.n_texts * work.words / _WORDS_PER_SECOND
    setfit = 10.0 + 0.0012 * work.words * min(12 * work.n_texts, _MOST_READ)
    pool = work.n_pool * work.words
    read = work.n_pool + work.n_texts
    table = 0.003 * min(read, _MOST_POOLED)
    steps = 50 + 0.15 * min(read, _MOST_STEPS_FROM)
    filters = steps * (0.1 + 0.004 * work.words) * min(1.0, read / _TABLE_BATCH)
    costs = {
        "setfit": setfit,
        **{name: times * setfit for name, times in _TIMES_SETFIT.items()},
        "distilled:layers:3": setfit + 30.0 + 0.001 * pool + pool / _WORDS_PER_SECOND,
        "distilled:static": setfit + 4.0 + table + pool / _WORDS_PER_SECOND,
        "distilled:static:conv": setfit + 4.0 + filters + pool / _WORDS_PER_SECOND,
    }
    if method == "adapt+fine-tune":
        return costs[method] + (20.0 + 2.0 * work.words) * min(1.0, read / _MOST_ADAPTED_TO)
    return costs.get(method)


def in_words(seconds: float | None) -> str:
    """Return the order of magnitude of a time.

    Examples
    --------
    >>> in_words(3), in_words(200), in_words(None)
    ('seconds', 'minutes', 'not measured')
    """
    if seconds is None:
        return "not measured"
    return next((name for most, name in _CLASSES if seconds < most), "a day or more")
