"""The one table of methods: a name, what it needs, and how to make a fresh classifier of it.

Names are those of the command line: ``naive-bayes``, ``knn``, ``linear-probe``, ``setfit``, ``prompt:FOLDER``,
``distilled:static``, ``distilled:layers:3``. To add a method, add a row here.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from fewshot.core.errors import InputError, did_you_mean
from fewshot.data.labels import LabelSpace
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
    space : LabelSpace, optional
        The classes of the task, for methods that are told their names; default: those of the labelled texts.
    """

    encoder: Encoder | None
    pool: Sequence[str]
    device: str | None
    random_state: int
    space: LabelSpace | None = None

    @property
    def names(self) -> dict[str, Any]:
        """The class names, as arguments of a zero-shot classifier."""
        return {"classes": self.space.classes, "multi_label": self.space.multi_label} if self.space else {}


@dataclasses.dataclass(frozen=True)
class Method:
    """One row of the table.

    Parameters
    ----------
    name : str
        As on the command line; a name that ends in ``":"`` takes an argument, one in ``"[:]"`` may take one.
    summary : str
        One line for help and reports.
    make : callable
        ``make(argument, surroundings)`` gives an unfitted classifier.
    uses_encoder, uses_pool : bool
    needs_labels : bool
        Whether it learns from labelled texts; the others run on a slice of none, too.
    cost : int
        Rank of how long it trains; cheap methods are run first.
    lacks : callable
        ``lacks(argument)`` gives the reason, if any, for which ``all-applicable`` is to leave it out.
    """

    name: str
    summary: str
    make: Callable[[str, Surroundings], Any]
    uses_encoder: bool = True
    uses_pool: bool = False
    needs_labels: bool = True
    cost: int = 1
    lacks: Callable[[str], str | None] = lambda argument: None

    def takes(self, name: str) -> str | None:
        """Return the argument in ``name``, empty where there is none, or ``None`` if another method is meant.

        Examples
        --------
        >>> method = Method("knn[:]", "", print)
        >>> method.takes("knn"), method.takes("knn:a:b"), method.takes("knn:"), method.takes("knnn")
        ('', 'a:b', None, None)
        """
        stem, may_take = self.name.removesuffix("[:]").removesuffix(":"), self.name.endswith((":", "[:]"))
        if name == stem and not self.name.endswith(":"):
            return ""
        argument = name.removeprefix(f"{stem}:")
        return argument if may_take and argument and argument != name else None


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


def _fine_tune(argument: str, around: Surroundings) -> Any:
    from fewshot.classifiers.finetune import FineTunedClassifier

    return FineTunedClassifier(around.encoder, device=around.device, random_state=around.random_state)


def _prompt(argument: str, around: Surroundings) -> Any:
    from fewshot.classifiers.masked_models import DEFAULT_MODEL
    from fewshot.classifiers.prompt import PromptClassifier

    options: dict[str, Any] = {"device": around.device, "random_state": around.random_state, **around.names}
    return PromptClassifier(argument or DEFAULT_MODEL, **options)


def _distilled(argument: str, around: Surroundings) -> Any:
    from fewshot.recipes.distilled import DistilledClassifier

    return DistilledClassifier(_setfit("", around), argument, around.pool, random_state=around.random_state)


def _zero_shot_embedding(argument: str, around: Surroundings) -> Any:
    from fewshot.classifiers.zero_shot_embedding import ZeroShotEmbeddingClassifier

    return ZeroShotEmbeddingClassifier(around.encoder, device=around.device, **around.names)


def _zero_shot_nli(argument: str, around: Surroundings) -> Any:
    from fewshot.classifiers.zero_shot_nli import DEFAULT_NLI_MODEL, ZeroShotNLIClassifier

    return ZeroShotNLIClassifier(argument or DEFAULT_NLI_MODEL, device=around.device, cache=True, **around.names)


def _lacks_nli_model(argument: str) -> str | None:
    from fewshot.classifiers.zero_shot_nli import DEFAULT_NLI_MODEL

    return _lacks_model("zero-shot-nli", argument, DEFAULT_NLI_MODEL)


