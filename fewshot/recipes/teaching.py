"""Journey 2, *teach*: from labelled texts to a classifier's folder."""

import dataclasses
import functools
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fewshot.classifiers.base import TextClassifier
from fewshot.classifiers.folder import check_output
from fewshot.classifiers.loading import load_classifier
from fewshot.core.artifacts import fingerprint
from fewshot.core.errors import InputError, did_you_mean
from fewshot.data.labels import LabelSpace
from fewshot.data.texts import Label, TextData
from fewshot.encoders.base import Encoder
from fewshot.encoders.cached import CachedEncoder, EmbeddingCache
from fewshot.encoders.resolve import DEFAULT_TEACHER, load_encoder
from fewshot.evaluation.charts.grid_plot import plot_knn_grid
from fewshot.heads.votes import best_cell
from fewshot.recipes.class_words import named_like, read_words, words_like
from fewshot.recipes.estimating import Estimating
from fewshot.recipes.making import Made, Workshop, check_alone, saved, settings_as_facts
from fewshot.recipes.method import Method, Surroundings
from fewshot.recipes.method_table import NAMES
from fewshot.recipes.methods import AUGMENT, NEEDS_POOL, find_method, make_classifier
from fewshot.recipes.pool_methods import WithPool
from fewshot.recipes.search_result import SearchResult, write_trials
from fewshot.recipes.search_space import find_space
from fewshot.recipes.searching import search_settings
from fewshot.recipes.sources import Reading, content_hash, require_labels
from fewshot.recipes.used_texts import remember_used

GRID = "grid.png"
"""The picture of what a look-up was chosen from, in the model's folder."""


