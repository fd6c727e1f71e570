"""A linear head that learns to do with rounded vectors: fitted towards what the whole model says of the same texts."""

import dataclasses
from typing import Any

import numpy as np

from fewshot.classifiers.base import TextClassifier
from fewshot.classifiers.head_classifier import HeadClassifier
from fewshot.core.errors import InputError
from fewshot.heads.linear import LinearHead
from fewshot.heads.soft_linear import fit_soft_linear

FEWEST = 20
"""Texts at least: one half to learn from, the other to judge by."""


@dataclasses.dataclass(frozen=True)
class Refit:
    """What became of a refitted head.

    Parameters
    ----------
    head : LinearHead or None
        ``None`` where it agreed less with the original than the head before.
    report : dict
        ``n_fitted`` and ``n_judged`` (texts of each half), ``agreement_before`` and ``agreement`` (share of the judging
        half with the original's labels, with the head before and the refitted one), ``kept``.
    """

    head: LinearHead | None
    report: dict[str, Any]


def check_refit(classifier: TextClassifier, texts: list[str] | None) -> None:
    """Raise :class:`InputError` unless a classifier has a head of its own, and there are texts enough to refit it."""
    if not isinstance(classifier, HeadClassifier):
        raise InputError(
            f"refit_head takes a classifier with a head after a vector (linear-probe, setfit, a distilled student); a "
            f"{classifier.kind!r} classifier is one model; train it through fake quantization (quantization=) instead"
        )
    if texts is None:
        raise InputError("refit_head learns from texts; give some like those to come, without labels (--texts)")
    if len(set(texts)) < FEWEST:
        raise InputError(
            f"refit_head needs {FEWEST} different texts at least, half of them to judge by; got {len(set(texts))}"
        )


def refit_head(original: HeadClassifier, reduced: HeadClassifier, texts: list[str]) -> Refit:
    """Fit a head on a reduced model's vectors towards the original's probabilities, and judge it on other texts.

    Parameters
    ----------
    original : HeadClassifier
        With a linear head.
    reduced : HeadClassifier
        The same with an encoder of fewer bits; it stays as it is.
    texts : list of str
        Without labels; every second learns, the others judge.

    Notes
    -----
    The new head starts from the old one and is held to it: what the texts do not tell stays as it was.

    Examples
    --------
    >>> refit_head(probe, exported, pool).report["kept"]  # doctest: +SKIP
    True
    """
    texts = list(dict.fromkeys(texts))
    wanted = original.predict_proba(texts)
    vectors = reduced.head_input(reduced.encoder_.encode(texts))
    head = reduced.head_
    assert isinstance(head, LinearHead)
    made = fit_soft_linear(vectors[::2], wanted[::2], multi_label=head.multi_label, threshold=head.threshold, near=head)
    made = dataclasses.replace(made, C=head.C)
    judged, labels = vectors[1::2], original.labels_from(wanted[1::2])
    before, after = (
        float(np.mean([a == b for a, b in zip(original.labels_from(one.predict_proba(judged)), labels, strict=True)]))
        for one in (head, made)
    )
    report = {"n_fitted": len(vectors[::2]), "n_judged": len(judged), "agreement_before": before, "agreement": after}
    return Refit(made if after >= before else None, {**report, "kept": after >= before})
