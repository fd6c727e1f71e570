"""SetFit teacher: contrastive training of the encoder on the labelled texts, then a linear head.

Each text is encoded once a step and all pairs of a batch train together, instead of lists of pairs that grow with n²
(Tunstall et al. 2022, "Efficient Few-Shot Learning Without Prompts", arXiv:2209.11055).
"""

from typing import Any

import numpy as np

from fewshot.classifiers.linear_probe import LinearProbeClassifier
from fewshot.core.errors import InputError
from fewshot.data.labels import LabelSpace
from fewshot.encoders.resolve import DEFAULT_TEACHER, unwrapped

BATCH_SIZE = 64


class SetFitClassifier(LinearProbeClassifier):
    """An encoder trained so that texts of one class lie together, and a logistic regression on it.

    Parameters
    ----------
    encoder : str, Path, Encoder or SentenceTransformer
        Default: the Hub's ``sentence-transformers/paraphrase-mpnet-base-v2``; ``"bundled"`` needs no network.
        The sentence encoder to start from; it is copied, not changed.
    steps : int, optional
        Optimizer steps of contrastive training. Default: from the number of texts, see Notes. 0 trains no encoder,
        which makes a linear probe.
    batch_size : int, default=64
        Texts a step; all pairs among them train.
    learning_rate : float, default=1e-4
        Peak learning rate of the encoder.
    device : str, optional
        Where to train and predict; default: the fastest there is.
    random_state : int, default=0
        Decides batches, dropout and cross-validation folds.

    Attributes
    ----------
    encoder_ : SentenceEncoder
        The trained encoder.
    head_ : LinearHead
    losses_ : list of float
        Contrastive loss of each step.

    Notes
    -----
    The default number of steps is 10 where all texts fit into one batch, and grows with the number of batches, to 60 at
    most: each text then takes part in about 10 steps.

    Examples
    --------
    >>> SetFitClassifier(encoder="bundled", steps=20).get_params()["steps"]
    20
    """

    kind = "setfit"

    def __init__(
        self,
        encoder: Any = DEFAULT_TEACHER,
        *,
        steps: int | None = None,
        batch_size: int = BATCH_SIZE,
        learning_rate: float = 1e-4,
        device: str | None = None,
        random_state: int = 0,
    ) -> None:
        super().__init__(encoder, device=device, random_state=random_state)
        self.steps = steps
        self.batch_size = batch_size
        self.learning_rate = learning_rate

    def _learn(
        self, texts: list[str], y: np.ndarray, space: LabelSpace, validation: tuple[list[str], np.ndarray] | None
    ) -> None:
        from fewshot.encoders.sentence import SentenceEncoder
        from fewshot.training.losses import LabelSimilarity
        from fewshot.training.samplers import ClassBatches
        from fewshot.training.trainer import Schedule, train_pairwise

        base = unwrapped(self._open_encoder())
        if not isinstance(base, SentenceEncoder):
            raise InputError(f"encoder {base.name!r} cannot be trained; SetFit needs a sentence-transformers model")
        steps = default_steps(len(texts), self.batch_size) if self.steps is None else self.steps
        schedule = Schedule(steps, self.batch_size, self.learning_rate)
        model = base.trainable_copy()
        self.losses_ = train_pairwise(
            model,
            texts,
            LabelSimilarity(y),
            ClassBatches(y, batch_size=self.batch_size, steps=steps, random_state=self.random_state),
            schedule,
            description="training the teacher",
            device=base.device,
            random_state=self.random_state,
        )
        self.encoder_ = SentenceEncoder(
            model, name=base.name, device=base.device, precision=base.precision, batch_size=base.batch_size
        )
        self.head_ = self._fit_head(texts, y, space)


def default_steps(n_texts: int, batch_size: int) -> int:
    """Return how many contrastive steps to train for.

    Examples
    --------
    >>> default_steps(64, 64), default_steps(208, 64), default_steps(5000, 64)
    (10, 32, 60)
    """
    return min(60, max(10, round(10 * n_texts / max(1, batch_size))))
