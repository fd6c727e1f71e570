"""The model directory: what every classifier writes and reads, whole or not at all, and never a pickle.

::

    fewshot.json          version, kind, classes, settings, metrics, provenance, sums of the other files; what makes
                          the folder ours
    head.safetensors      arrays of the head
    README.md             model card, without training text
    requirements.txt      packages that predicting needs, where torch is not among them
    modules.json, ...     a sentence-transformers folder, where there is a sentence encoder
"""

import dataclasses
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from fewshot.classifiers.sealing import WEIGHTS, check_sums, file_sums
from fewshot.core.artifacts import atomic_directory, check_replaceable, read_json, write_json, write_text
from fewshot.core.errors import ModelFormatError, SourceNotFoundError, did_you_mean
from fewshot.core.requirements import REQUIREMENTS, install_commands, requirements_text

MARKER = "fewshot.json"
HEAD = "head.safetensors"
FORMAT = 1
UNTRIED = "grid"
"""The one array that may hold NaN: scores by setting, of which some were not tried. Nothing is answered by it."""


@dataclasses.dataclass(frozen=True)
class ModelContent:
    """What is in a model directory besides the encoder.

    Parameters
    ----------
    kind : str
        Which classifier it is, such as ``"knn"``.
    params : dict
        Constructor arguments, all of them JSON values.
    classes : list of (str or int)
    multi_label : bool
    encoder : dict or None
        Name and dimension of the encoder, ``None`` where there is none.
    settings : dict
        Fitted numbers and words of the head.
    arrays : dict of str to ndarray
        Fitted arrays of the head.
    """

    kind: str
    params: dict[str, Any]
    classes: list[Any]
    multi_label: bool
    encoder: dict[str, Any] | None
    settings: dict[str, Any]
    arrays: dict[str, np.ndarray]


def write_model(
    path: str | Path,
    content: ModelContent,
    *,
    versions: dict[str, str],
    metrics: dict[str, Any] | None = None,
    provenance: dict[str, Any] | None = None,
    save_encoder: Callable[[Path], None] | None = None,
    packages: Sequence[str] = (),
) -> None:
    """Write a model directory; an earlier one in its place is replaced only when the new one is complete.

    ``packages`` are what it predicts by, where that is not all that ``fewshot`` needs: they are listed in a file.

    Raises
    ------
    InputError
        If ``path`` is a file or a folder that holds something else.
    """
    with atomic_directory(path, marker=MARKER) as folder:
        if save_encoder:
            save_encoder(folder)
        arrays = {name: np.ascontiguousarray(array) for name, array in content.arrays.items()}
        save_file(arrays, folder / HEAD)
        described = {key: value for key, value in dataclasses.asdict(content).items() if key != "arrays"}
        listing = {"format": FORMAT, "versions": versions, **described}
        listing |= {"metrics": metrics or {}, "provenance": provenance or {}, "files": file_sums(folder, MARKER)}
        write_json(folder / MARKER, listing)
        if packages:
            write_text(folder / REQUIREMENTS, requirements_text(packages))
        write_text(folder / "README.md", model_card(listing, alone=bool(packages)))


def seal_weights_again(folder: Path, *, without: Collection[str] = ()) -> None:
    """Write the sums of weights anew, where a model directory has sums: after weights were written anew.

    Parameters
    ----------
    folder : Path
    without : collection of str
        Files that will be removed next: a folder that still holds them is whole, too.

    Raises
    ------
    ModelFormatError
        If another file is not as it was written.
    """
    if not (folder / MARKER).is_file():
        return
    listing = read_listing(folder)
    sums = listing.get("files")
    if isinstance(sums, dict):
        rest = {name: wanted for name, wanted in sums.items() if not str(name).endswith(WEIGHTS)}
        check_sums(folder, rest, MARKER)
        found = file_sums(folder, MARKER)
        weights = {name: found[name] for name in found if name.endswith(WEIGHTS) and name not in without}
        write_json(folder / MARKER, listing | {"files": rest | weights})


