"""Where a run of predictions reads and writes, and in which format."""

import dataclasses
from pathlib import Path

from fewshot.core.errors import InputError
from fewshot.data.formats import format_of, is_gzipped, written_format
from fewshot.data.readers import check_file


@dataclasses.dataclass(frozen=True)
class Place:
    """Where a run reads, and where it writes.

    Parameters
    ----------
    source, out : Path
    is_folder : bool
        Whether ``out`` is a folder of shards.
    suffix : str
        Of the files written, such as ``".csv.gz"``.
    """

    source: Path
    out: Path
    is_folder: bool
    suffix: str

    @classmethod
    def of(cls, source: str | Path, out: str | Path) -> "Place":
        """Find out what ``out`` means, and refuse what cannot be read or written before any work."""
        source, is_folder = Path(source), str(out).endswith("/") or Path(out).is_dir()
        out = Path(out)
        if out.resolve() == source.resolve():
            raise InputError(f"out must be another file than the input, got {str(out)!r} for both")
        named = source if is_folder else out
        if is_folder and format_of(source) == "lines":
            named = Path("lines.csv.gz" if is_gzipped(source) else "lines.csv")
        written_format(named)
        check_file(source)
        packed = ".gz" if named.name.lower().endswith(".gz") else ""
        return cls(source, out, is_folder, Path(named.name.lower().removesuffix(".gz")).suffix + packed)

    @property
    def named(self) -> str:
        """A name of the output's format."""
        return f"a{self.suffix}"

    @property
    def folder(self) -> Path:
        """The folder of the shards."""
        return self.out if self.is_folder else self.out.with_name(f"{self.out.name}.shards")

    def beside(self, name: str) -> Path:
        """Return where a file goes that comes with the output."""
        return self.out / name if self.is_folder else self.out.with_name(f"{self.out.name}.{name}")
