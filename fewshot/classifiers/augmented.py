"""What a classifier learns from when ``augment`` is given: its labelled texts, and copies of them.

Names stand for augmentations of :mod:`fewshot.data.augmentation` and :mod:`fewshot.training.augmentation`. Whatever
makes the copies, here it is seen to that each is new and has a source.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from fewshot.core.errors import InputError, did_you_mean
from fewshot.data.augmentation import OPERATIONS, Augmentation, TokenAugmentation, only_new

TOKENS = TokenAugmentation()
"""What ``"tokens"`` stands for where a method does not say otherwise."""

CONTEXTUAL, BACK_TRANSLATION = "contextual:", "back-translation:"
NAMES = ("tokens", *OPERATIONS, f"{CONTEXTUAL}MODEL", f"{BACK_TRANSLATION}MODEL1,MODEL2[,LANGUAGE1,LANGUAGE2]")
"""Values of ``augment``, as help and errors list them."""


def augmented_examples(
    texts: Sequence[str],
    y: np.ndarray,
    augment: Any,
    random_state: int,
    *,
    tokens: TokenAugmentation = TOKENS,
    device: str | None = None,
) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Return labelled texts with copies after them.

    Parameters
    ----------
    texts : sequence of str
        To learn from; none that is held out for any purpose.
    y : ndarray of shape (n,) or (n, n_classes)
        Class numbers, or a 0/1 matrix.
    augment : None, str, Augmentation, or sequence of them
        See :func:`find_augmentations`. With ``None`` there are no copies.
    random_state : int
        Decides everything that is random.
    tokens : TokenAugmentation, optional
        What ``"tokens"`` stands for, and whose number of copies and strength single operations have.
    device : str, optional
        Where models run.

    Returns
    -------
    texts : list of str
        The given texts, then copies: none of them empty, one of the texts, or twice there (by case and white space).
    y : ndarray of shape (n_all,) or (n_all, n_classes)
        A copy has the labels of its text.
    source_rows : ndarray of shape (n_all, n_sources)
        Which rows each is made from, of a given text its own. Where texts are held out of a part of the training, take
        :func:`~fewshot.data.augmentation.rows_apart`.

    Raises
    ------
    InputError
        If ``augment`` is nothing of the kind, an augmentation returns what is no copies, or
        ``random_state`` is no seed.

    Examples
    --------
    >>> texts, y, source_rows = augmented_examples(["late parcel", "a refund"], np.array([0, 1]), "swap", 0)
    >>> texts[2:], y.tolist(), source_rows[:, 0].tolist()
    (['parcel late', 'refund a'], [0, 1, 0, 1], [0, 1, 0, 1])
    """
    all_texts, rows = list(texts), [np.arange(len(texts))[:, None]]
    found = find_augmentations(augment, tokens=tokens, device=device)
    if found and (
        isinstance(random_state, bool) or not isinstance(random_state, (int, np.integer)) or random_state < 0
    ):
        raise InputError(f"random_state must be an integer of at least 0 to make copies by, got {random_state!r}")
    for place, augmentation in enumerate(found if len(texts) else []):
        made = _made(augmentation, all_texts[: len(texts)], y, (random_state + place) % 2**32)
        copies, source_rows = only_new(all_texts, *made)
        all_texts += copies
        rows.append(source_rows)
    every = _as_wide_as_the_widest(rows)
    return all_texts, y[every[:, 0]], every


def find_augmentations(
    augment: Any, *, tokens: TokenAugmentation = TOKENS, device: str | None = None
) -> list[Augmentation]:
    """Return the augmentations that a value of ``augment`` stands for; no model is opened yet.

    Parameters
    ----------
    augment : None, str, Augmentation, or sequence of them
        ``"tokens"``; ``"swap"``, ``"delete"``, ``"insert"`` or ``"mix"``, see
        :class:`~fewshot.data.augmentation.TokenAugmentation`; ``"contextual:MODEL"`` and
        ``"back-translation:MODEL1,MODEL2"``, for models of many languages with ``",LANGUAGE1,LANGUAGE2"`` after them,
        see :mod:`fewshot.training.augmentation`; or an object with a method ``augmented``. Each of several makes its
        own copies.
    tokens, device
        As of :func:`augmented_examples`.

    Raises
    ------
    InputError
        If a name is unknown, or the value is none of these.

    Examples
    --------
    >>> find_augmentations(["swap", "mix"])[1].operations
    ('mix',)
    >>> find_augmentations("token")
    Traceback (most recent call last):
    ...
    fewshot.core.errors.InputError: augment must be one of tokens, swap, delete, insert, mix, contextual:MODEL, \
back-translation:MODEL1,MODEL2[,LANGUAGE1,LANGUAGE2], an object \
with a method augmented, or several; got 'token'. Did you mean 'tokens'?
    """
    if augment is None:
        return []
    parts = list(augment) if isinstance(augment, (list, tuple)) and augment else [augment]
    return [_find(part, tokens, device) for part in parts]


