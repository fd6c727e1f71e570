"""``fewshot shrink``: a model folder to the smallest one within a loss."""

from typing import Annotated, Any

import typer

from fewshot.cli import options
from fewshot.cli.tables import percent, print_table
from fewshot.core.progress import show_progress


def shrink(
    model: Annotated[str, typer.Argument(help="Model folder.")],
    unlabeled: Annotated[str, typer.Option(help="Pool of unlabelled texts; labels in it are not looked at.")],
    labeled: Annotated[str | None, typer.Option(help="Gold labels that students learn as well.")] = None,
    target_size: Annotated[
        str | None, typer.Option(help="Largest size of the folder: 10MB, 500kB [default: any].")
    ] = None,
    max_loss: Annotated[
        float | None, typer.Option(help="Points that may be lost: of accuracy, or of agreement [default: 1.0].")
    ] = None,
    validation: Annotated[
        str | None,
        typer.Option(help="Labelled file to judge by [default: agreement with the model on a part of the pool]."),
    ] = None,
    test: Annotated[
        str | None, typer.Option(help="Labelled file to score the model and the kept one on, once, at the end.")
    ] = None,
    objective: Annotated[
        str | None, typer.Option(help="Keep the best in size or in speed of those that meet both [default: size].")
    ] = None,
    rungs: Annotated[
        str | None,
        typer.Option(
            help="What to try, with commas between: a student (layers:N, width:N, pruned:S, static, static:conv, "
            "static:words) or nothing, then trimmed, onnx, int8, int8-static, float16, joined by + [default: all but "
            "static:conv that fit the model]."
        ),
    ] = None,
    out: Annotated[str, typer.Option(help="Folder of the kept model; the path goes to OUT.path.")] = "runs/small",
    resume: Annotated[bool, typer.Option("--resume", help="Keep the rungs that an earlier run finished.")] = False,
    encoder: Annotated[
        str | None, typer.Option(help="Encoder that tables are made from, for a model without vectors of texts.")
    ] = None,
    steps: Annotated[int | None, typer.Option(min=0, help="Of each distillation [default: from the pool].")] = None,
    max_pool: Annotated[int | None, typer.Option(min=1, help="Draw so many texts of a larger pool.")] = None,
    seconds: Annotated[float | None, typer.Option(help="To measure the speed of one rung [default: 5].")] = None,
    config: options.Config = None,
    text: options.Text = None,
    label: options.Label = None,
    multi_label: options.MultiLabel = None,
    label_separator: options.LabelSeparator = "|",
    empty_labels: options.EmptyLabels = None,
    label_map: options.LabelMap = None,
    encoding: options.Encoding = "utf-8",
    seed: Annotated[int | None, typer.Option(min=0, help="Decides everything that is random [default: 0].")] = None,
    device: options.Device = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Make a model smaller in many ways (fewer layers, pruned, a table, int8), measure all, keep the best.

    Example: fewshot shrink runs/teacher --unlabeled data/support_tickets.csv:unlabeled --target-size 10MB --max-loss 5
    """
    given = dict(locals())  # before anything else is bound: the flags by name
    options.check_named(unlabeled, labeled, validation, test, models=[model])
    import dataclasses

    from fewshot.core.config import read_settings
    from fewshot.recipes.shrink_settings import ShrinkSettings
    from fewshot.recipes.shrinking import shrink_model

    flags: dict[str, Any] = {field.name: given[field.name] for field in dataclasses.fields(ShrinkSettings)}
    flags["rungs"] = None if rungs is None else tuple(name.strip() for name in rungs.split(",") if name.strip())
    settings = read_settings(ShrinkSettings, config, flags)
    how = options.reading(text, label, label_separator, empty_labels, label_map, encoding, multi_label)
    try:
        with show_progress(enabled=False if quiet else None):
            found = shrink_model(
                model,
                unlabeled,
                labeled,
                out=out,
                validation=validation,
                test=test,
                reading=how,
                settings=settings,
                resume=resume,
            )
    except KeyboardInterrupt:
        typer.echo(f"finished rungs are in {out}.path; --resume goes on from there", err=True)
        raise
    for note in found.notes:
        typer.echo(note, err=True)
    if not as_json:
        shown = found.readable()
        print_table(shown, {name: name for name in shown[0]})
        typer.echo(found.told)
        if found.test:
            scores = (percent(found.test["model"]), percent(found.test["kept"]))
            typer.echo(f"on {found.test['n']:,} test texts: the model {scores[0]} %, {found.kept} {scores[1]} %")
    where = f"{out}; the path: {found.path_folder}/path.md" if found.kept else f"The path: {found.path_folder}/path.md"
    line = f"{found.headline()}. {where}. Next: {found.next_command()}"
    options.finish(line, {"out": out, **found.facts()}, as_json=as_json)
    if found.kept is None:
        raise typer.Exit(1)
