"""``fewshot predict``: labels for a file, or for one text on the terminal."""

from pathlib import Path
from typing import Annotated, Any

import typer

from fewshot.cli import options
from fewshot.cli.tables import percent
from fewshot.core.progress import show_progress


def predict(
    model: Annotated[str, typer.Argument(help="Model folder.")],
    source: Annotated[str, typer.Argument(help="File with texts, or one text in quotes.")],
    out: Annotated[str | None, typer.Option(help="File for the predictions; needed where SOURCE is a file.")] = None,
    precision: Annotated[
        float | None, typer.Option(help="Answer only where this share of answers is expected to be right.")
    ] = None,
    in_scope_only: Annotated[
        bool, typer.Option("--in-scope-only", help="Give no answer for texts unlike all training texts.")
    ] = False,
    at_least_one: options.AtLeastOne = False,
    text: options.Text = None,
    label_separator: options.LabelSeparator = "|",
    encoding: options.Encoding = "utf-8",
    device: options.Device = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Predict the label of every row of a file, or of one text.

    Example: fewshot predict runs/student tickets.csv --out labelled.csv
    Example: fewshot predict runs/student "I was charged twice"
    """
    from fewshot.classifiers.loading import load_classifier
    from fewshot.recipes.judging import Abstaining, predict_file, predict_texts

    abstaining = Abstaining(precision, in_scope_only)

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
        made = predict_file(
            model, source, out=out, reading=how, abstaining=abstaining, at_least_one=at_least_one, device=device
        )
    rejected = f", {made.n_rejected} of them not predictable (see {made.rejected_file})" if made.n_rejected else ""
    abstained = f", {made.n_abstained} left without a label to be looked at" if made.n_abstained else ""
    options.finish(
        f"Predicted {made.n_rows} rows{rejected}{abstained}: {out}",
        {
            "out": out,
            "rows": made.n_rows,
            "rejected": made.n_rejected,
            "abstained": made.n_abstained,
            "counts": {str(label): count for label, count in made.counts.items()},
        },
        as_json=as_json,
    )


def _shown(answer: dict[str, Any]) -> str:
    given = answer.get("labels", answer.get("label"))
    if given is None:
        return "(not sure enough to answer)"
    return ", ".join(map(str, given if isinstance(given, list) else [given])) or "(none)"


_SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".json", ".parquet", ".gz")


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
