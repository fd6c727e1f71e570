"""Copies of labelled texts: new, of known words, of texts labelled alike, with sources that are true."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fewshot.core.errors import InputError
from fewshot.data.augmentation import (
    OPERATIONS,
    Augmentation,
    TokenAugmentation,
    only_new,
    own_rows,
    rows_apart,
)
from fewshot.data.seen import text_key
from fewshot.data.word_edits import join_words, split_words

TEXTS = st.lists(st.text(st.sampled_from("aBc .\n我"), max_size=14), min_size=1, max_size=8)
NAMES = st.lists(st.sampled_from(OPERATIONS), min_size=1, max_size=4).map(tuple)


@given(TEXTS, NAMES, st.integers(1, 5), st.sampled_from([0.01, 0.3, 1.0]), st.booleans(), st.integers(0, 9))
@settings(deadline=None)
def test_copies_are_new_and_made_of_their_sources(texts, operations, n_copies, alpha, multi_label, seed):
    """Prevents copies that are originals or come twice, and words of a text that is not among the sources.

    A method that holds a text out leaves out what has it among its sources: a word from elsewhere would be a leak.
    """
    y = np.arange(len(texts)) % 2
    labels = np.eye(2, dtype=int)[y] if multi_label else y
    before = list(texts)
    copies, source_rows = TokenAugmentation(operations, n_copies, alpha).augmented(texts, labels, random_state=seed)
    assert texts == before
    assert source_rows.shape == (len(copies), 2)
    keys = [text_key(copy) for copy in copies]
    assert len(set(keys)) == len(keys)
    assert not set(keys) & {"", *(text_key(join_words(split_words(text))) for text in texts)}
    assert np.bincount(source_rows[:, 0], minlength=len(texts)).max(initial=0) <= n_copies
    for copy, (row, other) in zip(copies, source_rows, strict=True):
        assert y[row] == y[other]
        assert set(split_words(copy)) <= {*split_words(texts[row]), *split_words(texts[other])}


def test_equal_inputs_give_equal_copies():
    """Prevents results that nobody can repeat, a seed that changes nothing, and the global random state from it."""
    texts, y = ["the parcel never came", "my parcel is late", "refund my card", "a card was charged"], [0, 0, 1, 1]
    np.random.seed(5)  # noqa: NPY002 - the global state is what is tested
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    augmentation = TokenAugmentation(OPERATIONS, 4)
    first, rows = augmentation.augmented(texts, np.array(y), random_state=3)
    second, again = augmentation.augmented(tuple(texts), np.array(y), random_state=3)
    assert first == second
    np.testing.assert_array_equal(rows, again)
    assert augmentation.augmented(texts, np.array(y), random_state=4)[0] != first
    np.testing.assert_array_equal(before, np.random.get_state()[1])  # noqa: NPY002
    assert len(first) == 16
    assert isinstance(augmentation, Augmentation)


def test_each_operation_does_what_its_name_says():
    """Prevents names that stand for each other."""
    texts, y = ["a b c d e f", "g h i j", "k l m n o p"], np.array([0, 0, 1])
    made = {}
    for name in OPERATIONS:
        copies, rows = TokenAugmentation((name,), 8, 0.4).augmented(texts, y, random_state=0)
        made[name] = [copy.split() for copy, row in zip(copies, rows[:, 0], strict=True) if row == 0]
        assert len(made[name]) == 8
    own = set(texts[0].split())
    assert all(sorted(copy) == sorted(own) and copy != sorted(copy) for copy in made["swap"])
    assert all(len(copy) == 4 and copy == sorted(copy) for copy in made["delete"])
    assert all(len(copy) == 8 and sum(word in "ghij" for word in copy) == 2 for copy in made["insert"])
    assert all(copy[0] == "a" and copy[-1] == "j" for copy in made["mix"])


def test_strength_is_a_share_of_the_words():
    """Prevents long texts that hardly change and short ones that do not at all."""
    y = np.array([0])
    for n_words, alpha, dropped in ((100, 0.1, 10), (100, 0.3, 30), (5, 0.1, 1)):
        text = " ".join(map(str, range(n_words)))
        copies, _ = TokenAugmentation(("delete",), 2, alpha).augmented([text], y, random_state=0)
        assert {len(copy.split()) for copy in copies} == {n_words - dropped}


def test_words_come_from_the_same_label_set():
    """Prevents words of texts that share one label of two, which would be copied to a text without the other."""
    texts = ["a a a", "b b b", "c c c", "d d d", "e e e", "f f f"]
    y = np.array([[1, 0], [1, 1], [1, 0], [1, 1], [0, 0], [0, 0]])
    copies, rows = TokenAugmentation(("mix", "insert"), 3).augmented(texts, y, random_state=0)
    pairs = [{"a", "c"}, {"b", "d"}, {"e", "f"}]
    assert all(set(copy.split()) in pairs for copy in copies if len(set(copy.split())) > 1)
    assert {tuple(sorted({*row})) for row in rows.tolist()} >= {(0, 2), (1, 3), (4, 5)}


def test_short_texts_have_what_can_be_made_of_them():
    """Prevents a crash, a loop without end or a text of nothing where there is little to change."""
    texts, y = ["", "  ", "one", "two", "three"], np.array([0, 1, 0, 1, 2])
    copies, rows = TokenAugmentation(OPERATIONS, 2).augmented(texts, y, random_state=0)
    assert not {0, 1} & set(rows[:, 0])
    assert all(copies)
    alone, rows = TokenAugmentation(("insert",), 2).augmented(["three"], np.array([0]), random_state=0)
    assert alone == ["three three"]
    assert rows.tolist() == [[0, 0]]
    for operation in ("swap", "delete", "mix"):
        assert TokenAugmentation((operation,)).augmented(["three"], np.array([0]), random_state=0)[0] == []
    assert TokenAugmentation().augmented([], np.empty(0, dtype=int), random_state=0)[0] == []


def test_copies_of_chinese_texts():
    """Prevents texts of scripts without spaces from being one word that cannot be changed."""
    copies, _ = TokenAugmentation(("swap", "delete"), 2).augmented(["我爱足球"], np.array([0]), random_state=0)
    assert len(copies) == 2
    assert all(set(copy) <= set("我爱足球") for copy in copies)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"operations": "swap"}, "operations must be a tuple of names"),
        ({"operations": ()}, "operations must be a tuple"),
        ({"operations": ("swop",)}, "got 'swop'. Did you mean 'swap'"),
        ({"n_copies": 0}, "n_copies must be an integer of at least 1"),
        ({"n_copies": 1.5}, "n_copies must be"),
        ({"alpha": 0}, "alpha must be a number above 0"),
        ({"alpha": 1.1}, "alpha must be"),
        ({"alpha": float("nan")}, "alpha must be"),
        ({"alpha": "x"}, "alpha must be"),
    ],
)
def test_bad_settings(arguments, message):
    """Prevents an error from NumPy far from the mistake."""
    with pytest.raises(InputError, match=message):
        TokenAugmentation(**arguments)


def test_only_new_copies_are_kept():
    """Prevents copies that differ by case and white space alone from counting as others."""
    copies, rows = only_new(
        ["A b"], ["a  B", "b a", " ", "B A", "c"], np.array([[0, 0], [1, 1], [2, 2], [3, 3], [4, 5]])
    )
    assert copies == ["b a", "c"]
    assert rows.tolist() == [[1, 1], [4, 5]]


@given(st.data())
def test_what_is_held_out_takes_its_copies_with_it(data):
    """Prevents a copy of a held-out text, or one with words of it, from training: done by hand."""
    n = data.draw(st.integers(1, 8))
    made = data.draw(st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)), max_size=12))
    source_rows = np.array([*((row, row) for row in range(n)), *made])
    held_out = data.draw(st.lists(st.integers(0, n - 1), unique=True))
    expected = [row for row, sources in enumerate(source_rows.tolist()) if not set(sources) & set(held_out)]
    assert rows_apart(source_rows, np.array(held_out, dtype=int)).tolist() == expected
    assert own_rows(source_rows).tolist() == list(range(n))
