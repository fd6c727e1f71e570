"""``fewshot train``: labelled texts to a teacher's folder."""

from typing import Annotated, Any

import typer

from fewshot.cli import options
from fewshot.core.progress import show_progress


def train(
    labeled: Annotated[str, typer.Argument(help="File with labelled texts; FILE:SPLIT for one split of it.")],
    method: Annotated[str | None, typer.Option(help="What to train [default: setfit].")] = None,
    encoder: Annotated[
        str | None, typer.Option(help="Encoder: bundled, a Hub id or a folder [default: paraphrase-mpnet-base-v2].")
    ] = None,
    out: Annotated[str, typer.Option(help="Folder of the model.")] = "runs/teacher",
    config: options.Config = None,
    text: options.Text = None,
    label: options.Label = None,
    label_separator: options.LabelSeparator = "|",
    empty_labels: options.EmptyLabels = None,
    label_map: options.LabelMap = None,
    encoding: options.Encoding = "utf-8",
    seed: Annotated[int | None, typer.Option(min=0, help="Decides everything that is random [default: 0].")] = None,
    device: options.Device = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Train a classifier on labelled texts.

    Example: fewshot train data/support_tickets.csv:train --encoder bundled --out runs/teacher
    """
    from fewshot.core.config import read_settings
    from fewshot.recipes.teaching import TrainSettings, train_classifier

    flags: dict[str, Any] = {"method": method, "encoder": encoder, "device": device, "seed": seed}
    settings = read_settings(TrainSettings, config, flags)
    how = options.reading(text, label, label_separator, empty_labels, label_map, encoding)
    with show_progress(enabled=False if quiet else None):
        made = train_classifier(labeled, out=out, settings=settings, reading=how)
    facts = made.facts
    typer.echo(facts["cleaning"], err=True)
    options.finish(
        f"Trained {settings.method} on {facts['texts']} texts of {facts['classes']} classes in {facts['seconds']} s: "
        f"{out} ({facts['megabytes']} MB). Next: fewshot distill --teacher {out} --unlabeled POOL --out runs/student",
        {"out": out, **facts},
        as_json=as_json,
    )
