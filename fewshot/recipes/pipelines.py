"""A ``text-classification`` pipeline of transformers as a classifier: the pipeline itself runs, as its users run it."""

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from fewshot.core.errors import InputError


def is_pipeline(model: Any) -> bool:
    """Return whether an object is a pipeline of transformers; asked without importing it.

    Examples
    --------
    >>> is_pipeline(len)
    False
    """
    transformers = sys.modules.get("transformers")
    return transformers is not None and isinstance(model, transformers.Pipeline)


class PipelineClassifier:
    """What a ``text-classification`` pipeline says, as labels and probabilities.

    Parameters
    ----------
    pipeline : transformers.TextClassificationPipeline
        Called with all texts as one batch, cut to what its model can read.

    Attributes
    ----------
    classes_ : list of str
        The names in its ``id2label``.
    model : PreTrainedModel
    """

    def __init__(self, pipeline: Any) -> None:
        if pipeline.task != "text-classification":
            raise InputError(f"a pipeline must be for text-classification, got one for {pipeline.task}")
        if pipeline.model.config.problem_type == "multi_label_classification":
            raise InputError(
                "a pipeline gives no decisions on several labels a text; save its model and tokenizer by "
                "save_pretrained, and give that folder"
            )
        self.pipeline, self.model = pipeline, pipeline.model
        self.classes_ = list(pipeline.model.config.id2label.values())

    def predict_proba(self, texts: Sequence[str]) -> np.ndarray:
        """Return probabilities ``(n_texts, n_classes)`` in the order of ``classes_``."""
        position = {name: column for column, name in enumerate(self.classes_)}
        probabilities = np.zeros((len(texts), len(position)))
        for row, entries in enumerate(self._ask(texts, None)):
            for entry in entries:
                probabilities[row, position[entry["label"]]] = entry["score"]
        return probabilities

    def predict(self, texts: Sequence[str]) -> list[str]:
        """Return the most probable label of each text."""
        return [entries[0]["label"] for entries in self._ask(texts, 1)]

    def _ask(self, texts: Sequence[str], top_k: int | None) -> list[list[dict[str, Any]]]:
        return list(self.pipeline(list(texts), batch_size=len(texts), truncation=True, top_k=top_k))
