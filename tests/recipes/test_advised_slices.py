"""Slices that a comparison can cut."""

import pytest

from fewshot.data.slices import training_slices
from fewshot.recipes.advised_slices import choose_slices
from fewshot.recipes.comparison import compare_methods
from fewshot.recipes.task_reading import read_task
from tests.recipes.task_cases import LAPTOP, labeled_rows

RARE = [{"text": f"something odd {i}", "label": "rare"} for i in range(2)]


def slices_of(rows, *others):
    """Return the slices that files allow."""
    return choose_slices(read_task(rows, *others, machine=LAPTOP))


@pytest.mark.parametrize(
    ("rows", "sizes", "total", "folds"),
    [
        (labeled_rows(120), (20, 40, 80), False, None),
        (labeled_rows(24), (4, 9, 19), False, 5),
        (labeled_rows(3), (1, 2), False, 5),
        (labeled_rows(2), (1,), False, 5),
        (labeled_rows(30) + RARE, (18, 36, 73), True, 5),
        ([{"text": f"t{i}", "labels": [["a", "b"][i % 2]]} for i in range(30)], (6, 12, 24), True, 5),
    ],
)
def test_slices_fit_the_labels_that_a_comparison_leaves(rows, sizes, total, folds):
    """compare holds a third out first, or each fifth in its turn; slices larger than the rest end in an error."""
    slices = slices_of(rows)
    assert (slices.sizes, slices.total, slices.folds) == (sizes, total, folds)


@pytest.mark.parametrize("rows", [labeled_rows(24), labeled_rows(3), labeled_rows(30) + RARE, labeled_rows(120)])
@pytest.mark.filterwarnings("ignore:the slice of:fewshot.core.errors.DataWarning")
def test_the_comparison_runs_with_these_slices(rows, tmp_path):
    """The one proof that sizes are right is that the comparison takes them."""
    slices = slices_of(rows)
    options = {"slices": slices.sizes, "total": slices.total, "folds": slices.folds, "seeds": 2}
    made = compare_methods(rows, out=tmp_path, methods=("naive-bayes",), **options)
    assert {row["status"] for row in made.rows} == {"ok"}
    assert {row["n_train"] for row in made.rows} == {slices.n_texts(size) for size in slices.sizes}


def test_with_a_test_set_all_labels_are_there_to_learn():
    """A test set of one's own spares the labels."""
    test = [{"text": f"test {i}", "label": "login"} for i in range(4)]
    slices = slices_of(labeled_rows(16), None, test)
    assert (slices.sizes, slices.n_held_out) == ((4, 8, 16), None)
    training_slices([row["label"] for row in labeled_rows(16)], slices.sizes)
