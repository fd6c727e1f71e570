"""From a folder, a name on the Hub or an object to a contender of a benchmark.

Folders are those of this package, of setfit and of transformers ("sequence classification"). Nothing in them is
executed. Class names that are not the test set's are translated, or the model is refused at the door.
"""

import copy
import dataclasses
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fewshot.classifiers.base import TextClassifier
from fewshot.classifiers.hub import fetch_from_hub, names_hub_model
from fewshot.classifiers.loading import is_model_folder, load_classifier
from fewshot.core.errors import DataWarning, InputError, ModelFormatError, SourceNotFoundError
from fewshot.data.labels import LabelSpace, plain_label
from fewshot.data.texts import Label, TextData
from fewshot.encoders.resolve import unwrapped
from fewshot.evaluation.coding import space_of
from fewshot.evaluation.speed.contender import Answers, Contender
from fewshot.recipes.pipelines import PipelineClassifier, is_pipeline

SHOWN = 8

Renaming = Mapping[Any, Label]


@dataclasses.dataclass(frozen=True)
class Opened:
    """A model that is ready for a benchmark.

    Parameters
    ----------
    contender : Contender
    model : object
        What predicts behind it.
    folder : Path or None
        Where its files are; ``None`` of an object.
    notes : list of str
        What the reader of its scores must know.
    """

    contender: Contender
    model: Any
    folder: Path | None
    notes: list[str]


def local_folder(source: str | Path) -> Path:
    """Return the folder of a model, fetched from the Hub where its name means one there.

    Raises
    ------
    SourceNotFoundError
        If there is no such folder, or no such model on the Hub.
    """
    if names_hub_model(source):
        return fetch_from_hub(str(source))
    if not Path(source).is_dir():
        raise SourceNotFoundError(f"no model folder {str(source)!r}")
    return Path(source)


def open_model(folder: Path, *, device: str | None = None) -> Any:
    """Open a folder of this package, of setfit or of transformers.

    Parameters
    ----------
    folder : Path
    device : str, optional
        Where it runs; default: the fastest there is.

    Returns
    -------
    TextClassifier

    Raises
    ------
    ModelFormatError
        If it is no such folder, or is damaged or unsafe.
    """
    if is_model_folder(folder):
        return load_classifier(folder.absolute(), device=device)
    if (folder / "modules.json").is_file():
        raise ModelFormatError(
            f"{str(folder)!r} is an encoder without a classifier; train one on it: "
            f"fewshot train LABELED --encoder {folder} --out runs/model"
        )
    if (folder / "config.json").is_file():
        from fewshot.classifiers.sequence import SequenceClassifier

        return SequenceClassifier.from_pretrained(folder, device=device)
    raise ModelFormatError(
        f"{str(folder)!r} is no model: it has neither fewshot.json (of this package), nor config_setfit.json (of "
        "setfit), nor config.json (of transformers)"
    )


def open_contender(
    name: str, source: Any, data: TextData, *, model_labels: Renaming | None = None, device: str | None = None
) -> Opened:
    """Open a model for a benchmark on labelled texts.

    Parameters
    ----------
    name : str
        What it is called.
    source : str, Path or object
        A folder, a name on the Hub, a classifier, a ``text-classification`` pipeline of transformers, or any object
        with ``predict``. Vectors that a classifier keeps in memory or on disk are not used.
    data : TextData
        Labelled test texts.
    model_labels : mapping, optional
        The model's name of a class → the test set's; classes that are not in it keep their names.
    device : str, optional
        Where folders are opened.

    Returns
    -------
    Opened

    Raises
    ------
    SourceNotFoundError, ModelFormatError
        If it cannot be opened.
    InputError
        If it does not predict, or its classes are not those of the test set.
    """
    folder = local_folder(source) if isinstance(source, (str, Path)) else None
    model = open_model(folder, device=device) if folder else _as_model(name, source)
    space: LabelSpace | None = getattr(model, "label_space_", None)
    if space is not None and space.multi_label != data.multi_label:
        kinds = {True: "several labels a text", False: "one label a text"}
        raise InputError(
            f"model {name!r} gives {kinds[space.multi_label]}, and {data.source} has {kinds[data.multi_label]}"
        )
    known = space_of(data.labels, multi_label=data.multi_label).classes
    own = [plain_label(label) for label in getattr(model, "classes_", ())]
    names = translated(name, own, known, model_labels or {})
    advice = "; say which is which by --model-labels FILE (model_labels in Python)"
    notes = check_classes(name, list(names.values()), known, data.source, advice) if own else []
    return Opened(_contender(name, model, names), model, folder, notes)


