"""Tiny transformers of every kind that is exported, with random weights: sentence encoders and classifiers."""

import numpy as np
import transformers
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Dense, Normalize, Pooling, Transformer
from torch import nn

from fewshot.classifiers.linear_probe import LinearProbeClassifier
from fewshot.classifiers.sequence import SequenceClassifier
from fewshot.data.labels import LabelSpace
from fewshot.encoders.sentence import SentenceEncoder
from fewshot.heads.linear import LinearHead
from fewshot.training.seeding import seeded
from tests.distillation.logit_cases import make_tokenizer

WIDTH, POSITIONS, LONGEST = 32, 66, 64
_COMMON = {
    "hidden_size": WIDTH,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 48,
    "max_position_embeddings": POSITIONS,
    "pad_token_id": 0,
}

CONFIGS = {
    "Bert": {},
    "MPNet": {},
    "Roberta": {},
    "XLMRoberta": {},
    "DistilBert": {"dim": WIDTH, "n_layers": 2, "n_heads": 2, "hidden_dim": 48, "max_position_embeddings": POSITIONS},
    "DebertaV2": {
        "relative_attention": True,
        "position_buckets": 8,
        "pos_att_type": ["p2c", "c2p"],
        "norm_rel_ebd": "layer_norm",
        "share_att_key": True,
        "position_biased_input": False,
    },
    "Deberta": {"relative_attention": True, "pos_att_type": ["p2c", "c2p"]},
    "ModernBert": {"local_attention": 8, "global_attn_every_n_layers": 2, "cls_token_id": 2, "sep_token_id": 3},
}
"""Options of a configuration by the beginning of its class's name. MiniLM is a BERT."""


def config_of(kind, n_tokens):
    """The configuration of a tiny model."""
    options = CONFIGS[kind] if kind == "DistilBert" else {**_COMMON, **CONFIGS[kind]}
    if kind == "ModernBert":
        options |= {"bos_token_id": 2, "eos_token_id": 3}
    return getattr(transformers, f"{kind}Config")(vocab_size=n_tokens, **options)


def random_model(name, config, seed=0):
    """A model of transformers whose numbers are large enough for its parts to matter."""
    with seeded(seed):
        model = getattr(transformers, name)(config)
        for parameter in model.parameters():
            if parameter.ndim > 1:
                nn.init.normal_(parameter, std=0.2)
        nn.init.normal_(model.get_input_embeddings().weight)  # words outweigh the rest, as in a trained model
    return model.eval()


def sentence_model(kind, tokenizer, folder, *, pooling="mean", dense=False, unit=True, max_length=LONGEST):
    """A sentence-transformers model of this kind."""
    ours = make_tokenizer(tokenizer, max_length=max_length)
    random_model(f"{kind}Model", config_of(kind, len(ours))).save_pretrained(folder)
    ours.save_pretrained(folder)
    modules = [Transformer(str(folder)), Pooling(WIDTH, pooling)]
    with seeded(1):
        width = modules[1].get_embedding_dimension()
        modules += [Dense(width, 24, activation_function=nn.Tanh())] if dense else []
    modules += [Normalize()] if unit else []
    model = SentenceTransformer(modules=modules, device="cpu").eval()
    model.max_seq_length = max_length
    return model


def probe_of(model, toy, **lengths):
    """A linear head on such a model, at random and steep, so that no difference of vectors is lost in it."""
    encoder = SentenceEncoder(model, name="tiny", device="cpu", precision="float32", **lengths)
    rng, space = np.random.default_rng(2), LabelSpace.of(toy.labels)
    shape = (len(space.classes), encoder.dimension)
    head = LinearHead(8 * rng.normal(size=shape), rng.normal(size=shape[0]), multi_label=space.multi_label, C=1.0)
    return LinearProbeClassifier.from_parts(encoder, head, space)


def sequence_of(kind, tokenizer, classes, *, multi_label=False, columns=None):
    """A sequence classifier of this kind."""
    ours = make_tokenizer(tokenizer, max_length=LONGEST)
    config = config_of(kind, len(ours))
    config.num_labels = len(classes)
    model = random_model(f"{kind}ForSequenceClassification", config)
    space = LabelSpace(tuple(classes), multi_label)
    return SequenceClassifier.from_parts(model, ours, space, name="tiny", columns=columns, device="cpu")