def check_files(folder: Path, listing: dict[str, Any]) -> None:
    """Raise :class:`ModelFormatError` unless the files are as ``fewshot.json`` says; earlier versions said nothing."""
    check_sums(folder, listing.get("files", {}), MARKER)


def check_output(path: str | Path) -> None:
    """Raise before long work if a model directory could not be written at ``path``."""
    check_replaceable(path, marker=MARKER)


def read_listing(path: str | Path) -> dict[str, Any]:
    """Read ``fewshot.json`` of a model directory.

    Raises
    ------
    SourceNotFoundError
        If there is no such folder.
    ModelFormatError
        If it is not a model directory, or a later version's.
    """
    path = Path(path)
    if not path.is_dir():
        near = [item.name for item in path.parent.iterdir() if item.is_dir()] if path.parent.is_dir() else []
        raise SourceNotFoundError(f"no model folder {str(path)!r}.{did_you_mean(path.name, near)}")
    if not (path / MARKER).is_file():
        raise ModelFormatError(
            f"{str(path)!r} is not a model folder of fewshot: it has no {MARKER}; "
            "give a folder that `fewshot train` or `fewshot distill` wrote"
        )
    listing = read_json(path / MARKER)
    if not isinstance(listing, dict) or not isinstance(listing.get("format"), int):
        raise ModelFormatError(f"{str(path / MARKER)!r} is damaged: it names no format")
    if listing["format"] > FORMAT:
        raise ModelFormatError(
            f"{str(path)!r} has format {listing['format']}, this version reads up to {FORMAT}; update"
        )
    return listing


def read_content(path: str | Path) -> ModelContent:
    """Read a model directory, the encoder left out.

    Raises
    ------
    SourceNotFoundError, ModelFormatError
        As :func:`read_listing`; also where the head is missing or damaged, or a file not as it was written.
    """
    listing = read_listing(path)
    check_files(Path(path), listing)
    try:
        arrays = load_file(Path(path) / HEAD)
        content = ModelContent(
            kind=listing["kind"],
            params=dict(listing["params"]),
            classes=list(listing["classes"]),
            multi_label=bool(listing["multi_label"]),
            encoder=None if listing["encoder"] is None else dict(listing["encoder"]),
            settings=dict(listing["settings"]),
            arrays=arrays,
        )
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise ModelFormatError(f"the model in {str(path)!r} is damaged: {type(error).__name__}: {error}") from None
    fault = _fault_of(content)
    if fault:
        raise ModelFormatError(f"the model in {str(path)!r} is damaged: {fault}")
    return content


def _fault_of(content: ModelContent) -> str | None:
    """Return what no classifier writes, in words: it would be answered by, without a word."""
    classes = content.classes
    if {*map(type, classes)} not in ({str}, {int}) or len(set(classes)) < len(classes):
        return f"its classes must be distinct names, or distinct integers, got {classes!r}"
    numbers = {name: array for name, array in content.arrays.items() if array.dtype.kind == "f" and name != UNTRIED}
    odd = [name for name, array in numbers.items() if not np.isfinite(array).all()]
    return f"{HEAD} holds numbers that are not finite, in {', '.join(map(repr, odd))}" if odd else None


