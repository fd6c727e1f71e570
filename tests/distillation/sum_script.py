"""A sum of losses with a queue, trained by plain gradient steps in one process and in two.

Called with a folder and a port; writes ``alone.npz``, ``0.npz`` and ``1.npz`` there: the state after the last step, and
the losses. Forks after the imports, so that libraries load once.
"""

import os
import sys
import traceback
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

from fewshot.distillation.similarity_losses import make_similarity_loss
from fewshot.training.processes import BatchShare

N, STEPS = 24, 4


class Projected(torch.nn.Module):
    """A model of one matrix."""

    def __init__(self, vectors):
        super().__init__()
        self.matrix = torch.nn.Parameter(torch.linspace(-1, 1, 24).reshape(6, 4).sin())
        self.fixed = vectors

    def get_embedding_dimension(self):
        return 4

    def forward(self, features):
        return {"sentence_embedding": self.fixed[features["row"]] @ self.matrix}


def train(rank, count, out):
    """Train on this process's share of each batch; write what came of it."""
    rng = np.random.default_rng(0)
    model = Projected(torch.tensor(rng.normal(size=(N, 6))).float())
    teacher = rng.normal(size=(N, 5))
    batches = [rng.permutation(N)[:7].tolist() for _ in range(STEPS)]
    names = {"cosine": 1.0, "softmax": 0.5, "relational": 0.5, "match": 0.5}
    loss = make_similarity_loss(names, model, teacher, queue_size=10, temperature=0.2, weight=rng.uniform(size=N))
    trained = DistributedDataParallel(loss, find_unused_parameters=True) if count > 1 else loss
    optimizer = torch.optim.SGD(loss.parameter_groups(0.1))
    losses = []
    for rows in BatchShare(batches, rank=rank, count=count):
        optimizer.zero_grad()
        result = trained({"row": torch.tensor(rows)}, torch.tensor(rows))
        result.backward()
        optimizer.step()
        losses.append(result.item())
    arrays = {name: tensor.numpy() for name, tensor in loss.state_dict().items()}
    np.savez(out, losses=np.array(losses), **arrays)


def fork(folder, port, rank, count):
    """Train in a child; return its process id."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        if count > 1:
            os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
            dist.init_process_group("gloo", rank=rank, world_size=count)
        train(rank, count, folder / ("alone.npz" if count == 1 else f"{rank}.npz"))
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
