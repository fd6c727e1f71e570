"""README tables of the benchmarks of models in production, from their results."""

from collections.abc import Mapping
from typing import Any

from fewshot.evaluation.tables import format_score, markdown_table
from tests.benchmarks.teacher_plan import goal
from tests.benchmarks.teacher_tables import table_goals

Result = Mapping[str, Any]


def table_models(result: Result) -> str:
    """Return accuracy over seeds, and size, latency and speed of the first seed's models."""
    rows = []
    for row in result["benchmark"]["rows"]:
        accuracy = result["accuracy"][row["model"]]
        rows.append(
            {
                "model": row["model"],
                "accuracy % ± sd": format_score(accuracy["mean"], accuracy["sd"]),
                "MB": f"{row['size_bytes'] / 1e6:.1f}",
                "MB gzipped": f"{row['gzip_bytes'] / 1e6:.1f}",
                "ms a text": f"{row['latency_p50_ms']:.3g}",
                "times": f"{row['latency_speedup']:,.1f}",
                "texts/s": f"{row['texts_per_second']:,.0f}",
                "times ": f"{row['throughput_speedup']:,.1f}",
                "cold start, s": f"{row['cold_start_seconds']:.1f}",
                "memory, MB": f"{row['peak_memory_bytes'] / 1e6:.0f}",
            }
        )
    return markdown_table(rows)


def goals_of_models(rows: Mapping[str, Result], accuracy: Mapping[str, Result], *names: str) -> list[dict[str, Any]]:
    """Return what is wanted of the ladder.

    Parameters
    ----------
    rows : mapping of str to mapping
        Rows of the benchmark by model.
    accuracy : mapping of str to mapping
        Means over seeds.
    *names : str
        The teacher, the small student, and the fastest.
    """
    teacher, small, fastest = names
    lost = 100 * (accuracy[teacher]["mean"] - accuracy[small]["mean"])
    return [
        goal(f"{small}: times the teacher's latency", 10.0, rows[small]["latency_speedup"]),
        goal(f"{small}: times smaller", 8.0, rows[teacher]["size_bytes"] / rows[small]["size_bytes"]),
        goal(f"{small}: points below the teacher", 1.0, lost, at_most=True),
        goal(f"{fastest}: times the teacher's latency", 100.0, rows[fastest]["latency_speedup"]),
        goal(f"{small}: cold start, s", 1.0, rows[small]["cold_start_seconds"], at_most=True),
        goal(f"{fastest}: cold start, s", 0.4, rows[fastest]["cold_start_seconds"], at_most=True),
    ]


def table_pruned(result: Result) -> str:
    """Return what pruning costs and brings."""
    found = {f"structured, {result['structured']['layers']} layers": result["structured"], **result["unstructured"]}
    return markdown_table(
        [
            {
                "pruning": name,
                "accuracy % ± sd": format_score(row["accuracy"]["mean"], row["accuracy"]["sd"]),
                "points lost ± sd": _signed(row["points_lost"]),
                "seeds": len(row["accuracy"]["values"]),
                "times the teacher's texts/s": f"{row['throughput_ratio']['mean']:.2f}",
            }
            for name, row in found.items()
            if row is not None
        ]
    )


def table_reached(*results: Result) -> str:
    """Return every figure that something is wanted of, of several benchmarks."""
    return table_goals({"parts": {str(number): result for number, result in enumerate(results)}})


def goals_of_pruning(result: Result) -> list[dict[str, Any]]:
    """Return what is wanted of half the operations."""
    found, wanted = result["structured"], result["wanted"]
    return [
        goal(
            "half of the operations: times the teacher's texts/s",
            wanted["throughput_ratio"],
            found["throughput_ratio"]["mean"],
        ),
        goal("half of the operations: points lost", wanted["points_lost"], found["points_lost"]["mean"], at_most=True),
    ]


def _signed(value: Result) -> str:
    sd = "" if value["sd"] is None else f" ± {value['sd']:.1f}"
    return f"{value['mean']:+.1f}{sd}"