def described(augment: Any) -> Any:
    """Return a value of ``augment`` as a model folder keeps it: names as they are, an object as a line about it.

    A classifier that is opened again predicts without it. To be trained anew it needs the object again, and says so.

    Examples
    --------
    >>> described("swap"), described(["swap", TokenAugmentation(("mix",))])
    ('swap', ['swap', "TokenAugmentation(operations=('mix',), n_copies=4, alpha=0.1)"])
    """
    if augment is None or isinstance(augment, str):
        return augment
    if isinstance(augment, (list, tuple)):
        return [described(part) for part in augment]
    has_own_words = type(augment).__repr__ is not object.__repr__  # else there is an address in it
    return repr(augment) if has_own_words else f"{type(augment).__name__}()"


def _find(part: Any, tokens: TokenAugmentation, device: str | None) -> Augmentation:
    if not isinstance(part, str):
        if isinstance(part, Augmentation) and not isinstance(part, type):
            return part
    elif part == "tokens":
        return tokens
    elif part in OPERATIONS:
        return TokenAugmentation((part,), tokens.n_copies, tokens.alpha)
    elif part.startswith(CONTEXTUAL):
        from fewshot.training.augmentation import ContextualAugmentation

        return ContextualAugmentation(part.removeprefix(CONTEXTUAL), device=device)
    elif part.startswith(BACK_TRANSLATION):
        from fewshot.training.augmentation import BackTranslation

        named = [name.strip() for name in part.removeprefix(BACK_TRANSLATION).split(",")]
        forth, back = [*named, ""][:2]
        languages: Any = tuple(named[2:]) or None  # it is seen to there that they are two
        return BackTranslation(forth, back, device=device, languages=languages)
    hint = did_you_mean(part, NAMES) if isinstance(part, str) else ""
    if isinstance(part, str) and part.endswith(")"):
        hint = " It was an object when the classifier was saved: give it again."
    raise InputError(
        f"augment must be one of {', '.join(NAMES)}, an object with a method augmented, or several; got {part!r}.{hint}"
    )


def _made(
    augmentation: Augmentation, texts: list[str], y: np.ndarray, random_state: int
) -> tuple[list[str], np.ndarray]:
    """Return what an augmentation makes, and its source rows as a matrix; raise if it is no copies of these texts."""
    copies, rows = augmentation.augmented(list(texts), y.copy(), random_state=random_state)
    rows = np.asarray(rows)
    rows = rows[:, None] if rows.ndim == 1 else rows
    name = type(augmentation).__name__
    if not all(isinstance(copy, str) for copy in copies) or len(rows) != len(copies) or rows.ndim != 2:
        raise InputError(
            f"augment: {name} must return a list of texts and an array with a row for each, "
            f"got {type(copies).__name__} of {len(copies)} and shape {rows.shape}"
        )
    if not len(copies):
        return [], np.empty((0, 1), dtype=np.int64)
    if not np.issubdtype(rows.dtype, np.integer) or rows.min() < 0 or rows.max() >= len(texts):
        raise InputError(f"augment: {name} must return source rows from 0 to {len(texts) - 1}, got {rows.dtype} {rows}")
    return list(copies), rows


def _as_wide_as_the_widest(rows: list[np.ndarray]) -> np.ndarray:
    """Return matrices of source rows below each other; narrower ones repeat their first column."""
    width = max(part.shape[1] for part in rows)
    return np.vstack([np.hstack([part, np.repeat(part[:, :1], width - part.shape[1], axis=1)]) for part in rows])
