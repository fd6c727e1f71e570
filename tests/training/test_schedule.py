"""How long and how hard to train: what may be asked for."""

import pytest

from fewshot.core.errors import InputError
from fewshot.training.schedule import Schedule


def test_batches_of_one():
    """Prevents one text from being trained in pairs, and from being refused where there are no pairs."""
    assert Schedule(1, 1, 1e-3, in_pairs=False).batch_size == 1
    with pytest.raises(InputError, match="batch_size must be at least 2, since one text makes no pair; got 1"):
        Schedule(1, 1, 1e-3)
    with pytest.raises(InputError, match="batch_size must be at least 1; got 0"):
        Schedule(1, 0, 1e-3, in_pairs=False)
