"""``fewshot distill``: a teacher's folder and unlabelled texts to a student's folder."""

from typing import Annotated, Any

import typer

from fewshot.cli import options
from fewshot.cli.tables import percent
from fewshot.core.progress import show_progress


def distill(
    teacher: Annotated[str, typer.Option(help="Model folder of the teacher.")],
    unlabeled: Annotated[str, typer.Option(help="Pool of unlabelled texts; labels in it are not looked at.")],
    labeled: Annotated[str | None, typer.Option(help="Gold labels to learn as well.")] = None,
    student: Annotated[
        str | None, typer.Option(help="static, layers:N or an encoder's name [default: paraphrase-MiniLM-L3-v2].")
    ] = None,
    out: Annotated[str, typer.Option(help="Folder of the student.")] = "runs/student",
    steps: Annotated[int | None, typer.Option(min=0, help="Optimizer steps [default: from the pool's size].")] = None,
    batch_size: Annotated[int | None, typer.Option(min=2, help="Texts a step.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Peak learning rate.")] = None,
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
    """Distil a teacher into a small, fast student.

    Example: fewshot distill --teacher runs/teacher --unlabeled data/support_tickets.csv:unlabeled --student static
    """
    from fewshot.core.config import read_settings
    from fewshot.recipes.distilling import DistillSettings, distill_classifier

    flags: dict[str, Any] = {
        "student": student,
        "steps": steps,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "device": device,
        "seed": seed,
    }
    settings = read_settings(DistillSettings, config, flags)
    how = options.reading(text, label, label_separator, empty_labels, label_map, encoding)
    with show_progress(enabled=False if quiet else None):
        made = distill_classifier(teacher, unlabeled, labeled, out=out, settings=settings, reading=how)
    facts = made.facts
    typer.echo(facts["cleaning"], err=True)
    held_out = ""
    if facts["agreement"] is not None:
        held_out = (
            f", agrees with the teacher on {percent(facts['agreement'])} % of {facts['n_held_out']} held-out texts"
        )
    options.finish(
        f"Distilled into {settings.student} on {facts['n_pool']} texts in {facts['seconds']} s{held_out}: "
        f'{out} ({facts["megabytes"]} MB). Next: fewshot predict {out} "a text"',
        {"out": out, **facts},
        as_json=as_json,
    )
