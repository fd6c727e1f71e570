"""What is told of a pool."""

import json

from fewshot.data.pool_report import PoolReport

REPORT = PoolReport("file 'a'", 12_345, 1, 2, 3, 4, 5, 12_330, ("line 7: torn",))


def test_one_sentence_with_every_count():
    """Prevents a reason that is not told, and one told of nothing."""
    assert REPORT.summary() == (
        "12,330 of 12,345 rows of file 'a' kept; left out: 1 broken, 2 empty, 3 excluded, 4 duplicate, 5 not drawn."
    )
    assert PoolReport("list", 2, 0, 0, 0, 0, 0, 2).summary() == "2 of 2 rows of list kept."
    assert PoolReport("list", 2, 0, 0, 0, 0, 0, 2).warnings() == []


def test_facts_are_json_and_make_the_report_again():
    """Prevents a model card that cannot be written, and a count that is lost in a spilled pool."""
    facts = json.loads(json.dumps(REPORT.as_facts()))
    assert PoolReport(**facts | {"broken_examples": tuple(facts["broken_examples"])}) == REPORT


def test_warnings_name_the_count_and_the_first_row():
    """Prevents a warning that leaves the user to search."""
    excluded, broken = REPORT.warnings()
    assert excluded.startswith("3 of 12,345 rows of the pool (file 'a') are copies of excluded texts")
    assert broken.endswith("left out; the first: line 7: torn")
