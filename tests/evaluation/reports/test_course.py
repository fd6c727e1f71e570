"""How far a comparison is."""

from fewshot.evaluation.reports.course import Course
from fewshot.evaluation.runner.contest import Cell


def cells(methods=("knn", "setfit"), slices=(8, 16), seeds=2, **changes):
    """Return cells in the order in which they run."""
    return [
        Cell(**{"encoder": "e", "pool": None} | changes, method=name, slice=size, n_train=size, seed=seed, key=key)
        for name in methods
        for size in slices
        for seed in range(seeds)
        if (key := f"{name}-{size}-{seed}-{changes.get('encoder', '')}")
    ]


def test_the_table_fills_as_cells_finish():
    """Prevents a mean over cells of another slice, and a failure that counts as a score or as nothing."""
    all_cells = cells()
    course = Course(all_cells)
    assert course.table() == (["macro F1, % and cells", "8", "16"], [["knn", "", ""], ["setfit", "", ""]])
    course.note(all_cells[0], {"status": "ok", "macro_f1": 0.5})
    course.note(all_cells[1], {"status": "ok", "macro_f1": 0.7})
    course.note(all_cells[2], {"status": "failed", "macro_f1": None})
    course.note(all_cells[4], {"status": "ok", "macro_f1": 0.25})
    assert course.table()[1] == [["knn", "60.0 2/2", "0/2 (1 failed)"], ["setfit", "25.0 1/2", ""]]
    assert course.n_missing == 4


def test_a_line_is_said_where_a_methods_slice_is_complete():
    """Prevents a log file with a line for each of a thousand cells, or with none."""
    all_cells = cells()
    course, said = Course(all_cells), []
    for cell in all_cells[::-1]:
        failed = cell.method == "setfit" and cell.seed == 0
        course.note(cell, {"status": "failed" if failed else "ok", "macro_f1": None if failed else 0.5})
        said.append(course.told(cell))
    assert [line for line in said if line] == [
        "setfit, slice 16: macro F1 50.0 %, 1 of 2 cells failed (2 of 8 cells done)",
        "setfit, slice 8: macro F1 50.0 %, 1 of 2 cells failed (4 of 8 cells done)",
        "knn, slice 16: macro F1 50.0 % (6 of 8 cells done)",
        "knn, slice 8: macro F1 50.0 % (8 of 8 cells done)",
    ]


def test_rows_keep_the_order_of_the_cells():
    """Prevents a page whose lines change places with the order in which cells happen to finish."""
    all_cells = cells()
    course = Course(all_cells)
    for cell in all_cells[::-1]:
        course.note(cell, cell.identity)
    assert course.rows == [cell.identity for cell in all_cells]


def test_variants_have_lines_of_their_own_and_a_dash_where_nothing_is_to_do():
    """Prevents the cells of two encoders from being counted as one, and an empty field that never fills."""
    course = Course([*cells(("knn",), (0, 8)), *cells(("knn",), (8,), encoder="f")])
    assert course.table()[1] == [["knn (e)", "", ""], ["knn (f)", "-", ""]]
