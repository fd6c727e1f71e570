"""What decides the bytes of an output."""

import pytest

from fewshot.core.errors import InputError
from fewshot.recipes.predicting.plan import FORMAT, Plan


def test_a_plan_changes_with_all_that_decides_the_output(tmp_path):
    """Prevents shards of two models, inputs or settings in one file; a card or a date decides nothing."""
    model, source = tmp_path / "model", tmp_path / "in.csv"
    model.mkdir()
    (model / "fewshot.json").write_text("{}")
    (model / "README.md").write_text("card")
    source.write_text("text\na\n")
    plan = Plan.of(source, model, {"rows_per_shard": 5})
    (model / "README.md").write_text("another card")
    assert Plan.of(source, model, {"rows_per_shard": 5}).differences(plan.to_json()) == []
    (model / "fewshot.json").write_text("{ }")
    source.write_text("text\nb\n")
    found = Plan.of(source, model, {"rows_per_shard": 6}).differences(plan.to_json())
    assert found == ["the input", "the model", "rows_per_shard (was 5, is 6)"]
    later = plan.to_json() | {"format": FORMAT + 1}
    assert plan.differences(later) == [f"the manifest's format (was {FORMAT + 1}, is {FORMAT})"]


@pytest.mark.parametrize("found", [{}, [], {"format": 1, "settings": 3, "input": {}, "model": ""}])
def test_what_is_no_plan_is_refused(found):
    """Prevents a traceback where somebody's own manifest.json lies in the folder."""
    with pytest.raises(InputError, match="manifest is damaged"):
        Plan(1, "a", "b", {}).differences(found)
