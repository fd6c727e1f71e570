"""Whatever holds rows → one raw table: files, data frames, data sets, the Hub, lists of dicts.

A split is chosen here: by name where the source has splits, else by a column. pandas and datasets are imported only
where one of their objects comes in.
"""

import contextlib
import logging
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from fewshot.core.errors import InputError, SourceNotFoundError, did_you_mean
from fewshot.data.readers import check_file, check_max_rows, read_rows
from fewshot.data.tables import Table, is_null

HUB = "hub:"


def read_source(
    source: Any,
    *,
    split: str | None = None,
    split_column: str = "split",
    encoding: str = "utf-8",
    max_rows: int | None = None,
) -> Table:
    """Read the rows of any source that :func:`~fewshot.data.loading.load_texts` takes; see there.

    Examples
    --------
    >>> read_source([{"text": "a", "split": "train"}, {"text": "b", "split": "test"}], split="test").rows
    [{'text': 'b', 'split': 'test'}]
    """
    check_max_rows(max_rows)
    source, split, name = _resolve(source, split)
    if isinstance(source, Path):
        table = read_rows(source, encoding=encoding, max_rows=max_rows if split is None else None)
    else:
        if is_a(source, "datasets", "DatasetDict"):
            source, split = _pick_split(source, split, name), None
        table = _table_of(source, name)
    if not table.rows:
        raise InputError(f"{table.source} is empty: it holds no rows of data")
    if split is not None:
        table = table.select_split(split, column=split_column)
    return table.head(max_rows)


def check_named(source: Any) -> None:
    """Raise before long work if ``source`` is the name of a file that is not there.

    Examples
    --------
    >>> check_named("nowhere.csv:train")
    Traceback (most recent call last):
    ...
    fewshot.core.errors.SourceNotFoundError: no file 'nowhere.csv' in folder '.'.
    >>> check_named([{"text": "a"}])
    """
    if isinstance(source, str) and not source.startswith(HUB):
        source = _resolve(source, None)[0]
    if isinstance(source, Path):
        check_file(source)


def _resolve(source: Any, split: str | None) -> tuple[Any, str | None, str]:
    """Turn names into paths and Hub data sets; give the source, the split still to be chosen, and a name."""
    if isinstance(source, str) and source.startswith(HUB):
        name, suffix = _cut_suffix(source.removeprefix(HUB))
        loaded = _load_from_hub(name, _one_split(source, split, suffix))
        return loaded, None, HUB + name
    if isinstance(source, str):
        if Path(source).exists():
            return Path(source), split, source
        path, suffix = _cut_suffix(source)
        return Path(path), _one_split(source, split, suffix), path
    return source, split, type(source).__name__


def _cut_suffix(name: str) -> tuple[str, str | None]:
    match = re.fullmatch(r"(.{2,}):(\w[\w-]*)", name)
    return (match[1], match[2]) if match else (name, None)


def _one_split(source: str, split: str | None, suffix: str | None) -> str | None:
    if split is not None and suffix is not None and split != suffix:
        raise InputError(f"source {source!r} asks for the split {suffix!r}, split= for {split!r}; give one of them")
    return split if suffix is None else suffix


def _load_from_hub(name: str, split: str | None) -> Any:
    import datasets

    try:
        with _quiet_hub():
            return datasets.load_dataset(name, split=split)
    except datasets.exceptions.DatasetNotFoundError:
        reason = "the Hugging Face Hub has no public data set of that name"
    except Exception as error:
        # httpx, which the Hub is reached by, has its own tree of connection errors.
        if not isinstance(error, (ConnectionError, TimeoutError)) and not type(error).__module__.startswith("httpx"):
            raise InputError(f"data set {HUB + name!r} cannot be loaded: {' '.join(str(error).split())}") from None
        reason = "the Hugging Face Hub could not be reached"
    raise SourceNotFoundError(f"data set {HUB + name!r}: {reason}; check the name, or use a local file")


@contextlib.contextmanager
def _quiet_hub() -> Iterator[None]:
    """Silence the dozen lines of retries that precede the one error we give."""
    logger = logging.getLogger("huggingface_hub")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def _pick_split(splits: Mapping[str, Any], split: str | None, name: str) -> Any:
    there = ", ".join(map(repr, splits))
    if split is None and len(splits) == 1:
        return next(iter(splits.values()))
    if split is None:
        raise InputError(f"{name} has the splits {there}; choose one by split= or by a suffix such as ':train'")
    if split not in splits:
        raise InputError(f"{name} has no split {split!r}; splits there: {there}.{did_you_mean(split, splits)}")
    return splits[split]


def is_a(value: Any, module: str, name: str) -> bool:
    """Tell a type without importing its package: an instance exists only where the package is imported."""
    return module in sys.modules and isinstance(value, getattr(sys.modules[module], name))


def _table_of(source: Any, name: str) -> Table:
    if isinstance(source, Table):
        return source
    if is_a(source, "pandas", "DataFrame"):
        return _table_of_frame(source, name)
    if is_a(source, "datasets", "Dataset"):
        return _table_of_dataset(source, name)
    if isinstance(source, (list, tuple)):
        return Table.of_records(source, source=name)
    raise InputError(
        f"source must be a path, 'hub:NAME', a DataFrame, a Dataset, a DatasetDict, a list of dicts or TextData, "
        f"got {name}"
    )


def _table_of_frame(frame: Any, name: str) -> Table:
    columns = [str(column) for column in frame.columns]
    twice = [column for column in columns if columns.count(column) > 1]
    if twice:
        raise InputError(f"{name} has two columns {twice[0]!r}; rename one")
    cells = [frame.iloc[:, position].tolist() for position in range(len(columns))]
    return Table.of_columns(dict(zip(columns, cells, strict=True)), source=name)


def _table_of_dataset(dataset: Any, name: str) -> Table:
    columns = dataset.with_format(None)[:]
    named = {column: [_name_class(dataset.features[column], cell) for cell in columns[column]] for column in columns}
    return Table.of_columns(named, source=name)


def _name_class(feature: Any, cell: Any) -> Any:
    """Turn the number of a ``ClassLabel`` into its name; -1 is how data sets write *unlabeled*."""
    if isinstance(cell, list) and hasattr(feature, "feature"):
        return [_name_class(feature.feature, part) for part in cell]
    if not is_a(feature, "datasets", "ClassLabel") or is_null(cell):
        return cell
    return None if cell < 0 else feature.int2str(cell)
