"""How every journey takes its texts: loaded from anything, cleaned, described, and apart from the test set."""

import dataclasses
import warnings
from pathlib import Path
from typing import Any

from fewshot.core.artifacts import fingerprint
from fewshot.core.errors import DataWarning, FewshotError, InputError
from fewshot.data.cleaning import CleaningReport, clean_texts
from fewshot.data.loading import load_texts
from fewshot.data.pool import Pool, open_pool
from fewshot.data.texts import TextData

OFTEN_EMPTY = 0.5
"""Share of empty lists of labels from which on they are likely to mean *unlabelled*, as GitHub writes them."""


@dataclasses.dataclass(frozen=True)
class Reading:
    """How to read the files of one run.

    Parameters
    ----------
    text : tuple of str, default ("text",)
        Columns of the text.
    label : str, optional
        Column of the label.
    label_separator : str, default "|"
    empty_labels : {"unlabeled", "none"}, optional
    label_map : str, optional
        JSON file, raw name → class name.
    multi_label : bool, optional
    split_column : str, default "split"
    encoding : str, default "utf-8"
        See :func:`fewshot.load_texts` for all of them.
    """

    text: tuple[str, ...] = ("text",)
    label: str | None = None
    label_separator: str = "|"
    empty_labels: str | None = None
    label_map: str | None = None
    multi_label: bool | None = None
    split_column: str = "split"
    encoding: str = "utf-8"

    def flags(self) -> list[str]:
        """Return the flags of the command line that say the same, where it is not understood.

        The column of splits has no flag.

        Examples
        --------
        >>> Reading(text=("title", "body"), multi_label=False, encoding="latin-1").flags()
        ['--text', 'title', '--text', 'body', '--single-label', '--encoding', 'latin-1']
        """
        words: list[str] = []
        for name in ("text", "label", "multi_label", "label_separator", "empty_labels", "label_map", "encoding"):
            value = getattr(self, name)
            if value == getattr(Reading, name):
                continue
            if name == "multi_label":
                words.append("--multi-label" if value else "--single-label")
                continue
            for one in value if isinstance(value, (list, tuple)) else [value]:
                words += ["--" + name.replace("_", "-"), str(one)]
        return words

    def load(self, source: Any) -> TextData:
        """Load ``source`` without cleaning; warns of rows that could not be read."""
        options = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        data = load_texts(source, **options | {"text": self.text[0] if len(self.text) == 1 else self.text})
        if data is not source:  # else whoever loaded it was told
            _warn_of_broken_rows(data)
        return data

    def load_pool(self, source: Any) -> tuple[TextData, CleaningReport]:
        """Load unlabelled texts into memory and clean them; labels in it are not looked at, whatever they are."""
        blind = dataclasses.replace(self, label=None, label_map=None, multi_label=True, label_separator="")
        data = blind.load(source)
        return clean_texts(dataclasses.replace(data, labels=[None] * len(data), multi_label=False))

    def open_pool(self, source: Any, **options: Any) -> Pool:
        """Open ``source`` as a pool of unlabelled texts; ``options`` go to :func:`fewshot.open_pool`.

        Streamed from the file, save where the text is joined of several columns: issues as GitHub's API gives them are
        such a case, and are known without settings.
        """
        if len(self.text) > 1:
            source = self.load(source)
        try:
            return open_pool(source, column=self.text[0], encoding=self.encoding, **options)
        except InputError:
            issues = self._load_issues(source)
            if issues is None:
                raise
        return open_pool(issues, **options)

    def _load_issues(self, source: Any) -> TextData | None:
        """Return a file without a column of the default name, if it can be loaded all the same."""
        if self.text != Reading.text or not isinstance(source, (str, Path)):
            return None
        try:
            return self.load(source)
        except FewshotError:
            return None

    def load_clean(self, source: Any) -> tuple[TextData, CleaningReport]:
        """Load ``source`` and clean it; warns where empty lists of labels may mean that nobody labelled yet."""
        data = self.load(source)
        if self.empty_labels is None and data.multi_label:
            _warn_of_empty_lists(data)
        return clean_texts(data)


def _warn_of_broken_rows(data: TextData) -> None:
    broken = [(row, reason) for row, reason in data.rejected if reason != "pull request"]
    if broken:
        row, reason = broken[0]
        warnings.warn(
            f"{len(broken):,} of {len(data) + len(data.rejected):,} rows of {data.source} could not be read and were "
            f"left out (row {row}, counted from 0: {reason}); in CSV a text with a comma needs quotes around it",
            DataWarning,
            stacklevel=3,
        )


def _warn_of_empty_lists(data: TextData) -> None:
    n_empty, n_labeled = sum(label == () for label in data.labels), len(data.labeled)
    if n_empty > OFTEN_EMPTY * n_labeled:
        warnings.warn(
            f"{n_empty:,} of {n_labeled:,} texts in {data.source} have an empty list of labels, which means that none "
            "applies; if they are not labelled yet, say --empty-labels unlabeled (empty_labels='unlabeled')",
            DataWarning,
            stacklevel=3,
        )


def require_labels(data: TextData) -> TextData:
    """Return the labelled rows, or raise if there are none."""
    labeled = data.labeled
    if not len(labeled):
        raise InputError(
            f"{data.source} holds no labelled row; name the label column (--label), or give a file that has labels"
        )
    return labeled


def without_texts_of(data: TextData, other: TextData, *, role: str) -> TextData:
    """Leave out the texts that ``other`` holds too, with a warning that counts them."""
    known = {_key(text) for text in other.texts}
    kept = [i for i, text in enumerate(data.texts) if _key(text) not in known]
    left_out = len(data) - len(kept)
    if left_out:
        warnings.warn(
            f"{left_out} of {len(data)} {role} texts are also in {other.source} and were left out",
            DataWarning,
            stacklevel=2,
        )
    return data.select(kept) if left_out else data


def content_hash(data: TextData) -> str:
    """Return a hash of the texts and labels, in order."""
    return fingerprint([*data.texts, *map(repr, data.labels)])


def _key(text: str) -> str:
    return " ".join(text.casefold().split())
