"""The texts of a distillation: gold ones and a pool, each pool text once, some held out to report on."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from fewshot.core.errors import InputError
from fewshot.data.labels import LabelSpace
from fewshot.data.texts import check_lengths
from fewshot.encoders.base import check_texts

LEAST_POOL = 8
_MOST_HELD_OUT = 500


@dataclasses.dataclass(frozen=True)
class TransferSet:
    """The texts of one distillation: gold ones first, then each pool text once; and which are held out."""

    texts: list[str]
    gold: np.ndarray
    """Rows of gold texts."""
    y: np.ndarray | None
    """Their class numbers, or 0/1 matrix."""
    train: np.ndarray
    held_out: np.ndarray


def make_transfer_set(
    space: LabelSpace,
    pool: Sequence[str],
    texts: Sequence[str] | None,
    labels: Sequence[Any] | None,
    random_state: int,
) -> TransferSet:
    """Return the texts of a distillation.

    Parameters
    ----------
    space : LabelSpace
        The teacher's classes.
    pool : sequence of str
        Unlabelled texts; duplicates and empty texts are left out.
    texts, labels : sequences, optional
        Gold labels.
    random_state : int
        Decides which pool texts are held out: a tenth, at most 500, and none of a pool under 50.

    Raises
    ------
    InputError
        If there are fewer than 8 texts, or a label is not one of the classes.
    """
    check_texts(pool)
    if (texts is None) != (labels is None):
        raise InputError("texts and labels must be given together, or neither")
    gold_texts, y = [], None
    if texts is not None and labels is not None:
        check_texts(texts)
        check_lengths(texts, labels)
        gold_texts = list(texts)
        y = space.encode(labels) if gold_texts else None
    known = set(gold_texts)
    unlabeled = [text for text in dict.fromkeys(pool) if text.strip() and text not in known]
    if len(unlabeled) + len(known) < LEAST_POOL:
        raise InputError(
            f"unlabeled_texts holds {len(unlabeled)} different texts that are not empty; distillation needs at "
            f"least {LEAST_POOL}, and gets better up to some thousands"
        )
    gold = np.arange(len(gold_texts))
    n_held_out = min(_MOST_HELD_OUT, len(unlabeled) // 10) if len(unlabeled) >= 50 else 0
    shuffled = len(gold) + np.random.default_rng(random_state).permutation(len(unlabeled))
    train = np.concatenate([gold, np.sort(shuffled[n_held_out:])])
    return TransferSet(gold_texts + unlabeled, gold, y, train, np.sort(shuffled[:n_held_out]))
