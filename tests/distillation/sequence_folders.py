"""Folders of tiny transformers classifiers with random weights."""

import json

import torch
from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

from tests.conftest import MAX_TOKENS, SPECIAL

NAMES = dict(zip(("pad_token", "unk_token", "cls_token", "sep_token", "mask_token"), SPECIAL, strict=True))


def write_classifier(folder, tokenizer, labels, *, seed=0, **config):
    """Write a BERT of 2 layers whose outputs are called ``labels``, and return the folder."""
    settings = BertConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        initializer_range=0.3,  # so that answers differ from text to text
        max_position_embeddings=MAX_TOKENS,
        id2label=dict(enumerate(labels)),
        label2id={label: index for index, label in enumerate(labels)},
        **config,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = BertForSequenceClassification(settings)
        torch.nn.init.normal_(model.bert.embeddings.word_embeddings.weight)
        torch.nn.init.normal_(model.classifier.weight)
        model.save_pretrained(folder)
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=MAX_TOKENS, **NAMES).save_pretrained(folder)
    return folder


def change_config(folder, **changes):
    """Change entries of a folder's ``config.json``."""
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | changes))
