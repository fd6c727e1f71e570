"""``fewshot train``: labelled texts to a teacher's folder."""

from typing import Annotated, Any

import typer

from fewshot.cli import options
from fewshot.core.progress import show_progress


def train(
    labeled: Annotated[
        str | None,
        typer.Argument(help="File with labelled texts; FILE:SPLIT for one split of it. None: see --classes."),
    ] = None,
    method: Annotated[str | None, typer.Option(help="What to train [default: setfit].")] = None,
    encoder: Annotated[
        str | None,
        typer.Option(help="Encoder: bundled, a Hub id, a folder, pooled:NAME [default: paraphrase-mpnet-base-v2]."),
    ] = None,
    out: Annotated[str, typer.Option(help="Folder of the model.")] = "runs/teacher",
    validation: Annotated[
        str | None, typer.Option(help="Labelled file that decides when to stop and what to keep.")
    ] = None,
    start_from: Annotated[
        str | None, typer.Option("--from", help="Trained classifier to bring up to date with these labels.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an interrupted training or search.")] = False,
    search: Annotated[
        int | None, typer.Option(min=0, help="Try so many settings by cross-validation first [default: 0].")
    ] = None,
    estimate: Annotated[
        bool | None,
        typer.Option(
            "--estimate/--no-estimate",
            help="Estimate the score on new texts by cross-validation: 36 more trainings [default: if they are cheap].",
        ),
    ] = None,
    estimate_pool: Annotated[
        str | None,
        typer.Option(help="File of texts as they occur in the world: the estimate is for its balance of classes."),
    ] = None,
    effort: Annotated[str | None, typer.Option(help="quick, balanced or thorough [default: balanced].")] = None,
    steps: Annotated[int | None, typer.Option(help="Optimizer steps; 0 keeps the encoder as it is.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Texts a step.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Peak learning rate of the encoder.")] = None,
    accumulation: Annotated[int | None, typer.Option(help="Batches a step.")] = None,
    loss: Annotated[str | None, typer.Option(help="contrastive, cosine or triplet.")] = None,
    temperature: Annotated[
        float | None, typer.Option(help="Of the contrastive loss; of uda: sharpens answers.")
    ] = None,
    margin: Annotated[float | None, typer.Option(help="Of the triplet loss.")] = None,
    templates: Annotated[
        list[str] | None,
        typer.Option(
            "--template",
            help="auto, none, or a sentence with {} for the class name; prompt: {text} and {mask}. May be repeated.",
        ),
    ] = None,
    label_words: Annotated[
        str | None, typer.Option(help="JSON file: class → words for it (prompt: or a list of words).")
    ] = None,
    head: Annotated[str | None, typer.Option(help="auto, logistic, prototype, knn or joint.")] = None,
    class_weight: Annotated[str | None, typer.Option(help="balanced: rare classes weigh as much in the head.")] = None,
    folds: Annotated[int | None, typer.Option(help="Parts of the labels that judge in turn; 0: none.")] = None,
    augment: Annotated[
        list[str] | None,
        typer.Option(
            help="Learn from copies, too: tokens, swap, delete, insert, mix, contextual:MODEL or "
            "back-translation:MODEL1,MODEL2[,LANGUAGE1,LANGUAGE2]; may be repeated."
        ),
    ] = None,
    thresholds: Annotated[
        str | None, typer.Option(help="Of naive-bayes and linear-probe with several labels: common or per-label.")
    ] = None,
    max_length: Annotated[int | None, typer.Option(help="Tokens that the encoder reads at once.")] = None,
    long_texts: Annotated[str | None, typer.Option(help="truncate, or chunk: average over a text's chunks.")] = None,
    pooling: Annotated[str | None, typer.Option(help="Of fine-tune: auto, mean or cls.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Of fine-tune: how often each text is learnt from.")] = None,
    head_learning_rate: Annotated[float | None, typer.Option(help="Of fine-tune: that of the head.")] = None,
    layer_decay: Annotated[
        float | None, typer.Option(help="Of fine-tune: each lower layer learns at so many times the rate.")
    ] = None,
    warmup: Annotated[float | None, typer.Option(help="Of fine-tune: share of steps over which rates rise.")] = None,
    freeze_layers: Annotated[int | None, typer.Option(help="Of fine-tune: lowest layers left as they are.")] = None,
    label_smoothing: Annotated[float | None, typer.Option(help="Of fine-tune: share of targets spread evenly.")] = None,
    patience: Annotated[
        int | None, typer.Option(help="Of fine-tune: looks at --validation without a better one before it stops.")
    ] = None,
    unlabeled: Annotated[
        str | None,
        typer.Option(help="Of uda and distilled: file with unlabelled texts; labels in it are not looked at."),
    ] = None,
    unlabeled_weight: Annotated[
        float | None, typer.Option(help="Of uda: weight of the loss on unlabelled texts.")
    ] = None,
    unlabeled_ratio: Annotated[
        float | None, typer.Option(help="Of uda: unlabelled texts for each labelled one in a step.")
    ] = None,
    unlabeled_augment: Annotated[
        str | None, typer.Option(help="Of uda: how unlabelled texts are changed, as for --augment [default: tokens].")
    ] = None,
    confidence: Annotated[
        float | None, typer.Option(help="Of uda: probability above which an answer is learnt from.")
    ] = None,
    annealing: Annotated[
        str | None, typer.Option(help="Of uda: linear, log or exp: leave known labels out at first; or none.")
    ] = None,
    align: Annotated[
        bool | None,
        typer.Option(
            "--align/--no-align",
            help="Of uda: answers to unlabelled texts keep the shares of the labels [default: they do].",
        ),
    ] = None,
    rounds: Annotated[int | None, typer.Option(help="Of self-training: students after the first teacher.")] = None,
    passes: Annotated[int | None, typer.Option(help="Of self-training: times the pool is read with dropout.")] = None,
    per_round: Annotated[
        int | None, typer.Option(help="Of self-training: pseudo-labelled texts that a student learns from.")
    ] = None,
    max_unlabeled: Annotated[int | None, typer.Option(help="Of self-training: texts of the pool looked at.")] = None,
    sampling: Annotated[str | None, typer.Option(help="Of self-training: easy, hard or uniform.")] = None,
    classes: Annotated[
        str | None,
        typer.Option(
            help="Class names with commas between, for zero-shot methods and prompt, which need no labelled texts."
        ),
    ] = None,
    aggregate: Annotated[
        str | None, typer.Option(help="Of zero-shot-nli: mean or max over the sentences of a class [default: mean].")
    ] = None,
    contrast: Annotated[
        str | None, typer.Option(help="Of zero-shot-nli: entailment against contradiction, all, or none.")
    ] = None,
    decision: Annotated[
        str | None,
        typer.Option(help="Of zero-shot methods with several labels: threshold, per-label or top-k [default: auto]."),
    ] = None,
    top_k: Annotated[int | None, typer.Option(help="Of zero-shot methods with several labels: so many apply.")] = None,
    centering: Annotated[
        bool | None,
        typer.Option(
            "--centering/--no-centering",
            help="Of zero-shot-embedding: take the mean of the unlabelled texts off each vector [default: if they are "
            "enough].",
        ),
    ] = None,
    k: Annotated[int | None, typer.Option("--k", help="Of knn: neighbors that vote [default: tried].")] = None,
    metric: Annotated[str | None, typer.Option(help="Of knn: cosine or l2 [default: cosine].")] = None,
    weights: Annotated[
        str | None, typer.Option(help="Of knn: distance (near votes weigh more) or uniform [default: distance].")
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(
            help="Of knn and zero-shot methods: share of votes, or probability, from which one of several labels "
            "applies [default: tried]."
        ),
    ] = None,
    keep_texts: Annotated[
        bool | None, typer.Option("--keep-texts", help="Of knn: keep the training texts in the model, to explain by.")
    ] = None,
    setfit_compatible: Annotated[
        bool, typer.Option("--setfit-compatible", help="Also write a pickle that the package setfit can open.")
    ] = False,
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
    """Train a classifier on labelled texts.

    Example: fewshot train data/support_tickets.csv:train --encoder bundled --out runs/teacher
    """
    given = dict(locals())  # before anything else is bound: the flags by name
    options.check_named(labeled, validation, unlabeled, estimate_pool, models=[start_from] if start_from else [])
    import dataclasses

    from fewshot.core.config import read_settings
    from fewshot.recipes.naming import name_classifier
    from fewshot.recipes.teaching import TrainSettings, train_classifier

    flags: dict[str, Any] = {field.name: given[field.name] for field in dataclasses.fields(TrainSettings)}
    flags |= {"templates": _one_or_several(templates), "augment": _one_or_several(augment)}
    flags["classes"] = options.names("--classes", classes)
    settings = read_settings(TrainSettings, config, flags)
    how = options.reading(text, label, label_separator, empty_labels, label_map, encoding, multi_label)
    with show_progress(enabled=False if quiet else None):
        if labeled is None:
            _refuse_without_labels(given, "validation", "start_from", "resume", "setfit_compatible")
            made = name_classifier(out=out, settings=settings, reading=how)
        else:
            made = train_classifier(
                labeled,
                out=out,
                settings=settings,
                reading=how,
                validation=validation,
                start_from=start_from,
                resume=resume,
                setfit_compatible=setfit_compatible,
            )
    facts = made.facts
    for note in (facts["cleaning"], *facts["notes"]):
        typer.echo(note, err=True)
    options.finish(
        f"{_told(settings.method, facts)} in {facts['seconds']} s: "
        f"{out} ({facts['megabytes']} MB). Next: {_next_command(settings.method, settings.encoder, out)}",
        {"out": out, **facts},
        as_json=as_json,
    )


def _refuse_without_labels(given: dict[str, Any], *names: str) -> None:
    for name in names:
        if given[name]:
            flag = "--from" if name == "start_from" else "--" + name.replace("_", "-")
            raise typer.BadParameter("needs labelled texts, and no file of them is named", param_hint=flag)


def _told(method: str, facts: dict[str, Any]) -> str:
    """Say what was done."""
    if not facts["texts"]:
        return f"Told {method} {facts['classes']} class names"
    return f"Trained {method} on {facts['texts']} texts of {facts['classes']} classes"


def _next_command(method: str, encoder: str, out: str) -> str:
    """Return what can be done with the model; a student of the Hub is named only where the teacher is from there."""
    from fewshot.encoders.resolve import DEFAULT_TEACHER
    from fewshot.recipes.methods import find_method

    if not find_method(method)[0].uses_encoder:
        return f'fewshot predict {out} "a text"'
    student = "" if encoder == DEFAULT_TEACHER else " --student static"
    return f"fewshot distill --teacher {out} --unlabeled POOL{student} --out runs/student"


def _one_or_several(given: list[str] | None) -> str | tuple[str, ...] | None:
    if not given:
        return None
    return given[0] if len(given) == 1 else tuple(given)
