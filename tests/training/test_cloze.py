"""Training to fill masks: gradients that do not depend on how a batch is cut, and a loss that falls."""

import copy

import numpy as np
import pytest
import torch

from fewshot.classifiers.prompt_scorer import PromptScorer
from fewshot.classifiers.verbalizer import Verbalizer
from fewshot.core.errors import InputError
from fewshot.data.labels import LabelSpace
from fewshot.training.cloze import ClozeLoss, train_cloze
from fewshot.training.example_trainer import ExampleTrainer
from fewshot.training.schedule import Schedule
from tests.classifiers.masked_cases import make_masked
from tests.distillation.logit_cases import make_tokenizer, weights

TEMPLATES = ("{text} {mask} .",)
WORDS = {"billing": ("card", "payment"), "delivery": ("my box",), "login": ("locked",)}
SPACE = LabelSpace(tuple(WORDS), multi_label=False)


@pytest.fixture(scope="module")
def tokenizer(tiny_tokenizer):
    """A tokenizer as transformers' models come with one."""
    return make_tokenizer(tiny_tokenizer)


def scorer_of(model, tokenizer):
    """A copy of a model that scores the toy classes."""
    verbalizer = Verbalizer.of(SPACE, WORDS, tokenizer, TEMPLATES)
    options = {"aggregate": "mean_log", "name": "tiny", "device": "cpu"}
    return PromptScorer(copy.deepcopy(model), tokenizer, verbalizer, TEMPLATES, **options)


def train(model, tokenizer, texts, y, schedule, *, mlm_weight=0.0, **options):
    """Train a copy; return it and its losses."""
    scorer = scorer_of(model, tokenizer)
    loss = ClozeLoss(scorer.filler, scorer.scores, y, mlm_weight=mlm_weight, hide_with=tokenizer.mask_token_id)
    examples = [scorer.writer.write(text) for text in texts]
    return scorer.model, train_cloze(loss, examples, scorer.writer.features, schedule, device="cpu", **options)


@pytest.mark.parametrize("multi_label", [False, True])
def test_a_batch_of_32_is_four_of_8(tokenizer, pool, multi_label, monkeypatch):
    """Prevents a gradient four times too large, which clipping and logged losses show and AdamW hides."""
    monkeypatch.setattr(ExampleTrainer, "get_optimizer_cls_and_kwargs", lambda *_: (torch.optim.SGD, {}))
    monkeypatch.setattr(ExampleTrainer, "_clip_grad_norm", lambda *_: None)
    monkeypatch.setattr(ExampleTrainer, "_get_grad_norm", lambda *_, **__: None)
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, size=(32, 3)) if multi_label else rng.integers(0, 3, size=32)
    start, found = make_masked(tokenizer, dropout=0.0), []
    for batch_size, accumulation in ((32, 1), (8, 4)):
        schedule = Schedule(1, batch_size, 0.1, warmup=0.0, in_pairs=False)
        model, losses = train(start, tokenizer, pool[:32], y, schedule, accumulation=accumulation, precision="float32")
        gradients = [(a - b).detach() / 0.1 for a, b in zip(start.parameters(), model.parameters(), strict=True)]
        found.append((losses, gradients))
    (one, whole), (four, parts) = found
    assert four == pytest.approx(one, rel=1e-4)
    assert sum(gradient.norm() for gradient in whole) > 0.1
    for a, b in zip(whole, parts, strict=True):
        torch.testing.assert_close(a, b, atol=2e-5, rtol=1e-3)


def test_the_loss_is_cross_entropy_of_all_logits(tokenizer, single):
    """Prevents a loss over other tokens, other masks or a mean over something else than texts."""
    model = make_masked(tokenizer)
    scorer = scorer_of(model, tokenizer)
    y = SPACE.encode(single.labels)
    loss = ClozeLoss(scorer.filler, scorer.scores, y, temperature=2.0)
    rows = torch.arange(len(y))
    features = scorer.writer.features([scorer.writer.write(text) for text in single.texts])
    with torch.no_grad():
        found = loss(features, rows)
        expected = torch.nn.functional.cross_entropy(torch.from_numpy(scorer(single.texts)) / 2.0, torch.from_numpy(y))
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


