"""Describe a table of texts: how many, which classes, how long. Drawing is left to ``evaluation``."""

import dataclasses
import itertools
from collections import Counter

import numpy as np

from fewshot.data.texts import Label, TextData

_BAR = 30
_CLASSES_SHOWN = 30


@dataclasses.dataclass(frozen=True)
class Description:
    """Counts that a data set is judged by before training. ``str`` of it is a readable table.

    Parameters
    ----------
    n_texts, n_labeled, n_unlabeled, n_classes : int
    multi_label : bool
    class_counts : dict of label to int
        Texts of each class, most frequent first.
    labels_per_text : dict of int to int
        Number of labels → labelled texts that have so many.
    words_per_text : dict of str to float
        ``min``, ``p25``, ``median``, ``p75``, ``p95``, ``max`` and ``mean``; empty without texts.
    histogram : (tuple of int, tuple of int)
        Edges and counts of words per text: bin ``i`` holds ``edges[i] <= words < edges[i + 1]``; edges double.
    """

    n_texts: int
    n_labeled: int
    n_unlabeled: int
    n_classes: int
    multi_label: bool
    class_counts: dict[Label, int]
    labels_per_text: dict[int, int]
    words_per_text: dict[str, float]
    histogram: tuple[tuple[int, ...], tuple[int, ...]]

    def __str__(self) -> str:
        return "\n".join([*self._totals(), *self._classes(), *self._lengths()])

    def _totals(self) -> list[str]:
        kind = "multi-label" if self.multi_label else "single-label"
        lines = [
            f"texts      {self.n_texts:>9,}",
            f"labeled    {self.n_labeled:>9,}",
            f"unlabeled  {self.n_unlabeled:>9,}",
            f"classes    {self.n_classes:>9,}  ({kind})",
        ]
        if self.multi_label:
            shares = ", ".join(f"{n}: {count:,}" for n, count in self.labels_per_text.items())
            lines.append(f"labels per text → texts  {shares}")
        return lines

    def _classes(self) -> list[str]:
        shown = list(self.class_counts.items())[:_CLASSES_SHOWN]
        left = self.n_classes - len(shown)
        title = ["", "texts of each class"] if shown else []
        more = [f"… and {left} more classes, down to {min(self.class_counts.values())}"] if left else []
        return [*title, *_bars([(str(label), count) for label, count in shown]), *more]

    def _lengths(self) -> list[str]:
        if not self.words_per_text:
            return []
        figures = "  ".join(f"{name} {value:,.1f}".removesuffix(".0") for name, value in self.words_per_text.items())
        edges, counts = self.histogram
        names = [f"{low}-{high - 1}" if high - low > 1 else str(low) for low, high in itertools.pairwise(edges)]
        return ["", f"words per text: {figures}", *_bars(list(zip(names, counts, strict=True)))]


def describe(data: TextData) -> Description:
    """Count texts, classes and words.

    Parameters
    ----------
    data : TextData

    Returns
    -------
    Description

    Examples
    --------
    >>> data = TextData(["very good", "bad", "hm"], ["pos", "neg", None], multi_label=False, rows=[0, 1, 2])
    >>> description = describe(data)
    >>> description.n_labeled, description.class_counts, description.words_per_text["max"]
    (2, {'neg': 1, 'pos': 1}, 2.0)
    >>> print(description)
    texts              3
    labeled            2
    unlabeled          1
    classes            2  (single-label)
    <BLANKLINE>
    texts of each class
      neg  1  ██████████████████████████████
      pos  1  ██████████████████████████████
    <BLANKLINE>
    words per text: min 1  p25 1  median 1  p75 1.5  p95 1.9  max 2  mean 1.3
      1    2  ██████████████████████████████
      2-3  1  ███████████████
    """
    given = [label for label in data.labels if label is not None]
    groups = given if data.multi_label else [(label,) for label in given]
    counts = Counter(label for group in groups for label in group)
    words = np.array([len(text.split()) for text in data.texts], dtype=np.int64)
    return Description(
        n_texts=len(data),
        n_labeled=len(given),
        n_unlabeled=len(data) - len(given),
        n_classes=len(counts),
        multi_label=data.multi_label,
        class_counts=dict(sorted(counts.items(), key=lambda item: (-item[1], str(item[0])))),
        labels_per_text=dict(sorted(Counter(map(len, groups)).items())),
        words_per_text=_figures(words),
        histogram=_histogram(words),
    )


def _figures(words: np.ndarray) -> dict[str, float]:
    if not len(words):
        return {}
    names = ["min", "p25", "median", "p75", "p95", "max"]
    quantiles = np.percentile(words, [0, 25, 50, 75, 95, 100])
    return {**dict(zip(names, map(float, quantiles), strict=True)), "mean": float(words.mean())}


def _histogram(words: np.ndarray) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Count in bins that double, so that tweets and issue bodies both show their shape."""
    if not len(words):
        return (), ()
    edges = [0, 1]
    while edges[-1] <= words.max():
        edges.append(2 * edges[-1])
    counts = np.histogram(words, bins=edges)[0].tolist()  # the last edge is above every text
    first = next(i for i, count in enumerate(counts) if count)
    return tuple(edges[first:]), tuple(counts[first:])


def _bars(rows: list[tuple[str, int]]) -> list[str]:
    width = max((len(name) for name, _ in rows), default=0)
    digits = max((len(f"{count:,}") for _, count in rows), default=0)
    most = max((count for _, count in rows), default=0) or 1
    bars = ["█" * round(_BAR * count / most) for _, count in rows]
    return [
        f"  {name:<{width}}  {count:>{digits},}  {bar}".rstrip() for (name, count), bar in zip(rows, bars, strict=True)
    ]
