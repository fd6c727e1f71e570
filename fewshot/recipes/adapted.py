"""Domain adaptation and a classifier as one estimator, so that a comparison can name it like any other method."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

from sklearn.base import clone

from fewshot.adaptation.adapter import DomainAdapter
from fewshot.classifiers.base import Labeled
from fewshot.encoders.base import Encoder
from fewshot.encoders.resolve import load_encoder
from fewshot.recipes.stand_in import StandIn


class AdaptedClassifier(StandIn):
    """Fits a classifier on an encoder that was adapted to the pool.

    Parameters
    ----------
    classifier : TextClassifier
        Unfitted, with an ``encoder``; a copy of it is fitted.
    adapted : callable
        ``adapted()`` gives the encoder; see :func:`adapt_to`.

    Attributes
    ----------
    classifier_ : TextClassifier
    """

    made_as = "classifier_"

    def __init__(self, classifier: Any, adapted: Callable[[], Encoder]) -> None:
        self.classifier = classifier
        self.adapted = adapted

    def fit(self, texts: Sequence[str], labels: Sequence[Any], *, validation: Labeled | None = None) -> Self:
        """Adapt the encoder unless that was done, and fit the classifier on it."""
        classifier = clone(self.classifier).set_params(encoder=self.adapted())
        self.classifier_ = classifier.fit(texts, labels, validation=validation)
        return self


def adapt_to(
    pool: Sequence[str], encoder: Any, folder: Path, *, device: str | None = None, random_state: int = 0
) -> Encoder:
    """Return an encoder that was adapted to unlabelled texts with the default settings.

    Parameters
    ----------
    pool : sequence of str
    encoder : Encoder, str or Path
    folder : Path
        Where it is kept. If it is there it is opened; an adaptation that was interrupted there is gone on with. Give
        each pool, encoder and seed a folder of its own.
    device : str, optional
    random_state : int, default 0
    """
    if not folder.is_dir():
        training = folder.with_name(f"{folder.name}.training")
        adapter = DomainAdapter(encoder, device=device, random_state=random_state)
        adapter.fit(pool, checkpoints=training, resume=training.is_dir()).save(folder)
        shutil.rmtree(training)
    return load_encoder(folder, device=device)
