"""Tiny masked language models and their tokenizers, made in code."""

import numpy as np
import torch
from scipy.special import log_softmax
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors
from torch import nn
from transformers import BertForMaskedLM, PreTrainedTokenizerFast, RobertaConfig, RobertaForMaskedLM

from fewshot.training.seeding import seeded
from tests.distillation.logit_cases import bert_config, make_tokenizer

BYTE_WORDS = ["refund", "invoice", "late", "parcel", "password", "code", "good", "bad", "the", "text", "about", "is"]
"""Words that are one token to :func:`byte_tokenizer`, with a space before them or without; all else is bytes."""


def make_masked(tokenizer, *, seed=0, dropout=0.1):
    """A BERT that fills masks at random; words outweigh the rest in it, as in a trained model."""
    with seeded(seed):
        model = BertForMaskedLM(bert_config(len(tokenizer), dropout=dropout))
        nn.init.normal_(model.bert.embeddings.word_embeddings.weight)
    return model.eval()


def write_masked(folder, tiny_tokenizer, **options):
    """Write such a model and its tokenizer; return the folder as a string."""
    tokenizer = make_tokenizer(tiny_tokenizer)
    make_masked(tokenizer, **options).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


def byte_tokenizer():
    """A byte-level tokenizer as RoBERTa has one: a word with a space before it is another token."""
    signs = sorted(pre_tokenizers.ByteLevel.alphabet())
    pieces, merges = list(signs), []
    for word in BYTE_WORDS:
        merges += [(word[:length], word[length]) for length in range(1, len(word))] + [("Ġ", word)]
        pieces += [word[: length + 1] for length in range(1, len(word))] + [f"Ġ{word}"]
    vocabulary = {piece: i for i, piece in enumerate(["<s>", "<pad>", "</s>", "<unk>", *dict.fromkeys(pieces)])}
    tokenizer = Tokenizer(models.BPE(vocabulary, list(dict.fromkeys(merges)), unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
    special = {"bos_token": "<s>", "eos_token": "</s>", "cls_token": "<s>", "sep_token": "</s>"}
    special |= {"pad_token": "<pad>", "unk_token": "<unk>"}
    mask = AddedToken("<mask>", lstrip=True, special=True)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=64, mask_token=mask, **special)


def write_roberta(folder, *, seed=0):
    """Write a tiny RoBERTa with a byte-level tokenizer; return the folder as a string."""
    tokenizer = byte_tokenizer()
    config = RobertaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=66,
        pad_token_id=1,
        bos_token_id=0,
        eos_token_id=2,
    )
    with seeded(seed):
        model = RobertaForMaskedLM(config)
        nn.init.normal_(model.roberta.embeddings.word_embeddings.weight)
    model.eval().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


@torch.no_grad()
def log_probabilities(model, tokenizer, sentence):
    """Log-probabilities ``(n_masks, V)`` at the masks of one sentence, from the logits of all its tokens."""
    tokens = tokenizer(sentence, return_tensors="pt")
    logits = model(input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"]).logits[0]
    return log_softmax(logits.numpy().astype(np.float64), axis=1)[(tokens["input_ids"][0] == tokenizer.mask_token_id)]


def phrase_score(model, tokenizer, sentence, ids):
    """Mean log-probability of tokens in a sentence, with as many masks as tokens in place of ``{mask}``."""
    logs = log_probabilities(model, tokenizer, sentence.replace("{mask}", tokenizer.mask_token * len(ids)))
    return float(np.mean([logs[place, token] for place, token in enumerate(ids)]))
