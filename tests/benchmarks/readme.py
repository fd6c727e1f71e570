"""Write the tables of README.md from the result files: ``python -m tests.benchmarks.readme``."""

import re
from collections.abc import Callable
from typing import Any

from fewshot.core.artifacts import read_json, write_text
from fewshot.evaluation.tables import markdown_table
from fewshot.recipes.tree_views import plot_decision_tree, tree_as_text
from tests.benchmarks.common import RESULTS, ROOT
from tests.benchmarks.distillation_tables import (
    table_correlation,
    table_measured_goals,
    table_pools,
    table_published,
    table_rates,
    table_seconds,
    table_students,
    table_zero_shot,
)
from tests.benchmarks.estimate_coverage import table_coverage
from tests.benchmarks.few_labels_tables import (
    table_inference,
    table_look_up,
    table_means,
    table_pairs,
    table_sets,
    table_when,
)
from tests.benchmarks.forecast import table_forecasts
from tests.benchmarks.production_tables import table_models, table_pruned, table_reached
from tests.benchmarks.teacher_tables import table_accuracy, table_goals, table_time


def score(value: dict[str, Any]) -> str:
    """Return mean ± sd in percent."""
    return f"{100 * value['mean']:.1f} ± {100 * value['sd']:.1f}"


def demo_table() -> str:
    """Return the closing table of the demo."""
    rows = [
        {
            "method": row["method"],
            "labels": row["labels"],
            "accuracy % ± sd": score({"mean": row["accuracy"], "sd": row["sd"]}),
            "size MB": "" if row["size_mb"] is None else f"{row['size_mb']:.1f}",
            "texts/s": "" if row["texts_per_second"] is None else f"{row['texts_per_second']:,.0f}",
        }
        for row in read_json(RESULTS / "demo.json")
    ]
    return markdown_table(rows)


def main_job_table() -> str:
    """Return the table of the main job on AG News."""
    rows = []
    for name, values in read_json(RESULTS / "main_job.json")["models"].items():
        correlation = values.get("cosine_correlation")
        times = values.get("times_teacher_speed")
        size, speed = values.get("size_mb"), values.get("texts_per_second")
        rows.append(
            {
                "model": name,
                "accuracy % ± sd": score(values["accuracy"]),
                "cosine correlation": f"{correlation['mean']:.2f}" if correlation else "",
                "size MB": f"{size['mean']:.1f}" if size else "",
                "texts/s": f"{speed['mean']:,.0f}" if speed else "",
                "times teacher": f"{times['mean']:,.1f}" if times else "",
            }
        )
    return markdown_table(rows)


def decision_tree() -> str:
    """Return the decision tree as text."""
    return f"```text\n{tree_as_text()}\n```"


def of_result(name: str, table: Callable[[Any], str]) -> Callable[[], str]:
    """Return a table's maker that reads the result file when it is called."""
    return lambda: table(read_json(RESULTS / f"{name}.json"))


def production_goals() -> str:
    """Return what is wanted of models in production, of the parts that have been measured."""
    paths = [RESULTS / f"production_{part}.json" for part in ("models", "onnx", "pruning", "predict")]
    return table_reached(*(read_json(path) for path in paths if path.is_file()))


PICTURE = RESULTS / "decision_tree.png"

TABLES = {
    "decision_tree": decision_tree,
    "demo": demo_table,
    "main_job": main_job_table,
    "teacher_accuracy": of_result("teacher", table_accuracy),
    "teacher_time": of_result("teacher", table_time),
    "teacher_goals": of_result("teacher", table_goals),
    "distillation_accuracy": of_result("distillation", table_students),
    "distillation_correlation": of_result("distillation", table_correlation),
    "distillation_published": of_result("distillation", table_published),
    "distillation_seconds": of_result("distillation", table_seconds),
    "distillation_rates": of_result("distillation", table_rates),
    "distillation_memory": of_result("distillation", table_pools),
    "distillation_nli": of_result("distillation", table_zero_shot),
    "distillation_goals": of_result("distillation", table_measured_goals),
    "few_labels_means": of_result("few_labels", table_means),
    "few_labels_pairs": of_result("few_labels", table_pairs),
    "few_labels_sets": of_result("few_labels", table_sets),
    "few_labels_when": of_result("few_labels", table_when),
    "few_labels_nli": of_result("few_labels_nli", table_inference),
    "estimate_coverage": of_result("estimate_coverage", table_coverage),
    "forecast": of_result("forecast", table_forecasts),
    "production_models": of_result("production_models", table_models),
    "production_pruning": of_result("production_pruning", table_pruned),
    "production_goals": production_goals,
    "few_labels_knn": of_result("few_labels_knn", table_look_up),
}


def with_tables(text: str) -> str:
    """Return the README with each table made anew."""
    for name, make in TABLES.items():
        pattern = rf"(<!-- table: {name} -->\n).*?(<!-- end -->)"
        text = re.sub(pattern, lambda match, make=make: f"{match[1]}{make().strip()}\n{match[2]}", text, flags=re.S)
    return text


if __name__ == "__main__":
    path = ROOT / "README.md"
    write_text(path, with_tables(path.read_text("utf-8")))
    plot_decision_tree(PICTURE)
