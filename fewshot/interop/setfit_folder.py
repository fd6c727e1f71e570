"""Folders and models of the package ``setfit``: opened without unpickling anything, and written where asked for.

::

    config_setfit.json    {"labels": [...] or null, "normalize_embeddings": bool}
    model_head.pkl        the head, a pickle; read by fewshot.interop.setfit_pickle, which runs nothing of it
    modules.json, ...     a sentence-transformers folder, left to fewshot.encoders

:func:`write_setfit_head` is the one place in this package that writes a pickle, since setfit opens nothing else. Models
of our own are saved without (:mod:`fewshot.classifiers.folder`).
"""

import copy
import dataclasses
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import joblib

from fewshot.core.artifacts import atomic_path, read_json, write_json
from fewshot.core.errors import InputError, ModelFormatError, SourceNotFoundError
from fewshot.heads.setfit_heads import ChainHead, Head, check_head, to_sklearn
from fewshot.interop.setfit_pickle import MAX_BYTES
from fewshot.interop.setfit_records import HeadContent, Strategy, read_head

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from setfit import SetFitModel

CONFIG = "config_setfit.json"
HEAD = "model_head.pkl"
MAX_CONFIG_BYTES = 16 * 2**20


@dataclasses.dataclass(frozen=True)
class SetFitContent:
    """What is in a folder of setfit besides the encoder.

    Parameters
    ----------
    classes : list of (str or int)
        One a column of the head, in its order: the names that the folder gives, else the head's own, else 0, 1, ….
    multi_label : bool
    strategy : {"one-vs-rest", "multi-output", "classifier-chain"} or None
        How several labels were trained; ``None`` for plain single-label heads.
    normalize_embeddings : bool
        Whether the head takes vectors of length 1. If not, it takes the encoder's as they are.
    head : LinearHead, ChainHead or OneVsRestHead
    """

    classes: list[Any]
    multi_label: bool
    strategy: Strategy | None
    normalize_embeddings: bool
    head: Head


def is_setfit_folder(path: str | Path) -> bool:
    """Return whether ``path`` is a folder with a head of the package ``setfit``."""
    return (Path(path) / HEAD).is_file()


def read_setfit_folder(path: str | Path) -> SetFitContent:
    """Read the head of a folder that ``SetFitModel.save_pretrained`` wrote, without running anything in it.

    Parameters
    ----------
    path : str or Path
        The folder. Its encoder is opened by :func:`fewshot.encoders.resolve.load_encoder`.

    Returns
    -------
    SetFitContent
        Its head predicts what setfit does: the same labels, the same probabilities. The one difference is the shape
        of ``"multi-output"`` probabilities, ``(n, n_classes)`` here and ``(n, n_classes, 2)`` in setfit.

    Raises
    ------
    SourceNotFoundError
        If there is no such folder.
    ModelFormatError
        If it has no head, or one that is damaged, unsafe or of another kind. Nothing in it is ever executed.
    """
    path = Path(path)
    if not path.is_dir():
        raise SourceNotFoundError(f"no model folder {str(path)!r}")
    if not is_setfit_folder(path):
        raise ModelFormatError(
            f"{str(path)!r} is not a trained model of setfit: it has no {HEAD}; "
            "give a folder that SetFitModel.save_pretrained wrote"
        )
    config = _read_config(path / CONFIG)
    try:
        return _content(_read_whole(path / HEAD), config.get("labels"), config.get("normalize_embeddings", False))
    except ModelFormatError as error:
        raise ModelFormatError(f"{str(path / HEAD)!r} cannot be opened: {error}") from None


def _read_config(path: Path) -> dict[str, Any]:
    if not path.is_file():  # setfit opens such folders, too
        return {}
    config = read_json(path, max_bytes=MAX_CONFIG_BYTES)
    if not isinstance(config, dict) or not isinstance(config.get("normalize_embeddings", False), bool):
        raise ModelFormatError(
            f"{str(path)!r} is damaged: it must map labels to a list, normalize_embeddings to a bool"
        )
    return config


def _read_whole(path: Path) -> bytes:
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise ModelFormatError(f"it has {size} bytes; at most {MAX_BYTES} are read")
    with path.open("rb") as handle:
        return handle.read(size)


def _content(data: bytes, labels: Any, normalize_embeddings: bool) -> SetFitContent:
    content = read_head(data)
    return SetFitContent(
        classes=_named(content, labels),
        multi_label=content.head.multi_label,
        strategy=content.strategy,
        normalize_embeddings=normalize_embeddings,
        head=content.head,
    )


