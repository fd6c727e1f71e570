"""An encoder for English says so when it is given other languages, and keeps quiet about English."""

import itertools
import re

import numpy as np
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from fewshot.encoders.cached import CachedEncoder
from fewshot.encoders.coverage import language_note, measure_coverage
from fewshot.encoders.static import StaticEncoder

ENGLISH = ["The card was charged twice last Tuesday, please refund it.", "Where is my parcel? It should have arrived."]
GERMAN = [
    "Die Karte wurde letzten Dienstag zweimal belastet, bitte erstatten Sie den Betrag zurück.",
    "Wo bleibt mein Päckchen? Es hätte schon längst zugestellt werden müssen, sagte die Zentrale.",
    "Die Bundesregierung beschließt strengere Vorschriften für die Krankenversicherung der Beschäftigten.",
]
RUSSIAN = ["Деньги были списаны дважды, верните пожалуйста.", "Где моя посылка? Она должна была прийти вчера."]
CHINESE = ["深山发现的紫薇树桩 村民看了无可奈何", "飞机起飞后乘客如果突然死亡 尸体将被这样处理"]


def table_of(tokenizer):
    """Return an encoder around a tokenizer."""
    return StaticEncoder(np.ones((tokenizer.get_vocab_size(), 2)), tokenizer)


def word_level(words):
    """Return a tokenizer that knows these words."""
    vocabulary = {word: i for i, word in enumerate(["[UNK]", *dict.fromkeys(words)])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return tokenizer


def byte_level():
    """Return a tokenizer that knows bytes only: nothing is unknown to it, and nothing known."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({sign: i for i, sign in enumerate(alphabet)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel()
    return tokenizer


def test_unknown_characters_are_counted():
    """Prevents a share of tokens, where one token stands for a whole word that is unknown."""
    found = measure_coverage(word_level(["card"]), ["card abcdefgh", " "])
    assert found.unknown == 8 / 12
    unigram = Tokenizer(models.Unigram([("<unk>", 0.0), ("a", -1.0)], 0, False))
    assert measure_coverage(unigram, ["aaab"]).unknown == 0.25


def test_drawings_and_pictograms_are_no_script(bundled):
    """Prevents one text drawn of dots, among two hundred in English, from looking like another language."""
    texts = ["The card was charged twice last Tuesday."] * 200 + ["\u2807\u28ff\U0001f923" * 200]
    assert measure_coverage(bundled.tokenizer, texts[-1:]).unknown == 0
    assert language_note(bundled, texts) is None
    assert language_note(bundled, [*texts, *["\u0431\u0430\u043d\u043a" + "\u10d0" * 30] * 200]) is not None


def test_letters_per_token():
    """Prevents short words, digits and spaces from deciding, and words before which a space belongs to the token."""
    tokenizer = word_level(["card", "parcel", "is", "a", "123456"])
    assert measure_coverage(tokenizer, ["card parcel is a 123456 "] * 30).letters_per_token == 5
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    assert measure_coverage(tokenizer, ["card parcel is a 123456"] * 30).letters_per_token == 5
    assert measure_coverage(tokenizer, ["card"]).letters_per_token is None
    pairs = word_level(["深山", "发现"])
    pairs.pre_tokenizer = pre_tokenizers.FixedLength(2)
    assert measure_coverage(pairs, ["深山发现"] * 60).letters_per_token_dense == 2


def test_bytes_are_no_language():
    """Prevents silence where nothing is unknown because every byte is known."""
    encoder = table_of(byte_level())
    assert re.search(r"makes 3\.\d tokens of each of these texts' signs", language_note(encoder, CHINESE * 10))
    assert "pieces of 0.5 letters" in language_note(encoder, RUSSIAN * 10)


def test_a_chinese_tokenizer_reads_chinese():
    """Prevents a warning about one token a sign, which is how Chinese models read."""
    tokenizer = word_level(itertools.chain.from_iterable(CHINESE))
    tokenizer.pre_tokenizer = pre_tokenizers.FixedLength(1)
    assert language_note(table_of(tokenizer), CHINESE * 10) is None


def test_nothing_to_say(toy_encoder):
    """Prevents a guess where there is no tokenizer or no text, and an error at texts without a word."""
    assert language_note(toy_encoder, CHINESE) is None
    assert language_note(table_of(byte_level()), []) is None
    assert language_note(table_of(byte_level()), ["", " ", "1"]) is None


def test_a_sample_goes_through_all_texts():
    """Prevents a sample of the first texts only, where a file is sorted by language."""
    mixed = ["the parcel is late " * 1000] * 450 + CHINESE * 225
    found = measure_coverage(byte_level(), mixed)
    assert found.letters_per_token == pytest.approx(1, abs=0.01)
    assert found.letters_per_token_dense == pytest.approx(1 / 3, abs=0.05)
    assert measure_coverage(byte_level(), mixed[:450]).letters_per_token_dense is None


@pytest.mark.slow
def test_the_bundled_encoder_is_english(bundled):
    """Prevents silence about languages that it was not made for, and a false alarm about its own."""
    assert language_note(bundled, ENGLISH * 5) is None
    assert language_note(CachedEncoder(bundled), GERMAN * 3).startswith(
        "the encoder's tokenizer breaks these texts' words into pieces of "
    )
    assert "pieces of" in language_note(bundled, RUSSIAN * 5)
    note = language_note(bundled, CHINESE * 5)
    assert note.startswith("the encoder's tokenizer knows ")
    assert note.endswith("made for another script or language: choose a multilingual encoder")
    assert "\n" not in note
