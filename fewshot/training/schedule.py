"""How long and how hard to train."""

import dataclasses

from fewshot.core.errors import InputError

_SAVES = 5
_LEAST_BETWEEN_SAVES = 10


@dataclasses.dataclass(frozen=True)
class Schedule:
    """How long and how hard to train.

    Parameters
    ----------
    steps : int
        Optimizer steps.
    batch_size : int
        Texts a batch. In pairs, B texts train B(B−1)/2 of them, and at least 2 are needed.
    learning_rate : float
        Peak of the linear schedule.
    warmup : float, default=0.1
        Share of the steps over which the learning rate rises.
    save_every : int, optional
        Steps between checkpoints, where training writes any. Default: about 5 in a training, at least 10 steps apart.
        The last step always has one.
    in_pairs : bool, default=True
        Whether the loss looks at pairs of texts, and not at each text alone.

    Raises
    ------
    InputError
        If a number is out of range.

    Examples
    --------
    >>> Schedule(steps=200, batch_size=64, learning_rate=1e-4).steps_between_saves
    40
    """

    steps: int
    batch_size: int
    learning_rate: float
    warmup: float = 0.1
    save_every: int | None = None
    in_pairs: bool = True

    def __post_init__(self) -> None:
        if self.steps < 0:
            raise InputError(f"steps must be 0 or more, got {self.steps}")
        if self.batch_size < (2 if self.in_pairs else 1):
            least = "2, since one text makes no pair" if self.in_pairs else "1"
            raise InputError(f"batch_size must be at least {least}; got {self.batch_size}")
        if not self.learning_rate > 0:
            raise InputError(f"learning_rate must be above 0, got {self.learning_rate}")
        if self.save_every is not None and self.save_every < 1:
            raise InputError(f"save_every must be at least 1 step, or None for the default; got {self.save_every}")

    @property
    def steps_between_saves(self) -> int:
        """Steps between checkpoints."""
        return self.save_every or max(_LEAST_BETWEEN_SAVES, -(-self.steps // _SAVES))
