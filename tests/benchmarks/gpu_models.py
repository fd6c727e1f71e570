"""Teachers of real size with random weights, texts of a given number of tokens, and what a forward pass costs.

Speed does not depend on what weights hold, so nothing is downloaded. Words are single tokens of a small vocabulary; a
text is about a topic if half of its words come from the topic's share of them, so that a teacher has classes to tell.
"""

import dataclasses
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from torch.utils.flop_counter import FlopCounterMode
from transformers import AutoModel, BertConfig, MPNetConfig, PreTrainedTokenizerFast

from fewshot.classifiers.linear_probe import LinearProbeClassifier
from fewshot.encoders.sentence import SentenceEncoder

N_WORDS, N_TOPICS = 2000, 4
LABELED, BATCH_CHECKED, CHUNK = 400, 8, 10_000
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
CONFIGS = {"mpnet": MPNetConfig, "bert": BertConfig}


@dataclasses.dataclass(frozen=True)
class Scale:
    """How much is measured.

    Parameters
    ----------
    device : str
    quick : bool
        Fewer texts and steps.
    """

    device: str
    quick: bool

    @property
    def is_real(self) -> bool:
        """Whether there is a card; without one everything is tiny, to see whether it runs."""
        return self.device.startswith("cuda")

    @property
    def shape(self) -> dict[str, int]:
        """Arguments of the teachers' configurations; without any, transformers gives the base size."""
        if self.is_real:
            return {}
        return {"hidden_size": 32, "num_hidden_layers": 4, "num_attention_heads": 2, "intermediate_size": 64}

    @property
    def tokens(self) -> int:
        """Tokens of a text, special ones included."""
        return 64 if self.is_real else 16

    @property
    def matrix(self) -> int:
        """Rows and columns of the matrices that are multiplied."""
        return 8192 if self.is_real else 256

    @property
    def n_encoded(self) -> int:
        """Texts that a teacher encodes."""
        return (65_536 if self.quick else 131_072) if self.is_real else 64

    @property
    def n_pool(self) -> int:
        """Texts of the pool that is distilled."""
        return (50_000 if self.quick else 1_000_000) if self.is_real else 200

    @property
    def batch_sizes(self) -> tuple[int, ...]:
        """Texts a training step."""
        return (64, 512, 2048) if self.is_real else (8, 16)

    @property
    def steps(self) -> tuple[int, int]:
        """Steps of two trainings, whose difference is measured."""
        return ((20, 60) if self.quick else (20, 120)) if self.is_real else (2, 5)


def made_up_words() -> list[str]:
    """Return different words of three syllables."""
    syllables = [a + b for a in "bdfgklmnprstvz" for b in "aeiou"]
    n = len(syllables)
    return [syllables[i // n**2 % n] + syllables[i // n % n] + syllables[i % n] for i in range(0, 7 * N_WORDS, 7)]


def made_up_texts(n: int, n_tokens: int, seed: int) -> tuple[list[str], list[str]]:
    """Return texts of exactly so many tokens, two of them special, and the topic of each."""
    rng, words = np.random.default_rng(seed), made_up_words()
    n_words, share = n_tokens - 2, N_WORDS // N_TOPICS
    topics, texts = rng.integers(N_TOPICS, size=n), []
    for start in range(0, n, CHUNK):
        some = topics[start : start + CHUNK, None]
        picks = rng.integers(N_WORDS, size=(len(some), n_words))
        picks[:, : n_words // 2] = picks[:, : n_words // 2] % share + some * share
        texts += [" ".join([words[pick] for pick in row]) for row in picks.tolist()]
    return texts, [f"topic {topic}" for topic in topics.tolist()]


def make_tokenizer(folder: Path, n_tokens: int) -> None:
    """Write a WordPiece tokenizer of the made-up words to a folder."""
    vocabulary = {piece: at for at, piece in enumerate([*SPECIAL, *made_up_words()])}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    names = dict(zip(("pad_token", "unk_token", "cls_token", "sep_token", "mask_token"), SPECIAL, strict=True))
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=n_tokens, **names).save_pretrained(folder)


def make_encoder(kind: str, scale: Scale) -> SentenceEncoder:
    """Return a sentence encoder of random weights, with mean pooling and unit vectors.

    Parameters
    ----------
    kind : {"mpnet", "bert"}
    scale : Scale
    """
    with tempfile.TemporaryDirectory(prefix="fewshot-gpu-") as name:
        make_tokenizer(Path(name), scale.tokens)
        torch.manual_seed(0)
        bare = AutoModel.from_config(CONFIGS[kind](pad_token_id=0, **scale.shape))
        bare.save_pretrained(name)
        width = bare.config.hidden_size
        model = SentenceTransformer(modules=[Transformer(name), Pooling(width), Normalize()], device="cpu")
    precision = "auto" if scale.is_real else "float32"
    return SentenceEncoder(model, name=kind, device=scale.device, precision=precision)


def make_teacher(encoder: SentenceEncoder, scale: Scale) -> LinearProbeClassifier:
    """Return a probe on an encoder that knows topics by their words."""
    texts, topics = made_up_texts(LABELED, scale.tokens, seed=1)
    return LinearProbeClassifier(encoder).fit(texts, topics)


def forward_flops(config: Any, n_texts: int, n_tokens: int) -> int:
    """Return the floating point operations of one forward pass of a BERT or MPNet.

    Two for each weight of a matrix and token: a layer has four matrices of h × h (queries, keys, values, output) and
    two of h × f. Attention adds, for each token and layer, 2·h for each token that it looks at, twice: the scores, and
    the mean of the values. The pooler multiplies one token a text by h × h. Norms, softmax and sums are not counted.
    A training step takes three times as many: the backward pass multiplies by the weights and by the inputs.
    """
    h, f = config.hidden_size, config.intermediate_size
    per_layer = 2 * (4 * h * h + 2 * h * f) + 4 * n_tokens * h
    return n_texts * (n_tokens * config.num_hidden_layers * per_layer + 2 * h * h)


def counted_flops(encoder: SentenceEncoder, scale: Scale) -> dict[str, float]:
    """Return what torch counts in one batch beside what the formula says; it does not know every fused attention."""
    transformer = encoder.model[0].auto_model
    fused = transformer.config._attn_implementation
    transformer.set_attn_implementation("eager")
    texts, _ = made_up_texts(BATCH_CHECKED, scale.tokens, seed=2)
    features = {k: v.to(scale.device) for k, v in encoder.model.preprocess(texts).items() if k != "modality"}
    assert features["input_ids"].shape == (BATCH_CHECKED, scale.tokens)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        encoder.model(features)
    transformer.set_attn_implementation(fused)
    formula = forward_flops(transformer.config, BATCH_CHECKED, scale.tokens)
    return {"formula": formula, "counted": counter.get_total_flops(), "ratio": counter.get_total_flops() / formula}
