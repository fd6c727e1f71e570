"""Words and codes among class names."""

import pytest

from fewshot.data.class_names import code_names


@pytest.mark.parametrize(
    "name", ["LOC", "ENTY", "7", 7, -1, "label_2", "Class 3", "B12", "x", "no.", "xqz", "", "TYPE-A"]
)
def test_codes(name):
    """A zero-shot method that is told "LOC" guesses."""
    assert code_names([name]) == [name]


@pytest.mark.parametrize(
    "name",
    [
        "refund",
        "card_lost",
        "Sports",
        "LOGIN",
        "ENTY:animal",
        "sci.space",
        "体育",
        "спорт",
        "größe",
        "yes",
        "Sci/Tech",
        "by-product",
    ],
)
def test_words(name):
    """A warning about good names is noise."""
    assert code_names([name]) == []
