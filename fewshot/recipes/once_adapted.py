"""The encoder that a comparison adapts to its pool: made when the first cell asks for it, and once for all of them."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Protocol

from fewshot.core.artifacts import fingerprint
from fewshot.core.errors import SourceNotFoundError
from fewshot.core.versions import library_versions
from fewshot.encoders.base import Encoder
from fewshot.encoders.resolve import load_encoder


class AdaptedEncoder(Protocol):
    """Called, gives an encoder that is kept in a folder.

    Attributes
    ----------
    folder : Path
    """

    @property
    def folder(self) -> Path:
        """Where it is kept."""

    def __call__(self) -> Encoder:
        """Return the encoder."""


class OnceAdapted:
    """Called, gives the adapted encoder.

    Parameters
    ----------
    pool : sequence of str
    encoder : Encoder
    parent : Path
        It is kept in a folder below, and found there by the next run.
    device : str or None
    random_state : int
    """

    def __init__(
        self, pool: Sequence[str], encoder: Encoder, parent: Path, device: str | None, random_state: int
    ) -> None:
        self.pool = pool
        self.encoder = encoder
        self.parent = parent
        self.device = device
        self.random_state = random_state

    @cached_property
    def folder(self) -> Path:
        """Where it is kept: one folder a pool, encoder, seed and version of this package."""
        decides = [self.encoder.fingerprint, str(self.random_state), library_versions()["fewshot"]]
        return self.parent / fingerprint([*self.pool, *decides])

    def __call__(self) -> Encoder:
        """Return the encoder. An adaptation that failed is tried again."""
        return self._made

    @cached_property
    def _made(self) -> Encoder:
        from fewshot.recipes.adapted import adapt_to

        return adapt_to(self.pool, self.encoder, self.folder, device=self.device, random_state=self.random_state)


class FoundAdapted:
    """Called, gives the encoder that another process adapted.

    Parameters
    ----------
    folder : Path
    device : str or None
    """

    def __init__(self, folder: Path, device: str | None) -> None:
        self.folder = folder
        self.device = device

    def __call__(self) -> Encoder:
        """Return the encoder.

        Raises
        ------
        SourceNotFoundError
            If the folder is on another machine.
        """
        return self._opened

    @cached_property
    def _opened(self) -> Encoder:
        if not self.folder.is_dir():
            raise SourceNotFoundError(
                f"the adapted encoder is not at {str(self.folder)!r} on the machine of this worker; choose an --out "
                "that all machines of the cluster see"
            )
        return load_encoder(self.folder, device=self.device)
