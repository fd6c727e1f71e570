"""Words for classes, from files that know class names as strings only."""

from hypothesis import given
from hypothesis import strategies as st

from fewshot.recipes.class_words import named_like, words_like


@given(st.lists(st.integers(), min_size=1, unique=True), st.integers())
def test_numbers_come_back_as_they_were(classes: list[int], other: int) -> None:
    """Prevents a class that is a number, negative ones and those of no text included, from becoming another one."""
    assert [named_like(str(name), classes) for name in classes] == classes
    assert named_like(str(other), classes) == other
    assert named_like(other, [*map(str, classes), str(other)]) == str(other)


@given(st.lists(st.text(min_size=1), min_size=1, unique=True), st.text())
def test_names_stay_as_they_are(classes: list[str], other: str) -> None:
    """Prevents digits that are a name from becoming a number where classes are texts."""
    assert words_like({name: name for name in [*classes, other]}, classes) == {n: n for n in [*classes, other]}
    assert named_like(other, [0, 1]) in (other, 0, 1) or other.removeprefix("-").isdigit()


def test_what_is_no_number_or_no_mapping_is_left_to_others() -> None:
    """Prevents a traceback where a message would say what is wrong."""
    assert [named_like(name, [1, 2]) for name in ("", "-", "--1", "1.5", "²", "٣", "one")] == [
        *("", "-", "--1", "1.5", "²", "٣", "one")
    ]
    assert words_like(["a"], [1]) == ["a"]
    assert named_like("0", []) == "0"
