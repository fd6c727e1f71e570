"""The one table of methods: a name, what it needs, and how to make a fresh classifier of it.

Names are those of the command line: ``naive-bayes``, ``knn``, ``linear-probe``, ``setfit``, ``prompt:FOLDER``,
``distilled:static``, ``distilled:layers:3``. To add a method, add a row here.
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
    """

    encoder: Encoder | None
    pool: Sequence[str]
    device: str | None
    random_state: int


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
    names : str
        What may be named after a colon, such as a model of the method's own. ``all-applicable`` leaves the method out,
        since nothing is named there.
    cost : int
        Rank of how long it trains; cheap methods are run first.
    """

    name: str
    summary: str
    make: Callable[[str, Surroundings], Any]
    uses_encoder: bool = True
    uses_pool: bool = False
    names: str = ""
    cost: int = 1

    def takes(self, name: str) -> bool:
        """Return whether ``name`` is this method's, followed by an argument."""
        stem = f"{self.name}:" if self.names else self.name
        return stem.endswith(":") and name.startswith(stem) and name != stem


def _naive_bayes(argument: str, around: Surroundings) -> Any:
    from fewshot.classifiers.naive_bayes import NaiveBayesClassifier

    return NaiveBayesClassifier()


def _knn(argument: str, around: Surroundings) -> Any:
    from fewshot.classifiers.knn import KNNClassifier

    return KNNClassifier(around.encoder, device=around.device)


def _linear_probe(argument: str, around: Surroundings) -> Any:
    from fewshot.classifiers.linear_probe import LinearProbeClassifier

    return LinearProbeClassifier(around.encoder, device=around.device, random_state=around.random_state)


def _setfit(argument: str, around: Surroundings) -> Any:
    from fewshot.classifiers.setfit import SetFitClassifier

    return SetFitClassifier(around.encoder, device=around.device, random_state=around.random_state)


def _setfit_reference(argument: str, around: Surroundings) -> Any:
    from fewshot.classifiers.setfit_reference import SetFitReferenceClassifier

    return SetFitReferenceClassifier(around.encoder, device=around.device, random_state=around.random_state)


def _prompt(argument: str, around: Surroundings) -> Any:
    from fewshot.classifiers.prompt import PromptClassifier

    named: dict[str, Any] = {"model": argument} if argument else {}
    return PromptClassifier(**named, device=around.device, random_state=around.random_state)


def _distilled(argument: str, around: Surroundings) -> Any:
    from fewshot.recipes.distilled import DistilledClassifier

    return DistilledClassifier(_setfit("", around), argument, around.pool, random_state=around.random_state)


METHODS: tuple[Method, ...] = (
    Method("naive-bayes", "word counts, no encoder: the baseline to beat", _naive_bayes, uses_encoder=False, cost=0),
    Method("knn", "votes of the nearest training texts", _knn),
    Method("linear-probe", "logistic regression on the frozen encoder", _linear_probe),
    Method("setfit", "contrastive training of the encoder, then logistic regression", _setfit, cost=2),
    Method(
        "prompt",
        "a masked language model fills in a word for the class, and is trained to",
        _prompt,
        uses_encoder=False,
        names="a masked language model (prompt:FOLDER)",
        cost=3,
    ),
    Method("setfit-reference", "the package setfit with its defaults, to compare with", _setfit_reference, cost=4),
    Method("distilled:", "a SetFit teacher distilled into a student on the pool", _distilled, uses_pool=True, cost=3),
)

ALL = ("naive-bayes", "knn", "linear-probe", "setfit", "prompt", "distilled:static", "distilled:layers:3")
"""What ``all-applicable`` stands for, as far as task, files and names allow; the reference, which is slow, is named."""

NAMES = (*ALL, "setfit-reference")
"""Every method, as help and errors list them."""


def find_method(name: str) -> tuple[Method, str]:
    """Return the row that a name belongs to, and the name's argument.

    Raises
    ------
    InputError
        If there is none; the message names the nearest.

    Examples
    --------
    >>> find_method("distilled:layers:3")[1]
    'layers:3'
    >>> find_method("knnn")
    Traceback (most recent call last):
    ...
    fewshot.core.errors.InputError: unknown method 'knnn'; known: naive-bayes, knn, linear-probe, setfit, \
prompt, distilled:static, distilled:layers:3, setfit-reference. Did you mean 'knn'?
    """
    for method in METHODS:
        if name == method.name:
            break
        if method.takes(name):
            return method, name.removeprefix(method.name).removeprefix(":")
    else:
        raise InputError(f"unknown method {name!r}; known: {', '.join(NAMES)}.{did_you_mean(name, NAMES)}")
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
            reason = "needs unlabelled texts (--unlabeled)" if method.uses_pool and not has_pool else ""
            if name != "all-applicable" and reason:
                raise InputError(f"method {candidate!r} {reason}")
            if name == "all-applicable" and method.names:
                reason = f"needs {method.names}, to be named beside it"
            if reason:
                left_out[candidate] = reason
            elif candidate not in chosen:
                chosen.append(candidate)
    run = {find_method(name)[0].name for name in chosen}
    left_out = {name: reason for name, reason in left_out.items() if find_method(name)[0].name not in run}
    if not chosen:
        raise InputError("methods must name at least one method, such as 'linear-probe' or 'all-applicable'")
    return chosen, left_out


def make_classifier(name: str, around: Surroundings) -> Any:
    """Return a fresh, unfitted classifier of the method ``name``."""
    method, argument = find_method(name)
    return method.make(argument, around)
