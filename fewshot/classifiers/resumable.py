"""What classifiers share whose training can be interrupted: a folder of finished stages, bound to what decides them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fewshot.core.artifacts import fingerprint
from fewshot.core.errors import InputError

if TYPE_CHECKING:
    from fewshot.classifiers.stages import Stages


class Resumable:
    """Adds to a classifier that its ``fit`` may go on from where another one of the same data and settings stopped."""

    resumable = True

    @contextmanager
    def _resuming(self, checkpoints: str | Path | None, resume: bool) -> Iterator[None]:
        """Let :meth:`_stages_of` know of the folder while a fit lasts.

        Raises
        ------
        InputError
            If there is nothing to go on with.
        """
        if resume and checkpoints is None:
            raise InputError("resume=True needs checkpoints, the folder of the interrupted training to go on with")
        self._progress = (None if checkpoints is None else Path(checkpoints), resume)
        try:
            yield
        finally:
            del self._progress

    def _stages_of(
        self,
        texts: Sequence[str],
        y: np.ndarray,
        validation: tuple[list[str], np.ndarray] | None,
        *,
        params: dict[str, Any],
        known_by: Sequence[str],
    ) -> "Stages":
        """Return the stages of this fit; nobody else's are gone on with.

        Parameters
        ----------
        texts : sequence of str
        y : ndarray
        validation : (texts, y), optional
        params : dict
            Settings. Those whose ``repr`` is another in each process are left out and stand in ``known_by``.
        known_by : sequence of str
            What else decides the outcome.
        """
        from fewshot.classifiers.stages import Stages

        folder, resume = self._progress
        if folder is None:
            return Stages(None, "", resume=False)
        judged = [] if validation is None else [*validation[0], repr(validation[1].tolist())]
        parts = [*texts, repr(y.tolist()), *judged, repr(sorted(params.items())), *known_by]
        return Stages(folder, fingerprint(parts), resume=resume)