def _as_model(name: str, source: Any) -> Any:
    if isinstance(source, TextClassifier):
        source._check_fitted()
        return _without_memory(source)
    if is_pipeline(source):
        return PipelineClassifier(source)
    if not callable(getattr(source, "predict", None)):
        raise InputError(
            f"model {name!r} must be a model folder, a name on the Hub, or an object with predict(texts), "
            f"got {type(source).__name__}"
        )
    return source


def _without_memory(model: Any) -> TextClassifier:
    """Return the same classifier, looking nothing up that it computed before."""
    model = copy.copy(model)
    if hasattr(model, "encoder_"):
        model.encoder_ = unwrapped(model.encoder_)
    if getattr(model, "cache", False):
        model.cache = False
    return model


def translated(name: str, own: Sequence[Label], known: Sequence[Label], model_labels: Renaming) -> dict[Label, Label]:
    """Return the test set's name of each of a model's classes, as far as it has one; 3 and "3" are the same."""
    twins = {str(label): label for label in known}
    names = {}
    for label in own:
        wanted = model_labels.get(label, model_labels.get(str(label), label))
        names[label] = wanted if wanted in known else twins.get(str(wanted), wanted)
    if len(set(names.values())) < len(names):
        raise InputError(
            f"two classes of model {name!r} would have one name in the test set ({_listed(names.values())}); "
            "model_labels must give each its own"
        )
    return names


def check_classes(name: str, own: Sequence[Label], known: Sequence[Label], source: str, advice: str = "") -> list[str]:
    """Return what is to be said of a test set's classes that a model does not know; raise if it knows none."""
    missing = [label for label in known if label not in own]
    if len(missing) == len(known):
        raise InputError(
            f"{name} knows none of the classes in {source}: it has {_listed(own)}, and the test set "
            f"{_listed(known)}{advice}"
        )
    if not missing:
        return []
    return [
        f"{name} does not know {len(missing)} of the {len(known)} classes in the test set ({_listed(missing)}); their "
        "texts count as wrong"
    ]


def names_in(data: TextData, name: str, space: LabelSpace) -> dict[Label, Label]:
    """Return what a test set calls each class of a model, as :func:`translated`, once the two are seen to fit.

    Parameters
    ----------
    data : TextData
        Labelled.
    name : str
        Of the model, for messages.
    space : LabelSpace
        The model's classes.

    Raises
    ------
    InputError
        If one has several labels a text and the other one, or the model knows none of the classes.

    Warns
    -----
    DataWarning
        If the model does not know some of the classes.
    """
    if data.multi_label != space.multi_label:
        kinds = {True: "several labels a text", False: "one label a text"}
        raise InputError(
            f"{data.source} has {kinds[data.multi_label]}, and {name} was trained for {kinds[space.multi_label]}; "
            "--multi-label or --single-label (multi_label=) says how to read it"
        )
    known = space_of(data.labels, multi_label=data.multi_label).classes
    names = translated(name, space.classes, known, {})
    for note in check_classes(name, list(names.values()), known, data.source):
        warnings.warn(note, DataWarning, stacklevel=3)
    return names


def _listed(labels: Any) -> str:
    labels = list(labels)
    return ", ".join(map(repr, labels[:SHOWN])) + (", …" if len(labels) > SHOWN else "")


def _contender(name: str, model: Any, names: Mapping[Label, Label]) -> Contender:
    def all_renamed(labels: Any) -> list[Any]:
        return [renamed(plain_label(label), names) for label in labels]

    def answer(texts: list[str]) -> Answers:
        if not callable(getattr(model, "predict_proba", None)):
            return Answers(all_renamed(model.predict(texts)))
        probabilities = np.asarray(model.predict_proba(texts))
        labels = model.labels_from(probabilities) if hasattr(model, "labels_from") else model.predict(texts)
        columns = (len(texts), len(names))
        return Answers(all_renamed(labels), probabilities if names and probabilities.shape == columns else None)

    return Contender(name, model.predict, answer, tuple(names.values()))


def renamed(label: Any, names: Mapping[Label, Label]) -> Any:
    """Return a label, or a tuple of several, by the test set's names."""
    if isinstance(label, tuple):
        return tuple(names.get(part, part) for part in label)
    return names.get(label, label)
