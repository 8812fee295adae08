"""Time 30 steps of Lanczos on the Hessian of the joint loss against two other packages.

    python benchmarks/lanczos.py
    python benchmarks/lanczos.py --members 4 --steps 60

Sixteen members 784-64-10 (814,240 weights) on 1,000 examples at λ = 0.95, on one thread. All
three work on the same matrix, from the same weights; their leading Ritz values are compared
before any time is told. A turn includes what each does once: building its operator. The peers are
asked for full reorthogonalisation where they offer it. Ratios are of one process, round by round;
above 1 the peer takes longer.
"""

import argparse
import importlib.util
import sys
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse.linalg import eigsh
from stopwatch import Contender, machine, race
from torch import Tensor, nn
from torch.func import functional_call, vmap

from jtdiag.engine.loss import joint_loss
from jtdiag.engine.members.mlp import MLP
from jtdiag_probes.curvature_products import Tangents
from jtdiag_probes.lanczos import alone, lanczos, ritz

PEERS = {
    "hessian_eigenthings": "hessian-eigenthings==1.0.0a5",
    "curvlinops": "curvlinops-for-pytorch==3.0.1",
}
AGREE = 1e-4
"""Relative difference of leading Ritz values that passes."""
LEADING = 3
"""Ritz values that are compared: those that 30 steps settle."""


class Ensemble(nn.Module):
    """All members as one module, (n, 784) to (n, M, K), for the packages that want a module."""

    def __init__(self, stack: MLP, weights: dict[str, Tensor]) -> None:
        super().__init__()
        self.stack = stack
        self.names = list(weights)
        for name, weight in weights.items():
            self.register_parameter(name.replace(".", "_"), nn.Parameter(weight.clone()))

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (n, M, K)."""
        own = {name: getattr(self, name.replace(".", "_"))[None] for name in self.names}
        return self.stack(own, x[None])[0].permute(2, 0, 1)


@dataclass(frozen=True)
class Problem:
    """What all three are given."""

    stack: MLP
    weights: dict[str, Tensor]
    x: Tensor
    target: Tensor
    lam: float
    steps: int

    @classmethod
    def of(cls, options: argparse.Namespace) -> "Problem":
        """Return seeded weights as they are initialised, and seeded noise with random labels."""
        generator = torch.Generator().manual_seed(0)
        stack = MLP(options.members, (784,), (options.hidden,), 10)
        return cls(
            stack=stack,
            weights={n: w.float() for n, w in stack.initial(generator).items()},
            x=torch.randn(options.examples, 784, generator=generator),
            target=torch.randint(0, 10, (options.examples,), generator=generator),
            lam=options.lam,
            steps=options.steps,
        )

    @property
    def size(self) -> int:
        """Weights of all members."""
        return sum(weight.numel() for weight in self.weights.values())

    def loss(self, outputs: Tensor, target: Tensor) -> Tensor:
        """Return the joint loss of outputs (n, M, K)."""
        return joint_loss(outputs.transpose(0, 1), target, self.lam)


Values = NDArray[np.floating]


def ours(problem: Problem) -> Values:
    """Return Ritz values by jtdiag's own Lanczos."""
    found = ritz(ours_krylov(problem))
    return found.values.numpy()[::-1]


def ours_krylov(problem: Problem):  # type: ignore[no-untyped-def]
    """Run jtdiag's Lanczos."""

    def outputs(weights: dict[str, Tensor]) -> Tensor:
        stacked = {name: weight[None] for name, weight in weights.items()}
        return problem.stack(stacked, problem.x[None])[0].transpose(1, 2)

    tangents = Tangents(outputs, problem.weights)
    product = tangents.hessian(joint_loss(tangents.outputs, problem.target, problem.lam))
    start = torch.randn(1, problem.size, generator=torch.Generator().manual_seed(1))
    return lanczos(alone(product), start, problem.steps)
