"""Plain language models as encoders: against the model itself and a mean of ten lines."""

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer

from fewshot.classifiers.knn import KNNClassifier
from fewshot.classifiers.loading import load_classifier
from fewshot.core.errors import InputError, ModelFormatError, SourceNotFoundError
from fewshot.encoders.pooled import load_pooled
from fewshot.encoders.resolve import load_encoder

TEXTS = ["refund my card", "x", "a much longer text about a parcel that is late, again and again", "déjà vu 🙂", " "]
END = "<|endoftext|>"


def byte_tokenizer(**options):
    """Make a byte-level tokenizer as GPT-2's: no special token in a text, none to pad with."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    signs = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = [("t", "h"), ("r", "e"), ("a", "n"), ("Ġ", "a")]
    words = [*signs, *map("".join, merges), END]
    tokenizer = Tokenizer(models.BPE({word: i for i, word in enumerate(words)}, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    names = {"bos_token": END, "eos_token": END, "unk_token": END, **options}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=64, **names)


@pytest.fixture(scope="module")
def folders(tmp_path_factory, tiny_folder):
    """Folders of plain language models as ``save_pretrained`` writes them."""
    from transformers import AutoTokenizer, BertConfig, BertModel, GPT2Config, GPT2LMHeadModel, LlamaConfig
    from transformers import LlamaForCausalLM as Llama

    folder = tmp_path_factory.mktemp("plain")
    bytewise = byte_tokenizer()
    wordwise = AutoTokenizer.from_pretrained(tiny_folder)
    size = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        models = {
            "gpt2": (
                GPT2LMHeadModel(GPT2Config(vocab_size=len(bytewise), n_positions=64, n_embd=32, n_layer=2, n_head=2)),
                bytewise,
            ),
            "llama": (
                Llama(LlamaConfig(vocab_size=len(bytewise), max_position_embeddings=64, **size)),
                byte_tokenizer(padding_side="left"),
            ),
            "bert": (BertModel(BertConfig(vocab_size=len(wordwise), max_position_embeddings=64, **size)), wordwise),
        }
    for name, (model, tokenizer) in models.items():
        model.save_pretrained(folder / name)
        tokenizer.save_pretrained(folder / name)
    return folder


def mean_by_hand(folder, text):
    """Average the last layer over the tokens of one text, by transformers alone."""
    from transformers import AutoModel, AutoTokenizer

    tokens = AutoTokenizer.from_pretrained(folder)(text, return_tensors="pt")
    with torch.inference_mode():
        states = AutoModel.from_pretrained(folder).eval()(**tokens).last_hidden_state
    return states[0].numpy().mean(axis=0)


@pytest.mark.parametrize("name", ["gpt2", "llama", "bert"])
def test_vectors_are_means_of_token_vectors(name, folders):
    """Prevents padding that counts, positions that it shifts, and another layer or pooling."""
    encoder = load_encoder(f"pooled:{folders / name}", device="cpu", precision="float32")
    vectors = encoder.encode(TEXTS)
    assert vectors.shape == (len(TEXTS), encoder.dimension) == (len(TEXTS), 32)
    np.testing.assert_allclose(vectors, [mean_by_hand(folders / name, text) for text in TEXTS], atol=1e-5)


@pytest.mark.parametrize("name", ["gpt2", "llama", "bert"])
def test_alone_as_in_a_batch(name, folders):
    """Prevents a text's vector from hanging on its neighbours, as where padding stands on the left."""
    encoder = load_encoder(f"pooled:{folders / name}", device="cpu", precision="float32")
    together = encoder.encode(TEXTS)
    np.testing.assert_allclose(together, np.concatenate([encoder.encode([text]) for text in TEXTS]), atol=1e-5)


@pytest.mark.parametrize("name", ["gpt2", "llama", "bert"])
def test_saved_folders_open_as_any_other(name, folders, tmp_path):
    """Prevents a folder that gives other vectors, or none for lack of a padding token, in sentence-transformers."""
    encoder = load_pooled(folders / name, device="cpu", precision="float32")
    encoder.save(tmp_path / "saved")
    vectors = encoder.encode(TEXTS)
    theirs = SentenceTransformer(str(tmp_path / "saved"), device="cpu").encode(TEXTS)
    np.testing.assert_allclose(theirs, vectors, atol=1e-5)
    again = load_encoder(tmp_path / "saved", device="cpu", precision="float32")
    np.testing.assert_array_equal(again.encode(TEXTS), vectors)
    assert not [file for file in (tmp_path / "saved").rglob("*") if file.suffix in {".bin", ".pkl", ".pt"}]


