"""A logit distillation with layer losses by plain gradient steps, in one process and in two.

Called with a folder and a port; writes ``alone.npz``, ``0.npz`` and ``1.npz`` there: the student's weights after the
last step, the gradients of the first step, and the losses. Forks after the imports, so that libraries load once.
"""

import copy
import os
import sys
import traceback
from pathlib import Path

import numpy as np
import torch
from torch import nn

from fewshot.distillation.layer_losses import LayerLoss
from fewshot.distillation.logit_losses import MISSING
from fewshot.distillation.logit_objective import LogitObjective
from fewshot.distillation.logit_targets import LogitTargets
from fewshot.distillation.logit_trainer import LogitTrainer
from fewshot.distillation.logit_training import LiveTeacher, distill_logits
from fewshot.training.schedule import Schedule

N, N_CLASSES, STEPS, RATE = 30, 3, 3, 0.1
BATCH_SIZE = 7  # shares of 4 and 3


class Net(nn.Module):
    """A classifier of rows of numbers with one named layer, and an unused one, as a BERT's pooler may be."""

    def __init__(self, width):
        super().__init__()
        self.body, self.head, self.unused = nn.Linear(5, width), nn.Linear(width, N_CLASSES), nn.Linear(width, 2)

    def forward(self, rows):
        """Return logits ``(B, n_classes)``."""
        return self.head(self.body(rows).tanh())


def plain_steps():
    """Step by the plain gradient, unclipped: AdamW and clipping hide its size."""
    LogitTrainer.get_optimizer_cls_and_kwargs = staticmethod(lambda args, model=None: (torch.optim.SGD, {}))
    LogitTrainer._clip_grad_norm = lambda *_: None
    LogitTrainer._get_grad_norm = lambda *_, **__: None


def train(out):
    """Train a student and write what came of it."""
    rng = np.random.default_rng(0)
    torch.manual_seed(0)
    student, teacher = Net(4), Net(6)
    gold = np.where(np.arange(N) < 8, rng.integers(0, N_CLASSES, size=N), MISSING)  # unevenly over the shares
    targets = LogitTargets(gold=gold, weights=rng.uniform(0.1, 3.0, size=N))
    start, after_one = copy.deepcopy(student), {}
    step = torch.optim.SGD.step

    def noted(self, *arguments, **options):
        found = step(self, *arguments, **options)
        after_one.setdefault("weights", copy.deepcopy(student).state_dict())
        return found

    torch.optim.SGD.step = noted
    losses = distill_logits(
        student,
        list(rng.normal(size=(N, 5)).astype(np.float32)),
        lambda rows: {"rows": torch.from_numpy(np.stack(rows))},
        targets,
        Schedule(STEPS, BATCH_SIZE, RATE, warmup=0.0),
        objective=LogitObjective(0.4, 2.0),
        teacher=LiveTeacher(teacher),
        layer_losses=[LayerLoss("hidden_mse", layers=(("body", "body"),), weight=0.5, learning_rate=RATE)],
        device="cpu",
        precision="float32",
    )
    arrays = {f"weights {name}": tensor.numpy() for name, tensor in student.state_dict().items()}
    before = start.state_dict()
    arrays |= {f"gradient {name}": (before[name] - t).numpy() / RATE for name, t in after_one["weights"].items()}
    np.savez(out, losses=np.array(losses), **arrays)


def fork(folder, port, rank, count):
    """Train in a child; return its process id."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        plain_steps()
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
