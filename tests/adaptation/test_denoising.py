"""The denoising auto-encoder: what is deleted, what the decoder sees and does not see, and the loss by hand."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Dense

from fewshot.adaptation.decoder import make_decoder
from fewshot.adaptation.denoising import DECODER_RATE, DenoisingLoss, decode, delete_tokens
from fewshot.core.errors import InputError
from fewshot.training.seeding import seeded

PAD, CLS, SEP = 0, 2, 3


def make_loss(model, **options):
    """Return the objective over a model, its decoder from a fixed seed."""
    with seeded(0):
        return DenoisingLoss(model, make_decoder(model), **options)


def padded(lengths):
    """Return features of texts with so many tokens between [CLS] and [SEP], all tokens different."""
    ids = torch.zeros(len(lengths), max(lengths) + 2, dtype=torch.long)
    for row, length in enumerate(lengths):
        ids[row, : length + 2] = torch.tensor([CLS, *range(10, 10 + length), SEP])
    return {"input_ids": ids, "attention_mask": (ids != PAD).long(), "modality": "text"}


@settings(max_examples=50)
@given(
    lengths=st.lists(st.integers(0, 12), min_size=1, max_size=6),
    share=st.floats(0.01, 0.99),
    seed=st.integers(0, 2**31),
)
def test_what_deletion_leaves(lengths, share, seed):
    """Prevents texts without a token, without their special ones, out of order, or with holes in them."""
    features = padded(lengths)
    torch.manual_seed(seed)
    damaged = delete_tokens(features, share=share, kept_ids=(PAD, CLS, SEP), pad_id=PAD)
    assert damaged["modality"] == "text"
    for row, length in enumerate(lengths):
        ids, mask = damaged["input_ids"][row].tolist(), damaged["attention_mask"][row].tolist()
        n_left = sum(mask)
        assert mask == [1] * n_left + [0] * (len(mask) - n_left)
        assert ids[n_left:] == [PAD] * (len(ids) - n_left)
        assert ids[0] == CLS
        assert ids[n_left - 1] == SEP
        words = ids[1 : n_left - 1]
        assert words == sorted(set(words))
        assert min(length, 1) <= len(words) <= length
    assert damaged["attention_mask"].sum(dim=1).max() == damaged["input_ids"].shape[1]


def test_how_much_is_deleted():
    """Prevents the share that is kept from being taken for the one that is deleted."""
    torch.manual_seed(0)
    damaged = delete_tokens(padded([200] * 50), share=0.6, kept_ids=(PAD, CLS, SEP), pad_id=PAD)
    assert (damaged["attention_mask"].sum() - 100) / (200 * 50) == pytest.approx(0.4, abs=0.02)


def test_padding_on_the_left():
    """Prevents padding from being taken for text where a tokenizer pads on the left."""
    features = padded([3, 6])
    flipped = {name: value.flip(1) if isinstance(value, torch.Tensor) else value for name, value in features.items()}
    damaged = delete_tokens(flipped, share=0.5, kept_ids=(PAD, CLS, SEP), pad_id=PAD)
    assert (damaged["input_ids"][:, 0] == SEP).all()
    assert ((damaged["input_ids"] != PAD) == damaged["attention_mask"].bool()).all()


@pytest.fixture
def decoder(model):
    """The decoder of the tiny model, in eval mode, with attention as strong as in a trained one."""
    with seeded(0):
        made = make_decoder(model.eval()).eval()
        for name, parameter in made.named_parameters():
            if "attention" in name and parameter.ndim == 2:
                torch.nn.init.normal_(parameter, std=0.2)
    return made


def test_the_decoder_sees_the_vector_and_what_came_before(decoder):
    """Prevents a decoder that leaves the vector aside, which trains nothing, and one that reads what it shall tell."""
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(10, 60, (1, 8), generator=generator)
    vector = torch.randn(1, 32, generator=generator)
    mask = torch.ones_like(ids)

    def told(ids, vector):
        with torch.no_grad():
            return decode(decoder, ids, mask, vector)[0]

    plain = told(ids, vector)
    other = told(ids, torch.randn(1, 32, generator=generator))
    assert all(not torch.allclose(a, b, atol=1e-5) for a, b in zip(plain, other, strict=True))
    for place in range(8):
        changed = ids.clone()
        changed[0, place] = (changed[0, place] + 7) % 50 + 10
        differs = [not torch.allclose(a, b, atol=1e-5) for a, b in zip(plain, told(changed, vector), strict=True)]
        assert differs == [at >= place for at in range(8)]


def test_the_length_of_the_vector_says_nothing(decoder):
    """Prevents the encoder from hiding in a vector's length what cosines do not see."""
    ids, vector = torch.tensor([[2, 11, 12]]), torch.randn(1, 32)
    with torch.no_grad():
        one, two = (decode(decoder, ids, torch.ones_like(ids), factor * vector) for factor in (0.1, 30.0))
    torch.testing.assert_close(one, two, atol=1e-4, rtol=1e-4)


