"""Write the tables of README.md from the result files: ``python -m tests.benchmarks.readme``."""

import re
from typing import Any

from fewshot.core.artifacts import read_json, write_text
from fewshot.evaluation.tables import markdown_table
from tests.benchmarks.common import RESULTS, ROOT
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


TABLES = {
    "demo": demo_table,
    "main_job": main_job_table,
    "teacher_accuracy": lambda: table_accuracy(read_json(RESULTS / "teacher.json")),
    "teacher_time": lambda: table_time(read_json(RESULTS / "teacher.json")),
    "teacher_goals": lambda: table_goals(read_json(RESULTS / "teacher.json")),
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
