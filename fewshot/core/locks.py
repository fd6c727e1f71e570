"""Locks on open files: they end with the process that holds them, however it ends."""

from typing import IO


def take_lock(handle: IO[bytes], *, otherwise: bool = True, shared: bool = False) -> bool:
    """Take the lock of an open file, if nobody else has it; closing the file, or the end of the process, gives it back.

    Parameters
    ----------
    handle : file
        Open for writing.
    otherwise : bool, default=True
        The answer where there are no locks: on Windows, and on some network file systems.
    shared : bool, default=False
        Whether others may hold the lock at the same time, if they share it, too.

    Returns
    -------
    bool
        Whether it is ours now.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryFile() as handle:
    ...     take_lock(handle)
    True
    """
    try:
        import fcntl
    except ImportError:
        return otherwise
    try:
        fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return otherwise
    return True
