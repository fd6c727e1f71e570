"""Which texts a model was made with: remembered beside it, and asked before anything is reported of it.

A score on texts that a model learnt from, or that its settings were chosen on, says nothing of new texts. Folders of
models hold no texts; ``used_texts.json`` tells whether some text was among them, in a few kilobytes.
"""

import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from fewshot.classifiers.folder import MARKER
from fewshot.core.artifacts import read_json, write_json
from fewshot.core.errors import DataWarning, FewshotError
from fewshot.data.text_sketch import TextSketch
from fewshot.data.texts import TextData
from fewshot.encoders.resolve import POOLED
from fewshot.evaluation.checks.findings import Used
from fewshot.recipes.methods import find_method
from fewshot.recipes.sources import Reading, content_hash

USED = "used_texts.json"
LEARNT, CHOSEN = "learnt from", "had settings chosen on"
USES = {"learnt": LEARNT, "chosen": CHOSEN, "pool": "learnt without labels from"}
_LARGEST = 2**20


def remember_used(folder: str | Path, made_from: Iterable[Any] = (), **texts: Iterable[str] | None) -> None:
    """Write beside a model which texts it was made with.

    Parameters
    ----------
    folder : str or Path
        Of the model.
    made_from : iterable
        Its teachers, its encoder, what it is an update of: what their folders tell is true of it, too.
    **texts : iterable of str, optional
        By what was done with them: ``learnt``, ``chosen`` (settings were chosen on them), ``pool``.
    """
    sketches = {use: TextSketch.of(some) for use, some in texts.items() if some is not None}
    for source in _folders(made_from):
        for use, sketch in _sketches(source).items():
            sketches[use] = sketches[use] | sketch if use in sketches else sketch
    write_json(Path(folder) / USED, {"version": 1, "texts": {use: one.to_json() for use, one in sketches.items()}})


def warn_if_shared(judged: TextData, validation: TextData) -> None:
    """Warn where texts that settings are chosen on are among those that are reported on."""
    told = Used(f"{validation.source} (validation)", "holds", TextSketch.of(validation.texts)).told(judged.texts)
    if told is not None:
        warnings.warn(f"{told}: scores on them are flattered; report on others", DataWarning, stacklevel=3)


def used_by(folder: str | Path, name: str) -> list[Used]:
    """Return what a model's folder tells of the texts it was made with; nothing where it does not tell.

    Parameters
    ----------
    folder : str or Path
    name : str
        What to call the model.
    """
    return [Used(name, USES[use], sketch) for use, sketch in _sketches(folder).items()]


def _sketches(folder: str | Path) -> dict[str, TextSketch]:
    """Return what the folder tells, by use; a damaged file tells nothing."""
    try:
        kept = read_json(Path(folder) / USED, max_bytes=_LARGEST)["texts"]
        return {use: TextSketch.from_json(kept[use]) for use in USES if use in kept}
    except (FewshotError, OSError, KeyError, TypeError):
        return {}


def texts_used_before(
    validation: Any, names: Iterable[Any], judged: TextData, judged_whole: str, reading: Reading
) -> list[Used]:
    """Return what is known of texts that were used before a comparison.

    Parameters
    ----------
    validation : source or None
        Texts that settings were chosen on, named by the user.
    names : iterable
        Encoders and methods; folders among them, and in their arguments, are asked.
    judged : TextData
        The texts that are reported on.
    judged_whole : str
        Hash of the labelled texts that these are, or are a part of.
    reading : Reading
    """
    used = []
    if validation is not None:
        data = reading.load_clean(validation)[0]
        used.append(Used(f"{data.source} (validation)", "holds", TextSketch.of(data.texts)))
    for folder in dict.fromkeys(_folders(names)):
        told = used_by(folder, str(folder))
        if not told and _data_hash(folder) in (judged_whole, content_hash(judged)):
            # Of an older folder no more is known than whether it was the very same file: then it was all of it.
            told = [Used(str(folder), LEARNT, TextSketch.of(judged.texts))]
        used += told
    return used


def _folders(names: Iterable[Any]) -> list[Path]:
    """Return the folders that encoders and methods name."""
    texts = [str(name) for name in names if isinstance(name, (str, Path))]
    paths = [Path(part) for name in texts for part in (name.removeprefix(POOLED), _argument(name)) if part]
    return [path for path in paths if path.is_dir()]


def _argument(name: str) -> str:
    try:
        return find_method(name)[1]
    except FewshotError:  # an encoder's name
        return ""


def _data_hash(folder: Path) -> Any:
    """Return the hash of the labelled texts that the folder of a classifier was trained on, if it has one."""
    try:
        return read_json(folder / MARKER)["provenance"].get("data hash")
    except (FewshotError, OSError, KeyError, TypeError, AttributeError):
        return None
