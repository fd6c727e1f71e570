"""``fewshot advise``: which methods to try on these texts, and why."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from fewshot.cli import options
from fewshot.cli.tables import print_table
from fewshot.core.progress import show_progress

if TYPE_CHECKING:
    from fewshot.recipes.advising import Advice
    from fewshot.recipes.task_facts import TaskFacts


def advise(
    labeled: Annotated[
        str | None, typer.Argument(help="File with texts, as far as they are labelled; FILE:SPLIT for one split of it.")
    ] = None,
    unlabeled: Annotated[str | None, typer.Option(help="Pool of unlabelled texts.")] = None,
    test: Annotated[str | None, typer.Option(help="Labelled texts that methods shall be scored on.")] = None,
    classes: Annotated[
        str | None, typer.Option(help="All class names with commas between, where labels do not name them.")
    ] = None,
    label_words: Annotated[
        str | None, typer.Option(help="JSON file: class → words for it, where names are codes.")
    ] = None,
    encoder: Annotated[
        str | None,
        typer.Option(help="Encoder of the commands [default: paraphrase-mpnet-base-v2 if it is cached, else bundled]."),
    ] = None,
    tree: Annotated[bool, typer.Option("--tree", help="Print the decision tree, the way through it marked.")] = False,
    out: Annotated[str | None, typer.Option(help="Folder for advice.json and tree.png.")] = None,
    text: options.Text = None,
    label: options.Label = None,
    multi_label: options.MultiLabel = None,
    label_separator: options.LabelSeparator = "|",
    empty_labels: options.EmptyLabels = None,
    label_map: options.LabelMap = None,
    encoding: options.Encoding = "utf-8",
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Look at texts and machine, and say which methods to try, why, and by which commands. Nothing is trained.

    Example: fewshot advise data/support_tickets.csv:train --unlabeled data/support_tickets.csv:unlabeled

    Example: fewshot advise --tree
    """
    if labeled is None:
        if not tree:
            raise typer.BadParameter(
                "is needed, such as tickets.csv; or --tree for the tree alone", param_hint="LABELED"
            )
        _show_tree_alone(out, as_json=as_json)
        return
    from fewshot.recipes.advising import advise as advise_on
    from fewshot.recipes.tree_views import tree_as_text

    options.check_named(labeled, unlabeled, test)
    how = options.reading(text, label, label_separator, empty_labels, label_map, encoding, multi_label)
    with show_progress(enabled=False if quiet else None):
        advice = advise_on(
            labeled,
            unlabeled,
            test=test,
            classes=None if classes is None else [name.strip() for name in classes.split(",") if name.strip()],
            label_words=label_words,
            encoder=encoder,
            reading=how,
        )
    if out is not None:
        advice.write(out)
    if not as_json:
        _show(advice)
        if tree:
            typer.echo(f"\n{tree_as_text(advice.decision.keys)}")
    options.finish(_next(advice, out), advice.as_json() | {"out": out}, as_json=as_json)


def _show_tree_alone(out: str | None, *, as_json: bool) -> None:
    from fewshot.recipes.tree_views import plot_decision_tree, tree_as_json, tree_as_text

    if out is not None:
        plot_decision_tree(f"{out}/tree.png")
    options.finish(tree_as_text(), tree_as_json(), as_json=as_json)


def _show(advice: "Advice") -> None:
    from fewshot.recipes.training_cost import MEASURED_ON

    print_table(_facts(advice.facts), {"fact": "", "found": ""})
    for step in advice.decision.steps:
        typer.echo(f"{step.question.text} {step.found} → {step.branch.answer}")
    typer.echo(f"So: {advice.decision.leaf.summary}.")
    if advice.methods:
        rows = [{**vars(one), "why": f"{one.reason} ({one.basis})"} for one in advice.methods]
        print_table(rows, {"method": "try", "cost": "takes", "why": "because"})
        typer.echo(f"Times as measured on {MEASURED_ON}, on all labels; larger encoders take longer, GPUs less.")
    for names, said in ((advice.also, "Also worth a try"), (advice.missing, "Not in this version")):
        if names:
            typer.echo(f"{said}: {', '.join(names)}.")
    for warning in advice.warnings:
        typer.echo(f"warning: {warning}")
    if advice.to_label:
        typer.echo(f"Next, {advice.to_label}.")
    if advice.hint:
        typer.echo(f"Without labels, {advice.hint}")
    for command in advice.commands:
        typer.echo(f"\n# {command.purpose} ({command.cost})\n{command.line}")
    typer.echo()


def _facts(facts: "TaskFacts") -> list[dict[str, Any]]:
    kind = "several labels a text" if facts.multi_label else "one label a text"
    named = f", {len(facts.codes)} of them named by codes" if facts.codes else ""
    most = max(facts.class_counts.values(), default=0)
    rows = {
        "labelled texts": f"{facts.n_labeled:,}",
        "classes": f"{facts.n_classes:,} ({kind}{named})",
        "texts of a class": f"{facts.fewest:,} to {most:,}, median {facts.median:g}",
        "unlabelled texts": f"{facts.n_pool:,}{_likeness(facts)}",
        "words of a text": f"median {facts.words['median']:g}, 95 % up to {facts.words['p95']:.0f}",
        "encoder": facts.encoding.name + ("" if facts.encoding.at_hand else " (not on this machine)"),
        "machine": str(facts.machine),
        "extras installed": ", ".join(facts.extras) or "none",
    }
    return [{"fact": fact, "found": found} for fact, found in rows.items()]


def _likeness(facts: "TaskFacts") -> str:
    if facts.distance is None:
        return ""
    return f" (distance to the labelled ones by words: {facts.distance.distance:.2f} of 1)"


def _next(advice: "Advice", out: str | None) -> str:
    written = f"Written: {out}/advice.json, {out}/tree.png. " if out is not None else ""
    if advice.commands:
        return f"{written}Next: the first command above."
    return f"{written}Next: {advice.to_label or 'name the files'}, then fewshot advise again."
