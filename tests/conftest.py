"""What the tests share: tiny models made in code, toy data, and a session without network.

Every fixture here is made once a session and must not be changed by a test; what is trained in place is copied first.
"""

import dataclasses
import hashlib
import itertools
import os
import sys
from pathlib import Path
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"  # read when the libraries are imported
os.environ["OMP_WAIT_POLICY"] = "passive"  # threads that wait for work leave the cores to others
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["MPLBACKEND"] = "Agg"

ROOT = str(Path(__file__).parents[1])
if ROOT not in sys.path:  # so that ``from tests.contract import ...`` works under a bare ``pytest``, too
    sys.path.insert(0, ROOT)

import numpy as np  # noqa: E402 - the environment comes first
import pytest  # noqa: E402
from hypothesis import settings  # noqa: E402

from fewshot.encoders.base import Encoder  # noqa: E402

settings.register_profile("unhurried", deadline=None)  # a busy machine is no mistake of the code
settings.load_profile("unhurried")

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
SIGNS = "abcdefghijklmnopqrstuvwxyz0123456789.,:;!?'\"()-+/%&#@$€"
MAX_TOKENS = 64
DIMENSION = 32

TOPICS = {
    "billing": ["refund", "invoice", "card", "charged", "payment"],
    "delivery": ["parcel", "courier", "box", "late", "address"],
    "login": ["password", "account", "locked", "reset", "code"],
}
OPENINGS = ["hello", "please:", "my", "the", "again", "why", "urgent!", "today"]


@dataclasses.dataclass(frozen=True)
class Toy:
    """Texts to learn from and texts to judge on; never altered by a test."""

    texts: list[str]
    labels: list[Any]
    test_texts: list[str]
    test_labels: list[Any]
    multi_label: bool