@dataclasses.dataclass(frozen=True)
class TrainSettings:
    """How to train a classifier. What is ``None`` is left to the method's own default.

    Parameters
    ----------
    method : str, default "setfit"
    encoder : str, default "sentence-transformers/paraphrase-mpnet-base-v2"
    loss, temperature, margin, effort, steps, batch_size, learning_rate, accumulation, templates, label_words, head, \
class_weight, folds, augment, max_length, long_texts : optional
        See :class:`fewshot.SetFitClassifier`; ``templates="none"`` uses no class names, ``label_words`` is a JSON file.
        Other methods take those that they have: ``templates`` of ``prompt`` hold ``{text}`` and ``{mask}``.
    pooling, epochs, head_learning_rate, layer_decay, warmup, freeze_layers, label_smoothing, patience : optional
        See :class:`fewshot.FineTunedClassifier`.
    unlabeled : str, optional
        A file of unlabelled texts, for methods that learn from a pool; labels in it are not looked at.
    unlabeled_weight, unlabeled_ratio, unlabeled_augment, confidence, annealing, align : optional
        See :class:`fewshot.UDAClassifier`; ``annealing="none"`` leaves no label out.
    rounds, passes, per_round, max_unlabeled, sampling : optional
        See :class:`fewshot.SelfTrainingClassifier`.
    k, metric, weights, threshold, keep_texts : optional
        See :class:`fewshot.KNNClassifier`.
    thresholds : optional
        See :class:`fewshot.LinearProbeClassifier`.
    aggregate, contrast, decision, top_k, centering : optional
        See :class:`fewshot.ZeroShotNLIClassifier` and :class:`fewshot.ZeroShotEmbeddingClassifier`.
    classes : tuple of str, optional
        Class names, for methods that need no label, see :class:`fewshot.ZeroShotNLIClassifier`; to zero-shot methods
        those of labelled texts are added.
    search : int, default 0
        Try so many settings by cross-validation on the labels, and train with the best.
    estimate : bool, optional
        Whether to estimate the score on new texts by cross-validation. Default: where that is cheap; of other methods
        the held-out answers of the training itself are told, if there are any. With validation texts: not unasked.
    estimate_pool : str, optional
        A file of texts as they occur in the world, whose balance of classes the estimate shall be for.
    device : str, optional
    seed : int, default 0
    """

    method: str = "setfit"
    encoder: str = DEFAULT_TEACHER
    loss: str | None = None
    temperature: float | None = None
    margin: float | None = None
    effort: str | None = None
    steps: int | None = None
    batch_size: int | None = None
    learning_rate: float | None = None
    accumulation: int | None = None
    templates: str | tuple[str, ...] | None = None
    label_words: str | None = None
    head: str | None = None
    class_weight: str | None = None
    folds: int | None = None
    augment: str | tuple[str, ...] | None = None
    max_length: int | None = None
    long_texts: str | None = None
    pooling: str | None = None
    epochs: int | None = None
    head_learning_rate: float | None = None
    layer_decay: float | None = None
    warmup: float | None = None
    freeze_layers: int | None = None
    label_smoothing: float | None = None
    patience: int | None = None
    unlabeled: str | None = None
    unlabeled_weight: float | None = None
    unlabeled_ratio: float | None = None
    unlabeled_augment: str | None = None
    confidence: float | None = None
    annealing: str | None = None
    align: bool | None = None
    rounds: int | None = None
    passes: int | None = None
    per_round: int | None = None
    max_unlabeled: int | None = None
    sampling: str | None = None
    k: int | None = None
    metric: str | None = None
    weights: str | None = None
    threshold: float | None = None
    keep_texts: bool | None = None
    thresholds: str | None = None
    aggregate: str | None = None
    contrast: str | None = None
    decision: str | None = None
    top_k: int | None = None
    centering: bool | None = None
    classes: tuple[str, ...] | None = None
    search: int = 0
    estimate: bool | None = None
    estimate_pool: str | None = None
    device: str | None = None
    seed: int = 0

    def classifier_params(self, classes: Sequence[Label] = ()) -> dict[str, Any]:
        """Return the parameters that are given, for the method's constructor; they name classes as the labels do."""
        others = ("method", "encoder", "unlabeled", "search", "estimate", "estimate_pool", "device", "seed")
        given = {name: value for name, value in dataclasses.asdict(self).items() if name not in others}
        if self.label_words is not None:
            given["label_words"] = words_like(read_words(self.label_words), classes)
        if isinstance(self.classes, (tuple, list)):  # else those who check it tell
            given["classes"] = tuple(named_like(name, classes) for name in self.classes)
        params = {name: value for name, value in given.items() if value is not None}
        return params | ({"annealing": None} if self.annealing == "none" else {})


