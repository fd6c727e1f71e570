"""Words of classes, and their tokens."""

import pytest

from fewshot.classifiers.prompts import TEMPLATE
from fewshot.classifiers.verbalizer import Verbalizer, check_words
from fewshot.core.errors import InputError
from fewshot.data.labels import LabelSpace
from tests.classifiers.masked_cases import byte_tokenizer
from tests.distillation.logit_cases import make_tokenizer

SPACE = LabelSpace(("billing", "card_lost", "login"), multi_label=False)


@pytest.fixture(scope="module")
def tokenizer(tiny_tokenizer):
    """A tokenizer as transformers' models come with one."""
    return make_tokenizer(tiny_tokenizer)


def test_words_of_some_classes_and_names_of_others(tokenizer):
    """Prevents words from standing for another class, and underscores from being asked for."""
    verbalizer = Verbalizer.of(SPACE, {"login": ("password", "my code")}, tokenizer, ("{text} {mask}", "{mask} {text}"))
    assert verbalizer.phrases == ("billing", "card lost", "password", "my code")
    assert verbalizer.groups == (0, 1, 2, 2)
    spelt = [[" ".join(tokenizer.convert_ids_to_tokens(ids)) for ids in prompts] for prompts in verbalizer.spellings]
    assert spelt[0] == ["b ##i ##l ##l ##i ##n ##g"] * 2
    assert spelt[1:] == [["card l ##o ##s ##t"] * 2, ["password"] * 2, ["my code"] * 2]
    assert verbalizer.variants == ((0, 1), (0, 2), (0, 5), (0, 7), (1, 1), (1, 2), (1, 5), (1, 7))
    assert verbalizer.scores("mean_log").members.tolist() == [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0.5, 0.5]]


def test_long_words_are_noted(tokenizer):
    """Prevents a user from waiting for seven masks a class without knowing why."""
    [note] = Verbalizer.of(SPACE, {}, tokenizer, (TEMPLATE,)).notes(SPACE)
    assert "'billing' for 'billing' are up to 7 tokens" in note
    short = {"billing": ("card",), "card_lost": ("locked",), "login": ("code",)}
    assert Verbalizer.of(SPACE, short, tokenizer, (TEMPLATE,)).notes(SPACE) == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"billling": ("card",)}, "'billling' is not one of the 3 classes. Did you mean 'billing'?"),
        ({"login": ("пароль",)}, "label 'login': the model's tokenizer cannot spell 'пароль'"),
        ({"billing": ("code",), "login": ("card", "code")}, "labels 'billing' and 'login' have the same words"),
        ({"login": ("Billing",)}, "labels 'billing' and 'login' have the same words"),
    ],
)
def test_words_that_cannot_be_used(tokenizer, words, message):
    """Prevents a misspelt class, a word that is no word to the model, and classes that nothing tells apart."""
    with pytest.raises(InputError) as raised:
        Verbalizer.of(SPACE, words, tokenizer, (TEMPLATE,))
    assert message in str(raised.value)


def test_bytes_spell_everything():
    """Prevents a byte-level tokenizer, which has no unknown words, from being refused."""
    verbalizer = Verbalizer.of(SPACE, {"login": ("пароль",)}, byte_tokenizer(), (TEMPLATE,))
    assert len(verbalizer.spellings[2][0]) == 13  # the space before it, and two bytes a letter


@pytest.mark.parametrize("words", [["a"], {"a": ""}, {"a": []}, {"a": 3}, {"a": ["b", " "]}, {"a": ["b", None]}])
def test_bad_words(words):
    """Prevents an empty mask."""
    with pytest.raises(InputError, match="label_words"):
        check_words(words)


def test_words_once():
    """Prevents a word given twice from counting twice."""
    assert check_words({"a": ["x", "y", "x"], 3: "z"}) == {"a": ("x", "y"), 3: ("z",)}
