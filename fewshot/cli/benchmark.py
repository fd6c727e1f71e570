"""``fewshot benchmark``: size, speed and accuracy of models side by side."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from fewshot.cli import options
from fewshot.cli.tables import print_table
from fewshot.core.progress import show_progress

if TYPE_CHECKING:
    from fewshot.recipes.benchmark_outcome import Benchmark

SPEED = ("ms", "ms 95 %", "ms 99 %", "texts/s", "latency speedup", "throughput speedup")
"""Columns of the second table: a terminal has not the room for all in one."""

LEGEND = (
    "ms: one text, median over rounds [quartiles], then what 95 and 99 % of calls keep below; texts/s: at best (texts "
    "a call, threads); speedup: times as fast as the first, median of rounds [quartiles]"
)


def benchmark(
    models: Annotated[
        list[str],
        typer.Argument(help="Model folders: of this package, of setfit, or of transformers (also a Hub id)."),
    ],
    test: Annotated[str, typer.Option(help="File with labelled texts; FILE:SPLIT for one split of it.")],
    out: Annotated[str, typer.Option(help="Folder for results.")] = "runs/benchmark",
    seconds: Annotated[float, typer.Option(help="To measure the speed of one model.")] = 20.0,
    rounds: Annotated[int, typer.Option(min=1, help="How often the models take turns.")] = 6,
    batch_sizes: Annotated[str, typer.Option(help="Texts a call; one alone is always measured.")] = "1,32,128",
    threads: Annotated[str | None, typer.Option(help="Numbers of threads [default: 1 and all cores].")] = None,
    cold_starts: Annotated[
        int, typer.Option(min=0, help="Starts of each model in a new process; 0: no start, no memory.")
    ] = 3,
    max_texts: Annotated[int | None, typer.Option(min=1, help="Score on so many test texts [default: all].")] = None,
    model_labels: Annotated[
        str | None, typer.Option(help="JSON file: a model's name of a class, such as LABEL_0 → the test set's.")
    ] = None,
    text: options.Text = None,
    label: options.Label = None,
    multi_label: options.MultiLabel = None,
    label_separator: options.LabelSeparator = "|",
    empty_labels: options.EmptyLabels = None,
    label_map: options.LabelMap = None,
    encoding: options.Encoding = "utf-8",
    seed: options.Seed = 0,
    device: options.Device = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Measure models side by side: accuracy, latency, texts a second, size, memory, cold start.

    Example: fewshot benchmark runs/teacher runs/student --test data/support_tickets.csv:test
    """
    from fewshot.recipes.benchmarking import BenchmarkSettings, benchmark_models

    settings = BenchmarkSettings(
        seconds=seconds,
        rounds=rounds,
        batch_sizes=options.numbers("--batch-sizes", batch_sizes) or (1,),
        threads=options.numbers("--threads", threads),
        cold_starts=cold_starts,
        max_texts=max_texts,
        random_state=seed,
        device=device,
    )
    options.check_named(test)
    how = options.reading(text, label, label_separator, empty_labels, label_map, encoding, multi_label)
    try:
        with show_progress(enabled=False if quiet else None):
            found = benchmark_models(models, test, out=out, model_labels=model_labels, reading=how, settings=settings)
    except KeyboardInterrupt:
        typer.echo(f"what was measured so far is in {out}/benchmark.json", err=True)
        raise
    for note in found.notes:
        typer.echo(note, err=True)
    if not as_json:
        _print(found.readable())
    following = found.next_command()
    options.finish(
        f"{found.headline()}. Report: {out}/benchmark.html" + (f". Next: {following}" if following else ""),
        _facts(found, out),
        as_json=as_json,
    )
    if all(row["status"] == "failed" for row in found.rows):
        raise typer.Exit(1)


def _print(rows: list[dict[str, str]]) -> None:
    print_table(rows, {name: name for name in rows[0] if name not in SPEED})
    print_table(rows, {name: name for name in rows[0] if name in ("model", *SPEED)})
    typer.echo(LEGEND)


def _facts(found: "Benchmark", out: str) -> dict[str, Any]:
    return {"out": out, "models": found.rows, "fastest_near_best": found.fastest_near_best, "notes": found.notes}
