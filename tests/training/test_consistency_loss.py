"""The loss on labels and unlabelled texts against ten lines of NumPy."""

import numpy as np
import pytest
import torch
from scipy.special import expit, log_expit, log_softmax, softmax
from torch import nn

from fewshot.core.errors import InputError
from fewshot.training.alignment import label_shares
from fewshot.training.consistency_loss import ConsistencyLoss, ConsistencySettings, annealing_threshold, inconsistency
from fewshot.training.label_loss import LabelLoss
from fewshot.training.layer_rates import LayerRates
from tests.training.test_label_loss import LOGITS, MULTI, RATES, Given, Y

USUAL = {"unlabeled_weight": 0.7, "unlabeled_ratio": 2, "temperature": 0.4, "confidence": 0.6, "annealing": None}
ORIGINALS, COPIES = np.random.default_rng(1).normal(scale=1.5, size=(2, 5, 3)).astype(np.float32)
STEPS = 4


def make(y, *, model=None, options=None, **changes):
    """Return a loss with these settings."""
    settings = ConsistencySettings(**USUAL | changes)
    return ConsistencyLoss(model or Given(), y, RATES, settings, steps=STEPS, **options or {})


def loss_of(y, *, step=2, **changes):
    """Return the loss of all labelled rows and all pairs."""
    features = {
        "learning": {"logits": torch.from_numpy(np.concatenate([LOGITS, COPIES]))},
        "originals": {"logits": torch.from_numpy(ORIGINALS)},
    }
    return make(y, **changes)(features, torch.arange(6), step=step)


def by_hand(y, *, threshold=1.0, weight=0.7, temperature=0.4, confidence=0.6, shift=0.0):
    """Return the same, and how much of the pairs is sure."""
    logits, originals, copies = (array.astype(np.float64) for array in (LOGITS, ORIGINALS, COPIES))
    originals = originals + shift
    if y.ndim == 1:
        logs = log_softmax(logits, axis=1)[np.arange(6), y]
        sure = softmax(originals, axis=1).max(axis=1) > confidence
        pairs = -(softmax(originals / temperature, axis=1) * log_softmax(copies, axis=1)).sum(axis=1)
    else:
        logs = np.where(y == 1, log_expit(logits), log_expit(-logits))
        sure = np.maximum(expit(originals), expit(-originals)) > confidence
        wanted = expit(originals / temperature)
        pairs = -(wanted * log_expit(copies) + (1 - wanted) * log_expit(-copies))
    learnt = np.exp(logs) <= threshold
    return -(logs * learnt).mean() + weight * (pairs * sure).mean(), sure.mean(), learnt.mean()


@pytest.mark.parametrize("y", [Y, MULTI], ids=["single", "multi"])
def test_consistency_by_hand(y):
    """Prevents targets that are copies' own, a mask after sharpening, and a mean over the sure alone."""
    expected, sure, _ = by_hand(y)
    assert 0 < sure < 1
    assert float(loss_of(y)) == pytest.approx(expected, rel=1e-5)
    assert float(loss_of(y, temperature=1.0)) == pytest.approx(by_hand(y, temperature=1.0)[0], rel=1e-5)


@pytest.mark.parametrize("y", [Y, MULTI], ids=["single", "multi"])
def test_alignment_by_hand(y):
    """Prevents alignment after sharpening, a mask that looks at what was not aligned, and copies that are aligned."""
    features = {
        "learning": {"logits": torch.from_numpy(np.concatenate([LOGITS, COPIES]))},
        "originals": {"logits": torch.from_numpy(ORIGINALS)},
    }
    shares = label_shares(y, 3)
    answers = softmax(ORIGINALS, axis=1) if y.ndim == 1 else expit(ORIGINALS)
    mean = (shares + answers.mean(axis=0)) / 2
    shift = np.log(shares / mean) - (np.log((1 - shares) / (1 - mean)) if y.ndim == 2 else 0)
    loss = make(y)
    first, second = (float(loss(features, torch.arange(6), step=step)) for step in (1, 2))
    assert first == pytest.approx(by_hand(y)[0], rel=1e-5)
    assert second == pytest.approx(by_hand(y, shift=shift)[0], rel=1e-5)
    assert abs(second - first) > 1e-3
    plain = make(y, align=False)
    assert [float(plain(features, torch.arange(6), step=step)) for step in (1, 2)] == [first, first]


