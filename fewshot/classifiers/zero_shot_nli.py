"""Zero-shot classification by inference: whether "This text is about refunds." follows from the text.

It takes class names, no labelled text, and one forward pass for each pair of text and hypothesis.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import expit, logit, softmax

from fewshot.classifiers.entailment import CONTRASTS, EntailmentScorer, remembered_scores
from fewshot.classifiers.folder import ModelContent
from fewshot.classifiers.label_rules import LabelRule, near_the_best
from fewshot.classifiers.sequence_folders import open_sequence_model
from fewshot.classifiers.sequence_models import open_saved, save_whole
from fewshot.classifiers.zero_shot import ZeroShotClassifier, constant_labels, joined
from fewshot.core.artifacts import fingerprint
from fewshot.core.errors import InputError
from fewshot.data.labels import LabelSpace
from fewshot.data.texts import Label

DEFAULT_NLI_MODEL = "MoritzLaurer/deberta-v3-base-zeroshot-v2.0"
"""A model of inference on the Hub, trained for zero-shot classification (Laurer et al. 2023, arXiv:2312.17543)."""

CERTAIN = 1e6
"""Score of a label that every text has: beyond any model's."""

AGGREGATES: dict[str, Callable[..., np.ndarray]] = {"mean": np.mean, "max": np.max}


