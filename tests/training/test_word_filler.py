"""Words in the place of words: whole ones, likely ones, other ones, and only where words are."""

import types

import numpy as np
import pytest
import torch
from transformers import BertForMaskedLM, BertModel, GPT2Config, GPT2LMHeadModel

from fewshot.core.errors import ModelFormatError, SourceNotFoundError
from fewshot.training.word_filler import Masking, WordFiller, _whole_words
from tests.distillation.logit_cases import make_tokenizer


@pytest.fixture(scope="module")
def filler(masked_folder):
    """The tiny masked language model, opened."""
    return WordFiller.open(masked_folder, "cpu")


def masking(filler, text, chosen, draws=None):
    """Mask words of a text by their number."""
    words = [filler.words_in(text)[place] for place in chosen]
    return Masking(0, text, words, np.zeros(len(words)) if draws is None else np.array(draws))


def test_words_are_runs_of_letters(filler):
    """Prevents numbers, signs, markup and special tokens from being replaced by words."""
    text = "Don't pay 20 euros: [SEP] it's 3x too much!"
    assert [text[slice(*place)] for place in filler.words_in(text)] == [
        "Don't",
        "pay",
        "euros",
        "it's",
        "too",
        "much",
    ]
    assert filler.words_in("a [MASK] refund") == []
    assert filler.words_in("12 + 3 !") == []


def test_only_whole_words_are_written(filler, tiny_tokenizer):
    """Prevents pieces such as ``##a``, signs and special tokens in the place of a word."""
    vocabulary = tiny_tokenizer.get_vocab()
    assert set(filler.words) == {token for token in vocabulary if token.isalpha()}
    assert [vocabulary[word] for word in filler.words] == filler.word_ids.tolist()
    assert {"refund", "parcel"} < set(filler.words)


@pytest.mark.parametrize("marker", ["Ġ", "▁"])
def test_words_of_other_tokenizers_begin_with_a_space(marker):
    """Prevents ends of words from being written where byte-level or SentencePiece tokens mark beginnings."""
    vocabulary = {
        token: n for n, token in enumerate(["<mask>", f"{marker}late", "late", "ing", f"{marker}3", f"{marker}cafÃ©"])
    }
    written = {1: " late", 4: " 3", 5: " café"}
    tokenizer = types.SimpleNamespace(
        get_vocab=lambda: vocabulary, all_special_ids=[0], decode=lambda ids: written[ids[0]]
    )
    assert _whole_words(tokenizer) == {1: "late", 5: "café"}


@torch.no_grad()
def test_the_likeliest_other_word_is_taken(filler):
    """Prevents scores of another place or token from deciding: done by hand, two masks in each of two texts at once."""
    texts = ["please refund the card", "my parcel is late again today"]
    chosen = [(1, 3), (0, 4)]
    filled = filler.fill([masking(filler, text, places) for text, places in zip(texts, chosen, strict=True)], 1, 1.0)
    for text, places, result in zip(texts, chosen, filled, strict=True):
        words = text.split()
        masked = [filler.tokenizer.mask_token if place in places else word for place, word in enumerate(words)]
        tokens = filler.tokenizer(" ".join(masked), return_tensors="pt")
        logits = filler.model(input_ids=tokens["input_ids"]).logits[0]
        where = (tokens["input_ids"][0] == filler.tokenizer.mask_token_id).nonzero().ravel().tolist()
        for place, row in zip(places, where, strict=True):
            best = max(
                (word for word in filler.words if word != words[place]),
                key=lambda word, row=row: float(logits[row, filler.tokenizer.convert_tokens_to_ids(word)]),
            )
            words[place] = best
        assert result == " ".join(words)


def test_words_are_drawn_by_their_probability(filler):
    """Prevents draws from all words, or from the likeliest alone; a low temperature draws this one."""
    text = "please refund the card"
    draws = np.linspace(0, 1, 60)
    several = [masking(filler, text, [1], [draw]) for draw in draws]
    drawn = filler.fill(several, 3, 1.0)
    assert len(set(drawn)) == 3
    assert set(filler.fill(several, 1, 1.0)) < set(drawn)
    assert len(set(filler.fill(several, 30, 100.0))) > 15
    scores = np.log([0.5, 0.2, 0.3])
    only = WordFiller(None, None, "cpu", np.arange(3), ["a", "b", "c"])
    found = [only._draw(scores, "x", draw, 2, 1.0) for draw in (0.0, 0.62, 0.63, 1.0)]
    assert found == ["a", "a", "c", "c"]  # 0.5 and 0.3 of 0.8
    assert only._draw(scores, "x", 0.999, 3, 1e-3) == "a"
    assert only._draw(scores, "A", 0.0, 1, 1.0) == "c"
    assert WordFiller(None, None, "cpu", np.arange(1), ["a"])._draw(scores[:1], "a", 0.5, 5, 1.0) == "a"


def test_white_space_and_signs_stay(filler):
    """Prevents a copy that lost its punctuation or line breaks, which is not what was to be changed."""
    text = "Refund,\n  please (the 'card')!"
    [filled] = filler.fill([masking(filler, text, [0, 3])], 1, 1.0)
    start, stop = filled.split(",")[0], filled.split("(the '")[1]
    assert filled == f"{start},\n  please (the '{stop}"
    assert stop.endswith("')!")
    assert start != "Refund"


def test_words_beyond_the_models_reach_stay(filler):
    """Prevents a crash, or words that were never looked at, in texts longer than the model reads."""
    text = " ".join(["refund"] * 200)
    [filled] = filler.fill([masking(filler, text, range(200))], 1, 1.0)
    words = filled.split()
    assert len(words) == 200
    assert "refund" not in words[:62]  # 64 tokens with two special ones
    assert set(words[62:]) == {"refund"}


def test_models_that_cannot_fill_masks_are_refused(tmp_path, tiny_tokenizer, masked_config):
    """Prevents words by a head of random weights, and an error from deep inside where there is no mask."""
    tokenizer = make_tokenizer(tiny_tokenizer)
    BertModel(masked_config).save_pretrained(tmp_path / "bare")
    tokenizer.save_pretrained(tmp_path / "bare")
    with pytest.raises(ModelFormatError, match="Is it a model that was trained to fill masks"):
        WordFiller.open(tmp_path / "bare")
    BertForMaskedLM(masked_config).save_pretrained(tmp_path / "maskless")
    without = make_tokenizer(tiny_tokenizer)
    without.mask_token = None
    without.save_pretrained(tmp_path / "maskless")
    with pytest.raises(ModelFormatError, match="has no mask token"):
        WordFiller.open(tmp_path / "maskless")
    config = GPT2Config(vocab_size=len(tokenizer), n_embd=8, n_layer=1, n_head=1, n_positions=16)
    GPT2LMHeadModel(config).save_pretrained(tmp_path / "gpt")
    with pytest.raises(ModelFormatError, match="cannot be opened"):
        WordFiller.open(tmp_path / "gpt")
    with pytest.raises(SourceNotFoundError, match="neither a local folder nor to be had from the Hub"):
        WordFiller.open("nobody/nothing")
    model = BertForMaskedLM(masked_config)
    (tmp_path / "pickled").mkdir()
    model.config.save_pretrained(tmp_path / "pickled")
    torch.save(model.state_dict(), tmp_path / "pickled" / "pytorch_model.bin")
    with pytest.raises(ModelFormatError, match="cannot be opened"):
        WordFiller.open(tmp_path / "pickled")