def model_card(listing: dict[str, Any], *, alone: bool = False) -> str:
    """Return the model card in Markdown: what it is, how it scored, how to use it. It holds no training text.

    With ``alone`` it says how to install what predicting needs and no more.
    """
    classes = ", ".join(f"`{name}`" for name in listing["classes"])
    task = "multi-label" if listing["multi_label"] else "single-label"
    encoder = listing["encoder"]["name"] if listing["encoder"] else "none"
    lines = [
        "---",
        "library_name: fewshot",
        "tags: [text-classification, few-shot]",
        "---",
        "",
        f"# {listing['kind']}",
        "",
        f"A {task} text classifier with {len(listing['classes'])} classes: {classes}.",
        "",
        f"- Encoder: {encoder}",
        *(f"- {name}: {value}" for name, value in listing["settings"].items() if isinstance(value, (int, float, str))),
        "",
        *_lengths(listing["encoder"] or {}),
        *_choice(listing["settings"].get("report")),
        *_export(listing["settings"].get("export")),
        *_section("Scores", {name: value for name, value in listing["metrics"].items() if name != "estimate"}),
        *_estimate(listing["metrics"].get("estimate")),
        *_section("Where it came from", listing["provenance"]),
        *_section("Versions", listing["versions"]),
        "## Use",
        "",
        "```python",
        "from fewshot import load_classifier",
        "",
        'classifier = load_classifier("path/to/this/folder")',
        'classifier.predict(["a text"])',
        "```",
        "",
        *(_installing() if alone else []),
    ]
    return "\n".join(lines)


def _installing() -> list[str]:
    """Say how to make an environment for this model alone."""
    words = (
        f"Predicting needs neither torch nor transformers, but what `{REQUIREMENTS}` lists. In this folder, and in a "
        "new environment:"
    )
    return [words, "", "```bash", *install_commands(), 'fewshot predict . "a text"', "```", ""]


def _lengths(encoder: dict[str, Any]) -> list[str]:
    """Say what becomes of long texts, where the encoder reads only so many tokens at once."""
    if not encoder.get("max_length"):
        return []
    chunked = encoder.get("long_texts") == "chunk"
    rest = f"cut into up to {encoder.get('max_chunks')} chunks, whose vectors are averaged" if chunked else "cut off"
    return [f"The encoder reads {encoder['max_length']} tokens at once; longer texts are {rest}.", ""]


def _choice(report: Any) -> list[str]:
    """Say how a classifier came to be what it is, in the words of its report."""
    if not isinstance(report, dict) or not report:
        return []
    score = report.get("held_out_score")
    known = {
        "kept": report.get("chosen"),
        "training steps": report.get("steps"),
        "judged by": report.get("judged_by"),
    }
    if isinstance(score, float):
        known["held-out labels right"] = f"{100 * score:.1f} %"
    lines = [f"- {name}: {value}" for name, value in known.items() if value is not None]
    return ["## How it was chosen", "", *lines, *(f"- {note}" for note in report.get("notes", [])), ""]


def _export(report: Any) -> list[str]:
    """Say what an exported classifier was made of, and how it was held against it."""
    if not isinstance(report, dict) or not report:
        return []
    share, difference = f"{100 * report['agreement']:.1f} %", f"{report['largest_difference']:.2g}"
    lines = [
        f"- made of: {report['kind']}, encoder {report['encoder']}",
        f"- weights: {report['precision']}",
        f"- the same labels on {share} of {report['n_texts']} texts; probabilities differ by up to {difference}",
        *(f"- {note}" for note in report["notes"]),
    ]
    words = "One ONNX graph: it predicts by ONNX Runtime, tokenizers and NumPy, without torch and transformers."
    return ["## Exported", "", words, "", *lines, ""]


def _estimate(estimate: Any) -> list[str]:
    """Say what a score was estimated to be, where no text was spent on a test."""
    if not isinstance(estimate, dict):
        return []
    value, low, high, interval = (f"{100 * estimate[name]:.3g} %" for name in ("value", "low", "high", "interval"))
    lines = [
        f"- {estimate['metric'].replace('_', ' ')}: {value}, between {low} and {high} with {interval} certainty",
        f"- made by: {estimate['made_by']}",
        *(f"- {note}" for note in estimate["notes"]),
    ]
    words = "No test texts were used: this is what the labelled texts say of new texts like them."
    return ["## Estimated score", "", words, "", *lines, ""]


def _section(title: str, values: dict[str, Any]) -> list[str]:
    if not values:
        return []
    return [f"## {title}", "", *(f"- {name}: {value}" for name, value in values.items()), ""]