def test_alignment_knows_classes_that_no_label_has():
    """Prevents a fold without a class, whose shares have one column less than its logits."""
    y = np.array([0, 1, 1, 0, 0, 1])
    features = {
        "learning": {"logits": torch.from_numpy(np.concatenate([LOGITS, COPIES]))},
        "originals": {"logits": torch.from_numpy(ORIGINALS)},
    }
    loss = make(y, options={"n_classes": 3})
    assert all(np.isfinite(float(loss(features, torch.arange(6), step=step))) for step in (1, 2))
    np.testing.assert_allclose(loss.alignment.mean.numpy().sum(), 1.0, rtol=1e-6)


@pytest.mark.parametrize("multi_label", [False, True])
def test_a_model_that_leans_to_one_class_is_pulled_back(multi_label):
    """Prevents the collapse: answers of one class are learnt from, and labels known by heart say nothing."""
    rng = np.random.default_rng(5)
    truth = np.repeat([0, 1, 2], 20)
    texts = np.eye(3, 6)[truth] * 3 + rng.normal(scale=0.5, size=(60, 6)) * [1, 1, 1, 0, 0, 0]
    labeled, y = np.eye(3, 6, k=3) * 3, np.eye(3, dtype=int) if multi_label else np.arange(3)
    tensor = lambda *arrays: {"x": torch.from_numpy(np.concatenate(arrays).astype(np.float32))}  # noqa: E731
    features = {
        "learning": tensor(labeled, texts + rng.normal(scale=0.3, size=texts.shape)),
        "originals": tensor(texts),
    }
    right = {}
    for align in (True, False):
        model = Linear(6)
        with torch.no_grad():
            model.layer.weight.copy_(torch.cat([0.7 * torch.eye(3), 6 * torch.eye(3)], dim=1))
            model.layer.bias.copy_(torch.tensor([4.0, -1.0, -1.0]))
        loss = make(y, model=model, align=align, unlabeled_weight=4.0)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for step in range(1, 41):
            optimizer.zero_grad()
            loss(features, torch.arange(3), step=step).backward()
            optimizer.step()
        right[align] = float((model(features["originals"]["x"]).logits.argmax(dim=1).numpy() == truth).mean())
    assert right[True] > 0.95
    assert right[False] < 0.7


@pytest.mark.parametrize("annealing", ["linear", "log", "exp"])
@pytest.mark.parametrize("y", [Y, MULTI], ids=["single", "multi"])
def test_annealing_by_hand(y, annealing):
    """Prevents labels that are left out while they are unknown, and a threshold of other numbers of answers."""
    options = 3 if y.ndim == 1 else 2
    for step in range(1, STEPS + 1):
        threshold = annealing_threshold(annealing, step / STEPS, options)
        expected, _, learnt = by_hand(y, threshold=threshold)
        assert float(loss_of(y, step=step, annealing=annealing)) == pytest.approx(expected, rel=1e-5)
        assert step > 1 or annealing == "log" or learnt < 1
    assert learnt == 1


