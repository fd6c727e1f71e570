"""From a model directory back to the classifier that wrote it."""

from pathlib import Path
from typing import Any

from fewshot.classifiers.base import TextClassifier
from fewshot.classifiers.folder import read_content
from fewshot.classifiers.knn import KNNClassifier
from fewshot.classifiers.linear_probe import LinearProbeClassifier
from fewshot.classifiers.naive_bayes import NaiveBayesClassifier
from fewshot.classifiers.setfit import SetFitClassifier
from fewshot.core.errors import FewshotError, ModelFormatError

KINDS: dict[str, type[TextClassifier]] = {
    kind.kind: kind for kind in (KNNClassifier, LinearProbeClassifier, NaiveBayesClassifier, SetFitClassifier)
}
"""Every kind of classifier that a model directory may hold."""


def load_classifier(path: str | Path, *, device: str | None = None) -> Any:
    """Open a model directory.

    Parameters
    ----------
    path : str or Path
        A folder written by ``classifier.save``, ``fewshot train`` or ``fewshot distill``.
    device : str, optional
        Where its encoder runs; default: the fastest there is.

    Returns
    -------
    TextClassifier
        Of the class that was saved, with the same predictions.

    Raises
    ------
    SourceNotFoundError
        If there is no such folder.
    ModelFormatError
        If it is no model directory, or is damaged or unsafe. Nothing in it is ever executed.
    """
    content = read_content(path)
    if not isinstance(content.kind, str) or content.kind not in KINDS:
        raise ModelFormatError(f"{str(path)!r} holds a {content.kind!r}; this version knows {', '.join(sorted(KINDS))}")
    try:
        return KINDS[content.kind]._from_content(content, Path(path), device=device)
    except FewshotError:
        raise
    except (KeyError, TypeError, ValueError) as error:
        raise ModelFormatError(f"the model in {str(path)!r} is damaged: {type(error).__name__}: {error}") from None
