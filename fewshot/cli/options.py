"""Flags that several verbs share, spelled and explained once."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from fewshot.recipes.sources import Reading

AtLeastOne = Annotated[
    bool, typer.Option("--at-least-one", help="With several labels: the most probable one where none applies.")
]
Text = Annotated[list[str] | None, typer.Option("--text", help="Column of the text; repeat to join several.")]
Label = Annotated[str | None, typer.Option("--label", help="Column of the label [default: label, else labels].")]
MultiLabel = Annotated[
    bool | None,
    typer.Option(
        "--multi-label/--single-label",
        help="Any number of labels a text, or exactly one [default: by the column's name and its cells].",
    ),
]
LabelSeparator = Annotated[str, typer.Option("--label-separator", help="Between several labels in one cell.")]
EmptyLabels = Annotated[
    str | None,
    typer.Option("--empty-labels", help="What an empty list of labels means: 'unlabeled' or 'none' (none applies)."),
]
LabelMap = Annotated[str | None, typer.Option("--label-map", help="JSON file: raw label name → class name.")]
Encoding = Annotated[str, typer.Option("--encoding", help="Encoding of text files.")]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Decides everything that is random.")]
Device = Annotated[str | None, typer.Option("--device", help="cpu, cuda or mps [default: the fastest there is].")]
Json = Annotated[bool, typer.Option("--json", help="End with one line of JSON for scripts.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Show no progress bar.")]
Config = Annotated[str | None, typer.Option("--config", help="TOML file with settings; flags win over it.")]


def reading(
    text: list[str] | None,
    label: str | None,
    label_separator: str,
    empty_labels: str | None,
    label_map: str | None,
    encoding: str,
    multi_label: bool | None = None,
) -> Reading:
    """Collect the flags that say how to read files."""
    return Reading(
        text=tuple(text or ("text",)),
        label=label,
        label_separator=label_separator,
        empty_labels=empty_labels,
        label_map=label_map,
        encoding=encoding,
        multi_label=multi_label,
    )


def check_named(*sources: str | None, models: Iterable[str] = ()) -> None:
    """Raise if a file or folder that is named is not there: before libraries are loaded, which takes seconds.

    Of models only names are looked at that can be nothing but a folder here.
    """
    from fewshot.classifiers.folder import read_listing
    from fewshot.classifiers.hub import names_hub_model
    from fewshot.data.sources import check_named as check_source

    for source in sources:
        if source is not None:
            check_source(source)
    for model in models:
        if not (":" in model or "=" in model or names_hub_model(model) or Path(model).exists()):
            read_listing(model)


def finish(line: str, facts: dict[str, Any], *, as_json: bool) -> None:
    """Print the closing line: what was made, where, and what to do next; or the facts as one line of JSON."""
    if as_json:
        print(json.dumps(facts, ensure_ascii=False, default=str))
    else:
        print(line)


def names(flag: str, given: str | None) -> tuple[str, ...] | None:
    """Parse ``refund,login`` into names."""
    if given is None:
        return None
    parts = tuple(part.strip() for part in given.split(","))
    if not all(parts):
        raise typer.BadParameter(f"must be names with commas between, got {given!r}", param_hint=flag)
    return parts


def numbers(name: str, given: str | None) -> tuple[int, ...] | None:
    """Parse ``8,16`` into numbers."""
    if given is None:
        return None
    try:
        return tuple(int(part) for part in given.split(",") if part.strip())
    except ValueError:
        raise typer.BadParameter(f"must be whole numbers with commas between, got {given!r}", param_hint=name) from None