def train_classifier(
    labeled: Any,
    *,
    out: str | Path,
    settings: TrainSettings | None = None,
    reading: Reading | None = None,
    validation: Any = None,
    start_from: str | Path | None = None,
    resume: bool = False,
    setfit_compatible: bool = False,
    encoder: Encoder | None = None,
) -> Made:
    """Train a classifier on labelled texts and save it.

    Parameters
    ----------
    labeled : str, Path, DataFrame, Dataset or TextData
        Its unlabelled rows are left aside; methods that learn from a pool take them for it, beside those of
        ``settings.unlabeled``.
    out : str or Path
        Folder of the model. Beside it, in ``OUT.training``, lies what an interrupted training needs to go on; it is
        removed when the model is saved.
    settings : TrainSettings, optional
    reading : Reading, optional
        How to read files.
    validation : like ``labeled``, optional
        Labelled texts to choose settings on and to stop by.
    start_from : str or Path, optional
        A SetFit classifier to bring up to date with these labels instead of training from the start.
    resume : bool, default=False
        Go on with an interrupted training or search.
    setfit_compatible : bool, default=False
        Also write ``model_head.pkl``, so that ``setfit.SetFitModel.from_pretrained`` opens the folder.
    encoder : Encoder, optional
        An encoder in memory instead of ``settings.encoder``.

    Returns
    -------
    Made
    """
    settings = settings or TrainSettings()
    reading = reading or Reading()
    check_output(out)
    check_alone()
    method, _ = find_method(settings.method)
    if start_from is None:
        _check_settings(settings)
    data, report = reading.load_clean(labeled)
    rows = require_labels(data)
    params = settings.classifier_params(LabelSpace.of(rows.labels, warn=False).classes)
    estimating = Estimating(settings.estimate, _texts_of(settings.estimate_pool, reading))
    estimating.check(rows, updates=start_from is not None, searches=bool(settings.search))
    pool = _pool(settings, method, data, reading)
    judges = require_labels(reading.load_clean(validation)[0]) if validation is not None else None
    if encoder is None and method.uses_encoder and start_from is None:
        encoder = load_encoder(settings.encoder, device=settings.device)
        encoder = CachedEncoder(encoder, EmbeddingCache())
    around = Surroundings(encoder, pool, settings.device, settings.seed)
    start = time.perf_counter()
    workshop = Workshop(Path(f"{out}.training"), resume=resume)
    resumed = workshop.told()
    searched = None
    if start_from is not None:
        classifier = _updated(start_from, rows, params, settings.device)
    else:
        classifier, searched = _trained(settings, params, rows, judges, around, workshop)
    seconds = round(time.perf_counter() - start, 1)
    facts: dict[str, Any] = {"texts": len(rows), "classes": len(classifier.classes_), "seconds": seconds}
    told = getattr(classifier, "report_", {})  # goes to the model card
    told["notes"] = [*(searched.notes if searched else []), *told.get("notes", []), *_language_notes(classifier, rows)]
    estimate = estimating.of_training(
        settings.method,
        functools.partial(_unfitted, settings, params, around.remembering()),
        classifier,
        rows,
        judged=bool(judges or searched or start_from),
        random_state=settings.seed,
    )
    facts["estimate"] = None if estimate is None else estimate.facts()
    facts["notes"] = [*resumed, *told["notes"], *([] if estimate is None else [str(estimate), *estimate.notes])]
    provenance = {**settings_as_facts(settings), "labelled texts": len(rows), "data hash": content_hash(rows)}
    if not method.uses_encoder:
        provenance.pop("encoder", None)
    provenance |= {"unlabelled texts": len(pool), "pool hash": fingerprint(pool)} if pool and method.uses_pool else {}
    options: dict[str, Any] = {"setfit_compatible": True} if setfit_compatible else {}
    metrics = {"estimate": facts["estimate"]} if estimate else None
    made = saved(classifier, out, facts, provenance, cleaning=report.summary(), metrics=metrics, **options)
    if searched is not None:
        write_trials(searched, out)
    grid = getattr(classifier, "grid_", None)
    if grid is not None and (chosen := best_cell(grid)):
        plot_knn_grid(grid, made.folder / GRID, best=chosen)
    remember_used(
        out,
        [settings.encoder if start_from is None else start_from],
        learnt=rows.texts,
        chosen=None if judges is None else judges.texts,
        pool=pool if method.uses_pool else None,
    )
    workshop.clear()
    return made


def _check_settings(settings: TrainSettings) -> None:
    """Raise :class:`InputError` unless the method has all settings that are given; no encoder is opened."""
    unopened = Surroundings(None, [], settings.device, settings.seed)
    _unfitted(settings, settings.classifier_params(), unopened).check_params()


def _unfitted(settings: TrainSettings, params: Mapping[str, Any], around: Surroundings) -> Any:
    """Return a fresh classifier of the method with these parameters."""
    return configured(make_classifier(settings.method, around), params, settings.method)


def _texts_of(source: str | None, reading: Reading) -> list[str] | None:
    """Return the texts of a file, labelled or not; ``None`` where none is named."""
    return None if source is None else reading.load_pool(source)[0].texts


