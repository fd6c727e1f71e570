"""``fewshot predict``: labels for a file, or for one text on the terminal."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fewshot.cli import options
from fewshot.cli.tables import percent
from fewshot.core.progress import show_progress

if TYPE_CHECKING:
    from fewshot.recipes.predicting.run import PredictedPool


def predict(
    model: Annotated[str, typer.Argument(help="Model folder.")],
    source: Annotated[str, typer.Argument(help="File with texts, or one text in quotes.")],
    out: Annotated[
        str | None,
        typer.Option(
            help="File for the predictions, or a folder (OUT/) for a file a shard; needed where SOURCE is a file."
        ),
    ] = None,
    precision: Annotated[
        float | None, typer.Option(help="Answer only where this share of answers is expected to be right.")
    ] = None,
    min_confidence: Annotated[
        float | None, typer.Option(help="Leave less sure rows without a label, for review in a file of their own.")
    ] = None,
    in_scope_only: Annotated[
        bool, typer.Option("--in-scope-only", help="Give no answer for texts unlike all training texts.")
    ] = False,
    at_least_one: options.AtLeastOne = False,
    workers: Annotated[int, typer.Option(help="Processes that answer, each with a model of its own.")] = 1,
    threads: Annotated[
        int | None,
        typer.Option(help="Threads of each process; `fewshot benchmark` tells how many are best."),
    ] = None,
    shard: Annotated[
        str | None, typer.Option(help="2/5: the second of five parts, as one of several machines that share OUT.")
    ] = None,
    rows_per_shard: Annotated[int, typer.Option(help="Rows that a stopped run loses at most.")] = 100_000,
    engine: Annotated[
        str, typer.Option(help="Who runs the processes: 'processes' (this machine) or 'ray'.")
    ] = "processes",
    text: options.Text = None,
    label_separator: options.LabelSeparator = "|",
    encoding: options.Encoding = "utf-8",
    device: options.Device = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Predict the label of every row of a file of any size, or of one text. A run that was stopped goes on.

    Example: fewshot predict runs/student tickets.csv --out labelled.csv

    Example: fewshot predict runs/student pool.parquet --out labelled/ --workers 4 --min-confidence 0.7

    Example: fewshot predict runs/student "I was charged twice"
    """
    from fewshot.classifiers.loading import load_classifier
    from fewshot.recipes.judging import Abstaining, predict_texts
    from fewshot.recipes.predicting.pool import predict_pool

    abstaining = Abstaining(precision, in_scope_only, min_confidence)

    if source in ("-", "/dev/stdin"):
        raise typer.BadParameter("cannot be standard input; name a file, or give one text", param_hint="SOURCE")
    names_file = out is not None or _names_a_file(source)
    with show_progress(enabled=False if quiet else None):
        if not names_file:
            answer = predict_texts(
                load_classifier(model, device=device), [source], abstaining, at_least_one=at_least_one
            )[0]
            line = f"{_shown(answer)}  ({percent(answer['confidence'])} %)"
            options.finish(line, answer, as_json=as_json)
            return
        if out is None:
            raise typer.BadParameter(
                f"is needed to predict the file {source!r}, such as --out labelled.csv", param_hint="--out"
            )
        how = options.reading(text, None, label_separator, None, None, encoding)
        made = predict_pool(
            model,
            source,
            out=out,
            reading=how,
            abstaining=abstaining,
            at_least_one=at_least_one,
            rows_per_shard=rows_per_shard,
            shard=shard,
            workers=workers,
            threads=threads,
            engine=engine,
            device=device,
        )
    facts = {
        "out": out,
        "rows": made.n_rows,
        "rejected": made.n_rejected,
        "abstained": made.n_abstained,
        "counts": {str(label): count for label, count in made.counts.items()},
        "rejected_file": made.rejected_file,
        "review_file": made.review_file,
        "shards": made.n_shards,
        "resumed": made.n_resumed,
        "whole": made.is_whole,
    }
    options.finish(_told(made, out, model, text), facts, as_json=as_json)


def _told(made: "PredictedPool", out: str, model: str, text: list[str] | None) -> str:
    """Say what was made, where, and what to do next."""
    resumed = f" ({made.n_resumed} shards were there already)" if made.n_resumed else ""
    if not made.is_whole:
        return (
            f"{made.n_shards} shards, {made.n_rows:,} rows, are done{resumed}; {out} is put together when all are: let "
            "the other parts end, or give the command without --shard"
        )
    where = f" (see {made.rejected_file})" if made.rejected_file else ""
    rejected = f", {made.n_rejected:,} of them not predictable{where}" if made.n_rejected else ""
    abstained = f", {made.n_abstained:,} left without a label to be looked at" if made.n_abstained else ""
    done = f"Predicted {made.n_rows:,} rows{rejected}{abstained}: {out}{resumed}"
    if made.review_file:
        columns = "".join(f" --text {name}" for name in text or ())
        again = f"fewshot train ALL_LABELS{columns} --out {model}-2"
        return f"{done}\nNext: correct the labels in {made.review_file}, put them to your labelled texts, then: {again}"
    return f"{done}\nNext: rows that need a person: --min-confidence 0.7 writes them to a file of their own"


def _shown(answer: dict[str, Any]) -> str:
    given = answer.get("labels", answer.get("label"))
    if given is None:
        return "(not sure enough to answer)"
    return ", ".join(map(str, given if isinstance(given, list) else [given])) or "(none)"


_SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".json", ".parquet", ".txt", ".gz")


def _names_a_file(source: str) -> bool:
    """Return whether ``source`` is meant as a file: it is one, or it is one word that looks like a path."""
    try:
        if Path(source).exists():
            return True
    except OSError:  # a text longer than any file name
        return False
    path = source.rpartition(":")[0] if source.rpartition(":")[2].isalpha() else source
    looks_like_path = source.startswith("hub:") or path.lower().endswith(_SUFFIXES) or "/" in source
    return looks_like_path and len(source.split()) == 1
