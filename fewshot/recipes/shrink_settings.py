"""How a model is made smaller: what it may cost and weigh, and which rungs are tried."""

import dataclasses
import math
import re

from fewshot.core.errors import InputError, did_you_mean

OBJECTIVES = ("size", "speed")
UNITS = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9}
"""Decimal ones, as in the sizes of files that are sold and sent."""


@dataclasses.dataclass(frozen=True)
class ShrinkSettings:
    """What is wanted of the smaller model, and how it is looked for.

    Parameters
    ----------
    target_size : str or int, optional
        The whole folder of the model may take at most so much: ``"10MB"``, ``"500kB"``, or bytes. Units are decimal.
        Default: any size.
    max_loss : float, default 1.0
        Percentage points that the model may lose; what of, see :func:`~fewshot.recipes.shrinking.shrink_model`.
    objective : {"size", "speed"}, default "size"
        Which to keep of those that meet both: the smallest, and of equal ones the fastest; or the other way round.
    rungs : tuple of str, optional
        What to try, see :mod:`fewshot.recipes.rungs`. Default: all of its ladder that fit the model.
    encoder : str, optional
        For a model without vectors of texts, such as a fine-tuned transformer: the encoder that tables are made from.
    steps : int, optional
        Optimizer steps of each distillation. Default: from the size of the pool.
    max_pool : int, optional
        Draw so many texts of a larger pool.
    seconds : float, default 5
        To measure the speed of one rung.
    device : str, optional
        Where students train. Scores and speeds are always those on the CPU, speeds on one thread of it.
    seed : int, default 0

    Raises
    ------
    InputError
        If a setting is out of range.
    """

    target_size: str | int | None = None
    max_loss: float = 1.0
    objective: str = "size"
    rungs: tuple[str, ...] | None = None
    encoder: str | None = None
    steps: int | None = None
    max_pool: int | None = None
    seconds: float = 5.0
    device: str | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        parse_size(self.target_size)
        if not 0 <= self.max_loss <= 100:
            raise InputError(f"max_loss must be percentage points from 0 to 100, got {self.max_loss}")
        if self.objective not in OBJECTIVES:
            raise InputError(
                f"objective must be one of {', '.join(OBJECTIVES)}, got {self.objective!r}."
                f"{did_you_mean(self.objective, OBJECTIVES)}"
            )
        if isinstance(self.rungs, str) or (self.rungs is not None and not self.rungs):
            raise InputError(f"rungs must be a tuple of one or more names, got {self.rungs!r}; leave it out to try all")
        if not 0 < self.seconds < math.inf:
            raise InputError(f"seconds must be above 0, got {self.seconds}")
        least = {"steps": (self.steps, 0), "max_pool": (self.max_pool, 1), "seed": (self.seed, 0)}
        for name, (value, minimum) in least.items():
            if value is not None and value < minimum:
                raise InputError(f"{name} must be at least {minimum}, got {value}")

    @property
    def most_bytes(self) -> int | None:
        """The largest size allowed, in bytes."""
        return parse_size(self.target_size)


def parse_size(given: str | int | None) -> int | None:
    """Return bytes for a size with a decimal unit.

    Raises
    ------
    InputError
        If it is none.

    Examples
    --------
    >>> parse_size("10MB"), parse_size("1.5 kB"), parse_size(800), parse_size(None)
    (10000000, 1500, 800, None)
    """
    if given is None:
        return None
    found = re.fullmatch(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*([a-z]*)\s*", str(given), flags=re.IGNORECASE | re.ASCII)
    unit = found[2].lower() if found else None
    if (
        found is None
        or unit not in UNITS
        or (isinstance(given, str) and not unit)
        or not (size := float(found[1]) * UNITS[unit]) >= 1
    ):
        raise InputError(
            "target_size must be a number with B, kB, MB or GB, such as 10MB or 500kB (in Python an integer is bytes); "
            f"got {given!r}"
        )
    return int(size)
