"""The teacher's classes as a loss of the student's encoder."""

import numpy as np
import pytest
import torch
from torch import nn

from fewshot.core.errors import InputError
from fewshot.distillation.class_loss import ClassLoss, TeacherClasses
from fewshot.distillation.similarity_losses import WeightedSum, make_similarity_loss
from fewshot.training.losses import HEAD_SCALE


class Identity(nn.Identity):
    """An encoder whose vectors are its input."""

    def get_embedding_dimension(self):
        return 3


def embeddings(n=6, seed=0):
    """Unit vectors."""
    return nn.functional.normalize(torch.randn(n, 3, generator=torch.Generator().manual_seed(seed)))


@pytest.mark.parametrize("multi_label", [False, True])
def test_against_numpy(multi_label):
    """Prevents a loss of the wrong rows, of the teacher where gold is known, or weights that do not count."""
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet(np.ones(4), size=6)
    gold, weight = np.eye(4)[[2, 0]], rng.random(6)
    loss = ClassLoss(Identity(), TeacherClasses(probabilities, multi_label=multi_label, gold=gold, weight=weight))
    with torch.no_grad():
        loss.coef.copy_(torch.from_numpy(0.1 * rng.normal(size=(4, 3))))
        loss.intercept.copy_(torch.from_numpy(0.1 * rng.normal(size=4)))
    X, rows = embeddings(4), torch.tensor([5, 1, 0, 3])
    wanted = np.vstack([gold, probabilities[2:]])[rows.numpy()]
    logits = HEAD_SCALE * (X.numpy() @ loss.coef.detach().numpy().T + loss.intercept.detach().numpy())
    if multi_label:
        given = 1 / (1 + np.exp(-logits))
        losses = -(wanted * np.log(given) + (1 - wanted) * np.log(1 - given)).mean(axis=1)
    else:
        losses = -(wanted * (logits - np.log(np.exp(logits).sum(axis=1, keepdims=True)))).sum(axis=1)
    expected = (weight[rows.numpy()] * losses).sum() / weight[rows.numpy()].sum()
    assert loss.of(X, rows).item() == pytest.approx(expected, rel=1e-5)


def test_the_head_learns_at_its_own_rate():
    """Prevents a head that stays at zero, and one that the checkpoints do not know."""
    probabilities = np.random.default_rng(0).dirichlet(np.ones(2), size=6)
    loss = make_similarity_loss(
        {"cosine": 1.0, "classes": 0.5}, Identity(), embeddings().numpy(), classes=TeacherClasses(probabilities)
    )
    assert isinstance(loss, WeightedSum)
    rates = [group["lr"] for group in loss.parameter_groups(1e-4) if group["params"]]
    assert rates == [1e-2]
    other = make_similarity_loss(
        {"cosine": 1.0, "classes": 0.5}, Identity(), embeddings().numpy(), classes=TeacherClasses(probabilities[::-1])
    )
    assert loss.identity() != other.identity()


def test_classes_must_be_known():
    """Prevents an AttributeError in the first step."""
    with pytest.raises(InputError, match="needs the teacher's probabilities"):
        make_similarity_loss({"cosine": 1.0, "classes": 0.5}, Identity(), embeddings().numpy())
