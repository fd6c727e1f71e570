"""The one table of methods: a name, what it needs, and how to make a fresh classifier of it.

Names are those of the command line: ``naive-bayes``, ``knn``, ``linear-probe``, ``setfit``, ``prompt:FOLDER``,
``distilled:static``, ``distilled:layers:3``. To add a method, add a row here.
"""

from typing import Any

import numpy as np

from fewshot.core.errors import InputError
from fewshot.recipes.method import Method, Surroundings

CENTERING_TEXTS = 1000
"""So many texts of a pool are enough to know their mean vector."""


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
        around.encoder,
        label_words=around.label_words,
        augment=around.augment,
        device=around.device,
        random_state=around.random_state,
    )


def _setfit_reference(argument: str, around: Surroundings) -> Any:
    from fewshot.classifiers.setfit_reference import SetFitReferenceClassifier

    return SetFitReferenceClassifier(around.encoder, device=around.device, random_state=around.random_state)


def _fine_tune(argument: str, around: Surroundings) -> Any:
    from fewshot.classifiers.finetune import FineTunedClassifier

    return FineTunedClassifier(
        around.encoder, augment=around.augment, device=around.device, random_state=around.random_state
    )


def _adapt_and_fine_tune(argument: str, around: Surroundings) -> Any:
    from fewshot.recipes.adapted import AdaptedClassifier

    if around.adapted is None:
        raise InputError(
            "method 'adapt+fine-tune' is for comparisons; adapt an encoder with `fewshot adapt`, and train with "
            "--method fine-tune --encoder on what it made"
        )
    return AdaptedClassifier(_fine_tune("", around), around.adapted)


def _uda(argument: str, around: Surroundings) -> Any:
    from fewshot.classifiers.uda import UDAClassifier
    from fewshot.recipes.pool_methods import WithPool

    classifier = UDAClassifier(
        around.encoder, augment=around.augment, device=around.device, random_state=around.random_state
    )
    return WithPool(classifier, around.pool)


def _self_training(argument: str, around: Surroundings) -> Any:
    from fewshot.classifiers.self_training import SelfTrainingClassifier
    from fewshot.recipes.pool_methods import WithPool

    classifier = SelfTrainingClassifier(
        around.encoder, augment=around.augment, device=around.device, random_state=around.random_state
    )
    return WithPool(classifier, around.pool)


def _prompt(argument: str, around: Surroundings) -> Any:
    from fewshot.classifiers.masked_models import DEFAULT_MODEL
    from fewshot.classifiers.prompt import PromptClassifier

    options: dict[str, Any] = {
        "augment": around.augment,
        "device": around.device,
        "random_state": around.random_state,
        **around.names,
    }
    return PromptClassifier(argument or DEFAULT_MODEL, **options)


def _distilled(argument: str, around: Surroundings) -> Any:
    from fewshot.recipes.distilled import DistilledClassifier

    return DistilledClassifier(_setfit("", around), argument, around.pool, random_state=around.random_state)


def _zero_shot_embedding(argument: str, around: Surroundings) -> Any:
    from fewshot.classifiers.zero_shot_embedding import ZeroShotEmbeddingClassifier
    from fewshot.recipes.pool_methods import WithPool

    classifier = ZeroShotEmbeddingClassifier(
        around.encoder, label_words=around.label_words, device=around.device, **around.names
    )
    if not around.pool:
        return classifier
    n = min(len(around.pool), CENTERING_TEXTS)
    rows = np.random.default_rng(around.random_state).choice(len(around.pool), n, replace=False)
    return WithPool(classifier, [around.pool[row] for row in np.sort(rows)])


def _zero_shot_nli(argument: str, around: Surroundings) -> Any:
    from fewshot.classifiers.zero_shot_nli import DEFAULT_NLI_MODEL, ZeroShotNLIClassifier

    options: dict[str, Any] = {"label_words": around.label_words, "device": around.device, **around.names}
    return ZeroShotNLIClassifier(argument or DEFAULT_NLI_MODEL, cache=True, **options)


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
    Method(
        "zero-shot-embedding",
        "similarity to the class names or descriptions; needs no label",
        _zero_shot_embedding,
        uses_pool=True,
        may_lack_pool=True,
        needs_labels=False,
        reads_words=True,
    ),
    Method(
        "zero-shot-nli[:]",
        "a model of inference that is told class names; needs no label",
        _zero_shot_nli,
        uses_encoder=False,
        needs_labels=False,
        reads_words=True,
        cost=2,
        lacks=_lacks_nli_model,
    ),
    Method(
        "setfit",
        "contrastive training of the encoder, then logistic regression",
        _setfit,
        augments=True,
        reads_words=True,
        cost=2,
    ),
    Method(
        "fine-tune",
        "the encoder's transformer and a new head, trained together on the labels",
        _fine_tune,
        augments=True,
        cost=3,
    ),
    Method(
        "adapt+fine-tune",
        "the same, on the encoder adapted to the pool",
        _adapt_and_fine_tune,
        uses_pool=True,
        augments=True,
        adapts=True,
        cost=3,
    ),
    Method(
        "uda",
        "fine-tune that also learns to answer changed copies of the pool's texts alike",
        _uda,
        uses_pool=True,
        augments=True,
        cost=3,
    ),
    Method(
        "self-training",
        "fine-tune that learns its own surest answers on the pool, round by round",
        _self_training,
        uses_pool=True,
        augments=True,
        cost=3,
    ),
    Method(
        "prompt[:]",
        "a masked language model fills in a word for the class, and is trained to",
        _prompt,
        uses_encoder=False,
        needs_labels=False,
        augments=True,
        cost=3,
        lacks=_lacks_masked_model,
    ),
    Method("setfit-reference", "the package setfit with its defaults, to compare with", _setfit_reference, cost=4),
    Method(
        "distilled:",
        "a SetFit teacher distilled into a student on the pool",
        _distilled,
        uses_pool=True,
        augments=True,
        reads_words=True,
        cost=3,
    ),
)

ALL = (
    "naive-bayes",
    "knn",
    "linear-probe",
    "zero-shot-nli",
    "zero-shot-embedding",
    "setfit",
    "fine-tune",
    "adapt+fine-tune",
    "uda",
    "self-training",
    "prompt",
    "distilled:static",
    "distilled:layers:3",
)
"""What ``all-applicable`` stands for, as far as task and files allow; the reference, which is slow, is named."""

NAMES = (*ALL, "setfit-reference")
"""Every method, as help and errors list them; beside each that augments stands its variant ``NAME+augment``."""
