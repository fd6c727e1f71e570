"""What the tests of similarity losses share: a model that is its vectors, and losses by loops in NumPy."""

import itertools

import numpy as np
import torch
from torch import nn


class Looked(nn.Module):
    """A model that looks its vectors up: features hold row numbers."""

    def __init__(self, vectors):
        super().__init__()
        self.vectors = nn.Parameter(torch.tensor(vectors))

    def get_embedding_dimension(self):
        return self.vectors.shape[1]

    def forward(self, features):
        return {"sentence_embedding": self.vectors[features["row"]]}


def vectors_for(n, seed=0, dimension=5):
    """Draw vectors of uneven lengths."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, dimension)) * rng.uniform(0.1, 9.0, size=(n, 1))


def unit(vectors):
    """Bring vectors to length 1."""
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def value(loss, rows):
    """Compute a loss of these rows of its model."""
    rows = torch.as_tensor(rows)
    return loss({"row": rows}, rows)


def cosine_loss(student, teacher, pairs):
    """Compute the mean squared difference of the cosines of pairs of places."""
    student, teacher = unit(student), unit(teacher)
    return np.mean([(student[i] @ student[j] - teacher[i] @ teacher[j]) ** 2 for i, j in pairs])


def softmax_loss(student, teacher, pairs, temperature, weight):
    """Compute the divergence of the shares of each first place of the pairs among its second places."""
    student, teacher = unit(student), unit(teacher)
    total = mass = 0.0
    for i, group in itertools.groupby(sorted(pairs), key=lambda pair: pair[0]):
        others = [j for _, j in group if weight[j] > 0]
        if weight[i] == 0 or not others:
            continue
        theirs, ours = (weight[others] * np.exp(v[others] @ v[i] / temperature) for v in (teacher, student))
        theirs, ours = theirs / theirs.sum(), ours / ours.sum()
        total += weight[i] * weight[others].sum() * (theirs * np.log(theirs / ours)).sum()
        mass += weight[i] * weight[others].sum()
    return total / mass


def _huber(difference):
    return difference**2 / 2 if abs(difference) <= 1 else abs(difference) - 0.5


def distance_loss(student, teacher, weight):
    """Park et al. 2019, distance-wise, pair by pair."""
    pairs = list(itertools.permutations(range(len(student)), 2))
    shares = np.array([weight[i] * weight[j] for i, j in pairs])
    shares = shares / shares.sum()
    lengths = [np.array([np.linalg.norm(v[i] - v[j]) for i, j in pairs]) for v in (unit(student), unit(teacher))]
    ours, theirs = (sides / (shares @ sides) for sides in lengths)
    return sum(share * _huber(a - b) for share, a, b in zip(shares, ours, theirs, strict=True))


def angle_loss(student, teacher, weight, corners=None):
    """Park et al. 2019, angle-wise, triplet by triplet; the middle one is the corner."""
    total = mass = 0.0
    for i, j, k in itertools.permutations(range(len(student)), 3):
        if corners is not None and j not in corners:
            continue
        ours, theirs = (_cosine(v[i] - v[j], v[k] - v[j]) for v in (unit(student), unit(teacher)))
        share = weight[i] * weight[j] ** 2 * weight[k]
        total, mass = total + share * _huber(ours - theirs), mass + share
    return total / mass


def _cosine(a, b):
    return a @ b / np.linalg.norm(a) / np.linalg.norm(b)
