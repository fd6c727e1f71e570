"""All layer losses together: their sum, masks and projections."""

import numpy as np
import pytest
import torch

from fewshot.core.errors import InputError
from fewshot.distillation.layer_distances import hidden_mse, pooled_mse, token_similarity
from fewshot.distillation.layer_losses import LayerLoss, LayerMeasure
from fewshot.distillation.layer_matcher import LayerMatcher, as_tokens, check_same_tokens

LENGTHS = (5, 3, 1)
MASK = (np.arange(5) < np.array(LENGTHS)[:, None]).astype(np.int64)


def states(width, n_layers, length=5, seed=0):
    """Hidden states of a batch of three, embeddings first."""
    generator = torch.Generator().manual_seed(seed)
    return {layer: torch.randn(3, length, width, generator=generator) for layer in range(n_layers + 1)}


def test_the_sum_of_all_losses():
    """Prevents a pair of layers, a weight or a projection from being left out or used twice."""
    losses = (
        LayerLoss("hidden_mse", layers=((1, 2), (2, 4)), weight=2.0),
        LayerLoss("token_similarity"),
        LayerLoss("pooled", layers=((0, 0),), weight=0.5, pooling="cls"),
    )
    ours, theirs, mask = states(4, 2), states(6, 4, seed=1), torch.tensor(MASK)
    matcher = LayerMatcher(losses, ours, theirs)
    assert sorted(matcher.projections) == ["0_1_2", "0_2_4", "2_0_0"]  # similarities need none
    project = matcher.projections
    expected = (
        hidden_mse(project["0_1_2"](ours[1]), theirs[2], mask)  # 2.0 times the mean of two pairs
        + hidden_mse(project["0_2_4"](ours[2]), theirs[4], mask)
        + (token_similarity(ours[1], theirs[2], mask) + token_similarity(ours[2], theirs[4], mask)) / 2
        + 0.5 * pooled_mse(project["2_0_0"](ours[0][:, 0]), theirs[0][:, 0])
    )
    torch.testing.assert_close(matcher(ours, theirs, mask, mask), expected)


def test_projections_learn_at_their_own_rate():
    """Prevents projections outside of the optimizer, or at the rate of a pretrained student."""
    losses = (LayerLoss("hidden_mse", learning_rate=0.5), LayerLoss("token_similarity"), LayerLoss("pooled"))
    groups = LayerMatcher(losses, states(4, 2), states(6, 2)).parameter_groups()
    assert [group["lr"] for group in groups] == [0.5, 1e-3]
    assert [[tuple(p.shape) for p in group["params"]] for group in groups] == [[(6, 4)] * 2] * 2
    same_width = LayerMatcher(losses, states(4, 2), states(4, 2))
    assert same_width.parameter_groups() == []


def test_models_of_other_tokens_and_images():
    """Prevents pooled losses from needing equal lengths, and feature maps of images from being refused."""
    matcher = LayerMatcher([LayerLoss("pooled")], states(4, 1), states(6, 1, length=8))
    assert matcher(states(4, 1), states(6, 1, length=8)).shape == (3,)
    maps = {0: torch.randn(3, 4, 2, 2), 1: torch.randn(3, 8, 1, 1)}
    assert as_tokens(maps[0]).shape == (3, 4, 4)
    matcher = LayerMatcher([LayerLoss("pooled")], maps, states(6, 1))
    assert matcher(maps, states(6, 1)).shape == (3,)
    with pytest.raises(InputError, match="2 to 4 dimensions"):
        as_tokens(torch.zeros(3))


def test_other_tokens_are_refused():
    """Prevents the fifth token of one tokenizer from being compared with the fifth of another."""
    ids = {"input_ids": torch.tensor([[1, 2, 3]])}
    others = {"input_ids": torch.tensor([[1, 2, 4]])}
    check_same_tokens([LayerLoss("hidden_mse")], ids, {"input_ids": ids["input_ids"].clone()})
    check_same_tokens([LayerLoss("pooled")], ids, others)
    with pytest.raises(InputError, match=r"'hidden_mse' compares token by token.*LayerLoss\('pooled'\)"):
        check_same_tokens([LayerLoss("pooled"), LayerLoss("hidden_mse")], ids, others)
    matcher = LayerMatcher([LayerLoss("token_similarity")], states(4, 1), states(4, 1))
    with pytest.raises(InputError, match="5 and 8 tokens"):
        matcher(states(4, 1), states(4, 1, length=8))
    with pytest.raises(InputError, match="the mask has shape"):
        matcher(states(4, 1), states(4, 1), torch.ones(3, 4), torch.ones(3, 4))


