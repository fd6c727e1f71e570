"""Texts made from texts."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fewshot.core.errors import DataWarning, InputError
from fewshot.data.seen import text_key
from fewshot.data.transfer_text import generate_transfer_texts

TEXTS = st.lists(st.text(st.sampled_from("aB c\n"), max_size=12), min_size=1, max_size=8)
CHANCES = st.sampled_from([0.0, 0.1, 0.5, 1.0])


@pytest.mark.filterwarnings("ignore:of .* texts wanted")
@given(TEXTS, st.integers(0, 40), st.sampled_from([None, "[MASK]"]), CHANCES, CHANCES, CHANCES)
@settings(max_examples=60, deadline=None)
def test_new_texts_of_known_words(texts, n, mask_token, p_mask, p_ngram, p_recombine):
    """Prevents empty texts, copies, words from nowhere and more than was asked for, whatever the texts and chances."""
    chances = {"p_mask": p_mask, "p_ngram": p_ngram, "p_recombine": p_recombine}
    made = generate_transfer_texts(texts, n, random_state=1, mask_token=mask_token, **chances)
    keys = [text_key(text) for text in made]
    assert len(made) <= n
    assert len(set(keys)) == len(keys)
    assert not set(keys) & {text_key(text) for text in texts}
    words = {word for text in texts for word in text.split()}
    for text in made:
        assert set(text.split()) & words
        assert set(text.split()) <= words | {mask_token}
        assert text == " ".join(text.split())


def test_seeded_and_the_first_of_many_are_the_few(pool):
    """Prevents another training set each time, and one that changes throughout when a few more are wanted."""
    many = generate_transfer_texts(pool, 500, random_state=7)
    assert len(many) == 500
    assert generate_transfer_texts(pool, 300, random_state=7) == many[:300]
    assert generate_transfer_texts(tuple(pool), 500, random_state=7) == many
    assert generate_transfer_texts(pool, 500, random_state=8) != many
    assert generate_transfer_texts(pool, 0, random_state=7) == []


def test_it_stops_and_says_how_many():
    """Prevents a loop without end where nothing new can be made."""
    with pytest.warns(DataWarning, match="of 100 texts wanted only 2 could be made from 1; give more or longer texts"):
        made = generate_transfer_texts(["a b"], 100, random_state=0, p_recombine=0)
    assert sorted(made) == ["a", "b"]
    with pytest.warns(DataWarning, match="of 5 texts wanted only 0 could be made from 2"):
        assert generate_transfer_texts(["", " "], 5, random_state=0) == []
    with pytest.warns(DataWarning, match="only 0"):
        assert generate_transfer_texts(["a b c"], 5, random_state=0, p_mask=0, p_ngram=0, p_recombine=0) == []


def test_words_are_masked_as_often_as_asked():
    """Prevents a chance that is another one, and masks where words shall be left out."""
    text = " ".join(f"w{i}" for i in range(1_000))
    settings = {"random_state": 0, "p_mask": 0.2, "p_ngram": 0.0, "p_recombine": 0.0}
    for made in generate_transfer_texts([text], 5, mask_token="[MASK]", **settings):
        assert len(made.split()) == 1_000
        assert 140 < made.split().count("[MASK]") < 260
    for made in generate_transfer_texts([text], 5, **settings):
        assert 740 < len(made.split()) < 860


def test_only_masks_teach_nothing():
    """Prevents a text of masks alone, the same for every source."""
    texts = ["one two three four", "five six seven eight"]
    made = generate_transfer_texts(texts, 25, random_state=0, mask_token="[MASK]", p_mask=0.9)
    assert len(made) == 25
    assert all(set(text.split()) != {"[MASK]"} for text in made)


def test_disorder_is_made_when_asked_for():
    """Prevents a chance that is not looked at."""
    usual = {"p_mask": 0, "p_ngram": 0, "p_recombine": 0}
    with pytest.warns(DataWarning, match="only 5 could be made"):
        made = generate_transfer_texts(["a b c"], 9, p_disorder=1, **usual)
    assert sorted(made) == ["a c b", "b a c", "b c a", "c a b", "c b a"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"texts": []}, "texts must be a sequence of at least one string"),
        ({"texts": "a b"}, "texts must be"),
        ({"texts": ["a", 1]}, "texts must hold strings, got 1"),
        ({"n": -1}, "n must be an integer of at least 0"),
        ({"n": 2.5}, "n must be an integer"),
        ({"random_state": None}, "random_state must be an integer"),
        ({"p_mask": 1.5}, "p_mask must be a number from 0 to 1, got 1.5"),
        ({"p_ngram": "x"}, "p_ngram must be"),
        ({"p_recombine": float("nan")}, "p_recombine must be"),
        ({"p_disorder": -0.1}, "p_disorder must be"),
        ({"mask_token": ""}, "mask_token must be one word"),
        ({"mask_token": "[MASK] x"}, "mask_token must be one word"),
    ],
)
def test_wrong_input(settings, message):
    """Prevents letters taken for texts, and a chance that is none."""
    with pytest.raises(InputError, match=message):
        generate_transfer_texts(**{"texts": ["a b c"], "n": 1, "random_state": 0} | settings)
