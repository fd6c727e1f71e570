"""Model folders with sparse weights for shipping and keeping: smaller on disk, unpacked before they are opened."""

import shutil
from pathlib import Path

from safetensors import SafetensorError, safe_open

from fewshot.classifiers.folder import seal_weights_again
from fewshot.compression.sparse_storage import load_sparse, save_sparse, sparse_metadata
from fewshot.core.artifacts import atomic_directory, atomic_path
from fewshot.core.errors import InputError, ModelFormatError, SourceNotFoundError

DENSE, SPARSE = ".safetensors", ".sparse.safetensors"
_MARKER = "modules.json"


def pack_folder(folder: str | Path, out: str | Path, *, precision: str = "as is") -> None:
    """Write a model folder again with its weights stored sparse.

    Parameters
    ----------
    folder : str or Path
        A model directory, or any sentence-transformers folder.
    out : str or Path
        Where the packed one goes; a packed folder or an empty one there is replaced.
    precision : {"as is", "float16"}, default="as is"
        See :func:`~fewshot.compression.sparse_storage.save_sparse`.

    Raises
    ------
    SourceNotFoundError
        If there is no such folder.
    InputError
        If it is packed already, holds no weights, or weights in bfloat16.
    ModelFormatError
        If its weights cannot be read.
    """
    folder = _checked(folder)
    weights = [path for path in sorted(folder.rglob(f"*{DENSE}")) if path.is_file()]
    if not weights or any(path.name.endswith(SPARSE) for path in weights):
        raise InputError(f"folder {str(folder)!r} holds no {DENSE} weights to pack, or is packed already")
    with atomic_directory(out, marker=_MARKER) as temporary:
        shutil.copytree(folder, temporary, dirs_exist_ok=True, ignore=shutil.ignore_patterns(f"*{DENSE}"))
        for path in weights:
            target = temporary / path.relative_to(folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            _pack_file(path, target.with_name(target.name.removesuffix(DENSE) + SPARSE), precision)


def unpack_folder(folder: str | Path, out: str | Path) -> None:
    """Write a folder that :func:`pack_folder` made as plain libraries open it.

    Parameters
    ----------
    folder, out : str or Path
        As for :func:`pack_folder`.

    Raises
    ------
    SourceNotFoundError
        If there is no such folder.
    InputError
        If it holds no packed weights.
    ModelFormatError
        If they are damaged, or another file of a model directory is not as it was written.
    """
    from safetensors.numpy import save_file

    folder = _checked(folder)
    packed = sorted(folder.rglob(f"*{SPARSE}"))
    if not packed:
        raise InputError(f"folder {str(folder)!r} holds no packed weights (*{SPARSE})")
    with atomic_directory(out, marker=_MARKER) as temporary:
        shutil.copytree(folder, temporary, dirs_exist_ok=True, ignore=shutil.ignore_patterns(f"*{SPARSE}"))
        for path in packed:
            target = temporary / path.relative_to(folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            with atomic_path(target.with_name(target.name.removesuffix(SPARSE) + DENSE)) as part:
                save_file(load_sparse(path), part, metadata=sparse_metadata(path))
        seal_weights_again(temporary)


def _pack_file(path: Path, target: Path, precision: str) -> None:
    try:
        with safe_open(str(path), framework="numpy") as file:
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no mapping
            metadata = dict(file.metadata() or {})
    except TypeError as error:  # NumPy has no bfloat16
        raise InputError(f"the weights in {str(path)!r} cannot be packed: {error}; convert them to float32") from None
    except (SafetensorError, OSError) as error:
        raise ModelFormatError(f"the weights in {str(path)!r} cannot be read: {error}") from None
    save_sparse(arrays, target, precision=precision, metadata=metadata)


def _checked(folder: str | Path) -> Path:
    if not Path(folder).is_dir():
        raise SourceNotFoundError(f"no folder {str(folder)!r}")
    return Path(folder)
