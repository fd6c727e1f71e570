"""Files that appear whole or not at all, and fingerprints of what is in them.

Everything is written beside its destination and renamed into place, so that a crash, a full disk or Ctrl-C leaves
the previous file, never half of the next. What the files *mean* is left to the rooms above.
"""

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
import zlib
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from fewshot.core.errors import InputError, ModelFormatError, SourceNotFoundError

MAX_JSON_BYTES = 256 * 2**20
GZIP_PIECE = 2**20


@contextlib.contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Give a temporary path beside ``path``; on success it is renamed to ``path``, on failure removed.

    Parameters
    ----------
    path : str or Path
        Where the file shall appear. Its folder is made if need be.

    Yields
    ------
    Path
        The temporary file to write.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> target = pathlib.Path(tempfile.mkdtemp()) / "a.txt"
    >>> with atomic_path(target) as temporary:
    ...     _ = temporary.write_text("whole")
    >>> target.read_text()
    'whole'
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    os.close(descriptor)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o666 & ~_umask())
        with temporary.open("rb") as handle:
            os.fsync(handle.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_directory(path: str | Path, *, marker: str) -> Iterator[Path]:
    """Give a temporary folder beside ``path``; on success it takes the place of ``path``, on failure it is removed.

    Parameters
    ----------
    path : str or Path
        Where the folder shall appear.
    marker : str
        A file name by which an existing ``path`` is known as one of ours. A folder that holds files but not this
        one is never replaced.

    Yields
    ------
    Path
        The temporary folder to fill.

    Raises
    ------
    InputError
        If ``path`` is a file, or a folder that holds something else.
    """
    path = Path(path).absolute()
    check_replaceable(path, marker=marker)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part"))
    temporary.chmod(0o777 & ~_umask())
    try:
        yield temporary
        _swap_in(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def check_replaceable(path: str | Path, *, marker: str) -> None:
    """Raise unless ``path`` is free, an empty folder, or a folder that holds the file ``marker``.

    Call it before long work whose result shall go there.
    """
    path = Path(path)
    if path.is_file():
        raise InputError(f"output folder {str(path)!r} is a file; choose another folder")
    if path.is_dir() and any(path.iterdir()) and not (path / marker).is_file():
        raise InputError(
            f"output folder {str(path)!r} holds files but no {marker}, so it is not replaced; "
            "choose another folder or empty this one"
        )


def _swap_in(temporary: Path, path: Path) -> None:
    if not path.exists():
        os.replace(temporary, path)
        return
    retired = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.", suffix=".old"))
    os.replace(path, retired / "was")
    try:
        os.replace(temporary, path)
    except OSError:
        os.replace(retired / "was", path)
        raise
    finally:
        shutil.rmtree(retired, ignore_errors=True)


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current


def write_text(path: str | Path, text: str) -> None:
    r"""Write ``text`` as UTF-8 with ``\\n`` line ends, whole or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(text.encode("utf-8"))


def write_json(path: str | Path, value: Any, *, ascii_only: bool = False) -> None:
    """Write ``value`` as indented JSON, whole or not at all. NumPy scalars and arrays become numbers and lists.

    With ``ascii_only`` half a surrogate pair survives too, which UTF-8 cannot hold and a label from a broken file can.
    """
    write_text(path, json.dumps(value, indent=2, ensure_ascii=ascii_only, default=_plain) + "\n")


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")


def read_json(path: str | Path, *, max_bytes: int = MAX_JSON_BYTES) -> Any:
    """Read a JSON file of bounded size.

    Raises
    ------
    SourceNotFoundError
        If the file is not there.
    ModelFormatError
        If it is larger than ``max_bytes`` or not JSON.
    """
    path = Path(path)
    if not path.is_file():
        raise SourceNotFoundError(f"no file {str(path)!r}")
    if path.stat().st_size > max_bytes:
        raise ModelFormatError(f"{str(path)!r} has {path.stat().st_size} bytes; at most {max_bytes} are read")
    try:
        return json.loads(path.read_bytes())
    except ValueError as error:
        raise ModelFormatError(f"{str(path)!r} is not valid JSON: {error}") from None


def sha256_file(path: str | Path) -> str:
    """Return the SHA-256 of a file's bytes as 64 hexadecimal digits."""
    with Path(path).open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def folder_fingerprint(path: str | Path, *, leave_out: Collection[str] = ()) -> str:
    """Return 32 hexadecimal digits that change with the name or the bytes of any file below ``path``.

    Parameters
    ----------
    path : str or Path
        A folder.
    leave_out : collection of str
        Names of files that do not count.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> write_text(folder / "a.txt", "one")
    >>> before = folder_fingerprint(folder)
    >>> write_text(folder / "a.txt", "two")
    >>> before == folder_fingerprint(folder), before == folder_fingerprint(folder, leave_out=["a.txt"])
    (False, False)
    """
    files = sorted(file for file in Path(path).rglob("*") if file.is_file() and file.name not in leave_out)
    return fingerprint(part for file in files for part in (file.relative_to(path).as_posix(), sha256_file(file)))


def fingerprint(parts: Iterable[str]) -> str:
    """Return 32 hexadecimal digits that change when any of ``parts``, their order or their number changes.

    Examples
    --------
    >>> fingerprint(["ab", "c"]) == fingerprint(["a", "bc"])
    False
    """
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        data = part.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(8, "little"))
        digest.update(data)
    return digest.hexdigest()


def folder_bytes(path: str | Path) -> int:
    """Return the bytes of all files below ``path``, or of the file itself."""
    path = Path(path)
    if path.is_file():
        return path.stat().st_size
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


def gzipped_bytes(path: str | Path) -> int:
    """Return the bytes of all files below ``path``, or of the file itself, after gzip has packed them.

    The files are read in the order of their names as one stream, a piece at a time; nothing is written. Their dates and
    names do not count, so that equal contents have equal sizes.
    """
    path = Path(path)
    files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
    packer = zlib.compressobj(level=6, wbits=zlib.MAX_WBITS | 16)  # 16: with the head and foot of a gzip file
    size = 0
    for file in files:
        with file.open("rb") as handle:
            while piece := handle.read(GZIP_PIECE):
                size += len(packer.compress(piece))
    return size + len(packer.flush())
