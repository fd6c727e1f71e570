"""How many threads compute: of torch, of the libraries that multiply matrices, of the tokenizers."""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator

from threadpoolctl import threadpool_limits

_TOKENIZERS = "TOKENIZERS_PARALLELISM"


@contextlib.contextmanager
def adjustable_threads() -> Iterator[Callable[[int], None]]:
    """Give a function that sets the number of threads; afterwards all is as it was.

    torch and the libraries beneath NumPy take any number. Tokenizers know two only: one thread, or as many as they
    began with, which is one a core unless ``RAYON_NUM_THREADS`` says otherwise.

    Yields
    ------
    callable
        From a number of threads to nothing.

    Examples
    --------
    >>> with adjustable_threads() as set_threads:
    ...     set_threads(1)
    """
    torch, tokenizers = sys.modules.get("torch"), os.environ.get(_TOKENIZERS)
    before = torch.get_num_threads() if torch else None
    with contextlib.ExitStack() as limits:

        def set_threads(n: int) -> None:
            limits.close()
            limits.enter_context(threadpool_limits(n))
            if torch:
                torch.set_num_threads(n)
            os.environ[_TOKENIZERS] = "false" if n == 1 else "true"

        try:
            yield set_threads
        finally:
            limits.close()
            if torch:
                torch.set_num_threads(before)
            os.environ.pop(_TOKENIZERS, None)
            if tokenizers is not None:
                os.environ[_TOKENIZERS] = tokenizers
