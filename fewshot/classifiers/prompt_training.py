"""How a prompt classifier is trained on labelled texts: for how long, how hard, and on which loss.

Whether what it made is kept is left to :mod:`fewshot.classifiers.prompt`.
"""

import dataclasses
from pathlib import Path

import numpy as np

from fewshot.classifiers.prompt_scorer import PromptScorer
from fewshot.core.errors import InputError
from fewshot.encoders.sentence import PRECISIONS
from fewshot.training.cloze import ClozeLoss, train_cloze
from fewshot.training.schedule import Schedule
from fewshot.training.seeding import check_random_state


@dataclasses.dataclass(frozen=True)
class PromptTraining:
    """Settings of a prompt-based training.

    Parameters
    ----------
    steps : int or None
        Optimizer steps; ``None``: from the number of texts.
    batch_size, accumulation : int
        Texts a batch, batches a step.
    learning_rate, temperature, mlm_weight : float
    precision : {"auto", "float32", "bfloat16"}
    random_state : int

    Raises
    ------
    InputError
        If a number is out of range.
    """

    steps: int | None
    batch_size: int
    accumulation: int
    learning_rate: float
    temperature: float
    mlm_weight: float
    precision: str
    random_state: int

    def __post_init__(self) -> None:
        check_random_state(self.random_state)
        self.schedule(2)
        if self.accumulation < 1:
            raise InputError(f"accumulation must be at least 1, got {self.accumulation}")
        if not self.temperature > 0:
            raise InputError(f"temperature must be above 0, got {self.temperature}")
        if not self.mlm_weight >= 0:
            raise InputError(f"mlm_weight must be 0 or more, got {self.mlm_weight}")
        if self.precision not in PRECISIONS:
            raise InputError(f"precision must be one of {', '.join(PRECISIONS)}, got {self.precision!r}")

    def schedule(self, n_texts: int) -> Schedule:
        """Return how long to train on ``n_texts``."""
        steps = self.steps
        if steps is None:
            steps = default_steps(n_texts, max(1, self.batch_size * self.accumulation))
        return Schedule(steps, self.batch_size, self.learning_rate, in_pairs=False)

    def train(
        self, scorer: PromptScorer, texts: list[str], y: np.ndarray, *, checkpoints: Path | None, resume: bool
    ) -> list[float]:
        """Train the model of a scorer in place; return the loss of each step.

        Parameters
        ----------
        scorer : PromptScorer
            With its baseline, which stays as it is.
        texts : list of str
        y : ndarray of shape (n,) or (n, n_classes)
        checkpoints : Path or None
            Folder for checkpoints.
        resume : bool
            Go on from the newest whole checkpoint there.
        """
        loss = ClozeLoss(
            scorer.filler,
            scorer.scores,
            y,
            temperature=self.temperature,
            mlm_weight=self.mlm_weight,
            hide_with=scorer.tokenizer.mask_token_id,
        )
        return train_cloze(
            loss,
            [scorer.writer.write(text) for text in texts],
            scorer.writer.features,
            self.schedule(len(texts)),
            accumulation=self.accumulation,
            device=scorer.device,
            precision=self.precision,
            random_state=self.random_state,
            checkpoints=checkpoints,
            resume=resume,
        )


def default_steps(n_texts: int, batch_size: int) -> int:
    """Return how many steps to train for: each text 20 times, within 60 and 250 steps.

    Examples
    --------
    >>> default_steps(8, 16), default_steps(100, 16), default_steps(500, 16)
    (60, 125, 250)
    """
    return min(250, max(60, round(20 * n_texts / batch_size)))