def _pool(settings: TrainSettings, method: Method, data: TextData, reading: Reading) -> list[str]:
    """Return the unlabelled texts that there are: rows without a label, and those of a file of their own.

    Raises
    ------
    InputError
        If the method wants some and there are none, or a file of them is given to a method that has no use for it.
    """
    name = settings.method
    if settings.unlabeled is None:
        pool = data.unlabeled.texts
    elif not method.uses_pool:
        raise no_use_for_pool(name)
    else:
        pool = [*data.unlabeled.texts, *reading.load_pool(settings.unlabeled)[0].texts]
    if method.needs_pool and not pool:
        raise InputError(f"method {name!r} {NEEDS_POOL}")
    return list(dict.fromkeys(pool))


def no_use_for_pool(name: str) -> InputError:
    """Return what is said where a file of unlabelled texts is given to a method that has no use for it."""
    rows = {known: find_method(known)[0] for known in NAMES}
    able = ", ".join(known for known, row in rows.items() if row.needs_pool and not row.adapts)
    return InputError(f"method {name!r} does not learn from unlabelled texts; leave out --unlabeled, or take {able}")


def configured(classifier: Any, params: Mapping[str, Any], method: str) -> Any:
    """Return ``classifier`` with parameters set.

    Raises
    ------
    InputError
        If the method has no such parameter.
    """
    known = sorted(classifier.get_params()) if hasattr(classifier, "get_params") else []
    for name in params:
        if name not in known:
            flag = "--" + name.replace("_", "-")
            has = ", ".join(known) or "none"
            raise InputError(f"method {method!r} has no setting {flag}; it has {has}.{did_you_mean(name, known)}")
    return classifier.set_params(**params) if params else classifier


def _trained(
    settings: TrainSettings,
    params: dict[str, Any],
    rows: TextData,
    judges: TextData | None,
    around: Surroundings,
    workshop: Workshop,
) -> tuple[Any, SearchResult | None]:
    """Return a fitted classifier, and what a search for its settings found, where one was asked for."""
    searched = None
    if settings.search:
        searched = _search(settings, params, rows, around, workshop)
        params = params | searched.params
    classifier = _unfitted(settings, params, around)
    _fit(classifier, rows, judges, workshop)
    return _learnt(classifier), searched


def _learnt(classifier: Any) -> Any:
    """Return what is to be saved of a method that was fitted: a student, or what learnt with the pool."""
    if isinstance(classifier, WithPool):
        return classifier.classifier
    return getattr(classifier, "student_", classifier)


def _fit(classifier: Any, rows: TextData, judges: TextData | None, workshop: Workshop) -> None:
    options: dict[str, Any] = {}
    if judges is not None:
        options["validation"] = (judges.texts, judges.labels)
    if getattr(classifier, "resumable", False):
        options |= {"checkpoints": workshop.folder / "stages", "resume": workshop.resume}
    classifier.fit(rows.texts, rows.labels, **options)


def _updated(folder: str | Path, rows: TextData, params: Mapping[str, Any], device: str | None) -> TextClassifier:
    classifier = load_classifier(folder, device=device)
    if not hasattr(classifier, "update"):
        raise InputError(f"{str(folder)!r} holds a {classifier.kind!r} classifier; --from takes a setfit one")
    return configured(classifier, params, classifier.kind).update(rows.texts, rows.labels)


def _search(
    settings: TrainSettings, params: dict[str, Any], rows: TextData, around: Surroundings, workshop: Workshop
) -> SearchResult:
    """Search settings besides those that are given."""

    def make(tried: dict[str, Any]) -> Any:
        return _unfitted(settings, {**params, **tried}, around)

    return search_settings(
        rows.texts,
        rows.labels,
        make=make,
        space=find_space(settings.method.removesuffix(AUGMENT)).without(**params),
        n_trials=settings.search,
        folder=workshop.folder / "search",
        resume=workshop.resume,
        random_state=settings.seed,
    )


def _language_notes(classifier: Any, rows: TextData) -> list[str]:
    """Return what is to be said of an encoder that knows little of these texts' language."""
    from fewshot.encoders.coverage import language_note

    encoder = getattr(classifier, "encoder_", None)
    note = language_note(encoder, rows.texts) if encoder is not None else None
    return [note] if note else []
