"""Journey 2 without labels, *name*: from class names to a classifier's folder."""

import dataclasses
import time
from pathlib import Path
from typing import Any

from fewshot.classifiers.folder import check_output
from fewshot.core.artifacts import fingerprint
from fewshot.core.errors import InputError
from fewshot.data.labels import LabelSpace
from fewshot.encoders.base import Encoder
from fewshot.encoders.cached import CachedEncoder, EmbeddingCache
from fewshot.encoders.resolve import load_encoder
from fewshot.recipes.making import Made, saved, settings_as_facts
from fewshot.recipes.method import Surroundings
from fewshot.recipes.method_table import NAMES
from fewshot.recipes.methods import find_method, make_classifier
from fewshot.recipes.pool_methods import WithPool
from fewshot.recipes.sources import Reading
from fewshot.recipes.teaching import TrainSettings, configured, no_use_for_pool
from fewshot.recipes.used_texts import remember_used


def name_classifier(
    *, out: str | Path, settings: TrainSettings, reading: Reading | None = None, encoder: Encoder | None = None
) -> Made:
    """Make a classifier that is told the class names and learns from no label, and save it.

    Parameters
    ----------
    out : str or Path
        Folder of the model.
    settings : TrainSettings
        ``method`` is one that needs no label; ``classes`` are the names, or ``label_words`` describes them.
    reading : Reading, optional
        How to read ``settings.unlabeled``; ``multi_label`` says whether a text may have several classes.
    encoder : Encoder, optional
        An encoder in memory instead of ``settings.encoder``.

    Returns
    -------
    Made

    Raises
    ------
    InputError
        If the method needs labels, no class is named, or a setting is for labelled texts.
    """
    reading = reading or Reading()
    check_output(out)
    _check(settings)
    method, _ = find_method(settings.method)
    params = settings.classifier_params()
    around = Surroundings(None, [], settings.device, settings.seed)
    configured(make_classifier(settings.method, around), params, settings.method).check_params()
    classes = list(dict.fromkeys([*params.pop("classes", ()), *params.get("label_words", {})]))
    space = LabelSpace(LabelSpace.of(classes).classes, multi_label=bool(reading.multi_label))
    if len(space.classes) < 2 and not space.multi_label:
        raise InputError(f"one class only is named, {classes[0]!r}; a classifier needs at least two to tell apart")
    if settings.unlabeled is not None and not method.uses_pool:
        raise no_use_for_pool(settings.method)
    pool = [] if settings.unlabeled is None else reading.load_pool(settings.unlabeled)[0].texts
    if encoder is None and method.uses_encoder:
        encoder = CachedEncoder(load_encoder(settings.encoder, device=settings.device), EmbeddingCache())
    start = time.perf_counter()
    around = dataclasses.replace(around, space=space, encoder=encoder, pool=pool)
    classifier: Any = configured(make_classifier(settings.method, around), params, settings.method)
    classifier.fit([], [])
    if isinstance(classifier, WithPool):
        classifier = classifier.classifier
    seconds = round(time.perf_counter() - start, 1)
    facts: dict[str, Any] = {"texts": 0, "classes": len(classifier.classes_), "seconds": seconds, "estimate": None}
    facts["notes"] = list(getattr(classifier, "report_", {}).get("notes", []))
    provenance = {**settings_as_facts(settings), "labelled texts": 0}
    provenance |= {"unlabelled texts": len(pool), "pool hash": fingerprint(pool)} if pool else {}
    made = saved(classifier, out, facts, provenance, cleaning="no labelled texts: class names alone")
    remember_used(out, [settings.encoder], pool=pool or None)
    return made


def _check(settings: TrainSettings) -> None:
    if find_method(settings.method)[0].needs_labels:
        able = ", ".join(name for name in NAMES if not find_method(name)[0].needs_labels)
        raise InputError(
            f"method {settings.method!r} learns from labelled texts, and none are named; name a file of them, or take "
            f"a method that is told class names (--classes): {able}"
        )
    if not settings.classes and settings.label_words is None:
        raise InputError(
            f"method {settings.method!r} has neither labelled texts nor class names; name the classes: --classes a,b, "
            "or --label-words FILE"
        )
    for name in ("search", "estimate", "estimate_pool"):
        if getattr(settings, name):
            raise InputError(f"--{name.replace('_', '-')} needs labelled texts, and none are named; leave it out")
