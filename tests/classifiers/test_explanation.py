"""Tables of who decided."""

from fewshot.classifiers.explanation import Explanation, Neighbor


def test_the_table_is_straight_and_short():
    """Prevents columns that run into each other, a text over several lines, and one that fills the screen."""
    neighbors = (
        Neighbor(12, ("a", "b"), 0.9, 0.625, "two\nlines\tof text"),
        Neighbor(7, (), -1.25, 0.375, "long " * 100),
    )
    lines = str(Explanation(("a",), 0.625, neighbors)).splitlines()
    assert lines[0] == "a (confidence 0.62)"
    assert lines[1] == "share  similarity  row  label   text"
    assert lines[2] == " 0.62       0.900   12  a, b    two lines of text"
    assert lines[3].startswith(" 0.38      -1.250    7  (none)  long long")
    assert len(lines[3]) < 100
    assert lines[3].endswith("…")


def test_without_texts_there_is_no_column_of_texts():
    """Prevents an empty column that looks as if texts had been lost."""
    assert "text" not in repr(Explanation("x", 1.0, (Neighbor(0, "x", 1.0, 1.0),)))
