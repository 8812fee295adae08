"""Networks for members.factory, and data for data.name."""

import os

import numpy as np
import torch
from torch import Tensor, nn


class Branches(nn.Module):
    """Three branches on a common layer; one weight takes no part."""

    def __init__(self, middle: nn.Module) -> None:
        super().__init__()
        self.common = nn.Linear(2, 6)
        self.middle = middle
        self.heads = nn.ModuleList(nn.Linear(6, 3) for _ in range(3))
        self.unused = nn.Parameter(torch.ones(2))

    def forward(self, x: Tensor) -> Tensor:
        h = torch.tanh(self.middle(self.common(x)))
        return torch.stack([head(h) for head in self.heads], 1)


def branches() -> nn.Module:
    return Branches(nn.Identity())


def branches_with_norm() -> nn.Module:
    return Branches(nn.BatchNorm1d(6))


def branches_with_dropout() -> nn.Module:
    return Branches(nn.Dropout(0.5))


def member_with_dropout() -> nn.Module:
    return nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Dropout(0.5), nn.Linear(8, 3))


def data_that_differ():
    """Return data that differ between ranks."""
    random = np.random.default_rng(int(os.environ.get("RANK", "0")))
    parts = [(random.normal(size=(n, 2)), np.arange(n) % 3) for n in (100, 40)]
    return tuple(array for part in parts for array in part)
