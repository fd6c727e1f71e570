"""``fewshot compare``: methods × slices × seeds."""

import itertools
import shlex
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fewshot.cli import options
from fewshot.cli.tables import percent, print_table
from fewshot.core.progress import show_progress

if TYPE_CHECKING:
    from fewshot.recipes.outcome import Comparison
    from fewshot.recipes.sources import Reading


def compare(
    labeled: Annotated[str, typer.Argument(help="File with labelled texts; FILE:SPLIT for one split of it.")],
    other: Annotated[
        str | None, typer.Argument(help="With two folders of comparisons in place of a file: put them side by side.")
    ] = None,
    test: Annotated[str | None, typer.Option(help="Labelled texts to score on [default: a held-out part].")] = None,
    unlabeled: Annotated[
        list[str] | None, typer.Option(help="Pool of unlabelled texts; repeat to compare several pools.")
    ] = None,
    pool_sizes: Annotated[
        str | None, typer.Option(help="Take so many texts of each pool, such as 200,2000 [default: all].")
    ] = None,
    folds: Annotated[
        int | None,
        typer.Option(min=0, help="Without --test: cross-validate with so many folds; 0 holds a part out once."),
    ] = None,
    validation: Annotated[
        str | None, typer.Option(help="Texts that settings were chosen on, to check that none of them is scored on.")
    ] = None,
    methods: Annotated[
        str | None,
        typer.Option(help="Methods with commas between, also NAME+augment, or all-applicable [default: four]."),
    ] = None,
    slices: Annotated[
        str | None,
        typer.Option(help="Labels per class, such as 2,4,8; 0 for methods that need none [default: up to 4,8,16]."),
    ] = None,
    total: Annotated[bool | None, typer.Option("--total/--per-class", help="Count slices in all labels.")] = None,
    seeds: Annotated[int | None, typer.Option(help="Number of random draws [default: 5].")] = None,
    encoder: Annotated[
        str | None,
        typer.Option(
            help="Encoder: bundled, a Hub id, a folder, pooled:NAME; several with commas between "
            "[default: paraphrase-mpnet-base-v2]."
        ),
    ] = None,
    label_words: Annotated[
        str | None,
        typer.Option(help="JSON file: class → a text or several that say what it means; zero-shot and setfit read it."),
    ] = None,
    out: Annotated[str, typer.Option(help="Folder for results; an interrupted run in it goes on.")] = "runs/compare",
    budget: Annotated[
        str | None, typer.Option(help="Begin no cell after this time, such as 30m or 1h30m; run again to go on.")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Run so many cells at once, each in a process of its own.")] = 1,
    engine: Annotated[str, typer.Option(help="Whose processes: joblib (this machine) or ray (a cluster).")] = "joblib",
    config: options.Config = None,
    text: options.Text = None,
    label: options.Label = None,
    multi_label: options.MultiLabel = None,
    label_separator: options.LabelSeparator = "|",
    empty_labels: options.EmptyLabels = None,
    label_map: options.LabelMap = None,
    encoding: options.Encoding = "utf-8",
    seed: Annotated[int | None, typer.Option(min=0, help="The first seed [default: 0].")] = None,
    device: options.Device = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Compare methods on training slices of growing size.

    Example: fewshot compare data/support_tickets.csv:train --test data/support_tickets.csv:test --encoder bundled
    """
    from fewshot.evaluation.reports.side_by_side import is_comparison

    if other is not None or is_comparison(labeled):
        _show_side_by_side(labeled, other, as_json=as_json)
        return
    from fewshot.core.config import read_settings
    from fewshot.recipes.compared_texts import FEW_HELD_OUT, FOLDS
    from fewshot.recipes.comparison import CompareSettings, compare_methods

    flags: dict[str, Any] = {
        "methods": tuple(name.strip() for name in methods.split(",")) if methods is not None else None,
        "slices": options.numbers("--slices", slices),
        "total": total,
        "seeds": seeds,
        "encoder": encoder,
        "pool_sizes": options.numbers("--pool-sizes", pool_sizes),
        "folds": folds,
        "label_words": label_words,
        "device": device,
        "seed": seed,
    }
    settings = read_settings(CompareSettings, config, flags)
    options.check_named(labeled, test, validation, *(unlabeled or []))
    how = options.reading(text, label, label_separator, empty_labels, label_map, encoding, multi_label)
    with show_progress(enabled=False if quiet else None):
        comparison = compare_methods(
            *(labeled, test, unlabeled),
            out=out,
            settings=settings,
            reading=how,
            workers=workers,
            engine=engine,
            validation=validation,
            budget=budget,
            on_result=_tell_failure,
        )
    _tell(comparison, as_json=as_json)
    if test is None and settings.folds is None and comparison.n_test < FEW_HELD_OUT:
        line = shlex.join(["fewshot", *_without_out(sys.argv[1:]), "--folds", str(FOLDS), "--out", f"{out}-folds"])
        typer.echo(f"to judge on all labelled texts instead of {comparison.n_test}: {line}", err=True)
    failed = sum(row["status"] != "ok" for row in comparison.rows)
    best = max((row for row in comparison.summary if row["macro_f1_mean"] is not None), key=_rank, default=None)
    options.finish(
        f"{len(comparison.rows) - failed} cells done, {failed} failed. Report: {out}/report.html"
        + (
            f". Next: {_next_command(labeled, best, comparison.pool_sources, how, settings.label_words)}"
            if best
            else ""
        ),
        {"out": out, "cells": len(comparison.rows), "failed": failed, "summary": comparison.summary},
        as_json=as_json,
    )
    if failed == len(comparison.rows):
        raise typer.Exit(1)


def _tell(comparison: "Comparison", *, as_json: bool) -> None:
    """Say what was found: the table and its sentences on standard output, what to know about them beside it."""
    from fewshot.evaluation.reports.headline import headline
    from fewshot.evaluation.statistics.summary import with_names

    for note in comparison.notes:
        typer.echo(note, err=True)
    for why, names in comparison.reasons.items():
        typer.echo(f"left out {', '.join(names)}: {why}", err=True)
    if not as_json:
        print_table([_shown(row) for row in with_names(comparison.summary)], _COLUMNS)
        typer.echo(_legend(comparison.summary), nl=False)
    for finding in comparison.insights.warnings:
        typer.echo(f"check {finding.number}: {finding.text}", err=True)
    if not as_json:
        typer.echo(" ".join(headline(comparison.summary, comparison.insights.forecasts)))


def _show_side_by_side(a: str, b: str | None, *, as_json: bool) -> None:
    from fewshot.core.errors import InputError
    from fewshot.evaluation.reports.side_by_side import Finished, is_comparison, side_by_side

    if not is_comparison(a):
        raise InputError(
            f"a second argument, {b!r}, is for two folders of comparisons, and {a!r} is none; test texts are named by "
            "--test, unlabelled ones by --unlabeled"
        )
    if b is None:
        raise InputError(f"{a!r} is the folder of a comparison; give the folder of another one beside it")
    found = side_by_side(Finished.read(a), Finished.read(b))
    for note in found.notes:
        typer.echo(note, err=True)
    if not as_json:
        columns = {"method": "method", "slice": "slice", "a": a, "b": b, "gain": "b - a ± sd", "seeds": "seeds"}
        print_table([_side(row) for row in found.rows], columns)
    told = "macro F1, %, means over seeds; the difference is of equal seeds. Nothing was written"
    facts = {"metric": found.metric, "rows": found.rows, "notes": found.notes}
    options.finish(f"{told}. Next: fewshot compare {a} {b} --json", facts, as_json=as_json)


def _side(row: dict[str, Any]) -> dict[str, Any]:
    scores = {name: percent(row[name]) for name in ("a", "b")}
    return row | scores | {"gain": percent(row["difference"], row["sd"]), "seeds": row["n_shared"]}


_COLUMNS = {
    "name": "method",
    "slice": "slice",
    "n_train": "labels",
    "accuracy": "accuracy ± sd",
    "micro_f1": "micro F1",
    "macro_f1": "macro F1",
    "n_seeds": "seeds",
    "fit_seconds": "fit s",
}


def _next_command(
    labeled: str, best: dict[str, Any], pools: dict[Any, Any], how: "Reading", label_words: Any = None
) -> str:
    """Return how to train what came out best; with an adapted encoder, how to adapt that first."""
    from fewshot.recipes.methods import find_method
    from fewshot.recipes.sources import Reading

    encoder = ["--encoder", best["encoder"]] if best["encoder"] else []
    pool = pools.get(best["pool"])
    if pool is not None and find_method(best["method"])[0].adapts:
        of_pool = Reading(text=how.text, encoding=how.encoding).flags()
        return shlex.join(["fewshot", "adapt", str(pool), *encoder, *of_pool, "--out", "runs/adapted"])
    unlabeled = [] if pool is None else ["--unlabeled", str(pool)]
    reads = isinstance(label_words, str) and find_method(best["method"])[0].reads_words
    described = ["--label-words", str(label_words)] if reads else []
    words = ["fewshot", "train", labeled, "--method", best["method"], *encoder, *unlabeled, *described]
    return shlex.join([*words, *how.flags(), "--out", "runs/teacher"])


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    scores = {name: _score(row, name) for name in ("accuracy", "micro_f1", "macro_f1")}
    return row | scores | {"n_train": round(row["n_train"])}


def _score(row: dict[str, Any], name: str) -> str:
    from fewshot.evaluation.statistics.contrasts import BEST, NEAR

    score = percent(row[f"{name}_mean"], row[f"{name}_sd"])
    mark = {BEST: "*", NEAR: "~"}.get(row[f"{name}_verdict"])
    return f"{mark} {score}" if mark else score


def _legend(summary: list[dict[str, Any]]) -> str:
    judged = [row for row in summary if row["macro_f1_verdict"]]
    if not judged:
        return ""
    seeds = "" if all(row["n_seeds"] > 1 for row in judged) else "\n(one seed: another draw of slices is not in this)"
    return (
        "* best of its slice; ~ not distinguishable from the best (95 % level, corrected for the number of methods); "
        f"no mark: worse, or not compared{seeds}\n"
    )


def _rank(row: dict[str, Any]) -> tuple[int, float]:
    return row["slice"], row["macro_f1_mean"]


def _tell_failure(cell: Any, row: dict[str, Any]) -> None:
    if row["status"] != "ok":
        variant = "".join(f", {part}" for part in (cell.encoder, cell.pool) if isinstance(part, str) and part)
        fold = "" if cell.fold is None else f", fold {cell.fold}"
        cell_name = f"{cell.method}{variant}, slice {cell.slice}, seed {cell.seed}{fold}"
        typer.echo(f"warning: {cell_name} failed: {row['error']}", err=True)


def _without_out(arguments: list[str]) -> list[str]:
    """Leave out where an earlier command wrote to.

    Examples
    --------
    >>> _without_out(["compare", "a.csv", "--out", "runs/a", "--seeds", "2", "--out=b"])
    ['compare', 'a.csv', '--seeds', '2']
    """
    flags = ["", *arguments]
    return [
        word
        for before, word in itertools.pairwise(flags)
        if before != "--out" and word != "--out" and not word.startswith("--out=")
    ]