def test_hidden_tokens_are_those_of_texts(tokenizer, single, monkeypatch):
    """Prevents template, masks or padding from being hidden, and a loss of tokens that are plain to see."""
    model = make_masked(tokenizer)
    scorer = scorer_of(model, tokenizer)
    y = SPACE.encode(single.labels)
    loss = ClozeLoss(scorer.filler, scorer.scores, y, mlm_weight=1.0, hide_with=tokenizer.mask_token_id)
    features = scorer.writer.features([scorer.writer.write(text) for text in single.texts])
    asked = []
    forward = scorer.filler.forward
    monkeypatch.setattr(
        scorer.filler, "forward", lambda *given, **named: asked.append(given) or forward(*given, **named)
    )
    draw = torch.rand
    monkeypatch.setattr(torch, "rand", lambda *shape, **options: draw(*shape, **options) * 0.3)
    with torch.no_grad():
        both = loss(features, torch.arange(len(y)))
        of_labels = torch.nn.functional.cross_entropy(torch.from_numpy(scorer(single.texts)), torch.from_numpy(y))
    ids, _, rows, columns = asked[1]
    plain = features["input_ids"][:: len(scorer.writer.variants)]
    hidden = (ids != plain).nonzero()
    assert hidden.tolist() == torch.stack([rows, columns], dim=1).tolist()
    assert len(hidden)
    words = {word for text in single.texts for word in tokenizer(text, add_special_tokens=False)["input_ids"]}
    assert set(plain[rows, columns].tolist()) <= words
    with torch.no_grad():
        logits = model(input_ids=ids, attention_mask=features["attention_mask"][:: len(scorer.writer.variants)]).logits
    per_text = [
        torch.nn.functional.cross_entropy(logits[row, columns[rows == row]], plain[row, columns[rows == row]])
        for row in range(len(y))
        if (rows == row).any()
    ]
    expected = of_labels + torch.stack(per_text).sum() / len(y)
    torch.testing.assert_close(both, expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("mlm_weight", [0.0, 0.1])
def test_the_loss_falls_and_a_seed_decides(tokenizer, single, mlm_weight):
    """Prevents a trainer that runs and learns nothing, and one that nobody can repeat."""
    y = SPACE.encode(single.labels)
    schedule = Schedule(25, 8, 3e-3, in_pairs=False)
    start = make_masked(tokenizer)
    torch.manual_seed(11)
    before = torch.get_rng_state()
    model, losses = train(start, tokenizer, single.texts, y, schedule, mlm_weight=mlm_weight)
    assert torch.equal(before, torch.get_rng_state())
    assert len(losses) == 25
    assert np.mean(losses[-5:]) < 0.7 * np.mean(losses[:5])
    assert not model.training
    again, same = train(start, tokenizer, single.texts, y, schedule, mlm_weight=mlm_weight)
    assert same == losses
    assert weights(again) == weights(model)


def test_bad_arguments(tokenizer):
    """Prevents a message about pairs where one label was given, and a division by nothing."""
    start, y = make_masked(tokenizer), np.array([0])
    with pytest.raises(InputError, match="at least 2 labelled texts"):
        train(start, tokenizer, ["refund"], y, Schedule(2, 8, 1e-3, in_pairs=False))
    with pytest.raises(InputError, match="accumulation must be at least 1"):
        train(start, tokenizer, ["refund"], y, Schedule(2, 8, 1e-3, in_pairs=False), accumulation=0)
    assert train(start, tokenizer, ["refund"], y, Schedule(0, 8, 1e-3, in_pairs=False))[1] == []