def _named(content: HeadContent, labels: Any) -> list[Any]:
    """Return the class names as setfit finds them: a number that the head predicts is a place in ``labels``."""
    numbers = [int(c) if isinstance(c, float) and c.is_integer() else c for c in content.classes]
    if not labels or all(isinstance(c, str) for c in numbers):
        return numbers
    usable = isinstance(labels, list) and len({type(name) for name in labels}) == 1 and type(labels[0]) in (str, int)
    if not usable or len(set(labels)) != len(labels):
        raise ModelFormatError(f"labels in {CONFIG} must be a list of names, all different")
    if content.head.multi_label and len(labels) != len(numbers):
        raise ModelFormatError(f"{CONFIG} names {len(labels)} labels for a head of {len(numbers)}")
    if any(not isinstance(c, int) or not 0 <= c < len(labels) for c in numbers):
        raise ModelFormatError(f"{CONFIG} names {len(labels)} labels, the head predicts {str(numbers)[:80]}")
    return [labels[c] for c in numbers]


def write_setfit_head(
    folder: str | Path, *, classes: list[Any], head: Head, multi_label: bool, encoder_normalizes: bool = True
) -> None:
    """Write ``config_setfit.json`` and ``model_head.pkl``, so that ``SetFitModel.from_pretrained`` opens the folder.

    The pickle is scikit-learn's own and runs code when setfit opens it, as any pickle does; write one only for those
    who need it. It belongs to the scikit-learn that is installed here.

    Parameters
    ----------
    folder : str or Path
        A sentence-transformers folder; what else lies in it stays.
    classes : list of (str or int)
        Class names, in the order of the head's rows.
    head : LinearHead, ChainHead or OneVsRestHead
    multi_label : bool
    encoder_normalizes : bool, default=True
        Whether the head takes vectors of length 1, as those of our classifiers do; written as
        ``normalize_embeddings``, by which setfit scales the vectors.

    Raises
    ------
    InputError
        If there is no such folder, or classes, head and task do not fit.

    Notes
    -----
    setfit then predicts the same labels and, to float32, the same probabilities, with these exceptions. It knows one
    threshold for multi-label tasks, 0.5: another one is added to the intercepts, so that labels agree and
    probabilities are shifted. Multi-label predictions are rows of 0 and 1 there, whose names are in
    ``SetFitModel.labels``, integers among them as strings. Single-label integers stay integers.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"folder {str(folder)!r} is not there; save the encoder into it first")
    check_head(head, classes, multi_label=multi_label)
    names, values = _setfit_names(classes, multi_label)
    with atomic_path(folder / HEAD) as temporary:
        joblib.dump(to_sklearn(head, values), str(temporary))
    write_json(folder / CONFIG, {"labels": names, "normalize_embeddings": bool(encoder_normalizes)})


def _setfit_names(classes: list[Any], multi_label: bool) -> tuple[list[str] | None, list[Any]]:
    """Return setfit's ``labels`` and what its head shall predict: places in them, or integer classes themselves."""
    if not multi_label and all(isinstance(name, int) for name in classes):
        return None, classes
    return [str(name) for name in classes], list(range(len(classes)))


def to_setfit(encoder_model: "SentenceTransformer", head: Head, classes: list[Any], multi_label: bool) -> "SetFitModel":
    """Return a model of setfit in memory, with an encoder and a head of ours.

    Parameters
    ----------
    encoder_model : SentenceTransformer
        Used as it is, not copied.
    head : LinearHead, ChainHead or OneVsRestHead
        Fitted on vectors of length 1.
    classes : list of (str or int)
    multi_label : bool

    Returns
    -------
    setfit.SetFitModel
        With ``normalize_embeddings=True``; otherwise as :func:`write_setfit_head` describes.
    """
    from setfit import SetFitModel

    check_head(head, classes, multi_label=multi_label)
    names, values = _setfit_names(classes, multi_label)
    several = "classifier-chain" if isinstance(head, ChainHead) else "one-vs-rest"
    return SetFitModel(
        model_body=encoder_model,
        model_head=to_sklearn(head, values),
        multi_target_strategy=several if multi_label else None,
        normalize_embeddings=True,
        labels=names,
    )


def from_setfit(model: "SetFitModel") -> "tuple[SentenceTransformer, SetFitContent]":
    """Return the encoder of a fitted model of setfit, as it is, and its head as a plain value.

    Parameters
    ----------
    model : setfit.SetFitModel
        With a fitted head of scikit-learn or a ``SetFitHead``; not changed.

    Raises
    ------
    ModelFormatError
        If the head is not fitted, or of another kind.
    """
    head, buffer = model.model_head, io.BytesIO()
    if model.has_differentiable_head:
        head = copy.deepcopy(head).cpu()
    joblib.dump(head, buffer)  # read back as a file is: one reader for both
    return model.model_body, _content(buffer.getvalue(), model.labels, bool(model.normalize_embeddings))
