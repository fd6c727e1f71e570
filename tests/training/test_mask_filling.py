"""Asking a masked language model at masks alone: the same numbers as from all of its logits, for every kind of head."""

import threading

import pytest
import torch
import transformers
from torch import nn
from transformers import BertConfig, BertForMaskedLM

from fewshot.core.errors import ModelFormatError
from fewshot.training.mask_filling import MaskFiller, _picked

SIZES = {"vocab_size": 50, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
SIZES |= {"max_position_embeddings": 40, "pad_token_id": 1}
OTHERS = {
    "Albert": {"embedding_size": 8},
    "DistilBert": {"dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 32},
    "Electra": {"embedding_size": 8},
    "ModernBert": {"cls_token_id": 2, "bos_token_id": 2, "sep_token_id": 3, "eos_token_id": 3},
}
FAMILIES = ["Bert", "Roberta", "XLMRoberta", "MPNet", "Albert", "DistilBert", "Electra", "DebertaV2", "ModernBert"]


def make(family):
    """A tiny model of a family, with random weights."""
    config = getattr(transformers, f"{family}Config")(**SIZES, **OTHERS.get(family, {}))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return getattr(transformers, f"{family}ForMaskedLM")(config).eval()


@pytest.fixture
def batch():
    """Two texts of 8 and 5 tokens, and three places in them, one of them twice."""
    ids = torch.arange(16).reshape(2, 8) + 4
    ids[1, 5:] = 1
    return ids, (ids != 1).long(), torch.tensor([1, 0, 0, 1]), torch.tensor([4, 7, 1, 4])


@torch.no_grad()
@pytest.mark.parametrize("family", FAMILIES)
def test_places_are_those_of_all_logits(family, batch):
    """Prevents states of other tokens from reaching the head, in whichever way an architecture calls its parts."""
    model = make(family)
    ids, attention, rows, columns = batch
    expected = model(input_ids=ids, attention_mask=attention).logits[rows, columns]
    filler = MaskFiller(model)
    seen = []
    model.get_output_embeddings().register_forward_hook(lambda module, given, output: seen.append(output.shape))
    torch.testing.assert_close(filler(ids, attention, rows, columns), expected, atol=1e-5, rtol=1e-5)
    assert seen == [(1, 4, 50)]  # never a score of every token
    filler.check(ids[:1])


@torch.no_grad()
def test_the_model_itself_is_left_as_it_was(batch):
    """Prevents the hook from answering to others who run the same model, and from being there twice."""
    model = make("Bert")
    ids, attention, rows, columns = batch
    before = model(input_ids=ids, attention_mask=attention).logits
    for _ in range(2):
        MaskFiller(model)(ids, attention, rows, columns)
    torch.testing.assert_close(model(input_ids=ids, attention_mask=attention).logits, before, rtol=0, atol=0)
    assert list(model.base_model._forward_hooks.values()) == [_picked]
    with pytest.raises(IndexError):
        MaskFiller(model)(ids, attention, rows, columns + 99)
    torch.testing.assert_close(model(input_ids=ids, attention_mask=attention).logits, before, rtol=0, atol=0)


def test_threads_do_not_meet(batch):
    """Prevents one request of a server from being answered at the places of another."""
    filler = MaskFiller(make("Bert"))
    ids, attention, _, _ = batch
    found, wrong = {}, []

    @torch.no_grad()
    def ask(column):
        places = torch.tensor([0, 1]), torch.tensor([column, column])
        found.setdefault(column, filler(ids, attention, *places))
        wrong.extend(column for _ in range(30) if not torch.equal(filler(ids, attention, *places), found[column]))

    threads = [threading.Thread(target=ask, args=(column,)) for column in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for column, logits in found.items():
        with torch.no_grad():
            expected = filler.model(input_ids=ids, attention_mask=attention).logits[:, column]
        torch.testing.assert_close(logits, expected, atol=1e-5, rtol=1e-5)
    assert not wrong


class Neighbourly(nn.Module):
    """A head that looks at all tokens of a text."""

    def __init__(self, head):
        super().__init__()
        self.head = head

    def forward(self, states):
        """Return logits of the states' mean added to each."""
        return self.head(states + states.mean(dim=1, keepdim=True))


def test_a_head_that_looks_around_is_refused(batch):
    """Prevents an architecture of tomorrow from being asked in a way that its head was not made for."""
    model = make("Bert")
    model.cls = Neighbourly(model.cls)
    with pytest.raises(ModelFormatError, match="does not look at each token for itself"):
        MaskFiller(model).check(batch[0][:1])


def test_a_model_without_a_base_is_refused():
    """Prevents a hook on the whole model, which would pick among logits."""

    class Bare(BertForMaskedLM):
        base_model_prefix = ""

    with pytest.raises(ModelFormatError, match="no base below its head"):
        MaskFiller(Bare(BertConfig(**SIZES)))
