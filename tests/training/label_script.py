"""A training on gold labels by plain gradient steps, in one process and in two.

Called with a folder and a port; writes ``alone.npz``, ``0.npz`` and ``1.npz`` there: the model's weights before and
after, and the losses. Forks after the imports, so that libraries load once.
"""

import copy
import os
import sys
import traceback
from pathlib import Path

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


def fork(folder, port, rank, count):
    """Train in a child; return its process id."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        LabelTrainer.get_optimizer_cls_and_kwargs = staticmethod(lambda args, model=None: (torch.optim.SGD, {}))
        if count > 1:
            os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(count)}
            os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "ACCELERATE_USE_CPU": "true"}
        train(folder / ("alone.npz" if count == 1 else f"{rank}.npz"))
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    place, number = Path(sys.argv[1]), sys.argv[2]
    children = [fork(place, number, 0, 1), *(fork(place, number, rank, 2) for rank in (0, 1))]
    sys.exit(max(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 0 for child in children))