def test_modules_by_name():
    """Prevents names that torch takes for no key, vectors that need a mask, and the states of another layer."""
    ours, theirs, mask = states(4, 2), states(6, 4, seed=1), torch.tensor(MASK)
    ours["pooler.dense"], theirs["head.0.act"] = torch.randn(3, 4), torch.randn(3, 6)
    losses = (LayerLoss("pooled", layers=(("pooler.dense", "head.0.act"), (2, "head.0.act")), weight=2.0),)
    matcher = LayerMatcher(losses, ours, theirs)
    assert sorted(matcher.projections) == ["0_2_head-0-act", "0_pooler-dense_head-0-act"]
    assert [len(group["params"]) for group in matcher.parameter_groups()] == [2]
    vectors = matcher.projections["0_pooler-dense_head-0-act"](ours["pooler.dense"])
    counted = mask[:, :, None].float()
    means = matcher.projections["0_2_head-0-act"]((ours[2] * counted).sum(1) / counted.sum(1))
    expected = pooled_mse(vectors, theirs["head.0.act"]) + pooled_mse(means, theirs["head.0.act"])
    torch.testing.assert_close(matcher(ours, theirs, mask, mask), expected)
    named = LayerMatcher(losses, {"pooler.dense": ours["pooler.dense"], 2: ours[2], 1: ours[1], 0: ours[0]}, theirs)
    assert named.pairs == [(("pooler.dense", "head.0.act"), (2, "head.0.act"))]


def test_a_measure_of_ones_own():
    """Prevents a distance of one's own from being given other states than a built-in one, or a projection unasked."""
    seen = []

    def spread(student, teacher, mask):
        seen.append((student.shape, teacher.shape, mask))
        return (student.std(dim=(1, 2)) - teacher.std(dim=(1, 2))).abs()

    ours, theirs, mask = states(4, 1), states(6, 1, seed=1), torch.tensor(MASK)
    own = LayerLoss(LayerMeasure(spread, projected=False), layers=((1, 1),), weight=3.0)
    matcher = LayerMatcher([own], ours, theirs)
    assert not matcher.projections
    expected = 3.0 * (ours[1].std(dim=(1, 2)) - theirs[1].std(dim=(1, 2))).abs()
    torch.testing.assert_close(matcher(ours, theirs, mask, mask), expected)
    assert seen[0][:2] == ((3, 5, 4), (3, 5, 6))
    np.testing.assert_array_equal(seen[0][2], MASK)
    pooled = LayerLoss(LayerMeasure(pooled_mse, token_wise=False), layers=((1, 1),))
    assert list(LayerMatcher([pooled], ours, theirs).projections) == ["0_1_1"]
    check_same_tokens([pooled], {"input_ids": torch.ones(1, 2)}, {"input_ids": torch.ones(1, 3)})
    with pytest.raises(InputError, match="'spread' compares token by token"):
        check_same_tokens([pooled, own], {"input_ids": torch.ones(1, 2)}, {"input_ids": torch.ones(1, 3)})


@pytest.mark.parametrize(
    ("distance", "found"),
    [
        (lambda s, t, m: s.sum(), r"shape \(\)"),
        (lambda s, t, m: (s - t).square().mean(2), r"shape \(3, 5\)"),
        (lambda s, t, m: 1.0, "1.0"),
    ],
)
def test_a_measure_of_another_shape(distance, found):
    """Prevents one number for a whole batch from being broadcast: weights of examples would lose their meaning."""
    matcher = LayerMatcher([LayerLoss(LayerMeasure(distance))], states(4, 1), states(4, 1))
    with pytest.raises(InputError, match=f"returned {found} for 3 examples; it must return a tensor with one number"):
        matcher(states(4, 1), states(4, 1))


def test_layers_that_are_not_there():
    """Prevents an index error in the first batch."""
    with pytest.raises(InputError, match=r"the pair \(2, 9\), but the student has 2 layers and the teacher 4"):
        LayerMatcher([LayerLoss("pooled", ((2, 9),))], states(4, 2), states(4, 4))
