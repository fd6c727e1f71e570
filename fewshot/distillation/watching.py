"""Looking at a student while it learns: a curve of held-out figures, and the end where these no longer rise."""

import contextlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState
from safetensors.torch import load_file, save_file
from sentence_transformers import SentenceTransformer

from fewshot.core.artifacts import atomic_path, read_json, write_json
from fewshot.core.errors import FewshotError, InputError
from fewshot.core.progress import remark

Look = Callable[[SentenceTransformer], Mapping[str, float | None]]

CURVE, BEST = "curve.json", "best.safetensors"


class StudentWatch:
    """Called now and then in a training: looks at the student, remembers, and says when to stop.

    Parameters
    ----------
    look : callable
        ``look(model)`` gives ``agreement`` and ``cosine_correlation``, each ``None`` where it is not known.
    patience : int, optional
        Stop after so many looks in a row without a higher agreement, and go back to the weights of the best look (of
        equal ones that of the higher correlation). Default: never.
    folder : Path, optional
        Where the memory is kept, so that a resumed training ends as one without a break. Default: nowhere.
    resume : bool, default=False
        Go on from what is in the folder; otherwise it is thrown away.

    Attributes
    ----------
    rows : list of dict
        ``step``, ``cosine_correlation`` and ``agreement`` of each look.
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

    def __call__(self, step: int, model: SentenceTransformer) -> bool:
        """Look at the model after ``step`` steps; return whether to stop."""
        figures = self.look(model)
        self.rows.append({"step": step, **figures})
        remark(held_out=_in_words(figures))
        best = self._best()
        if self.patience is None or best is None:
            self._write()
            return False
        if best == len(self.rows) - 1:
            self._keep(model)
        self._write()
        return len(self.rows) - 1 - best >= self.patience

    def restore(self, model: SentenceTransformer) -> int | None:
        """Put the weights of the best look back; return its step, or ``None`` where the last ones stay.

        They stay where no patience was asked for, or agreement was never known.
        """
        best = None if self.patience is None else self._best()
        if best is None:
            return None
        weights = self._weights if self.folder is None else load_file(str(self.folder / BEST))
        model.load_state_dict(weights or {})
        return int(self.rows[best]["step"])

    def _best(self) -> int | None:
        """Return the number of the best look."""
        known = [number for number, row in enumerate(self.rows) if row["agreement"] is not None]
        if not known:
            return None
        return max(known, key=lambda n: (self.rows[n]["agreement"], self.rows[n]["cosine_correlation"] or -1.0, -n))

    def _keep(self, model: SentenceTransformer) -> None:
        weights = {name: tensor.detach().cpu().clone() for name, tensor in model.state_dict().items()}
        if self.folder is None:
            self._weights = weights
        elif PartialState().is_main_process:
            with atomic_path(self.folder / BEST) as temporary:
                save_file(weights, str(temporary))

    def _write(self) -> None:
        if self.folder is not None and PartialState().is_main_process:
            write_json(self.folder / CURVE, self.rows)


def _in_words(figures: Mapping[str, float | None]) -> str:
    correlation, agreement = figures.get("cosine_correlation"), figures.get("agreement")
    parts = []
    if correlation is not None:
        parts.append(f"cosines {correlation:.3f}")
    if agreement is not None:
        parts.append(f"agreement {100 * agreement:.1f} %")
    return ", ".join(parts)
