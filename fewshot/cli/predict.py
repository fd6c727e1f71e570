"""``fewshot predict``: labels for a file, or for one text on the terminal."""

from pathlib import Path
from typing import Annotated

import typer

from fewshot.cli import options
from fewshot.cli.tables import percent
from fewshot.core.progress import show_progress


def predict(
    model: Annotated[str, typer.Argument(help="Model folder.")],
    source: Annotated[str, typer.Argument(help="File with texts, or one text in quotes.")],
    out: Annotated[str | None, typer.Option(help="File for the predictions; needed where SOURCE is a file.")] = None,
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
    from fewshot.recipes.judging import predict_file, predict_texts

    names_file = out is not None or _names_a_file(source)
    with show_progress(enabled=False if quiet else None):
        if not names_file:
            answer = predict_texts(load_classifier(model, device=device), [source])[0]
            given = answer["labels"] if "labels" in answer else [answer["label"]]
            line = f"{', '.join(map(str, given)) or '(none)'}  ({percent(answer['confidence'])} %)"
            options.finish(line, answer, as_json=as_json)
            return
        if out is None:
            raise typer.BadParameter(
                f"is needed to predict the file {source!r}, such as --out labelled.csv", param_hint="--out"
            )
        how = options.reading(text, None, label_separator, None, None, encoding)
        made = predict_file(model, source, out=out, reading=how, device=device)
    rejected = f", {made.n_rejected} of them not predictable (see {made.rejected_file})" if made.n_rejected else ""
    options.finish(
        f"Predicted {made.n_rows} rows{rejected}: {out}",
        {
            "out": out,
            "rows": made.n_rows,
            "rejected": made.n_rejected,
            "counts": {str(label): count for label, count in made.counts.items()},
        },
        as_json=as_json,
    )


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