class ZeroShotNLIClassifier(ZeroShotClassifier):
    """A model of natural-language inference that is told class names.

    Parameters
    ----------
    model : str or Path, default="MoritzLaurer/deberta-v3-base-zeroshot-v2.0"
        A cross-encoder whose ``config.json`` names an output ``entailment``: a local folder, or a Hub id.
    classes : sequence of (str or int), optional
        Class names. Those of the labels and of ``label_words`` join them; none needs to be named where labels are
        given.
    multi_label : bool, optional
        Whether a text has any number of classes. Default: as the labels say, else exactly one.
    templates : "auto", None, str or sequence of str, default="auto"
        Hypotheses, each with one ``{}`` for the words of a class; ``"auto"`` is ``"This text is about {}."``, ``None``
        the bare words.
    label_words : mapping of label to str or to several, optional
        What a class is called in hypotheses, names or descriptions; default: its name, ``_`` and ``-`` as spaces.
    aggregate : {"mean", "max"}, default="mean"
        What becomes of the scores of a class with several hypotheses.
    contrast : {"none", "contradiction", "all"}, optional
        What the logit of entailment is weighed against: nothing, that of contradiction, or all others together.
        Default: ``"none"`` with one class a text, ``"contradiction"`` with several.
    decision : {"auto", "threshold", "per-label", "top-k"}, default="auto"
        How labels are told from others, multi-label only: by one threshold, one for each, or as the k most probable.
        It is chosen on labelled texts, where there are any; ``"auto"`` takes what is best on held-out ones of 5 and
        more. Without any, labels apply from a probability of 0.5 on.
    threshold : float, optional
        Probability from which labels apply.
    top_k : int, optional
        So many most probable labels apply.
    batch_size : int, optional
        Pairs a forward pass; halved, and kept so, when memory runs out. Default: as many as have 640 tokens on a CPU,
        65,536 elsewhere.
    max_length : int, optional
        Tokens of text and hypothesis that are read; the text is cut. Default: as many as the model can read, at most
        512.
    precision : {"auto", "float32", "bfloat16"}, default="auto"
        ``"auto"`` computes in bfloat16 where that is native and near enough, and asks again in float32 what might come
        out otherwise: see Notes.
    cache : bool, default=False
        Keep scores on disk (``$FEWSHOT_CACHE``), so that no text is asked about twice; texts are not stored.
    device : str, optional
        Where it runs; default: the fastest there is.

    Attributes
    ----------
    scorer_ : EntailmentScorer
        Model, tokenizer and hypotheses.

    Notes
    -----
    One class a text: softmax over the classes' scores. Several: each score's logistic, by itself; with the default
    contrast that is the softmax of entailment and contradiction. Both are as in transformers' zero-shot pipeline.

    In bfloat16 scores move a little. Those so near to the decision (the best other class, the threshold) that they
    might cross it are computed again in float32, where near means twice the largest error on a few probes; so labels
    are those of float32 but for chance.

    References
    ----------
    Yin, Hay, Roth 2019, "Benchmarking Zero-shot Text Classification: Datasets, Evaluation and Entailment Approach",
    arXiv:1909.00161.

    Examples
    --------
    >>> names = ["sports", "world_news"]
    >>> classifier = ZeroShotNLIClassifier("models/nli", classes=names).fit()  # doctest: +SKIP
    >>> classifier.predict(["The match ended 3:1."])  # doctest: +SKIP
    array(['sports'], dtype='<U10')
    """

    kind = "zero-shot-nli"

    def __init__(
        self,
        model: str | Path = DEFAULT_NLI_MODEL,
        *,
        classes: Sequence[Label] | None = None,
        multi_label: bool | None = None,
        templates: str | Sequence[str] | None = "auto",
        label_words: Mapping[Label, str | Sequence[str]] | None = None,
        aggregate: str = "mean",
        contrast: str | None = None,
        decision: str = "auto",
        threshold: float | None = None,
        top_k: int | None = None,
        batch_size: int | None = None,
        max_length: int | None = None,
        precision: str = "auto",
        cache: bool = False,
        device: str | None = None,
    ) -> None:
        self.model = model
        self.classes = classes
        self.multi_label = multi_label
        self.templates = templates
        self.label_words = label_words
        self.aggregate = aggregate
        self.contrast = contrast
        self.decision = decision
        self.threshold = threshold
        self.top_k = top_k
        self.batch_size = batch_size
        self.max_length = max_length
        self.precision = precision
        self.cache = cache
        self.device = device

    def check_params(self) -> None:
        """Raise :class:`~fewshot.core.errors.InputError` if a parameter is out of its range."""
        super().check_params()
        if self.aggregate not in AGGREGATES:
            raise InputError(f"aggregate must be one of {', '.join(AGGREGATES)}, got {self.aggregate!r}")
        if self.contrast is not None and self.contrast not in CONTRASTS:
            raise InputError(f"contrast must be None or one of {', '.join(CONTRASTS)}, got {self.contrast!r}")
        if self.multi_label:
            self._check_contrast()

    def _check_contrast(self) -> None:
        if self.contrast == "none":
            raise InputError(
                "contrast='none' gives no probability that a label applies by itself; take 'contradiction' or 'all'"
            )

    def _learn(
        self, texts: list[str], y: np.ndarray, space: LabelSpace, validation: tuple[list[str], np.ndarray] | None
    ) -> None:
        if space.multi_label:
            self._check_contrast()
        self.sentences_, self.sentence_classes_ = self._describe(space)
        self._take(*open_sequence_model(self.model), space, max_length=self.max_length, device=self.device)
        self.rule_, self.constant_ = LabelRule(0.5), np.zeros(len(space.classes), dtype=bool)
        self.report_ = {"notes": []}
        if space.multi_label:
            self.constant_ = constant_labels(y)
            judges, truth = joined(texts, y, validation)
            self._settle(truth, self._as_probabilities(self._class_scores(judges, "float32"), multi_label=True))

    def _take(
        self, model: Any, tokenizer: Any, space: LabelSpace, *, max_length: int | None, device: str | None
    ) -> None:
        default = "contradiction" if space.multi_label else "none"
        self.scorer_ = EntailmentScorer(
            model,
            tokenizer,
            self.sentences_,
            name=str(self.model),
            contrast=self.contrast or default,
            batch_size=self.batch_size,
            max_length=max_length,
            device=device,
            precision=self.precision,
        )

    def _class_scores(self, texts: list[str], precision: str | None = None) -> np.ndarray:
        """Return the score of each class, ``(n_texts, n_classes)``."""
        return self._by_class(remembered_scores(self.scorer_, texts, cache=self.cache, precision=precision))

    def _by_class(self, scores: np.ndarray) -> np.ndarray:
        """Return class scores for scores of hypotheses."""
        join, owners = AGGREGATES[self.aggregate], self.sentence_classes_
        columns = [join(scores[:, owners == number], axis=1) for number in range(owners.max() + 1)]
        return np.stack(columns, axis=1).astype(np.float64)

    def _as_probabilities(self, scores: np.ndarray, *, multi_label: bool) -> np.ndarray:
        return np.where(self.constant_, 1.0, expit(scores)) if multi_label else softmax(scores, axis=1)

    def _probabilities(self, texts: list[str]) -> np.ndarray:
        scores = self._class_scores(texts)
        if self.scorer_.precision != "float32":
            near = self._undecided(scores)
            rows = np.flatnonzero(near.any(axis=1))
            wanted = near[rows][:, self.sentence_classes_]
            again = self.scorer_.scores([texts[row] for row in rows], wanted, precision="float32")
            scores[rows] = np.where(near[rows], self._by_class(again), scores[rows])
        return self._as_probabilities(scores, multi_label=self.label_space_.multi_label)

    def _undecided(self, scores: np.ndarray) -> np.ndarray:
        """Return which scores are too near to a decision for the precision in use, ``(n_texts, n_classes)``."""
        error = self.scorer_.error
        if not self.label_space_.multi_label:
            return near_the_best(scores, 1, error)
        known = np.where(self.constant_, CERTAIN, scores)
        return self.rule_.undecided(known, logit(self.rule_.threshold), error) & ~self.constant_

    def _encoder_entry(self) -> dict[str, Any] | None:
        return {"name": str(self.model), "max_length": self.scorer_.max_length}

    def _save_encoder(self, folder: Path) -> None:
        save_whole(folder, self.scorer_.model, self.scorer_.tokenizer)

    def _plain_params(self) -> dict[str, Any]:
        return super()._plain_params() | {"model": str(self.model), "device": None, "cache": False}

    def _state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        arrays, settings = self._told()
        asked = fingerprint([self.scorer_.fingerprint, self.aggregate])  # what decides the scores and is not told above
        return arrays, settings | {"max_length": self.scorer_.max_length, "fingerprint": asked}

    def _restore(self, content: ModelContent, path: Path, **options: Any) -> None:
        self._take_back(content)
        space = LabelSpace(tuple(content.classes), content.multi_label)
        length = int(content.settings["max_length"])
        self._take(*open_saved(path), space, max_length=length, device=options.get("device"))
