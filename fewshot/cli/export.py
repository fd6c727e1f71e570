"""``fewshot export``: a model folder to one that predicts without torch."""

from typing import Annotated, Any

import typer

from fewshot.cli import options
from fewshot.cli.tables import percent
from fewshot.core.progress import show_progress


def export(
    model: Annotated[str, typer.Argument(help="Model folder.")],
    out: Annotated[str, typer.Option(help="Folder of the exported model.")] = "runs/exported",
    format: Annotated[str, typer.Option(help="onnx.")] = "onnx",
    quantize: Annotated[
        str | None,
        typer.Option(
            help="int8 or int8-static (same answer whatever the batch; takes --texts) for processors, float16 for "
            "cards [default: weights as they are]."
        ),
    ] = None,
    texts: Annotated[
        str | None, typer.Option("--texts", help="File of texts like those to come, to count equal labels on.")
    ] = None,
    refit_head: Annotated[
        bool, typer.Option("--refit-head", help="Fit the head to int8 vectors of --texts, towards the original.")
    ] = False,
    text: options.Text = None,
    encoding: options.Encoding = "utf-8",
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Export a classifier with a linear head as one ONNX graph, checked against the original.

    Example: fewshot export runs/student --format onnx --quantize int8 --texts pool.csv --out runs/exported
    """
    from fewshot.recipes.exporting import export_model

    options.check_named(texts)
    how = options.reading(text, None, "|", None, None, encoding)
    with show_progress(enabled=False if quiet else None):
        made = export_model(
            model, out=out, format=format, quantize=quantize, texts=texts, refit_head=refit_head, reading=how
        )
    facts = made.facts
    if "refit" in facts:
        typer.echo(_refitted(facts["refit"]), err=True)
    for note in facts["notes"]:
        typer.echo(note, err=True)
    options.finish(
        f"Exported {model} ({_size(facts['megabytes_before'])}) as {facts['precision']}: {out} "
        f"({_size(facts['megabytes'])}); {_equality(facts)}. Next: fewshot predict {out} FILE --out labelled.csv",
        {"out": out, **facts},
        as_json=as_json,
    )


def _equality(facts: dict[str, Any]) -> str:
    share, difference = percent(facts["agreement"]), f"{facts['largest_difference']:.2g}"
    return f"same labels on {share} % of {facts['n_texts']} texts, probabilities differ by up to {difference}"


def _refitted(refit: dict[str, Any]) -> str:
    before, after = percent(refit["agreement_before"]), percent(refit["agreement"])
    return (
        f"refitted head: same labels on {after} % of {refit['n_judged']} held-out texts, {before} % before; "
        f"{'kept' if refit['kept'] else 'the head before was kept'}"
    )


def _size(megabytes: float | None) -> str:
    return "on the Hub" if megabytes is None else f"{megabytes} MB"
