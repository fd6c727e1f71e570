"""Columns of the output."""

import pyarrow as pa
import pytest

from fewshot.core.errors import InputError
from fewshot.data.labels import LabelSpace
from fewshot.data.row_files import open_rows
from fewshot.data.writers import write_rows
from fewshot.recipes.judging import Answers
from fewshot.recipes.predicting.columns import OutputColumns


@pytest.fixture
def rows(tmp_path):
    """Rows whose columns are called like ours."""
    row = {"row": 7, "text": "a", "label": "x", "labels": ["x", "y"], "confidence": 1}
    write_rows(tmp_path / "in.jsonl", [row, row | {"row": 8}, row | {"row": 9}])
    return open_rows(tmp_path / "in.jsonl", typed=True)


def test_columns_of_the_input_that_are_called_like_ours_are_kept(rows):
    """Prevents a prediction that overwrites what somebody labelled, or a row number that hides the input's own."""
    columns = OutputColumns(rows, LabelSpace(("p", "q"), False), "a.csv", "|")
    kept = ["row", "text", "label_given", "labels_given", "confidence_given"]
    assert columns.layouts["part"].names == [*kept, "label", "confidence"]
    assert columns.layouts["review"].names == ["row_number", *kept, "label", "confidence"]
    [block] = rows.blocks(10)
    made = columns.of(block, [0, 2], Answers(["p", "q"], [0.9, 0.4], [True, False]))
    assert (made.rows["label"], made.rows["confidence"]) == (["p", None, None], [0.9, None, 0.4])
    assert made.review()["row_number"] == [2]
    assert made.review()["row"] == [9]
    assert made.review()["label"] == ["q"]
    assert made.rejected({1: "why"}) == {"row": [1], "reason": ["why"]}
    assert (made.n_abstained, made.counts()) == (1, {"p": 1})


@pytest.mark.parametrize(
    ("space", "name", "kind"),
    [
        (LabelSpace((1, 2), False), "label", pa.int64()),
        (LabelSpace(("a", "b"), True), "labels", pa.list_(pa.string())),
    ],
)
def test_parquet_has_the_types_of_the_classes(rows, space, name, kind):
    """Prevents a column that is of one type in the first shard and of another in a shard without any label."""
    schema = OutputColumns(rows, space, "a.parquet.gz", "|").layouts["part"].schema
    assert schema.field(name).type == kind
    assert schema.field("row").type == pa.int64()
    assert OutputColumns(rows, space, "a.csv", "|").layouts["part"].schema is None


def test_a_separator_in_a_class_name_is_found_before_the_work(rows):
    """Prevents a run that ends after hours, at the first row of such a class."""
    space = LabelSpace(("a", "b|c"), True)
    with pytest.raises(InputError, match=r"label 'b\|c' contains the label_separator"):
        OutputColumns(rows, space, "a.csv.gz", "|")
    OutputColumns(rows, space, "a.csv.gz", ";")
    OutputColumns(rows, space, "a.jsonl", "|")
