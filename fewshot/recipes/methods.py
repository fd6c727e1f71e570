"""Finding methods by name, choosing those that files and task allow, and making classifiers of them."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from fewshot.core.errors import InputError, did_you_mean
from fewshot.recipes.method import Method, Surroundings
from fewshot.recipes.method_table import ALL, METHODS, NAMES

AUGMENT = "+augment"
"""What follows the name of a method that learns from copies of its texts, too: ``"tokens"`` where nothing else is said.
Such variants are run where they are asked for by name."""

NEEDS_POOL = "needs unlabelled texts (--unlabeled)"
NEEDS_LABELS = "at slice 0, where there is no label to learn from"


def find_method(name: str) -> tuple[Method, str]:
    """Return the row that a name belongs to, and the name's argument.

    Raises
    ------
    InputError
        If there is none, the message names the nearest; or if ``+augment`` follows a method that cannot.

    Examples
    --------
    >>> find_method("distilled:layers:3")[1]
    'layers:3'
    >>> find_method("setfit+augment")[0].name
    'setfit'
    >>> find_method("knnn")
    Traceback (most recent call last):
    ...
    fewshot.core.errors.InputError: unknown method 'knnn'; known: naive-bayes, knn, linear-probe, zero-shot-nli, \
zero-shot-embedding, setfit, fine-tune, adapt+fine-tune, uda, self-training, prompt, distilled:static, \
distilled:layers:3, setfit-reference, and NAME+augment. Did you mean 'knn'?
    """
    method, argument = _find_plain(name.removesuffix(AUGMENT), name)
    if name.endswith(AUGMENT) and not method.augments:
        able = ", ".join(plain + AUGMENT for plain in NAMES if _find_plain(plain, plain)[0].augments)
        raise InputError(f"method {method.name!r} does not learn from copies of texts; known: {able}")
    return method, argument


def _find_plain(plain: str, name: str) -> tuple[Method, str]:
    """Return the row of a name without its suffix; ``name`` is for messages."""
    for method in METHODS:
        argument = method.takes(plain)
        if argument is not None:
            return method, argument
    if any(plain in (method.name, method.name.removesuffix(":")) for method in METHODS):
        raise InputError(f"method {name!r} needs an argument, such as 'distilled:static'")
    hint = did_you_mean(name, [known + AUGMENT for known in NAMES] if "+" in name else NAMES)
    raise InputError(f"unknown method {name!r}; known: {', '.join(NAMES)}, and NAME{AUGMENT}.{hint}")


def choose_methods(names: Sequence[str], *, has_pool: bool) -> tuple[list[str], dict[str, str]]:
    """Return the methods to run, and why others were left out.

    Parameters
    ----------
    names : sequence of str
        Method names; ``all-applicable`` stands for all that the files allow.
    has_pool : bool
        Whether there are unlabelled texts.

    Returns
    -------
    (list of str, dict of str to str)

    Raises
    ------
    InputError
        If a name is unknown, or a method that was named itself cannot be run.

    Examples
    --------
    >>> choose_methods(["all-applicable"], has_pool=False)[1]["distilled:static"]
    'needs unlabelled texts (--unlabeled)'
    """
    chosen: list[str] = []
    left_out: dict[str, str] = {}
    named = {find_method(name)[0].name for name in names if name != "all-applicable"}
    for name in names:
        if name != "all-applicable":
            if find_method(name)[0].needs_pool and not has_pool:
                raise InputError(f"method {name!r} {NEEDS_POOL}")
            chosen.append(name)
            continue
        for candidate in ALL:
            reason = _reason_against(candidate, named, has_pool=has_pool)
            if reason is None:
                chosen.append(candidate)
            elif candidate not in names:
                left_out[candidate] = reason
    if not chosen:
        raise InputError("methods must name at least one method, such as 'linear-probe' or 'all-applicable'")
    return list(dict.fromkeys(chosen)), left_out


def _reason_against(candidate: str, named: set[str], *, has_pool: bool) -> str | None:
    """Say why ``all-applicable`` does not take a method, given which rows of the table are named beside it."""
    method, argument = find_method(candidate)
    if method.needs_pool and not has_pool:
        return NEEDS_POOL
    if method.name.endswith("[:]") and method.name in named:
        return "it is named with a model of its own"
    return method.lacks(argument)


def split_by_labels(names: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Return the methods that run without any label, and why the others do not.

    Raises
    ------
    InputError
        If there are none of the first.

    Examples
    --------
    >>> split_by_labels(["knn", "zero-shot-embedding"])
    (['zero-shot-embedding'], {'knn': 'at slice 0, where there is no label to learn from'})
    """
    without = [name for name in names if not find_method(name)[0].needs_labels]
    if not without:
        raise InputError(
            "slice 0 is given and there is no method that runs without labels; add zero-shot-embedding, or leave 0 out"
        )
    return without, dict.fromkeys([name for name in names if name not in without], NEEDS_LABELS)


def make_classifier(name: str, around: Surroundings) -> Any:
    """Return a fresh, unfitted classifier of the method ``name``."""
    method, argument = find_method(name)
    if name.endswith(AUGMENT):
        around = dataclasses.replace(around, augment=around.augment or "tokens")
    return method.make(argument, around)
