"""``fewshot demo``: the main job on the project's own data."""

from typing import Annotated

import typer

from fewshot.cli import options
from fewshot.cli.tables import percent, print_table
from fewshot.core.progress import show_progress


def demo(
    data: Annotated[str, typer.Option(help="Folder with support_tickets.csv.")] = "data",
    out: Annotated[str, typer.Option(help="Folder for results and models.")] = "runs/demo",
    encoder: Annotated[str, typer.Option(help="Encoder to start from.")] = "bundled",
    seed: options.Seed = 0,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Compare four methods on support tickets, train a teacher, distil two students, and print a table.

    Example: fewshot demo
    """
    from fewshot.recipes.demo import run_demo

    with show_progress(enabled=False if quiet else None):
        table = run_demo(data, out=out, encoder=encoder, seed=seed, say=lambda line: typer.echo(line, err=True))
    shown = [row | {"score": percent(row["accuracy"], row["sd"])} for row in table]
    if not as_json:
        columns = {"method": "method", "labels": "labels", "score": "accuracy ± sd", "size_mb": "size MB"}
        print_table(shown, columns | {"texts_per_second": "texts/s"}, title="Support tickets")
    options.finish(
        f"Report: {out}/report.html. Models: {out}/models. "
        f'Next: fewshot predict {out}/models/distilled-static "I was charged twice"',
        {"out": out, "report": f"{out}/report.html", "table": table},
        as_json=as_json,
    )
