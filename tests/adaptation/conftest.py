"""What the tests of adaptation share: a tiny model with a masked-LM head, and texts that fill a pool."""

import copy

import pytest
import torch

from tests.conftest import DIMENSION, MAX_TOKENS, SPECIAL

NAMES = dict(zip(("pad_token", "unk_token", "cls_token", "sep_token", "mask_token"), SPECIAL, strict=True))


@pytest.fixture(scope="session")
def masked_folder(tmp_path_factory, tiny_tokenizer):
    """A folder as transformers writes it: a BERT of 2 layers under its masked-LM head, random weights."""
    from transformers import BertConfig, BertForMaskedLM, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("masked") / "tiny-mlm"
    config = BertConfig(
        vocab_size=tiny_tokenizer.get_vocab_size(),
        hidden_size=DIMENSION,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=MAX_TOKENS,
        initializer_range=0.3,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        BertForMaskedLM(config).save_pretrained(folder)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=tiny_tokenizer, model_max_length=MAX_TOKENS, **NAMES)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def model(tiny_model):
    """A copy of the tiny sentence-transformers model, to be trained."""
    return copy.deepcopy(tiny_model)


@pytest.fixture
def features(tiny_model, single):
    """What the model reads of six texts of unlike length."""
    return dict(tiny_model.preprocess([*single.texts[:4], "hello", "my card was charged again, why the late invoice"]))


def without_dropout(module):
    """Return the module, drawing nothing."""
    for part in module.modules():
        if isinstance(part, torch.nn.Dropout):
            part.p = 0.0
    return module
