"""What became of the rows of a pool: counts, a sentence, and what the user should look at."""

import dataclasses
from typing import Any


@dataclasses.dataclass(frozen=True)
class PoolReport:
    """What became of the rows of a pool; each row counts once.

    Parameters
    ----------
    source : str
        Where they came from.
    n_rows : int
        Rows read: the sum of all that follow.
    broken : int
        Rows that could not be read.
    empty : int
        Rows without text.
    excluded : int
        Copies of texts that the caller excluded, such as the test set.
    duplicates : int
        Copies of rows before them.
    not_drawn : int
        Good rows beyond ``max_rows``, left out at random.
    kept : int
        Texts in the pool.
    broken_examples : tuple of str
        The first 20 broken rows, with line or row number and reason.

    Examples
    --------
    >>> report = PoolReport("file 'a.csv'", n_rows=5, broken=0, empty=1, excluded=0, duplicates=2, not_drawn=0, kept=2)
    >>> report.summary()
    "2 of 5 rows of file 'a.csv' kept; left out: 1 empty, 2 duplicate."
    """

    source: str
    n_rows: int
    broken: int
    empty: int
    excluded: int
    duplicates: int
    not_drawn: int
    kept: int
    broken_examples: tuple[str, ...] = ()

    def summary(self) -> str:
        """Return the report as one sentence."""
        counts = {
            "broken": self.broken,
            "empty": self.empty,
            "excluded": self.excluded,
            "duplicate": self.duplicates,
            "not drawn": self.not_drawn,
        }
        left_out = ", ".join(f"{count:,} {reason}" for reason, count in counts.items() if count)
        kept = f"{self.kept:,} of {self.n_rows:,} rows of {self.source} kept"
        return f"{kept}; left out: {left_out}." if left_out else f"{kept}."

    def as_facts(self) -> dict[str, Any]:
        """Return the counts and the source as JSON values, for a model card or a last line of JSON."""
        return {**dataclasses.asdict(self), "broken_examples": list(self.broken_examples)}

    def warnings(self) -> list[str]:
        """Return a sentence for each thing that the user should look at."""
        lines = []
        if self.excluded:
            lines.append(
                f"{self.excluded:,} of {self.n_rows:,} rows of the pool ({self.source}) are copies of excluded texts, "
                "such as test or gold texts, and were left out"
            )
        if self.broken:
            lines.append(
                f"{self.broken:,} of {self.n_rows:,} rows of the pool ({self.source}) could not be read and were left "
                f"out; the first: {self.broken_examples[0]}"
            )
        return lines