def test_the_loss_by_hand(model, features):
    """Prevents targets that are one place off, padding that counts, and the damaged text as the target."""
    loss = make_loss(model).eval()
    torch.manual_seed(0)
    value = loss.value(features, torch.arange(6)).item()
    torch.manual_seed(0)
    damaged = delete_tokens(features, share=0.6, kept_ids=loss.kept_ids, pad_id=loss.pad_id)
    told = []
    with torch.no_grad():
        vectors = model(dict(damaged))["sentence_embedding"]
        for row in range(6):
            ids = features["input_ids"][row][features["attention_mask"][row].bool()]
            for place in range(1, len(ids)):
                start = ids[None, :place]
                logits = decode(loss.decoder, start, torch.ones_like(start), vectors[row : row + 1])[0, -1]
                told.append(-logits.log_softmax(dim=-1)[ids[place]].item())
    assert value == pytest.approx(np.mean(told), rel=1e-3)


def test_weights_are_tied_and_the_others_learn_faster(model):
    """Prevents a decoder that learns the language beside the encoder, and one that never learns to listen."""
    loss = make_loss(model)
    body = model.transformers_model
    tokens = body.get_input_embeddings().weight
    assert loss.decoder.get_output_embeddings().weight is tokens
    assert loss.decoder.bert.encoder.layer[1].output.dense.weight is body.encoder.layer[1].output.dense.weight
    ours, theirs = loss.parameter_groups(1e-5)
    assert (ours["lr"], theirs["lr"]) == (1e-5, DECODER_RATE)
    assert {id(p) for p in ours["params"]} == {id(p) for p in model.parameters()}
    names = {name for name, p in loss.decoder.named_parameters() if any(p is fresh for fresh in theirs["params"])}
    assert names
    assert all("crossattention" in name or name.startswith("cls.") for name in names)
    assert len(ours["params"]) + len(theirs["params"]) == len(list(loss.parameters()))


def test_the_encoder_learns_through_the_vector(model, features):
    """Prevents a bottleneck without gradient: the vectors would learn nothing but what the tied weights do."""
    loss = make_loss(model).train()
    seen = []

    def note(module, given, made):
        made["sentence_embedding"].register_hook(seen.append)

    model[-1].register_forward_hook(note)
    loss.value(features, torch.arange(6)).backward()
    assert all(row.any() for row in torch.cat(seen))


def test_the_encoder_is_no_decoder_afterwards(model, single):
    """Prevents the shared configuration from making the encoder read from left to right."""
    before = model.encode(single.texts)
    make_loss(model)
    np.testing.assert_array_equal(model.encode(single.texts), before)
    assert not model.transformers_model.config.is_decoder


def test_kinds_of_models_that_cannot_decode(tmp_path, tiny_tokenizer):
    """Prevents a traceback, or a training that leaves the vector aside, for models without a decoder of their kind."""
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from transformers import DistilBertConfig, DistilBertModel, PreTrainedTokenizerFast

    config = DistilBertConfig(vocab_size=tiny_tokenizer.get_vocab_size(), dim=16, n_layers=1, n_heads=1, hidden_dim=16)
    DistilBertModel(config).save_pretrained(tmp_path)
    PreTrainedTokenizerFast(tokenizer_object=tiny_tokenizer, pad_token="[PAD]").save_pretrained(tmp_path)
    model = SentenceTransformer(modules=[Transformer(str(tmp_path)), Pooling(16)], device="cpu")
    with pytest.raises(InputError, match="DistilBertModel cannot; use objective='simcse'"):
        make_decoder(model)


def test_vectors_of_another_size(model):
    """Prevents a shape error in the depths of attention."""
    wide = SentenceTransformer(modules=[*model, Dense(32, 8)], device="cpu")
    with pytest.raises(InputError, match="have 8 numbers, its states 32"):
        make_decoder(wide)


@pytest.mark.parametrize("share", [0.0, 1.0, -1.0])
def test_a_share_out_of_range(model, share):
    """Prevents an auto-encoder that is shown everything, or nothing."""
    with pytest.raises(InputError, match="mask_probability must be above 0"):
        make_loss(model, deletion=share)
