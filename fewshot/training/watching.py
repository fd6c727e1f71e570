"""Looking at a model while it learns: a curve of held-out figures, the end where these get no better, the best weights.

What is looked at, which look is the better one and how it is told are left to subclasses.
"""

import contextlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState
from safetensors.torch import load_file, save_file
from torch import nn

from fewshot.core.artifacts import atomic_path, read_json, write_json
from fewshot.core.errors import FewshotError, InputError
from fewshot.core.progress import remark

Look = Callable[[Any], Mapping[str, float | None]]

CURVE, BEST = "curve.json", "best.safetensors"


class BestWatch:
    """Called now and then in a training: looks at the model, remembers, and says when to stop.

    Parameters
    ----------
    look : callable
        ``look(model)`` gives figures, each ``None`` where it is not known.
    patience : int, optional
        Stop after so many looks in a row without a better one, and go back to the weights of the best. Default: never.
    folder : Path, optional
        Where the memory is kept, so that a resumed training ends as one without a break. Default: nowhere.
    resume : bool, default=False
        Go on from what is in the folder; otherwise it is thrown away.

    Attributes
    ----------
    rows : list of dict
        ``step`` and the figures of each look.
    """

    def __init__(
        self, look: Look, *, patience: int | None = None, folder: Path | None = None, resume: bool = False
    ) -> None:
        if patience is not None and patience < 1:
            raise InputError(f"patience must be at least 1 look, got {patience}; leave it out to train to the end")
        self.look, self.patience, self.folder = look, patience, folder
        self.rows: list[dict[str, Any]] = []
        self._weights: dict[str, torch.Tensor] | None = None
        if folder is not None and not resume and PartialState().is_main_process:
            for name in (CURVE, BEST):
                (folder / name).unlink(missing_ok=True)

    def rank(self, row: Mapping[str, Any]) -> tuple[float, ...] | None:
        """Return what orders looks, the best one highest; ``None`` where it is not known."""
        raise NotImplementedError

    def in_words(self, figures: Mapping[str, float | None]) -> str:
        """Return the figures as they stand beside the progress bar."""
        raise NotImplementedError

    def begin(self, step: int) -> None:
        """Take up the looks of the training that goes on after ``step`` steps.

        Later looks, and all if it starts at 0, are of a training that was broken off without a checkpoint of them:
        perhaps of another one.
        """
        self.rows = []
        if self.folder is None:
            return
        with contextlib.suppress(FewshotError, OSError, TypeError, KeyError):  # there was none
            self.rows = [dict(row) for row in read_json(self.folder / CURVE) if row["step"] <= step]

    def __call__(self, step: int, model: nn.Module) -> bool:
        """Look at the model after ``step`` steps; return whether to stop."""
        if self._is_over():  # killed between the last look and the end
            return True
        figures = self.look(model)
        self.rows.append({"step": step, **figures})
        remark(held_out=self.in_words(figures))
        if self.patience is not None and self._best() == len(self.rows) - 1:
            self._keep(model)
        self._write()
        return self._is_over()

    @property
    def stopped_at(self) -> int | None:
        """The step after which patience was at its end; ``None`` where it never was."""
        return int(self.rows[-1]["step"]) if self._is_over() else None

    def restore(self, model: nn.Module) -> int | None:
        """Put the weights of the best look back; return its step, or ``None`` where the last ones stay.

        They stay where no patience was asked for, or what orders looks was never known.
        """
        best = None if self.patience is None else self._best()
        if best is None:
            return None
        weights = self._weights if self.folder is None else load_file(str(self.folder / BEST))
        model.load_state_dict(weights or {})
        return int(self.rows[best]["step"])

    def _is_over(self) -> bool:
        best = self._best()
        return self.patience is not None and best is not None and len(self.rows) - 1 - best >= self.patience

    def _best(self) -> int | None:
        """Return the number of the best look, of equal ones the first."""
        ranks = {number: self.rank(row) for number, row in enumerate(self.rows)}
        known = {number: rank for number, rank in ranks.items() if rank is not None}
        return max(known, key=lambda number: (known[number], -number)) if known else None

    def _keep(self, model: nn.Module) -> None:
        weights = {name: tensor.detach().cpu().clone() for name, tensor in model.state_dict().items()}
        if self.folder is None:
            self._weights = weights
        elif PartialState().is_main_process:
            with atomic_path(self.folder / BEST) as temporary:
                save_file(weights, str(temporary))

    def _write(self) -> None:
        if self.folder is not None and PartialState().is_main_process:
            write_json(self.folder / CURVE, self.rows)
