"""Operations of an encoder against what torch counts."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from fewshot.core.errors import InputError
from fewshot.encoders.transformer_shape import count_flops
from tests.encoders.transformer_models import KNOWN, make_model


@pytest.mark.parametrize("kind", KNOWN)
@pytest.mark.parametrize("n_tokens", [1, 9, 50])
def test_operations_are_those_that_torch_counts(kind, n_tokens, tiny_tokenizer, tmp_path):
    """Prevents a formula that forgets a matrix, or counts a multiply-add as one."""
    model = make_model(kind, tiny_tokenizer, tmp_path)
    model[0].auto_model.set_attn_implementation("eager")  # torch counts each product of matrices
    features = {"input_ids": torch.ones((1, n_tokens), dtype=torch.long)}
    features["attention_mask"] = torch.ones_like(features["input_ids"])
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(features)
    assert count_flops(model, n_tokens) == counter.get_total_flops()


def test_other_families_are_refused(tiny_tokenizer, tmp_path):
    """Prevents a count by a formula that is not the model's."""
    with pytest.raises(InputError, match="family 'gpt2'"):
        count_flops(make_model("gpt2", tiny_tokenizer, tmp_path), 5)
