"""A training on gold labels by plain gradient steps, as ``torchrun`` starts it, one process or two; see ``tests.jobs``.

A job says ``out``, a file for the model's weights before and after, and the losses.
"""

import copy

import numpy as np
import torch
from torch import nn

from fewshot.training.label_loss import LabelLoss
from fewshot.training.label_training import LabelTrainer, train_on_labels
from fewshot.training.layer_rates import LayerRates
from fewshot.training.schedule import Schedule

N, N_CLASSES, STEPS = 30, 3, 4
BATCH_SIZE, ACCUMULATION = 7, 2  # steps of 10 rows, batches of 5, shares of 3 and 2


class Net(nn.Module):
    """A classifier of rows of numbers, and an unused layer, as a BERT's pooler may be."""

    def __init__(self):
        super().__init__()
        self.body, self.head, self.unused = nn.Linear(5, 4), nn.Linear(4, N_CLASSES), nn.Linear(4, 2)
        self.body.config = None

    @property
    def base_model(self):
        """What is below the head."""
        return self.body

    def forward(self, rows):
        """Return an output with logits ``(B, n_classes)``."""
        return type("Output", (), {"logits": self.head(self.body(rows).tanh())})


def train(out):
    """Train a model and write what came of it."""
    rng = np.random.default_rng(0)
    torch.manual_seed(0)
    model = Net()
    start = copy.deepcopy(model)
    y = np.minimum(rng.integers(0, 6, size=N), 2)
    loss = LabelLoss(model, y, LayerRates(0.3), class_weights=np.array([2.0, 3.0, 0.5]))
    losses = train_on_labels(
        model,
        list(rng.normal(size=(N, 5)).astype(np.float32)),
        lambda rows: {"rows": torch.from_numpy(np.stack(rows))},
        loss,
        Schedule(STEPS, BATCH_SIZE, 0.1, warmup=0.0, in_pairs=False),
        accumulation=ACCUMULATION,
        device="cpu",
        precision="float32",
    )
    arrays = {f"weights {name}": tensor.numpy() for name, tensor in model.state_dict().items()}
    arrays |= {f"start {name}": tensor.numpy() for name, tensor in start.state_dict().items()}
    np.savez(out, losses=np.array(losses), **arrays)


def main(job):
    """Train with plain gradient steps, and write what came of it to ``job["out"]``."""
    LabelTrainer.get_optimizer_cls_and_kwargs = staticmethod(lambda args, model=None: (torch.optim.SGD, {}))
    train(job["out"])
