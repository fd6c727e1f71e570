"""The one table of methods: a name, what it needs, and how to make a fresh classifier of it.

Names are those of the command line: ``naive-bayes``, ``knn``, ``linear-probe``, ``setfit``, ``distilled:static``,
``distilled:layers:3``. To add a method, add a row here. ``NAME+augment`` is the same with augmented labels.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from fewshot.core.errors import InputError, did_you_mean
from fewshot.encoders.base import Encoder


@dataclasses.dataclass(frozen=True)
class Surroundings:
    """What a method may draw on besides the labelled texts.

    Parameters
    ----------
    encoder : Encoder
    pool : sequence of str
        Unlabelled texts; empty where there are none.
    device : str or None
    random_state : int
    augment : str or None
        What copies of the labelled texts to learn from, see :mod:`fewshot.classifiers.augmented`; only for methods that
        can.
    """

    encoder: Encoder | None
    pool: Sequence[str]
    device: str | None
    random_state: int
    augment: str | None = None


@dataclasses.dataclass(frozen=True)
class Method:
    """One row of the table.

    Parameters
    ----------
    name : str
        As on the command line; a name that ends in ``":"`` takes an argument.
    summary : str
        One line for help and reports.
    make : callable
        ``make(argument, surroundings)`` gives an unfitted classifier.
    uses_encoder, uses_pool : bool
    augments : bool
        Whether it can learn from copies of the labelled texts; then ``NAME+augment`` is a method, too.
    cost : int
        Rank of how long it trains; cheap methods are run first.
    """

    name: str
    summary: str
    make: Callable[[str, Surroundings], Any]
    uses_encoder: bool = True
    uses_pool: bool = False
    augments: bool = False
    cost: int = 1


def _naive_bayes(argument: str, around: Surroundings) -> Any:
    from fewshot.classifiers.naive_bayes import NaiveBayesClassifier

    return NaiveBayesClassifier(augment=around.augment, random_state=around.random_state)


def _knn(argument: str, around: Surroundings) -> Any:
    from fewshot.classifiers.knn import KNNClassifier

    return KNNClassifier(around.encoder, device=around.device)


def _linear_probe(argument: str, around: Surroundings) -> Any:
    from fewshot.classifiers.linear_probe import LinearProbeClassifier

    return LinearProbeClassifier(
        around.encoder, augment=around.augment, device=around.device, random_state=around.random_state
    )


def _setfit(argument: str, around: Surroundings) -> Any:
    from fewshot.classifiers.setfit import SetFitClassifier

    return SetFitClassifier(
        around.encoder, augment=around.augment, device=around.device, random_state=around.random_state
    )


def _setfit_reference(argument: str, around: Surroundings) -> Any:
    from fewshot.classifiers.setfit_reference import SetFitReferenceClassifier

    return SetFitReferenceClassifier(around.encoder, device=around.device, random_state=around.random_state)


def _distilled(argument: str, around: Surroundings) -> Any:
    from fewshot.recipes.distilled import DistilledClassifier

    return DistilledClassifier(_setfit("", around), argument, around.pool, random_state=around.random_state)


METHODS: tuple[Method, ...] = (
    Method(
        "naive-bayes",
        "word counts, no encoder: the baseline to beat",
        _naive_bayes,
        uses_encoder=False,
        augments=True,
        cost=0,
    ),
    Method("knn", "votes of the nearest training texts", _knn),
    Method("linear-probe", "logistic regression on the frozen encoder", _linear_probe, augments=True),
    Method("setfit", "contrastive training of the encoder, then logistic regression", _setfit, augments=True, cost=2),
    Method("setfit-reference", "the package setfit with its defaults, to compare with", _setfit_reference, cost=4),
    Method(
        "distilled:",
        "a SetFit teacher distilled into a student on the pool",
        _distilled,
        uses_pool=True,
        augments=True,
        cost=3,
    ),
)

ALL = ("naive-bayes", "knn", "linear-probe", "setfit", "distilled:static", "distilled:layers:3")
"""What ``all-applicable`` stands for, as far as task and files allow; the reference, which is slow, is named."""

NAMES = (*ALL, "setfit-reference")
"""Every method, as help and errors list them; beside each that augments stands its variant with :data:`AUGMENT`."""

AUGMENT = "+augment"
"""What follows the name of a method that learns from copies of its texts, too: ``"tokens"`` where nothing else is said.
Such variants are run where they are asked for by name."""


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
    fewshot.core.errors.InputError: unknown method 'knnn'; known: naive-bayes, knn, linear-probe, setfit, \
distilled:static, distilled:layers:3, setfit-reference, and NAME+augment. Did you mean 'knn'?
    """
    method, argument = _find_plain(name.removesuffix(AUGMENT), name)
    if name.endswith(AUGMENT) and not method.augments:
        able = ", ".join(plain + AUGMENT for plain in NAMES if _find_plain(plain, plain)[0].augments)
        raise InputError(f"method {method.name!r} does not learn from copies of texts; known: {able}")
    return method, argument


def _find_plain(plain: str, name: str) -> tuple[Method, str]:
    """Return the row of a name without its suffix; ``name`` is for messages."""
    for method in METHODS:
        if plain == method.name:
            break
        if method.name.endswith(":") and plain.startswith(method.name) and plain != method.name:
            return method, plain.removeprefix(method.name)
    else:
        hint = did_you_mean(name, [known + AUGMENT for known in NAMES] if "+" in name else NAMES)
        raise InputError(f"unknown method {name!r}; known: {', '.join(NAMES)}, and NAME{AUGMENT}.{hint}")
    if method.name.endswith(":"):
        raise InputError(f"method {name!r} needs an argument, such as 'distilled:static'")
    return method, ""


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
    for name in names:
        for candidate in ALL if name == "all-applicable" else (name,):
            method, _ = find_method(candidate)
            if method.uses_pool and not has_pool:
                reason = "needs unlabelled texts (--unlabeled)"
                if name != "all-applicable":
                    raise InputError(f"method {candidate!r} {reason}")
                left_out[candidate] = reason
            elif candidate not in chosen:
                chosen.append(candidate)
    if not chosen:
        raise InputError("methods must name at least one method, such as 'linear-probe' or 'all-applicable'")
    return chosen, left_out


def make_classifier(name: str, around: Surroundings) -> Any:
    """Return a fresh, unfitted classifier of the method ``name``."""
    method, argument = find_method(name)
    if name.endswith(AUGMENT):
        around = dataclasses.replace(around, augment=around.augment or "tokens")
    return method.make(argument, around)
