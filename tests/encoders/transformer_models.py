"""Tiny sentence encoders of random weights, one of each family of transformers."""

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer
from transformers import (
    AutoModel,
    BertConfig,
    DistilBertConfig,
    GPT2Config,
    MPNetConfig,
    PreTrainedTokenizerFast,
    RobertaConfig,
    XLMRobertaConfig,
)

from tests.conftest import DIMENSION, MAX_TOKENS, SPECIAL

LAYERS, UNITS = 4, 64

_COMMON = {"hidden_size": DIMENSION, "num_hidden_layers": LAYERS, "num_attention_heads": 4, "intermediate_size": UNITS}
_POSITIONS = {"max_position_embeddings": MAX_TOKENS + 2, "pad_token_id": 0}
CONFIGS = {
    "bert": lambda n: BertConfig(vocab_size=n, max_position_embeddings=MAX_TOKENS, **_COMMON),
    "roberta": lambda n: RobertaConfig(vocab_size=n, **_POSITIONS, **_COMMON),
    "xlm-roberta": lambda n: XLMRobertaConfig(vocab_size=n, **_POSITIONS, **_COMMON),
    "mpnet": lambda n: MPNetConfig(vocab_size=n, **_POSITIONS, **_COMMON),
    "distilbert": lambda n: DistilBertConfig(
        vocab_size=n, dim=DIMENSION, n_layers=LAYERS, n_heads=4, hidden_dim=UNITS, max_position_embeddings=MAX_TOKENS
    ),
    "gpt2": lambda n: GPT2Config(vocab_size=n, n_embd=DIMENSION, n_layer=LAYERS, n_head=4, n_positions=MAX_TOKENS),
}
KNOWN = tuple(CONFIGS)[:-1]


def make_model(kind, tokenizer, folder):
    """Return a tiny sentence-transformers model of a family, on the CPU."""
    names = dict(zip(("pad_token", "unk_token", "cls_token", "sep_token", "mask_token"), SPECIAL, strict=True))
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=MAX_TOKENS,
        model_input_names=["input_ids", "attention_mask"],
        **names,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = AutoModel.from_config(CONFIGS[kind](tokenizer.get_vocab_size()))
        for module in model.modules():
            if isinstance(module, torch.nn.Linear):  # at 0.02 a random transformer hardly does anything
                torch.nn.init.normal_(module.weight, std=0.2)
    model.save_pretrained(folder)
    fast.save_pretrained(folder)
    made = SentenceTransformer(modules=[Transformer(str(folder)), Pooling(DIMENSION), Normalize()], device="cpu")
    return made.eval()