def _lacks_masked_model(argument: str) -> str | None:
    from fewshot.classifiers.masked_models import DEFAULT_MODEL

    return _lacks_model("prompt", argument, DEFAULT_MODEL)


def _lacks_model(method: str, argument: str, default: str) -> str | None:
    """Say so where a method's default model would have to be fetched: ``all-applicable`` downloads nothing."""
    from huggingface_hub import try_to_load_from_cache

    if argument or isinstance(try_to_load_from_cache(default, "config.json"), str):
        return None
    return (
        f"its model {default} is not in the Hub's cache; name the method itself, which fetches it, or a folder: "
        f"{method}:FOLDER"
    )


METHODS: tuple[Method, ...] = (
    Method("naive-bayes", "word counts, no encoder: the baseline to beat", _naive_bayes, uses_encoder=False, cost=0),
    Method("knn", "votes of the nearest training texts", _knn),
    Method("linear-probe", "logistic regression on the frozen encoder", _linear_probe),
    Method(
        "zero-shot-embedding",
        "similarity to the class names or descriptions; needs no label",
        _zero_shot_embedding,
        needs_labels=False,
    ),
    Method(
        "zero-shot-nli[:]",
        "a model of inference that is told class names; needs no label",
        _zero_shot_nli,
        uses_encoder=False,
        needs_labels=False,
        cost=2,
        lacks=_lacks_nli_model,
    ),
    Method("setfit", "contrastive training of the encoder, then logistic regression", _setfit, cost=2),
    Method("fine-tune", "the encoder's transformer and a new head, trained together on the labels", _fine_tune, cost=3),
    Method(
        "prompt[:]",
        "a masked language model fills in a word for the class, and is trained to",
        _prompt,
        uses_encoder=False,
        needs_labels=False,
        cost=3,
        lacks=_lacks_masked_model,
    ),
    Method("setfit-reference", "the package setfit with its defaults, to compare with", _setfit_reference, cost=4),
    Method("distilled:", "a SetFit teacher distilled into a student on the pool", _distilled, uses_pool=True, cost=3),
)

ALL = (
    "naive-bayes",
    "knn",
    "linear-probe",
    "zero-shot-nli",
    "zero-shot-embedding",
    "setfit",
    "fine-tune",
    "prompt",
    "distilled:static",
    "distilled:layers:3",
)
"""What ``all-applicable`` stands for, as far as task and files allow; the reference, which is slow, is named."""

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
    fewshot.core.errors.InputError: unknown method 'knnn'; known: naive-bayes, knn, linear-probe, zero-shot-nli, \
zero-shot-embedding, setfit, fine-tune, prompt, distilled:static, distilled:layers:3, setfit-reference. Did you mean \
'knn'?
    """
    for method in METHODS:
        argument = method.takes(name)
        if argument is not None:
            return method, argument
    if any(name in (method.name, method.name.removesuffix(":")) for method in METHODS):
        raise InputError(f"method {name!r} needs an argument, such as 'distilled:static'")
    raise InputError(f"unknown method {name!r}; known: {', '.join(NAMES)}.{did_you_mean(name, NAMES)}")


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
            if find_method(name)[0].uses_pool and not has_pool:
                raise InputError(f"method {name!r} {_NEEDS_POOL}")
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


_NEEDS_POOL = "needs unlabelled texts (--unlabeled)"


def _reason_against(candidate: str, named: set[str], *, has_pool: bool) -> str | None:
    """Say why ``all-applicable`` does not take a method, given which rows of the table are named beside it."""
    method, argument = find_method(candidate)
    if method.uses_pool and not has_pool:
        return _NEEDS_POOL
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
    (['zero-shot-embedding'], {'knn at slice 0': 'learns from labelled texts'})
    """
    without = [name for name in names if not find_method(name)[0].needs_labels]
    if not without:
        raise InputError(
            "slice 0 is given and there is no method that runs without labels; add zero-shot-embedding, or leave 0 out"
        )
    others = {f"{name} at slice 0": "learns from labelled texts" for name in names if name not in without}
    return without, others


def make_classifier(name: str, around: Surroundings) -> Any:
    """Return a fresh, unfitted classifier of the method ``name``."""
    method, argument = find_method(name)
    return method.make(argument, around)
