"""``fewshot evaluate``: scores of a model on labelled texts."""

from typing import Annotated, Any

import typer

from fewshot.cli import options
from fewshot.cli.tables import percent, print_table
from fewshot.core.progress import show_progress

PER_LABEL = {
    "label": "label",
    "precision": "precision %",
    "recall": "recall %",
    "f1": "F1 %",
    "n": "texts",
    "n_predicted": "predicted",
}


def shares(values: dict[str, Any]) -> dict[str, Any]:
    """Return shares in percent, counts as they are."""
    return {key: percent(value) if isinstance(value, float) else value for key, value in values.items()}


def evaluate(
    model: Annotated[str, typer.Argument(help="Model folder.")],
    test: Annotated[str, typer.Argument(help="File with labelled texts; FILE:SPLIT for one split of it.")],
    at_least_one: options.AtLeastOne = False,
    per_label: Annotated[bool, typer.Option("--per-label", help="Also score label by label.")] = False,
    text: options.Text = None,
    label: options.Label = None,
    multi_label: options.MultiLabel = None,
    label_separator: options.LabelSeparator = "|",
    empty_labels: options.EmptyLabels = None,
    label_map: options.LabelMap = None,
    encoding: options.Encoding = "utf-8",
    device: options.Device = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Score a model on labelled texts.

    Example: fewshot evaluate runs/student data/support_tickets.csv:test --json
    """
    from fewshot.recipes.judging import evaluate_classifier

    options.check_named(test)
    how = options.reading(text, label, label_separator, empty_labels, label_map, encoding, multi_label)
    with show_progress(enabled=False if quiet else None):
        scores = evaluate_classifier(
            model, test, reading=how, at_least_one=at_least_one, per_label=per_label, device=device
        )
    if per_label and not as_json:
        rows = [{"label": str(name), **shares(values)} for name, values in scores["per_label"].items()]
        print_table(rows, PER_LABEL)
    mcc = "" if scores["mcc"] is None else f", MCC {scores['mcc']:.3f}"
    options.finish(
        f"accuracy {percent(scores['accuracy'])} %, micro F1 {percent(scores['micro_f1'])} %, "
        f"macro F1 {percent(scores['macro_f1'])} %{mcc} on {scores['n']} texts",
        scores,
        as_json=as_json,
    )
