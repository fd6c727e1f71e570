"""The README's tables of the teacher's benchmark, from its result file."""

from collections.abc import Mapping
from typing import Any

from fewshot.evaluation.tables import format_score, markdown_table

Result = Mapping[str, Any]

NAMES = {
    "cr": "CR",
    "trec": "TREC",
    "sst5": "SST-5",
    "emotion": "Emotion",
    "ag_news": "AG News",
    "banking77": "Banking77",
}


def table_accuracy(result: Result) -> str:
    """Return accuracy by set and texts a class, ours beside the probe and SetFit, in percent."""
    part, rows = result["parts"]["accuracy"], []
    for n in ("8", "16"):
        if n not in part:
            continue
        for name, figures in part[n]["sets"].items():
            published = part["published_at_8"].get(name) if n == "8" else None
            rows.append(_accuracy_row(NAMES.get(name, name), n, figures, published))
        rows.append(_accuracy_row("mean", n, part[n]["mean_over_sets"], None))
    return markdown_table(rows)


def _accuracy_row(name: str, n: str, figures: Mapping[str, Any], published: float | None) -> dict[str, Any]:
    return {
        "data": name,
        "per class": int(n),
        "frozen + tuned head": _score(figures["probe"]),
        "SetFit, defaults": _score(figures["setfit"]),
        "ours": _score(figures["ours"]),
        "ours over SetFit ± se": _signed(figures["difference"]),
        "SetFit, published": "" if published is None else f"{100 * published:.1f}",
    }


def table_time(result: Result) -> str:
    """Return seconds of training by slice, and how many times as long SetFit takes."""
    part = result["parts"]["time"]
    rows = [_time_row(key, figures) for key, figures in part["slices"].items()]
    means = part["geometric_means"]
    if any(value is not None for value in means.values()):
        slices = f"geometric mean of {part['slices_in_means']}, without Banking77"
        rows.append({"data": slices, "per class": "", **_times(means)})
    return markdown_table(rows)


def _time_row(key: str, figures: Mapping[str, Any]) -> dict[str, Any]:
    _, name, n = key.split("-")
    seconds = figures["seconds"]
    return {
        "data": NAMES.get(name, name),
        "per class": int(n),
        "ours, training s": _seconds(seconds["ours-training"]),
        "ours, all of fit s": _seconds(seconds["ours-fit"]),
        "SetFit, defaults s": _seconds(seconds["setfit-default"]),
        "SetFit, 20 iterations s": _seconds(seconds["setfit-20"]),
        **_times(figures["times"]),
    }


def _times(times: Mapping[str, float | None]) -> dict[str, str]:
    columns = {
        "defaults / training": "setfit-default / ours-training",
        "20 / training": "setfit-20 / ours-training",
        "defaults / fit": "setfit-default / ours-fit",
        "20 / fit": "setfit-20 / ours-fit",
    }
    values = {column: times[key] for column, key in columns.items()}
    return {column: "" if value is None else f"{value:.1f}" for column, value in values.items()}


def table_goals(result: Result) -> str:
    """Return every figure that something is wanted of, beside what was wanted."""
    rows = []
    for part in result["parts"].values():
        for found in part["goals"]:
            sign, bound = ("≥", found["at_least"]) if "at_least" in found else ("≤", found["at_most"])
            measured = found["measured"]
            rows.append(
                {
                    "figure": found["figure"],
                    "wanted": f"{sign} {bound:.3g}",
                    "measured": "" if measured is None else f"{measured:.3g}",
                    "reached": {True: "yes", False: "no", None: "not measured"}[found["reached"]],
                }
            )
    return markdown_table(rows)


def _score(value: Mapping[str, Any] | None) -> str:
    return "" if value is None else format_score(value["mean"], value["sd"])


def _signed(value: Mapping[str, Any] | None) -> str:
    if value is None:
        return ""
    error = "" if value["se"] is None else f" ± {100 * value['se']:.1f}"
    return f"{100 * value['mean']:+.1f}{error}"


def _seconds(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}"
