"""A masked language model that reads texts in prompts and says how well each class's words fit.

Probabilities, thresholds and training are left to :mod:`fewshot.classifiers.prompt`.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from fewshot.classifiers.batched_scores import batched_scores
from fewshot.classifiers.prompts import PromptWriter
from fewshot.classifiers.verbalizer import Verbalizer
from fewshot.core.errors import InputError
from fewshot.encoders.device import choose_device
from fewshot.encoders.transformer_opening import DEFAULT_LENGTH, length_limit
from fewshot.training.mask_filling import MaskFiller

CONTENT_FREE = ("", "N/A", "...")
"""Texts that speak for no class: what the model answers to them is its bias."""


class PromptScorer:
    """Texts to scores of classes, in batches of like length.

    Parameters
    ----------
    model : PreTrainedModel
        A masked language model; moved to the device and put in eval mode, in place.
    tokenizer : PreTrainedTokenizer
    verbalizer : Verbalizer
        Of this tokenizer and these templates.
    templates : tuple of str
    aggregate : {"mean_log", "log_mean"}
        See :class:`~fewshot.training.phrases.PhraseScores`.
    name : str
        What the model is called.
    max_length : int, optional
        Most tokens of a prompt. Default: as many as the model can read, at most 512.
    device : str, optional
        Where it runs; default: the fastest there is.

    Attributes
    ----------
    batch_size : int
        Texts a forward pass, each in all of its prompts; halved, and kept so, when memory runs out. At first 16 on a
        CPU, where small batches of like length pad little, 64 elsewhere.

    Raises
    ------
    InputError
        If ``max_length`` is out of range, or a prompt leaves no room for a text.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        verbalizer: Verbalizer,
        templates: tuple[str, ...],
        *,
        aggregate: str,
        name: str,
        max_length: int | None = None,
        device: str | None = None,
    ) -> None:
        most = length_limit(model, tokenizer)
        self.max_length = min(most, DEFAULT_LENGTH) if max_length is None else max_length
        if not 1 <= self.max_length <= most:
            raise InputError(f"max_length must be 1 to {most} for this model, got {max_length}")
        self.device, self.name = choose_device(device), name
        self.tokenizer = tokenizer
        self.writer = PromptWriter(tokenizer, templates, verbalizer.variants, self.max_length)
        self.filler = MaskFiller(model.to(self.device).eval())
        self.scores = verbalizer.scores(aggregate).to(self.device)
        self.batch_size = 16 if self.device == "cpu" else 64
        self.filler.check(torch.tensor([self.writer.write("")[0].ids], device=self.device))

    @property
    def model(self) -> Any:
        """The masked language model."""
        return self.filler.model

    def calibrate(self, texts: Sequence[str]) -> None:
        """Set what is taken off each phrase's score.

        Parameters
        ----------
        texts : sequence of str
            What the model answers to these on average, in probabilities. None: the score of a word drawn at random from
            the vocabulary, which is the same for all phrases.
        """
        n_phrases = len(self.scores.baseline)
        if not len(texts):
            self.set_baseline(np.full(n_phrases, -np.log(self.model.config.vocab_size)))
            return
        found = self._batched(texts, n_phrases, of_groups=False).astype(np.float64)
        self.set_baseline(np.logaddexp.reduce(found, axis=0) - np.log(len(texts)))

    def set_baseline(self, baseline: np.ndarray) -> None:
        """Set what is taken off each phrase's score, ``(n_phrases,)``."""
        self.scores.baseline.copy_(torch.from_numpy(np.asarray(baseline, dtype=np.float32)))

    @property
    def baseline(self) -> np.ndarray:
        """What is taken off each phrase's score, float32 of shape (n_phrases,)."""
        return self.scores.baseline.cpu().numpy().copy()

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        """Return the scores of classes, float32 of shape (n_texts, n_classes); equal texts have equal rows."""
        return self._batched(texts, len(self.scores.members), of_groups=True)

    def _batched(self, texts: Sequence[str], n_columns: int, *, of_groups: bool) -> np.ndarray:
        scores, self.batch_size = batched_scores(
            lambda batch: self._forward(batch, of_groups),
            texts,
            n_columns,
            batch_size=self.batch_size,
            description=f"asking {self.name}",
        )
        return scores

    @torch.inference_mode()
    def _forward(self, texts: list[str], of_groups: bool) -> np.ndarray:
        features = self.writer.features([self.writer.write(text) for text in texts])
        inputs = {name: tensor.to(self.device) for name, tensor in features.items() if name != "text"}
        logits = self.filler(**inputs)
        phrases = self.scores.of_phrases(logits.reshape(len(texts), -1, logits.shape[1]))
        return (self.scores.of_groups(phrases) if of_groups else phrases).cpu().numpy()
