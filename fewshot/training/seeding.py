"""One ``random_state`` decides everything: it reaches torch, transformers and NumPy, and leaves them as they were."""

import contextlib
import random
from collections.abc import Iterator

import numpy as np
import torch

from fewshot.core.errors import InputError


@contextlib.contextmanager
def seeded(random_state: int) -> Iterator[np.random.Generator]:
    """Seed Python, NumPy and torch inside this block; the caller's random states are restored after it.

    Parameters
    ----------
    random_state : int
        From 0 to 2³² − 1.

    Yields
    ------
    numpy.random.Generator
        A generator of its own for NumPy draws.

    Examples
    --------
    >>> with seeded(0) as generator:
    ...     first = generator.random()
    >>> with seeded(0) as generator:
    ...     bool(generator.random() == first)
    True
    """
    check_random_state(random_state)
    random_state = int(random_state)  # Python's own generator takes no NumPy integer
    python_state, numpy_state = random.getstate(), np.random.get_state()  # noqa: NPY002 - restored below
    cuda = list(range(torch.cuda.device_count())) if torch.cuda.is_available() else []
    with torch.random.fork_rng(devices=cuda):
        random.seed(random_state)
        np.random.seed(random_state)  # noqa: NPY002 - transformers and scikit-multilearn draw from it
        torch.manual_seed(random_state)
        try:
            yield np.random.default_rng(random_state)
        finally:
            random.setstate(python_state)
            np.random.set_state(numpy_state)  # noqa: NPY002


def check_random_state(random_state: int) -> None:
    """Raise :class:`InputError` unless ``random_state`` is an integer that every library takes as a seed."""
    right = isinstance(random_state, (int, np.integer)) and not isinstance(random_state, bool)
    if not right or not 0 <= random_state < 2**32:
        raise InputError(f"random_state must be an integer from 0 to 4294967295, got {random_state!r}")
