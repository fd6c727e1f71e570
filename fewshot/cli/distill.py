"""``fewshot distill``: a teacher's folder and unlabelled texts to a student's folder."""

from typing import Annotated, Any

import typer

from fewshot.cli import options
from fewshot.cli.tables import percent, print_table
from fewshot.core.progress import show_progress


def distill(
    teacher: Annotated[
        list[str],
        typer.Option(
            help="Model folder of the teacher, of fewshot, setfit or transformers, or nli:FOLDER; "
            "repeat for several, as FOLDER=WEIGHT."
        ),
    ],
    unlabeled: Annotated[str, typer.Option(help="Pool of unlabelled texts; labels in it are not looked at.")],
    labeled: Annotated[str | None, typer.Option(help="Gold labels to learn as well.")] = None,
    student: Annotated[
        str | None,
        typer.Option(
            help="static, static:words (each also with bigrams or conv, as static:words+conv), layers:N, width:N, "
            "pruned:S (saves that share of operations) or an encoder's name; several with commas between for "
            "--search to choose among [default: paraphrase-MiniLM-L3-v2]."
        ),
    ] = None,
    out: Annotated[str, typer.Option(help="Folder of the student.")] = "runs/student",
    test: Annotated[
        str | None, typer.Option(help="Labelled file to score teacher and student on; never learnt.")
    ] = None,
    validation: Annotated[str | None, typer.Option(help="Labelled file by which --search judges.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an interrupted run.")] = False,
    search: Annotated[
        int | None, typer.Option(min=0, help="Try so many settings on held-out texts first [default: 0].")
    ] = None,
    loss: Annotated[
        str | None,
        typer.Option(
            help="cosine, softmax, relational, match, classes, or several as cosine=1,softmax=0.1 (an encoder, then a "
            "head); kl or mse (a whole classifier) [default: cosine]."
        ),
    ] = None,
    temperature: Annotated[float | None, typer.Option(help="Of softmax and kl.")] = None,
    alpha: Annotated[float | None, typer.Option(help="Weight of gold labels; of kl and mse.")] = None,
    encoder: Annotated[
        str | None, typer.Option(help="Encoder whose similarities are learnt where the teacher has none.")
    ] = None,
    queue_size: Annotated[int | None, typer.Option(min=0, help="Past texts that each batch is held against.")] = None,
    mining: Annotated[str | None, typer.Option(help="uniform, hard or boundary [default: uniform].")] = None,
    confidence: Annotated[
        str | None, typer.Option(help="weight, or drop:0.8: unsure texts count less, or nothing [default: none].")
    ] = None,
    generated: Annotated[
        int | None, typer.Option(min=0, help="Make so many more texts from a small pool [default: 0].")
    ] = None,
    steps: Annotated[int | None, typer.Option(min=0, help="Optimizer steps [default: from the pool's size].")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Texts a batch.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Peak learning rate.")] = None,
    accumulation: Annotated[int | None, typer.Option(help="Batches a step.")] = None,
    patience: Annotated[
        int | None, typer.Option(help="Stop when agreement did not rise for so many of about ten looks.")
    ] = None,
    quantization_aware: Annotated[
        bool, typer.Option("--quantization-aware", help="Train through int8 rounding, for an int8 export.")
    ] = False,
    classes: Annotated[
        str | None, typer.Option(help="Class names for nli:FOLDER, with commas between; see --multi-label.")
    ] = None,
    template: Annotated[str | None, typer.Option(help="Hypothesis for nli:FOLDER, with {} for the class.")] = None,
    max_pool: Annotated[int | None, typer.Option(min=8, help="Draw so many texts of a larger pool.")] = None,
    targets: Annotated[
        str | None, typer.Option(help="Folder that keeps the teacher's answers [default: in the cache].")
    ] = None,
    teacher_device: Annotated[
        str | None, typer.Option("--teacher-device", help="Where the teacher runs [default: --device].")
    ] = None,
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
    """Distil a teacher into a small, fast student.

    Example: fewshot distill --teacher runs/teacher --unlabeled data/support_tickets.csv:unlabeled --student static
    """
    given = dict(locals())  # before anything else is bound: the flags by name
    options.check_named(unlabeled, labeled, test, validation, models=teacher)
    import dataclasses

    from fewshot.core.config import read_settings
    from fewshot.recipes.distill_settings import DistillSettings
    from fewshot.recipes.distilling import distill_classifier

    flags: dict[str, Any] = {field.name: given[field.name] for field in dataclasses.fields(DistillSettings)}
    flags["quantization_aware"] = quantization_aware or None
    flags["classes"] = options.names("--classes", classes)
    settings = read_settings(DistillSettings, config, flags)
    how = options.reading(text, label, label_separator, empty_labels, label_map, encoding, multi_label)
    with show_progress(enabled=False if quiet else None):
        made = distill_classifier(
            teacher,
            unlabeled,
            labeled,
            out=out,
            settings=settings,
            reading=how,
            test=test,
            validation=validation,
            resume=resume,
        )
    facts = made.facts
    for note in (facts["cleaning"], *facts["notes"]):
        typer.echo(note, err=True)
    if not as_json:
        _show(facts["table"], facts["gap_closed"])
    options.finish(
        f"Distilled into {facts['student']} on {_texts(facts)} in {facts['seconds']} s{_held_out(facts)}: "
        f'{out} ({facts["megabytes"]} MB). Next: fewshot predict {out} "a text"',
        {"out": out, **facts},
        as_json=as_json,
    )


def _texts(facts: dict[str, Any]) -> str:
    """Say what was learnt from."""
    text = f"{facts['n_pool'] - facts['n_held_out']:,} texts"
    if facts["n_gold"]:
        text += f" and {facts['n_gold']:,} with gold labels"
    return f"{text} ({facts['n_left_out']:,} left out as unsure)" if facts["n_left_out"] else text


def _held_out(facts: dict[str, Any]) -> str:
    if facts["agreement"] is None:
        return ""
    return f", agrees with the teacher on {percent(facts['agreement'])} % of {facts['n_held_out']} held-out texts"


def _show(table: list[dict[str, Any]], gap: dict[str, Any] | None) -> None:
    """Print the table of teacher and student, what is known of it, and the gap closed."""
    headings = {
        "model": "model",
        "score": "test score, %",
        "agreement": "agreement, %",
        "probe_agreement": "probe's agreement, %",
        "cosine_correlation": "correlation",
        "megabytes": "MB",
        "texts_per_second": "texts/s",
    }
    known = {key: heading for key, heading in headings.items() if any(row.get(key) is not None for row in table)}
    shown = [
        {
            **row,
            "score": percent(row.get("score")),
            "agreement": percent(row.get("agreement")),
            "probe_agreement": percent(row.get("probe_agreement")),
            "cosine_correlation": _three_digits(row.get("cosine_correlation")),
        }
        for row in table
    ]
    print_table(shown, known)
    if "probe_agreement" in known:
        typer.echo(
            "probe's agreement: how often a head fitted to the vectors of half the held-out texts gives the teacher's "
            "answer on the other half"
        )
    if gap is not None:
        names = {"score": "the test score", "agreement": "agreement", "probe_agreement": "the probe's agreement"}
        share, of = 100 * gap["share"], names[gap["of"]]
        typer.echo(_gap(share, of, gap["n_texts"]))


def _gap(share: float, of: str, n_texts: int) -> str:
    """Say what the training did to the gap between student and teacher; ``share`` in percent of what it was."""
    if round(share) < 0:
        return (
            f"The training widened the gap in {of}, by {n_texts} texts: more unlabelled texts or more steps may help; "
            "--steps 0 keeps the student as it was before."
        )
    return f"The training closed {abs(share):.0f} % of the gap in {of}, by {n_texts} texts."


def _three_digits(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