class ToyEncoder(Encoder):
    """Bag of words: each word is a random direction that its hash decides. Needs no torch, separates topics.

    It counts its work in ``calls`` and ``encoded``, to see what a cache saves. It cannot be saved.
    """

    name = "toy"

    def __init__(self, dimension: int = DIMENSION) -> None:
        self.dimension = dimension
        self.calls = 0
        self.encoded: list[str] = []

    @property
    def fingerprint(self) -> str:
        return f"toy-{self.dimension}"

    def _encode_batch(self, texts):
        self.calls += 1
        self.encoded += texts
        return np.stack([sum(map(self._word, text.lower().split()), np.zeros(self.dimension)) for text in texts])

    def _word(self, word):
        seed = int.from_bytes(hashlib.blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")
        return np.random.default_rng(seed).normal(size=self.dimension)

    def save(self, folder):
        raise NotImplementedError("the toy encoder is for tests that save nothing; take tiny_static")


def pytest_collection_modifyitems(items):
    """Take files with slow tests first: of several processes, the one that begins such a file last is waited for."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory):
    """Keep vectors of the tests out of the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FEWSHOT_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def short_measurements():
    """Measure speeds for a few milliseconds, where half a second is the least otherwise; in this file alone."""
    from fewshot.evaluation.benchmark import measure_throughput
    from fewshot.recipes import costs

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(measure_throughput.__kwdefaults__, "min_seconds", 0.01)
        patch.setattr(costs, "LEAST_SECONDS", 0.01)
        yield


@pytest.fixture(scope="session")
def tiny_tokenizer():
    """A WordPiece tokenizer: the words of the toy data, and single signs, so that any plain text has tokens."""
    return _word_pieces(_toy_words())


@pytest.fixture(scope="session")
def topical_tokenizer():
    """The same with the names of the topics, and the words of a sentence about them."""
    return _word_pieces([*_toy_words(), *TOPICS, "this", "text", "is", "about"])


def _toy_words() -> list[str]:
    return sorted({*itertools.chain.from_iterable(TOPICS.values()), *(word.strip(":!") for word in OPENINGS)})


def _word_pieces(words):
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    pieces = [*SPECIAL, *SIGNS, *(f"##{sign}" for sign in SIGNS), *words]
    vocabulary = {piece: i for i, piece in enumerate(dict.fromkeys(pieces))}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", vocabulary["[CLS]"]), ("[SEP]", vocabulary["[SEP]"])],
    )
    return tokenizer


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory, tiny_tokenizer):
    """A sentence-transformers folder: a BERT of 4 layers and 32 dimensions with random weights."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    bare, folder = tmp_path_factory.mktemp("bert"), tmp_path_factory.mktemp("tiny") / "tiny-bert"
    config = BertConfig(
        vocab_size=tiny_tokenizer.get_vocab_size(),
        hidden_size=DIMENSION,
        num_hidden_layers=4,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=MAX_TOKENS,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        bert = BertModel(config)
        torch.nn.init.normal_(bert.embeddings.word_embeddings.weight)  # words outweigh the rest, as in a trained model
        bert.save_pretrained(bare)
    names = dict(zip(("pad_token", "unk_token", "cls_token", "sep_token", "mask_token"), SPECIAL, strict=True))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=tiny_tokenizer, model_max_length=MAX_TOKENS, **names)
    tokenizer.save_pretrained(bare)
    model = SentenceTransformer(modules=[Transformer(str(bare)), Pooling(DIMENSION), Normalize()], device="cpu")
    model.save(str(folder), create_model_card=False)
    return folder


@pytest.fixture(scope="session")
def tiny_model(tiny_folder):
    """The model in :func:`tiny_folder`, on the CPU. Copy it before training it."""
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(tiny_folder), device="cpu").eval()


@pytest.fixture(scope="session")
def tiny_encoder(tiny_model):
    """The tiny model as an encoder, in float32."""
    from fewshot.encoders.sentence import SentenceEncoder

    return SentenceEncoder(tiny_model, name="tiny", device="cpu", precision="float32")


@pytest.fixture(scope="session")
def tiny_static(tiny_tokenizer):
    """A token table of random rows: a bag of words that separates topics, and can be saved."""
    from fewshot.encoders.static import StaticEncoder

    table = np.random.default_rng(0).normal(scale=0.1, size=(tiny_tokenizer.get_vocab_size(), 16))
    return StaticEncoder(table, tiny_tokenizer, name="tiny-static")


@pytest.fixture(scope="session")
def tiny_topical(topical_tokenizer):
    """A token table that knows what the names of the topics mean, as a real encoder does."""
    from fewshot.encoders.static import StaticEncoder

    rng, vocabulary = np.random.default_rng(0), topical_tokenizer.get_vocab()
    table = rng.normal(scale=0.05, size=(len(vocabulary), 16))
    for topic, words in TOPICS.items():
        direction = rng.normal(size=16)
        for word in (topic, *words):
            table[vocabulary[word]] += direction
    return StaticEncoder(table, topical_tokenizer, name="tiny-topical")


@pytest.fixture(scope="session")
def tiny_nli(tmp_path_factory, topical_tokenizer):
    """A folder of a model of inference: a BERT of 2 layers that learnt which toy texts are about which topic."""
    from tests.nli_folders import write_inference

    phrases = [phrase for gap in (1, 2) for phrase in _phrases(gap)]
    texts = [(f"{OPENINGS[i % 8]} {phrase}", {topic}) for i, (phrase, topic) in enumerate(phrases)]
    texts += [(phrase, {topic}) for phrase, topic in phrases]
    texts += [(f"{a} {b}", {x, y}) for (a, x), (b, y) in itertools.product(phrases[:15], phrases[15:]) if x != y]
    texts += [(text, set()) for text in ("hello again", "thank you", "why the", "my", "hello", "again the", "x")]
    folder = tmp_path_factory.mktemp("nli") / "tiny-nli"
    return write_inference(folder, topical_tokenizer, texts, list(TOPICS))


@pytest.fixture(scope="session")
def tiny_masked(tmp_path_factory, tiny_tokenizer):
    """A folder, as a string, of a masked language model: a BERT of 2 layers and 32 dimensions with random weights."""
    from tests.classifiers.masked_cases import write_masked

    return write_masked(tmp_path_factory.mktemp("masked") / "tiny-bert", tiny_tokenizer)


@pytest.fixture
def toy_encoder():
    """A fresh :class:`ToyEncoder`."""
    return ToyEncoder()


@pytest.fixture(scope="session")
def bundled():
    """The real encoder, loaded once; only for tests marked ``slow``. Copy its model before training it."""
    from fewshot.encoders.resolve import load_encoder

    return load_encoder("bundled", device="cpu")


def _phrases(gap: int) -> list[tuple[str, str]]:
    """Phrase and topic, topics in turn: two words of the topic, ``gap`` apart, so that each gap gives new phrases."""
    pairs = [(i, (i + gap) % 5) for i in range(5)]
    return [(f"{TOPICS[topic][i]} {TOPICS[topic][j]}", topic) for i, j in pairs for topic in TOPICS]


@pytest.fixture(scope="session")
def single():
    """Three classes by name, five texts a class."""
    return _toy(str)


@pytest.fixture(scope="session")
def single_int():
    """The same with integers for names, out of order and negative among them."""
    return _toy(lambda topic: {"billing": 7, "delivery": -1, "login": 30}[topic])


def _toy(named) -> Toy:
    def table(gap):
        rows = [(f"{OPENINGS[i % 8]} {phrase}", named(topic)) for i, (phrase, topic) in enumerate(_phrases(gap))]
        return map(list, zip(*rows, strict=True))

    return Toy(*table(1), *table(2), multi_label=False)


@pytest.fixture(scope="session")
def multi():
    """Three labels by name, 27 texts with none to two of them."""
    return _toy_multi(str)


@pytest.fixture(scope="session")
def multi_int():
    """The same with integers for names."""
    return _toy_multi(lambda topic: {"billing": 7, "delivery": -1, "login": 30}[topic])


def _toy_multi(named) -> Toy:
    def table(gap):
        phrases = _phrases(gap)
        rows = [(text, (named(topic),)) for text, topic in phrases]
        rows += [(f"{a} {b}", (named(x), named(y))) for (a, x), (b, y) in itertools.pairwise(phrases[:10])]
        rows += [(text, ()) for text in ("hello again", "thank you", "why the")]
        order = np.random.default_rng(gap).permutation(len(rows))
        return map(list, zip(*(rows[i] for i in order), strict=True))

    return Toy(*table(1), *table(2), multi_label=True)


@pytest.fixture(scope="session")
def pool():
    """120 unlabelled texts, all different."""
    phrases = [phrase for gap in (1, 2) for phrase, _ in _phrases(gap)]
    return [f"{opening} {phrase}" for opening in OPENINGS[:4] for phrase in phrases]
