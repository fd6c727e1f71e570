"""Folders of tiny models of natural-language inference, trained in a second."""

import torch
from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

from fewshot.classifiers.templates import TEMPLATE
from tests.conftest import MAX_TOKENS, SPECIAL

NAMES = dict(zip(("pad_token", "unk_token", "cls_token", "sep_token", "mask_token"), SPECIAL, strict=True))
LABELS = ("contradiction", "neutral", "entailment")
STEPS, BATCH = 120, 96


def write_inference(folder, tokenizer, texts, topics):
    """Write a BERT that knows which of ``texts``, pairs of a text and a set of topics, is about which topic."""
    wrapped = PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=MAX_TOKENS, **NAMES)
    pairs = [(text, topic, 2 * (topic in about)) for text, about in texts for topic in topics]
    texts, hypotheses = [text for text, _, _ in pairs], [TEMPLATE.format(topic) for _, topic, _ in pairs]
    features = wrapped(texts, hypotheses, padding=True, return_tensors="pt")
    wanted = torch.tensor([answer for _, _, answer in pairs])
    config = BertConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=MAX_TOKENS,
        initializer_range=0.2,  # at the default attention is uniform, and stays so for hundreds of steps
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        id2label=dict(enumerate(LABELS)),
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = BertForSequenceClassification(config)
        torch.nn.init.normal_(model.bert.embeddings.word_embeddings.weight)
        _train(model, features, wanted)
    model.eval().save_pretrained(folder)
    wrapped.save_pretrained(folder)
    return folder


def _train(model, features, wanted):
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.05, total_iters=STEPS)
    for _ in range(STEPS):
        rows = torch.randint(len(wanted), (BATCH,))
        model(**{name: tensor[rows] for name, tensor in features.items()}, labels=wanted[rows]).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        schedule.step()