def test_the_threshold_rises_from_guessing_to_certainty():
    """Prevents a curve that ends early, and log and exp that changed places."""
    assert annealing_threshold("linear", 0.0, 4) == pytest.approx(0.25)
    assert annealing_threshold("linear", 0.25, 4) == pytest.approx(0.4375)
    assert annealing_threshold("linear", 1.0, 4) == pytest.approx(1.0)
    assert annealing_threshold("log", 0.2, 2) == pytest.approx(1 - 0.5 * np.exp(-1))
    assert annealing_threshold("exp", 0.8, 2) == pytest.approx(0.5 + 0.5 * np.exp(-1))
    assert annealing_threshold("exp", 1.0, 5) == pytest.approx(1.0)
    for progress in (0.1, 0.5, 0.9):
        early, middle, late = (annealing_threshold(name, progress, 3) for name in ("log", "linear", "exp"))
        assert early > middle > late


@pytest.mark.parametrize("y", [Y, MULTI], ids=["single", "multi"])
def test_unsure_answers_leave_the_label_loss(y):
    """Prevents pairs below the mask from counting for a little."""
    plain = LabelLoss(Given(), y, RATES)({"logits": torch.from_numpy(LOGITS)}, torch.arange(6))
    assert float(loss_of(y, confidence=0.9999)) == pytest.approx(float(plain), rel=1e-6)
    assert float(loss_of(y, unlabeled_weight=0)) == pytest.approx(float(plain), rel=1e-6)
    assert float(loss_of(y)) > float(plain) + 0.05
    without = make(y)({"learning": {"logits": torch.from_numpy(LOGITS)}}, torch.arange(6))
    assert float(without) == pytest.approx(float(plain), rel=1e-6)


@pytest.mark.parametrize("y", [Y, MULTI], ids=["single", "multi"])
def test_the_mean_of_parts_is_the_whole(y):
    """Prevents parts of a step from counting alike though one has fewer rows or fewer sure pairs."""
    loss = make(y, annealing="linear", options={"class_weights": np.array([0.5, 1.0, 4.0])})

    def part(rows, pairs, *sizes):
        learning = {"logits": torch.from_numpy(np.concatenate([LOGITS[rows], COPIES[pairs]]))}
        originals = {"logits": torch.from_numpy(ORIGINALS[pairs])}
        return float(loss({"learning": learning, "originals": originals}, torch.arange(6)[rows], *sizes))

    whole = part(slice(6), slice(5))
    parts = [part(slice(4), slice(2), 3.0, 2.5), part(slice(4, 6), slice(2, 5), 3.0, 2.5)]
    assert sum(parts) / 2 == pytest.approx(whole, rel=1e-6)


class Linear(nn.Module):
    """A classifier of rows of numbers that tells how many it read."""

    def __init__(self, width=4):
        super().__init__()
        torch.manual_seed(0)
        self.layer, self.read = nn.Linear(width, 3), []

    def forward(self, x):
        self.read.append(len(x))
        return type("Output", (), {"logits": self.layer(x)})


def batch(n_labeled=4, n_pairs=6):
    """Return rows of numbers for :class:`Linear`."""
    rng = np.random.default_rng(2)
    labeled, originals = rng.normal(size=(n_labeled, 4)), 6 * rng.normal(size=(n_pairs, 4))
    copies = originals + rng.normal(scale=0.3, size=originals.shape)
    tensor = lambda *arrays: {"x": torch.from_numpy(np.concatenate(arrays).astype(np.float32))}  # noqa: E731
    return {"learning": tensor(labeled, copies), "originals": tensor(originals)}


@pytest.fixture(autouse=True)
def own_random_state():
    """Leave torch's random state as it was."""
    with torch.random.fork_rng():
        yield


def test_no_gradient_goes_through_the_texts_themselves():
    """Prevents a model that learns to be unsure of a text because it errs on the copy."""
    features, model = batch(), Linear()
    make(Y[:4], model=model, confidence=0.0)(features, torch.arange(4)).backward()
    found = model.layer.weight.grad.clone()
    model.zero_grad()
    with torch.no_grad():
        targets = torch.softmax(model.layer(features["originals"]["x"]) / 0.4, dim=1)
    logits = model.layer(features["learning"]["x"])
    supervised = nn.functional.cross_entropy(logits[:4], torch.from_numpy(Y[:4]))
    (supervised + 0.7 * nn.functional.cross_entropy(logits[4:], targets)).backward()
    torch.testing.assert_close(found, model.layer.weight.grad)


