"""From a model directory, here or on the Hub, back to the classifier that wrote it."""

import importlib
from pathlib import Path
from typing import Any

from fewshot.classifiers.folder import MARKER, ModelContent, read_content
from fewshot.classifiers.hub import fetch_from_hub, names_hub_model
from fewshot.core.errors import FewshotError, ModelFormatError

KINDS = {
    "exported": "fewshot.classifiers.exported:ExportedClassifier",
    "exported-sequence": "fewshot.classifiers.exported:ExportedSequenceClassifier",
    "fine-tune": "fewshot.classifiers.finetune:FineTunedClassifier",
    "knn": "fewshot.classifiers.knn:KNNClassifier",
    "linear-probe": "fewshot.classifiers.linear_probe:LinearProbeClassifier",
    "naive-bayes": "fewshot.classifiers.naive_bayes:NaiveBayesClassifier",
    "prompt": "fewshot.classifiers.prompt:PromptClassifier",
    "self-training": "fewshot.classifiers.self_training:SelfTrainingClassifier",
    "sequence": "fewshot.classifiers.sequence:SequenceClassifier",
    "setfit": "fewshot.classifiers.setfit:SetFitClassifier",
    "setfit-reference": "fewshot.classifiers.setfit_reference:SetFitReferenceClassifier",
    "uda": "fewshot.classifiers.uda:UDAClassifier",
    "zero-shot-embedding": "fewshot.classifiers.zero_shot_embedding:ZeroShotEmbeddingClassifier",
    "zero-shot-nli": "fewshot.classifiers.zero_shot_nli:ZeroShotNLIClassifier",
}
"""Every kind of classifier that a model directory may hold, and its class; imported when one is opened."""

SETFIT_MARKER = "config_setfit.json"


def is_model_folder(path: str | Path) -> bool:
    """Return whether a local folder is a model directory of this package or of setfit.

    Examples
    --------
    >>> is_model_folder("nowhere")
    False
    """
    return any((Path(path) / marker).is_file() for marker in (MARKER, SETFIT_MARKER))


def model_folder(path: str | Path) -> Path:
    """Return the folder here that ``path`` means: itself, or the copy of a model on the Hub; see below.

    Examples
    --------
    >>> model_folder("./student").name
    'student'
    """
    return fetch_from_hub(str(path)) if names_hub_model(path) else Path(path)


def load_classifier(path: str | Path, *, device: str | None = None) -> Any:
    """Open a model directory.

    Parameters
    ----------
    path : str or Path
        A folder written by ``classifier.save``, ``fewshot train`` or ``fewshot distill``; a folder of the ``setfit``
        package; or a model on the Hub: ``"hub:owner/name"`` or ``"hub:owner/name@revision"``. ``"owner/name"`` is
        looked for on the Hub if neither it nor a folder ``owner`` is here.
    device : str, optional
        Where its encoder runs; default: the fastest there is.

    Returns
    -------
    TextClassifier
        Of the class that was saved, with the same predictions.

    Raises
    ------
    SourceNotFoundError
        If there is no such folder, or no such model on the Hub.
    ModelFormatError
        If it is no model directory, or is damaged or unsafe. Nothing in it is ever executed.
    """
    folder = model_folder(path)
    if (folder / SETFIT_MARKER).is_file() and not (folder / MARKER).is_file():
        return kind_class("setfit").from_setfit_folder(folder, device=device)
    content = read_content(folder)
    if not isinstance(content.kind, str) or content.kind not in KINDS:
        raise ModelFormatError(f"{str(path)!r} holds a {content.kind!r}; this version knows {', '.join(sorted(KINDS))}")
    return restored(kind_class(content.kind), content, folder, device=device)


def restored(kind: Any, content: ModelContent, folder: Path, **options: Any) -> Any:
    """Return the classifier that a model directory holds.

    Parameters
    ----------
    kind : type
        A subclass of ``TextClassifier``, of the kind that ``content`` names.
    content : ModelContent
    folder : Path
        Where the rest of it lies.
    **options
        ``device``, and what else the kind takes when it is opened.

    Raises
    ------
    ModelFormatError
        If the content is not what such a classifier writes.
    """
    try:
        return kind._from_content(content, folder, **options)
    except FewshotError:
        raise
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        raise ModelFormatError(f"the model in {str(folder)!r} is damaged: {type(error).__name__}: {error}") from None


def kind_class(kind: str) -> Any:
    """Return the class that a kind stands for; only its module is imported.

    Examples
    --------
    >>> kind_class("naive-bayes").__name__
    'NaiveBayesClassifier'
    """
    module, _, name = KINDS[kind].partition(":")
    return getattr(importlib.import_module(module), name)
