"""Leave out the rows that would teach nothing or lie: empty, doubled, contradictory or endless texts.

Texts are changed only at their ends and where characters cannot be printed; words are left alone.
"""

import dataclasses
import unicodedata
from collections import defaultdict
from typing import Any

from fewshot.core.errors import InputError
from fewshot.data.texts import TextData

EMPTY, DUPLICATE, CONFLICTING, OVER_LONG = "empty", "duplicate", "conflicting labels", "over-long"


@dataclasses.dataclass(frozen=True)
class CleaningReport:
    """What cleaning left out, and why.

    Parameters
    ----------
    n_before, n_after : int
        Rows that came and rows that stayed.
    empty, duplicates, conflicting, over_long : int
        Rows left out for each reason; each row counts once.
    whitespace_fixed : int
        Texts of which white space at the ends or unprintable characters were removed.
    rejected : list of (int, str)
        Source rows left out, with the reason.

    Examples
    --------
    >>> print(CleaningReport(3, 2, duplicates=1).summary())
    2 of 3 texts kept; left out: 1 duplicate.
    """

    n_before: int
    n_after: int
    empty: int = 0
    duplicates: int = 0
    conflicting: int = 0
    over_long: int = 0
    whitespace_fixed: int = 0
    rejected: list[tuple[int, str]] = dataclasses.field(default_factory=list)

    def summary(self) -> str:
        """Return the report as one paragraph."""
        counts = {
            "empty": self.empty,
            "duplicate": self.duplicates,
            "with conflicting labels": self.conflicting,
            "over-long": self.over_long,
        }
        left_out = ", ".join(f"{count} {reason}" for reason, count in counts.items() if count)
        fixed = f" White space or unprintable characters were removed from {self.whitespace_fixed}."
        return (f"{self.n_after} of {self.n_before} texts kept" + (f"; left out: {left_out}." if left_out else ".")) + (
            fixed if self.whitespace_fixed else ""
        )


def clean_texts(
    data: TextData, *, max_words: int | None = 10_000, drop_duplicates: bool = True, on_conflict: str = "drop"
) -> tuple[TextData, CleaningReport]:
    """Leave out empty, over-long, doubled and contradictory texts.

    Two texts are copies if they differ only by case and white space. Of copies the first is kept, or the first that
    has a label. Copies with different labels contradict each other.

    Parameters
    ----------
    data : TextData
        It is not altered.
    max_words : int, optional
        Texts with more words than this (10,000 by default) are left out; ``None`` keeps them.
    drop_duplicates : bool, default True
        Whether to leave out copies that do not contradict each other.
    on_conflict : {"drop", "keep-first", "raise"}, default "drop"
        Of contradictory copies keep none, or the first label and what agrees with it, or raise.

    Returns
    -------
    TextData
        What is left, in order; what was left out is added to ``rejected``.
    CleaningReport

    Raises
    ------
    InputError
        If a setting is not one of the above, or copies contradict each other and ``on_conflict="raise"``.

    Examples
    --------
    >>> data = TextData([" good ", "Good", ""], ["pos", "pos", None], multi_label=False, rows=[0, 1, 2])
    >>> kept, report = clean_texts(data)
    >>> kept.texts, report.rejected
    (['good'], [(1, 'duplicate'), (2, 'empty')])
    """
    _check_settings(max_words, on_conflict)
    texts = [strip_text(text) for text in data.texts]
    reasons = {i: reason for i, text in enumerate(texts) if (reason := _unusable(text, max_words))}
    for copies in _copies(texts, reasons):
        reasons.update(_judge(data, copies, drop_duplicates, on_conflict))
    rejected = [(data.rows[i], reason) for i, reason in sorted(reasons.items())]
    kept = dataclasses.replace(data, texts=texts).select(i for i in range(len(data)) if i not in reasons)
    kept = dataclasses.replace(kept, rejected=sorted([*data.rejected, *rejected]))
    return kept, _report(data, texts, rejected)


def strip_text(text: str) -> str:
    r"""Return ``text`` without white space at its ends and without unprintable characters.

    Removed are NUL and the other control characters, save tabs and line ends, and lone surrogates, which no tokenizer
    takes.

    Examples
    --------
    >>> strip_text(" a\x00b\tc\n")
    'ab\tc'
    """
    if not text.isprintable():
        text = "".join(c for c in text if c in "\t\n\r" or unicodedata.category(c) not in ("Cc", "Cs"))
    return text.strip()


def _check_settings(max_words: Any, on_conflict: str) -> None:
    if max_words is not None and (isinstance(max_words, bool) or not isinstance(max_words, int) or max_words < 1):
        raise InputError(f"max_words must be a positive integer or None, got {max_words!r}")
    if on_conflict not in ("drop", "keep-first", "raise"):
        raise InputError(f"on_conflict must be 'drop', 'keep-first' or 'raise', got {on_conflict!r}")


def _unusable(text: str, max_words: int | None) -> str | None:
    if not text:
        return EMPTY
    return OVER_LONG if max_words is not None and len(text.split()) > max_words else None


def _copies(texts: list[str], left_out: dict[int, str]) -> list[list[int]]:
    groups: dict[str, list[int]] = defaultdict(list)
    for i, text in enumerate(texts):
        if i not in left_out:
            groups[" ".join(text.casefold().split())].append(i)
    return [group for group in groups.values() if len(group) > 1]


def _judge(data: TextData, copies: list[int], drop_duplicates: bool, on_conflict: str) -> dict[int, str]:
    """Return the copies to leave out, each with the reason."""
    labels = {i: _comparable(data.labels[i]) for i in copies}
    labeled = [i for i in copies if labels[i] is not None]
    first = labeled[0] if labeled else copies[0]
    rivals = [i for i in labeled if labels[i] != labels[first]]
    if rivals and on_conflict == "raise":
        raise InputError(
            f"{data.source}: the same text has the label {data.labels[first]!r} in row {data.rows[first]} and "
            f"{data.labels[rivals[0]]!r} in row {data.rows[rivals[0]]}; correct one, or choose another on_conflict"
        )
    if rivals and on_conflict == "drop":
        return dict.fromkeys(copies, CONFLICTING)
    duplicates = [i for i in copies if i != first and i not in rivals] if drop_duplicates else []
    return {**dict.fromkeys(duplicates, DUPLICATE), **dict.fromkeys(rivals, CONFLICTING)}


def _comparable(label: Any) -> Any:
    return frozenset(label) if isinstance(label, tuple) else label


def _report(data: TextData, texts: list[str], rejected: list[tuple[int, str]]) -> CleaningReport:
    reasons = [reason for _, reason in rejected]
    return CleaningReport(
        n_before=len(data),
        n_after=len(data) - len(rejected),
        empty=reasons.count(EMPTY),
        duplicates=reasons.count(DUPLICATE),
        conflicting=reasons.count(CONFLICTING),
        over_long=reasons.count(OVER_LONG),
        whitespace_fixed=sum(old != new for old, new in zip(data.texts, texts, strict=True)),
        rejected=rejected,
    )