def test_copies_of_unsure_texts_are_not_read():
    """Prevents hours of reading for gradients of zero."""
    features, model = batch(), Linear()
    loss = make(Y[:4], model=model, confidence=0.8)
    _, sure = loss.targets(features["originals"], torch.device("cpu"))
    assert 0 < int(sure.sum()) < 6
    model.read.clear()
    loss(features, torch.arange(4))
    assert model.read == [6, 4 + int(sure.sum())]


def test_gradients_survive_half_precision():
    """Prevents weights that autocast rounded without gradients, for the texts, from being used for the copies."""
    model = Linear()
    loss = make(Y[:4], model=model, confidence=0.0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = loss(batch(), torch.arange(4))
    value.backward()
    assert value.dtype == torch.float32
    assert model.layer.weight.grad.abs().sum() > 0.1


def test_masks_of_many_classes_and_of_labels():
    """Prevents a mask that nothing passes where the surest of many classes has half of the probability."""
    usual = ConsistencySettings(**USUAL | {"confidence": None})
    assert [usual.least_probability(n, multi_label=False) for n in (2, 10, 11, 77)] == [0.95, 0.95, 0.8, 0.8]
    assert usual.least_probability(77, multi_label=True) == 0.95
    assert ConsistencySettings(**USUAL).least_probability(77, multi_label=False) == 0.6


def test_a_target_that_is_sure_of_the_answer_is_plain_cross_entropy():
    """Prevents a sum over classes in place of the one that is right."""
    logits = torch.from_numpy(COPIES)
    found = inconsistency(logits, torch.eye(3)[[0, 1, 2, 0, 1]], torch.tensor([True, True, True, True, False]))
    expected = nn.functional.cross_entropy(logits, torch.tensor([0, 1, 2, 0, 1]), reduction="none")
    torch.testing.assert_close(found, expected * torch.tensor([1.0, 1.0, 1.0, 1.0, 0.0]))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"unlabeled_weight": -0.1}, "unlabeled_weight must be a number of at least 0"),
        ({"unlabeled_weight": float("inf")}, "unlabeled_weight must be a number of at least 0"),
        ({"unlabeled_weight": "much"}, "unlabeled_weight must be a number of at least 0"),
        ({"unlabeled_ratio": 0}, "unlabeled_ratio must be a number above 0"),
        ({"temperature": 0.0}, "temperature must be above 0 and at most 1"),
        ({"temperature": 1.5}, "temperature must be above 0 and at most 1"),
        ({"confidence": 1.0}, "confidence must be at least 0 and below 1"),
        ({"confidence": float("nan")}, "confidence must be at least 0 and below 1"),
        ({"confidence": True}, "confidence must be at least 0 and below 1"),
        ({"align": "yes"}, "align must be True or False, got 'yes'"),
        ({"annealing": "lin"}, "annealing must be one of linear, log, exp, or None, got 'lin'"),
    ],
)
def test_settings_out_of_range(changes, message):
    """Prevents a training on a mask that nothing passes, or on targets flatter than the answers."""
    with pytest.raises(InputError, match=message):
        ConsistencySettings(**USUAL | changes)


@pytest.mark.parametrize(
    "changes", [{"temperature": 0.5}, {"annealing": "log"}, {"unlabeled_weight": 2}, {"align": False}]
)
def test_checkpoints_tell_settings_apart(changes):
    """Prevents a resume under other settings."""
    assert make(Y).identity() != make(Y, **changes).identity()
    assert make(Y).identity() == make(Y).identity()
    other = ConsistencyLoss(Given(), Y, LayerRates(1e-2), ConsistencySettings(**USUAL), steps=STEPS)
    assert make(Y).identity() != other.identity()
