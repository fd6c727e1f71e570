"""``fewshot adapt``: an encoder and unlabelled texts to an encoder of their domain."""

from typing import Annotated, Any

import typer

from fewshot.cli import options
from fewshot.core.progress import show_progress


def adapt(
    pool: Annotated[str, typer.Argument(help="Unlabelled texts of the domain; labels in it are not looked at.")],
    encoder: Annotated[
        str | None, typer.Option(help="Encoder: bundled, a Hub id or a folder [default: paraphrase-mpnet-base-v2].")
    ] = None,
    objective: Annotated[
        str | None, typer.Option(help="mlm, tsdae or simcse [default: mlm for a model with its head, else tsdae].")
    ] = None,
    out: Annotated[str, typer.Option(help="Folder of the adapted encoder.")] = "runs/adapted",
    test: Annotated[
        str | None, typer.Option(help="File to be scored on later: texts in it are left out of the pool.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an interrupted run.")] = False,
    steps: Annotated[int | None, typer.Option(min=0, help="Optimizer steps [default: from the pool's size].")] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Passes over the pool, instead of --steps.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Texts a step.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Peak learning rate.")] = None,
    temperature: Annotated[float | None, typer.Option(help="Of simcse [default: 0.05].")] = None,
    mask_probability: Annotated[
        float | None, typer.Option(help="Share of the tokens hidden [default: mlm 0.15, tsdae 0.6].")
    ] = None,
    whole_word: Annotated[bool, typer.Option("--whole-word", help="mlm hides all tokens of a word together.")] = False,
    new_head: Annotated[bool, typer.Option("--new-head", help="mlm may train a head from nothing.")] = False,
    share: Annotated[
        float | None,
        typer.Option(
            help="How far to go from the encoder as it was (0) to the trained one (1) [default: mlm 1, else 0.5]."
        ),
    ] = None,
    max_length: Annotated[int | None, typer.Option(help="Tokens read of a text in training.")] = None,
    precision: Annotated[str | None, typer.Option(help="auto, float32 or bfloat16.")] = None,
    max_pool: Annotated[int | None, typer.Option(min=8, help="Draw so many texts of a larger pool.")] = None,
    config: options.Config = None,
    text: options.Text = None,
    encoding: options.Encoding = "utf-8",
    seed: Annotated[int | None, typer.Option(min=0, help="Decides everything that is random [default: 0].")] = None,
    device: options.Device = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Adapt an encoder to a domain by unlabelled texts; compare before you keep it.

    Example: fewshot adapt data/support_tickets.csv:unlabeled --encoder bundled --out runs/adapted
    """
    given = dict(locals())  # before anything else is bound: the flags by name
    options.check_named(pool, test)
    import dataclasses

    from fewshot.core.config import read_settings
    from fewshot.recipes.adapting import AdaptSettings, adapt_encoder

    flags: dict[str, Any] = {field.name: given[field.name] for field in dataclasses.fields(AdaptSettings)}
    for name in ("whole_word", "new_head"):
        flags[name] = flags[name] or None  # not given, so that a settings file may
    settings = read_settings(AdaptSettings, config, flags)
    how = options.reading(text, None, "|", None, None, encoding)
    with show_progress(enabled=False if quiet else None):
        made = adapt_encoder(pool, out=out, settings=settings, reading=how, test=test, resume=resume)
    facts = made.facts
    for note in (facts["cleaning"], *facts["notes"]):
        typer.echo(note, err=True)
    options.finish(
        f"{_done(facts)} in {facts['seconds']} s: {out} ({facts['megabytes']} MB). "
        f"Next: fewshot train LABELED --encoder {out}",
        {"out": out, **facts},
        as_json=as_json,
    )


def _done(facts: dict[str, Any]) -> str:
    """Say what was made."""
    how = f"by {facts['objective']} on {facts['n_texts']:,} texts, {facts['steps']} steps"
    if facts["kept"] == "frozen":
        return f"Kept the encoder as it was; its adaptation {how}, did no good"
    if facts["loss_before"] is None:
        return f"Adapted the encoder {how}"
    return f"Adapted the encoder {how}, held-out loss {facts['loss_before']:.4f} → {facts['loss_after']:.4f}"