@pytest.mark.parametrize("name", ["gpt2", "bert"])
def test_plain_folders_open_without_the_word(name, folders):
    """Prevents a model without a padding token from failing at the first batch where it is named as it is."""
    plain = load_encoder(folders / name, device="cpu", precision="float32")
    pooled = load_encoder(f"pooled:{folders / name}", device="cpu", precision="float32")
    np.testing.assert_allclose(plain.encode(TEXTS), pooled.encode(TEXTS), atol=1e-6)


def test_without_the_word_sentence_transformers_chooses(folders):
    """Prevents the documented difference between the two names from becoming none, or another."""
    plain = load_encoder(folders / "llama", device="cpu", precision="float32")
    last = [plain.model[0](plain.model.preprocess([text]))["token_embeddings"][0, -1] for text in TEXTS]
    np.testing.assert_allclose(plain.encode(TEXTS), torch.stack(last).detach().numpy(), atol=1e-5)


def test_texts_without_a_token(folders):
    """Prevents a crash, NaN or the vector of a padding token where a causal model has no token for the empty text."""
    for name in ("gpt2", "llama"):
        encoder = load_encoder(f"pooled:{folders / name}", device="cpu", precision="float32")
        np.testing.assert_array_equal(encoder.encode([""]), np.zeros((1, 32)))
        mixed = encoder.encode(["", *TEXTS])
        np.testing.assert_array_equal(mixed[0], np.zeros(32))
        np.testing.assert_allclose(mixed[1:], encoder.encode(TEXTS), atol=1e-6)


def test_long_texts(folders):
    """Prevents positions beyond the model's from being asked for, truncated or in windows."""
    text = "parcel " * 200
    short = load_encoder(f"pooled:{folders / 'gpt2'}", device="cpu", precision="float32")
    np.testing.assert_allclose(short.encode([text]), short.encode([text[:448]]), atol=0.1)
    chunked = load_encoder(f"pooled:{folders / 'gpt2'}", device="cpu", precision="float32", long_texts="chunk")
    assert np.isfinite(chunked.encode([text])).all()
    with pytest.raises(InputError, match="max_length must be at most 64"):
        load_encoder(f"pooled:{folders / 'gpt2'}", device="cpu", max_length=65)


def test_the_language_model_of_a_sentence_model(tiny_folder, tiny_model):
    """Prevents a sentence model's own pooling or norm from being kept where the plain mean was asked for."""
    pooled = load_encoder(f"pooled:{tiny_folder}", device="cpu", precision="float32").encode(TEXTS[:3])
    assert np.abs(np.linalg.norm(pooled, axis=1) - 1).min() > 0.1
    units = pooled / np.linalg.norm(pooled, axis=1, keepdims=True)
    np.testing.assert_allclose(units, tiny_model.encode(TEXTS[:3]), atol=1e-5)


def test_a_classifier_on_a_causal_model(folders, single, tmp_path):
    """Prevents a classifier that cannot be saved with such an encoder, or forgets how it was named."""
    name = f"pooled:{folders / 'gpt2'}"
    classifier = KNNClassifier(encoder=name, metric="l2", device="cpu").fit(single.texts, single.labels)
    classifier.save(tmp_path / "model")
    loaded = load_classifier(tmp_path / "model", device="cpu")
    assert loaded.encoder_.name == name
    texts = [*single.test_texts, "", "🙂"]
    np.testing.assert_array_equal(loaded.predict_proba(texts), classifier.predict_proba(texts))


def test_names_that_are_no_language_model(tiny_static, tmp_path):
    """Prevents a search on the Hub for a folder, and an error that does not say what was wanted."""
    tiny_static.save(tmp_path / "table")
    for name in ("pooled:", "pooled:  ", f"pooled:{tmp_path / 'table'}"):
        with pytest.raises(InputError, match="must name a language model after 'pooled:'"):
            load_encoder(name, device="cpu")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelFormatError, match=r"has no config\.json"):
        load_encoder(f"pooled:{tmp_path / 'empty'}", device="cpu")
    with pytest.raises(SourceNotFoundError, match="--encoder bundled"):
        load_encoder("pooled:no/such-model", device="cpu")


def test_pickled_weights_are_refused(folders, tmp_path):
    """Prevents code in a stranger's pickle from running."""
    import shutil

    from transformers import AutoModel

    shutil.copytree(folders / "bert", tmp_path / "bert")
    state = AutoModel.from_pretrained(tmp_path / "bert").state_dict()
    (tmp_path / "bert" / "model.safetensors").unlink()
    torch.save(state, tmp_path / "bert" / "pytorch_model.bin")
    with pytest.raises(ModelFormatError, match="safetensors"):
        load_encoder(f"pooled:{tmp_path / 'bert'}", device="cpu")
