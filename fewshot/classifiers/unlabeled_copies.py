"""Copies of unlabelled texts: what a model is to answer as it answers the texts."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from fewshot.classifiers.augmented import augmented_examples, find_augmentations
from fewshot.classifiers.kept_texts import pack_texts, unpack_texts
from fewshot.core.errors import InputError
from fewshot.core.progress import track
from fewshot.training.unlabeled_pairs import UnlabeledPairs


def pair_with_copies(
    pool: Sequence[str], augment: Any, *, n_most: int, random_state: int, device: str | None = None
) -> UnlabeledPairs:
    """Return unlabelled texts beside copies of them.

    Parameters
    ----------
    pool : sequence of str
        Each text once.
    augment : str, Augmentation, or sequence of them
        See :func:`~fewshot.classifiers.augmented.find_augmentations`.
    n_most : int
        So many texts are drawn of a larger pool: no training would get to the others.
    random_state : int
        Decides which texts are drawn, and the copies.
    device : str, optional
        Where models run that make copies.

    Returns
    -------
    UnlabeledPairs
        In the order of the pool. A text of which no copy can be made, such as one of a single word, is not there.

    Raises
    ------
    InputError
        If ``augment`` is nothing of the kind, or no copy could be made of any text.

    Examples
    --------
    >>> list(pair_with_copies(["late parcel", "refund"], "swap", n_most=10, random_state=0))
    [('late parcel', 'parcel late')]
    """
    check_augment(augment)
    rows = np.arange(len(pool))
    if len(pool) > n_most:
        rows = np.sort(np.random.default_rng(random_state).choice(len(pool), size=n_most, replace=False))
    drawn = [pool[row] for row in rows.tolist()]
    with track("copying unlabelled texts", total=len(drawn)) as advance:
        # a class of its own each: nothing of another text, whose label might be another, comes into a copy
        texts, _, sources = augmented_examples(drawn, np.arange(len(drawn)), augment, random_state, device=device)
        advance(len(drawn))
    copies, sources = texts[len(drawn) :], sources[len(drawn) :, 0]
    if not copies:
        raise InputError(
            f"unlabeled_augment={augment!r} could make no copy of any of the {len(drawn)} unlabelled texts; "
            "give texts of several words, or another one"
        )
    order = np.argsort(sources, kind="stable")
    return UnlabeledPairs([drawn[sources[place]] for place in order], [copies[place] for place in order])


def check_augment(augment: Any) -> None:
    """Raise :class:`InputError` unless ``augment`` stands for copies that need no labels."""
    if augment is None:
        raise InputError(
            "unlabeled_augment must say how copies of unlabelled texts are made, such as 'tokens', got None; "
            "to learn from labels alone take FineTunedClassifier"
        )
    find_augmentations(augment)
    if "mix" in (augment if isinstance(augment, (list, tuple)) else [augment]):
        raise InputError("unlabeled_augment='mix' joins texts with the same labels, and these have none; take 'tokens'")


def pack_pairs(pairs: UnlabeledPairs) -> dict[str, np.ndarray]:
    """Return pairs as arrays, for a file of a training that may be gone on with.

    Examples
    --------
    >>> unpack_pairs(pack_pairs(UnlabeledPairs(["a b"], ["b a"])))
    UnlabeledPairs(texts=['a b'], copies=['b a'])
    """
    return pack_texts([*pairs.texts, *pairs.copies])


def unpack_pairs(arrays: dict[str, np.ndarray]) -> UnlabeledPairs:
    """Return the pairs that :func:`pack_pairs` took."""
    both = unpack_texts(arrays) or []
    return UnlabeledPairs(both[: len(both) // 2], both[len(both) // 2 :])
