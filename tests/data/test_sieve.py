"""What passes into a pool; the rest of it is tested as pools are."""

from fewshot.data.seen import SeenTexts
from fewshot.data.sieve import Sieve
from fewshot.data.streaming import stream_source


def test_a_row_is_left_out_for_one_reason_only():
    """Prevents an excluded text that counts as a duplicate as well, and chunks that lose their order."""
    excluded = SeenTexts()
    excluded.add(["x"])
    sieve = Sieve(stream_source(["b", "X", "x ", "", "a", "B", ["c"]]), excluded)
    assert [text for chunk in sieve for text in chunk] == ["b", "a"]
    facts = sieve.report(max_rows=1).as_facts()
    assert {name: count for name, count in facts.items() if isinstance(count, int)} == {
        "n_rows": 7,
        "broken": 1,
        "empty": 1,
        "excluded": 2,
        "duplicates": 1,
        "not_drawn": 1,
        "kept": 1,
    }
