"""How far hypotheses follow from texts, by a cross-encoder of natural-language inference.

Pairs are put together from token ids, read in batches of like length, and in bfloat16 where that is native and near
enough. Which hypothesis stands for which label is left to :mod:`fewshot.classifiers.zero_shot_nli`.
"""

import copy
import functools
import inspect
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from scipy.special import logsumexp

from fewshot.classifiers.batched_scores import batched_scores
from fewshot.classifiers.first_token import FirstToken
from fewshot.classifiers.packed_weights import pack_weights
from fewshot.classifiers.pair_tokens import PairTokens
from fewshot.classifiers.sequence_models import checked_length, model_fingerprint
from fewshot.core.artifacts import fingerprint
from fewshot.core.errors import InputError, ModelFormatError, did_you_mean
from fewshot.encoders.cached import EmbeddingCache, caches_are_passed_by
from fewshot.encoders.device import choose_device, has_native_bfloat16
from fewshot.encoders.sentence import PRECISIONS
from fewshot.encoders.streamed import BATCH_TOKENS

CONTRASTS = ("none", "contradiction", "all")
CPU_BATCH_TOKENS, MOST_PAIRS = 640, 1024
LARGEST_ERROR = 0.2
"""bfloat16 is used only if it moves no probe's score (log odds) by more."""

PAIRS_AT_ONCE = 2**14
"""Pairs of text and hypothesis that wait for the model at once, so that a pool takes no more memory than a part."""

_PROBES = (
    "ok",
    "The card was charged twice last Tuesday.",
    "Shares of the largest oil company fell on Monday after prices slipped for the third week in a row.",
    "12,5 % — çà & là",
    "The striker scored twice in the final, and the goalkeeper, who had been ill all week, saved a penalty. " * 3,
)
_SAFETY = 2.0  # real texts stray further than the few probes


