"""The README's tables of the distillation benchmark, from its result file."""

from collections.abc import Mapping
from typing import Any

from fewshot.evaluation.tables import format_score, markdown_table
from tests.benchmarks.teacher_tables import NAMES, table_goals

Result = Mapping[str, Any]

ACCURACY_COLUMNS = {
    "teacher": "teacher",
    "layers:3, before": "layers_3_before",
    "layers:3": "layers_3",
    "layers:3, match": "layers_3_match",
    "static, before": "static_before",
    "static": "static",
    "static:conv": "static_conv",
    "static:words": "static_words",
    "static:bigrams": "static_bigrams",
    "SetFit, equal passes": "setfit_passes",
    "SetFit, equal seconds": "setfit_seconds",
    "SetFit repaired, equal passes": "repaired_passes",
    "SetFit repaired, equal seconds": "repaired_seconds",
}
CORRELATION_COLUMNS = {
    name: key for name, key in ACCURACY_COLUMNS.items() if key != "teacher" and not key.endswith("seconds")
}
VERSION_NAMES = {"setfit": "SetFit", "repaired": "SetFit repaired"}
TEACHER_NAMES = {"nli": "NLI model", "names": "similarity to class names"}


def table_students(result: Result) -> str:
    """Return accuracy by set and pool size, in percent; mean and standard deviation over seeds."""
    rows = []
    for name, sizes in result["parts"]["accuracy"]["sets"].items():
        for size, figures in sizes.items():
            values = figures["accuracy"]
            if values:
                scores = {column: _score(values.get(key)) for column, key in ACCURACY_COLUMNS.items()}
                rows.append({"data": NAMES.get(name, name), "pool": int(size), **scores})
    return _filled(rows)


def table_correlation(result: Result) -> str:
    """Return the correlation of student's and teacher's cosines on test texts, means over seeds."""
    rows = []
    for name, sizes in result["parts"]["correlation"]["sets"].items():
        for size, values in sizes.items():
            if values:
                figures = {column: _decimal(values.get(key)) for column, key in CORRELATION_COLUMNS.items()}
                rows.append({"data": NAMES.get(name, name), "pool": int(size), **figures})
    return _filled(rows)


def table_published(result: Result) -> str:
    """Return our and SetFit's published points behind the teacher, and shares of the gap closed."""
    rows = []
    for name, sizes in result["parts"]["published"]["sets"].items():
        for size, pair in sizes.items():
            if pair["ours"] is None:
                continue
            row = {"data": NAMES.get(name, name), "pool": int(size)}
            for side, shown in (("ours", "ours"), ("published", "SetFit")):
                figures = pair[side] or {}
                row |= {
                    f"{shown}, teacher": _percent(figures.get("teacher")),
                    f"{shown}, before": _percent(figures.get("before")),
                    f"{shown}, student": _percent(figures.get("student")),
                    f"{shown}, gap closed %": _percent(figures.get("share")),
                }
            rows.append(row)
    return _filled(rows)


def table_seconds(result: Result) -> str:
    """Return the seconds of 500 texts: ours by number of steps, and setfit's trainers."""
    part, rows = result["parts"]["speed"], []
    for rung in part["ladder"]:
        shown = {"training": f"ours, {rung['steps']} steps of 64 texts", "accuracy %": _score(rung["accuracy"])}
        rows.append(shown | {"seconds": _seconds(rung["seconds"])})
    for version, found in part["to_accuracy"].items():
        if found:
            rows.append(
                {
                    "training": f"{VERSION_NAMES[version]}, 500 steps of 16 pairs (told from the first)",
                    "accuracy %": _score(found["accuracy"]),
                    "seconds": f"{found['documented_seconds']:,.0f}",
                }
            )
    whole = next((found for found in part["to_accuracy"].values() if found), None)
    if whole:
        name = f"SetFit, its defaults, {whole['whole_steps']:,} steps (told from the first)"
        rows.append({"training": name, "accuracy %": "", "seconds": f"{whole['whole_seconds']:,.0f}"})
    return markdown_table(rows)


def table_rates(result: Result) -> str:
    """Return texts a second of teacher, students and the bare tokenizer, on one thread."""
    rates = result["parts"]["speed"]["rates"].get("rates", {})
    rows = []
    for name, rate in sorted(rates.items(), key=lambda item: item[1]):
        times = {
            "times teacher": f"{rate / rates['teacher']:,.1f}",
            "times bare tokenizer": f"{rate / rates['bare tokenizer']:.2f}",
        }
        rows.append({"model": name, "texts/s": f"{rate:,.0f}", **times})
    return markdown_table(rows)


def table_pools(result: Result) -> str:
    """Return memory and seconds by pool size."""
    rows = []
    for size, figures in result["parts"]["memory"]["pools"].items():
        stages = figures["stages"]
        rows.append(
            {
                "texts": f"{int(size):,}",
                "MB above the model": f"{figures['added_mb']:,.0f}",
                "of these anonymous, at most": f"{figures['anonymous_mb']:,.0f}",
                "pages of files, at most": f"{figures['file_pages_mb']:,.0f}",
                "seconds": f"{figures['seconds']:,.0f}",
                "pool / teacher / training s": " / ".join(
                    f"{stages[name]:,.0f}" for name in ("pool", "teacher", "training")
                ),
            }
        )
    return markdown_table(rows)


def table_zero_shot(result: Result) -> str:
    """Return zero-shot teachers and the students that they taught without labels."""
    rows = []
    for name, kinds in result["parts"]["nli"]["sets"].items():
        for kind, figures in kinds.items():
            rows.append(
                {
                    "data": NAMES.get(name, name),
                    "teacher": TEACHER_NAMES[kind],
                    "majority class %": _percent(figures["majority"]["mean"]),
                    "teacher %": _score(figures["teacher"]),
                    "static student %": _score(figures["accuracy"]),
                    "times teacher": f"{figures['times_teacher_speed']['mean']:,.0f}",
                }
            )
    return markdown_table(rows)


def table_measured_goals(result: Result) -> str:
    """Return the figures that something is wanted of and that have been measured."""
    parts = {
        name: {"goals": [found for found in part["goals"] if found["measured"] is not None]}
        for name, part in result["parts"].items()
    }
    return table_goals({"parts": parts})


def _filled(rows: list[dict[str, Any]]) -> str:
    """Return a table without the columns that are empty everywhere."""
    columns = dict.fromkeys(name for row in rows for name, value in row.items() if value not in ("", None))
    order = dict.fromkeys(name for row in rows for name in row)
    return markdown_table(rows, [name for name in order if name in columns])


def _score(value: Mapping[str, Any] | None) -> str:
    return "" if value is None else format_score(value["mean"], value["sd"])


def _decimal(value: Mapping[str, Any] | None) -> str:
    return "" if value is None else f"{value['mean']:.2f}"


def _percent(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.1f}"


def _seconds(value: Mapping[str, Any]) -> str:
    return f"{value['mean']:,.1f}"
