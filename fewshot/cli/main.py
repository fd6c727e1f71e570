"""The command ``fewshot``: one table of verbs; each verb's own imports wait until it is called."""

import importlib

import typer

from fewshot.cli.failures import explained

VERBS = (
    *("demo", "advise", "compare", "adapt", "train", "distill", "evaluate", "predict", "benchmark", "shrink", "export"),
    "doctor",
)
"""Each is a module of this room with a function of the same name."""

app = typer.Typer(
    name="fewshot",
    help="From a handful of labelled texts to a small, fast, honest text classifier.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(invoke_without_command=True)
def root(version: bool = typer.Option(False, "--version", help="Print the version and stop.", is_eager=True)) -> None:
    """Show the version, or run a verb."""
    if version:
        from importlib.metadata import version as installed

        typer.echo(f"fewshot {installed('fewshot')}")
        raise typer.Exit


for verb in VERBS:
    function = getattr(importlib.import_module(f"fewshot.cli.{verb}"), verb)
    app.command(verb)(function)


def main() -> None:
    """Run the command line; exit code 0 done, 1 failed, 2 wrong usage, 130 interrupted."""
    with explained():
        app()