class EntailmentScorer:
    """Scores of texts against a few hypotheses.

    Parameters
    ----------
    model : PreTrainedModel
        A sequence classifier whose configuration names an output ``entailment``. Moved to the device and put in eval
        mode, in place.
    tokenizer : PreTrainedTokenizer
        With a padding token.
    hypotheses : sequence of str
    name : str
        What the model is called.
    contrast : {"none", "contradiction", "all"}, default="contradiction"
        What a score weighs the logit of entailment against: nothing, the logit of contradiction, or all other outputs
        together. A model with two outputs has one other.
    batch_size : int, optional
        Pairs a forward pass; halved, and kept so, when memory runs out. Default: as many as have 640 tokens on a CPU,
        where more do not fit into its cache, elsewhere 65,536.
    max_length : int, optional
        Tokens that are read of a pair. Default: as many as the model can read, at most 512.
    device : str, optional
        Where it runs; default: the fastest there is.
    precision : {"auto", "float32", "bfloat16"}, default="auto"
        ``"auto"`` computes in bfloat16 where the device does so natively and the scores of a few probes move by no
        more than 0.2; that takes half as much memory again, for the weights.

    Raises
    ------
    InputError
        If a number is out of range, or a hypothesis leaves no room for a text.
    ModelFormatError
        If the model's outputs are not known to be those of inference.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        hypotheses: Sequence[str],
        *,
        name: str,
        contrast: str = "contradiction",
        batch_size: int | None = None,
        max_length: int | None = None,
        device: str | None = None,
        precision: str = "auto",
    ) -> None:
        if contrast not in CONTRASTS:
            raise InputError(f"contrast must be one of {', '.join(CONTRASTS)}, got {contrast!r}")
        if precision not in PRECISIONS:
            raise InputError(
                f"precision must be one of {', '.join(PRECISIONS)}, got {precision!r}."
                f"{did_you_mean(str(precision), PRECISIONS)}"
            )
        if batch_size is not None and batch_size < 1:
            raise InputError(f"batch_size must be at least 1, got {batch_size}")
        self.name, self.hypotheses, self.contrast = name, list(hypotheses), contrast
        self.max_length = checked_length(model, tokenizer, max_length)
        self._entailment, self._others = _outputs(model, name, contrast)
        self._pairs = PairTokens(tokenizer, self.hypotheses, max_length=self.max_length)
        self.device = choose_device(device)
        self.model, self.tokenizer = model.to(self.device).eval(), tokenizer
        self.batch_size = batch_size or MOST_PAIRS
        tokens = CPU_BATCH_TOKENS if self.device == "cpu" else BATCH_TOKENS
        self._batch_tokens = None if batch_size else tokens
        given = set(tokenizer(_PROBES[0], self.hypotheses[0])) | {"attention_mask"}
        self._inputs = given & set(inspect.signature(model.forward).parameters)
        self._asked_precision = precision

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the copy in bfloat16, whose packed weights cannot be copied; it is made anew where it is needed."""
        return {name: value for name, value in self.__dict__.items() if name != "_half"}

    @functools.cached_property
    def error(self) -> float:
        """How far bfloat16 may move a score: twice as far as it moves the probe that it moves furthest."""
        some = list(range(min(len(self.hypotheses), 8)))
        wanted = np.zeros((len(_PROBES), len(self.hypotheses)), dtype=bool)
        wanted[:, some] = True
        apart = self._scores(_PROBES, wanted, "float32") - self._scores(_PROBES, wanted, "bfloat16")
        return _SAFETY * float(np.abs(apart[wanted]).max())

    @functools.cached_property
    def _first_token(self) -> FirstToken:
        ids = self._pairs.cut(_PROBES)
        batch = [(text, column) for text in ids for column in {0, len(self.hypotheses) - 1}]
        return FirstToken.of(self.model, lambda: self._logits(batch, self.model))

    @functools.cached_property
    def _half(self) -> tuple[Any, FirstToken]:
        """A copy of the model all of which is bfloat16, and its shortcut: autocast would cast at each step."""
        model = copy.deepcopy(self.model).to(torch.bfloat16)
        if self.device == "cpu":
            pack_weights(model, CPU_BATCH_TOKENS)
        return model, self._first_token.like(model)

    @functools.cached_property
    def precision(self) -> str:
        """The precision in use, ``"float32"`` or ``"bfloat16"``."""
        if self._asked_precision != "auto":
            return self._asked_precision
        agrees = has_native_bfloat16(self.device) and self.error <= _SAFETY * LARGEST_ERROR
        return "bfloat16" if agrees else "float32"

    @property
    def fingerprint(self) -> str:
        """Hash of all that decides a score: model, tokenizer, hypotheses, contrast, length and precision."""
        facts = [self.contrast, str(self.max_length), self.precision, *self.hypotheses]
        return fingerprint([model_fingerprint(self.model, self.tokenizer), *facts])

    def scores(
        self, texts: Sequence[str], wanted: np.ndarray | None = None, *, precision: str | None = None
    ) -> np.ndarray:
        """Return how far each hypothesis follows from each text.

        Parameters
        ----------
        texts : sequence of str
            Any length; of a pair that is too long the text is cut.
        wanted : ndarray of bool, shape (n_texts, n_hypotheses), optional
            The pairs to look at; default: all.
        precision : {"float32", "bfloat16"}, optional
            Default: :attr:`precision`.

        Returns
        -------
        ndarray of shape (n_texts, n_hypotheses), float32
            The logit of entailment, less that of what it is weighed against; equal texts have equal rows. NaN where
            nothing was wanted.
        """
        if not len(texts):
            return np.empty((0, len(self.hypotheses)), dtype=np.float32)
        wanted = np.ones((len(texts), len(self.hypotheses)), dtype=bool) if wanted is None else wanted
        ends = np.flatnonzero(np.diff(np.cumsum(wanted.sum(axis=1)) // PAIRS_AT_ONCE)) + 1
        parts = np.split(np.arange(len(texts)), ends)
        precision = precision or self.precision
        return np.concatenate([self._scores([texts[i] for i in rows], wanted[rows], precision) for rows in parts])

    def _scores(self, texts: Sequence[str], wanted: np.ndarray, precision: str) -> np.ndarray:
        """Return the scores of texts whose pairs are not too many to wait at once."""
        place = {text: row for row, text in enumerate(dict.fromkeys(texts))}
        row_of = np.array([place[text] for text in texts])
        asked = np.zeros((len(place), wanted.shape[1]), dtype=bool)
        np.logical_or.at(asked, row_of, wanted)
        ids = self._pairs.cut(list(place))
        lengths = self._pairs.lengths(np.array([len(text) for text in ids]))
        pairs = [(int(row), int(column)) for row, column in np.argwhere(asked)]
        scores = np.full(asked.shape, np.nan, dtype=np.float32)
        model, shortcut = (self.model, self._first_token) if precision == "float32" else self._half
        with shortcut.in_use():
            found, self.batch_size = batched_scores(
                lambda batch: self._forward([(ids[row], column) for row, column in batch], model),
                pairs,
                1,
                batch_size=self.batch_size,
                description=f"asking {self.name}",
                length=lambda pair: int(lengths[pair]),
                most=self._batch_tokens,
            )
        scores[asked] = found[:, 0]
        return np.where(wanted, scores[row_of], np.float32(np.nan))

    def _forward(self, pairs: list[tuple[list[int], int]], model: Any) -> np.ndarray:
        logits = self._logits(pairs, model)
        entailment = logits[:, [self._entailment]]
        return entailment - logsumexp(logits[:, self._others], axis=1, keepdims=True) if self._others else entailment

    @torch.inference_mode()
    def _logits(self, pairs: list[tuple[list[int], int]], model: Any) -> np.ndarray:
        features = self._pairs.features(pairs)
        inputs = {name: value.to(self.device) for name, value in features.items() if name in self._inputs}
        return model(**inputs).logits.float().cpu().numpy()


def _outputs(model: Any, name: str, contrast: str) -> tuple[int, list[int]]:
    """Return the place of entailment among a model's outputs, and the places of what it is weighed against."""
    names = [str(model.config.id2label[index]) for index in range(model.config.num_labels)]
    labels = [label.lower() for label in names]
    entailment = [index for index, label in enumerate(labels) if label.startswith("entail")]
    others = [index for index in range(len(labels)) if index not in entailment]
    opposite = others if len(labels) == 2 else [i for i in others if labels[i].startswith("contradict")]
    if len(entailment) != 1 or len(opposite) != 1:
        raise ModelFormatError(
            f"the model in {name!r} is not known to tell entailment from contradiction: its outputs are called "
            f"{', '.join(names[:8])}; name them in its config.json (id2label)"
        )
    return entailment[0], {"none": [], "contradiction": opposite, "all": others}[contrast]


def remembered_scores(
    scorer: EntailmentScorer, texts: Sequence[str], *, cache: bool = True, precision: str | None = None
) -> np.ndarray:
    """Return ``scorer.scores(texts)``; with ``cache``, what was asked before comes from disk."""
    if not cache or precision not in (None, scorer.precision) or caches_are_passed_by():
        return scorer.scores(texts, precision=precision)
    store, key, n_columns = EmbeddingCache(), scorer.fingerprint, len(scorer.hypotheses)
    known = store.get(key, texts, dimension=n_columns)
    missing = list(dict.fromkeys(text for row, text in enumerate(texts) if row not in known))
    found = dict(zip(missing, scorer.scores(missing), strict=True))
    if missing:
        store.put(key, missing, np.stack([found[text] for text in missing]))
    rows = [known[row] if row in known else found[text] for row, text in enumerate(texts)]
    return np.stack(rows) if rows else np.empty((0, n_columns), dtype=np.float32)
