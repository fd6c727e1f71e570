"""Looking at a classifier while it trains: what it says of held-out texts, and the end where it gets no better."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import PartialState
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file
from safetensors.torch import load_file as load_weights
from safetensors.torch import save_file as save_weights
from scipy.special import expit, log_expit, log_softmax, softmax
from sklearn.metrics import f1_score

from fewshot.classifiers.selection import right
from fewshot.core.artifacts import atomic_path
from fewshot.core.progress import remark

_LOOK, _BEST = "look-", "best.safetensors"


class Looks:
    """What a model in training says of held-out texts, look by look.

    Parameters
    ----------
    logits_of : callable
        ``logits_of(model)`` gives logits ``(n, n_classes)`` of the held-out texts.
    y : ndarray of shape (n,) or (n, n_classes)
        Their classes.
    patience : int, optional
        Stop after so many looks in a row without a better one, and keep the weights of the best. Default: never, and
        keep none.
    folder : Path, optional
        Where the memory is kept, so that a resumed training ends as one without a break. Default: nowhere.
    resume : bool, default=False
        Go on from what is in the folder.

    Attributes
    ----------
    logits : dict of int to ndarray of shape (n, n_classes)
        By step.

    References
    ----------
    Prechelt 1998, "Early Stopping — But When?", in "Neural Networks: Tricks of the Trade".
    """

    def __init__(
        self,
        logits_of: Callable[[Any], np.ndarray],
        y: np.ndarray,
        *,
        patience: int | None = None,
        folder: Path | None = None,
        resume: bool = False,
    ) -> None:
        self.logits_of, self.y, self.patience, self.folder = logits_of, y, patience, folder
        self.logits: dict[int, np.ndarray] = {}
        self._weights: dict[str, torch.Tensor] = {}
        if folder is not None and resume:
            self.logits = _recalled(folder)

    def __call__(self, step: int, model: Any) -> bool:
        """Look at the model after ``step`` steps; return whether to stop."""
        # later ones are of a training that was broken off after a checkpoint
        self.logits = {at: logits for at, logits in sorted(self.logits.items()) if at < step}
        self.logits[step] = self.logits_of(model)
        remark(held_out=f"held-out F1 {100 * self.score(step)[0]:.1f} %")
        if self.folder is not None and PartialState().is_main_process:
            with atomic_path(self.folder / f"{_LOOK}{step:08d}.safetensors") as temporary:
                save_file({"logits": np.ascontiguousarray(self.logits[step])}, temporary)
        if self.patience is None:
            return False
        if self.best == step:
            self._keep(model)
        return sum(at > self.best for at in self.logits) >= self.patience

    def score(self, step: int) -> tuple[float, float]:
        """Return the F1 of the answers at a look, and among equals what decides: the mean log-likelihood.

        F1 is the mean over the classes that the held-out texts have, so that rare ones count as much as frequent ones;
        in multi-label tasks the mean over texts, at the best threshold.
        """
        logits = self.logits[step]
        if self.y.ndim == 1:
            f1 = f1_score(self.y, logits.argmax(axis=1), labels=np.unique(self.y), average="macro", zero_division=0)
        else:
            f1 = right(self.y, probabilities_of(logits, multi_label=True)).mean()
        return float(f1), float(log_likelihood(logits, self.y).mean())

    @property
    def best(self) -> int:
        """The step of the best look, of equal ones the earliest."""
        return max(self.logits, key=lambda step: (*self.score(step), -step))

    def restore(self, model: Any) -> None:
        """Put the weights of the best look back."""
        weights = self._weights if self.folder is None else load_weights(str(self.folder / _BEST))
        model.load_state_dict(weights)

    def _keep(self, model: Any) -> None:
        weights = {name: tensor.detach().cpu().clone() for name, tensor in model.state_dict().items()}
        if self.folder is None:
            self._weights = weights
        elif PartialState().is_main_process:
            with atomic_path(self.folder / _BEST) as temporary:
                save_weights(weights, str(temporary))


def probabilities_of(logits: np.ndarray, *, multi_label: bool) -> np.ndarray:
    """Return the probabilities ``(..., n_classes)`` that logits stand for, in float64.

    Examples
    --------
    >>> probabilities_of(np.zeros((1, 4)), multi_label=False)
    array([[0.25, 0.25, 0.25, 0.25]])
    """
    logits = logits.astype(np.float64)
    return expit(logits) if multi_label else softmax(logits, axis=-1)


def log_likelihood(logits: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the log-probability of each row's truth ``(n,)``; in multi-label tasks the mean over its labels.

    Examples
    --------
    >>> log_likelihood(np.zeros((1, 2)), np.array([1])).round(3)
    array([-0.693])
    """
    logits = logits.astype(np.float64)
    if y.ndim == 2:
        return np.where(y == 1, log_expit(logits), log_expit(-logits)).mean(axis=1)
    return log_softmax(logits, axis=1)[np.arange(len(y)), y]


def _recalled(folder: Path) -> dict[int, np.ndarray]:
    found = {}
    for path in sorted(folder.glob(f"{_LOOK}*.safetensors")):
        try:
            found[int(path.stem.removeprefix(_LOOK))] = load_file(path)["logits"]
        except (OSError, SafetensorError, KeyError, ValueError):  # the training comes by there again
            continue
    return found
