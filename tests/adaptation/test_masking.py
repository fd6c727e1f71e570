"""Masking: how many tokens are hidden, which never are, what is put there, and where words begin."""

import copy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fewshot.adaptation.masking import MASKED, RANDOM, TokenMasker, continuing_tokens
from fewshot.core.errors import InputError

TEXT = "hello my parcel is unbelievably late, the courier misplaced invoice 4711 again!"


@pytest.fixture(scope="module")
def tokenizer(tiny_model):
    """The tiny model's tokenizer: words of the toy data, all others in single signs."""
    return tiny_model.tokenizer


def batch(tokenizer, rows=400):
    """Return ids and mask of many texts, some padded."""
    made = tokenizer([TEXT, "hello refund card"] * (rows // 2), return_tensors="pt", padding=True, truncation=True)
    return made["input_ids"], made["attention_mask"]


@pytest.mark.parametrize("whole_words", [False, True])
@pytest.mark.parametrize("share", [0.15, 0.5])
def test_rates(tokenizer, share, whole_words):
    """Prevents too many or too few hidden tokens, and 80/10/10 in another order."""
    ids, mask = batch(tokenizer, 2000)
    torch.manual_seed(0)
    inputs, hidden = TokenMasker(tokenizer, probability=share, whole_words=whole_words)(ids, mask)
    words = mask.bool() & ~torch.isin(ids, torch.tensor(tokenizer.all_special_ids))
    assert hidden.sum() / words.sum() == pytest.approx(share, abs=0.02)
    shown = inputs[hidden] == tokenizer.mask_token_id
    same = inputs[hidden] == ids[hidden]
    assert shown.float().mean() == pytest.approx(MASKED, abs=0.02)
    assert (~shown & ~same).float().mean() == pytest.approx(RANDOM, abs=0.02)
    assert torch.equal(inputs[~hidden], ids[~hidden])
    assert inputs.max() < len(tokenizer)


@settings(max_examples=30)
@given(seed=st.integers(0, 2**31), share=st.floats(0.01, 0.99), whole_words=st.booleans())
def test_special_tokens_are_never_hidden(tiny_model, seed, share, whole_words):
    """Prevents a model from learning to tell [CLS] and padding, which are always there."""
    tokenizer = tiny_model.tokenizer
    ids, mask = batch(tokenizer, 6)
    torch.manual_seed(seed)
    _, hidden = TokenMasker(tokenizer, probability=share, whole_words=whole_words)(ids, mask)
    assert not (hidden & torch.isin(ids, torch.tensor(tokenizer.all_special_ids))).any()
    assert not (hidden & ~mask.bool()).any()


def test_whole_words_are_hidden_whole(tokenizer):
    """Prevents a word that its own other half gives away."""
    encoding = tokenizer(TEXT)
    words = np.array([-1 if word is None else word for word in encoding.word_ids()])
    assert len(set(words)) < len(words) - 5
    ids = torch.tensor([encoding["input_ids"]] * 300)
    torch.manual_seed(0)
    _, hidden = TokenMasker(tokenizer, probability=0.3, whole_words=True)(ids, torch.ones_like(ids))
    for row in hidden.numpy():
        assert all(len(set(row[words == word])) == 1 for word in set(words))
    assert 0.25 < hidden[:, 1:-1].float().mean() < 0.35
    _, single = TokenMasker(tokenizer, probability=0.3)(ids, torch.ones_like(ids))
    assert any(len(set(row[words == word])) == 2 for row in single.numpy() for word in set(words))


class Marked:
    """A tokenizer of four tokens that marks where words begin, or does not."""

    def __init__(self, tokens):
        self.tokens = tokens

    def __len__(self):
        return len(self.tokens)

    def convert_ids_to_tokens(self, ids):
        return [self.tokens[number] for number in ids]


@pytest.mark.parametrize("sign", ["Ġ", "▁"])
def test_tokens_that_begin_words(sign):
    """Prevents tokenizers like RoBERTa's and T5's from hiding everything or nothing as one word."""
    assert continuing_tokens(Marked([f"{sign}the", "re", "s", f"{sign}cat"])).tolist() == [False, True, True, False]
    with pytest.raises(InputError, match="marks where words begin"):
        continuing_tokens(Marked(["the", "re"]))


def test_the_caller_decides_the_draws(tokenizer):
    """Prevents a generator of its own, whose state no checkpoint holds."""
    ids, mask = batch(tokenizer, 20)
    masker = TokenMasker(tokenizer)
    made = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        made.append(masker(ids, mask)[0])
    assert torch.equal(made[0], made[1])
    assert not torch.equal(made[0], made[2])


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, float("nan")])
def test_a_share_out_of_range(tokenizer, share):
    """Prevents a training without a single hidden token."""
    with pytest.raises(InputError, match="mask_probability must be above 0"):
        TokenMasker(tokenizer, probability=share)


def test_a_tokenizer_without_a_mask(tokenizer):
    """Prevents the token of number None from being put into texts."""
    other = copy.deepcopy(tokenizer)
    other.mask_token = None
    with pytest.raises(InputError, match="a mask token, and this one has none"):
        TokenMasker(other)
