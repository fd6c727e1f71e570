"""Small edits of words: nothing lost, nothing from nowhere, nothing out of bounds."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from fewshot.data.word_edits import (
    disordered,
    filled,
    join_words,
    mixed,
    ngram,
    recombined,
    split_words,
    swapped,
    thinned,
)

WORDS = st.lists(st.sampled_from(["a", "b.", "C!", "我"]), max_size=8)


@given(st.text(st.sampled_from("aB.,\n 我很カ"), max_size=20))
def test_words_are_split_and_joined_again(text):
    """Prevents characters that are lost on the way, and Chinese texts of one word."""
    words = split_words(text)
    assert "".join(words) == "".join(text.split())
    assert split_words(join_words(words)) == words
    assert all(len(word) == 1 or not set(word) & set("我很カ") for word in words)


def test_spaces_stand_where_they_are_written():
    """Prevents spaces between Chinese characters, and words of other scripts run together."""
    assert join_words(split_words("I like  我很 it")) == "I like我很it"
    assert join_words([]) == ""


@given(WORDS, st.integers(0, 5), st.integers(0, 99))
@settings(deadline=None)
def test_swaps_keep_every_word(words, times, seed):
    """Prevents words that are lost or doubled, and a list of the caller that is sorted anew."""
    before = list(words)
    moved = swapped(words, times, np.random.default_rng(seed))
    assert sorted(moved) == sorted(words)
    assert words == before
    assert sum(a != b for a, b in zip(moved, words, strict=True)) <= 2 * times


def test_two_words_change_places():
    """Prevents a swap of a word with itself, which is none."""
    for seed in range(20):
        assert swapped(["a", "b"], 1, np.random.default_rng(seed)) == ["b", "a"]


@given(WORDS, st.integers(1, 9), st.integers(0, 99))
@settings(deadline=None)
def test_so_many_words_are_left_out_but_never_all(words, times, seed):
    """Prevents empty texts, and words in another order."""
    left = thinned(words, times, np.random.default_rng(seed))
    assert len(left) == max(min(1, len(words)), len(words) - times)
    rest = iter(words)
    assert all(word in rest for word in left)


@given(WORDS, WORDS, st.integers(0, 5), st.integers(0, 99))
@settings(deadline=None)
def test_so_many_words_of_the_other_come_in(words, others, times, seed):
    """Prevents words from nowhere, and a text that loses its own."""
    more = filled(words, others, times, np.random.default_rng(seed))
    assert len(more) == len(words) + (times if others else 0)
    rest = iter(more)
    assert all(word in rest for word in words)
    assert set(more) <= {*words, *others}


def test_sentences_are_kept_whole_where_both_texts_have_several():
    """Prevents cuts in the middle of a sentence where there is a better place."""
    own, other = split_words("It came late. I want a refund."), split_words("No answer! Still waiting. Bye.")
    whole = {"It came late.", "I want a refund.", "No answer!", "Still waiting.", "Bye."}
    for seed in range(30):
        text = join_words(mixed(own, other, np.random.default_rng(seed)))
        for sentence in whole:
            text = text.replace(sentence, "")
        assert not text.strip()
    cut = {join_words(mixed(["a", "b"], ["c", "d."], np.random.default_rng(seed))) for seed in range(30)}
    assert cut == {"a d.", "a c d.", "a b d.", "a b c d."}


@given(st.integers(1, 9), st.integers(0, 99))
@settings(deadline=None)
def test_ngrams_are_neighbours_of_five_at_most(n_words, seed):
    """Prevents an empty n-gram, or one beyond the end of its text."""
    first, last = ngram(n_words, np.random.default_rng(seed))
    assert 0 <= first < last <= n_words
    assert last - first <= 5


@given(st.integers(1, 6), st.integers(1, 6), st.integers(0, 99))
@settings(deadline=None)
def test_recombination_joins_a_beginning_to_an_end(n_words, n_others, seed):
    """Prevents words in an order that neither text has, and a mixture of one text alone."""
    words, others = [f"a{i}" for i in range(n_words)], [f"b{i}" for i in range(n_others)]
    mixed = recombined(words, others, np.random.default_rng(seed))
    head = [word for word in mixed if word in words]
    tail = [word for word in mixed if word in others]
    assert (head, tail) == (words[: len(head)], others[n_others - len(tail) :])
    assert mixed == head + tail


@given(st.integers(1, 9), st.integers(0, 99))
@settings(deadline=None)
def test_disorder_moves_words_by_two_places(n_words, seed):
    """Prevents a shuffle of the whole text, which says nothing any more, and words that are lost or doubled."""
    moved = disordered([str(place) for place in range(n_words)], np.random.default_rng(seed))
    assert sorted(map(int, moved)) == list(range(n_words))
    assert all(abs(int(word) - place) <= 2 for place, word in enumerate(moved))
