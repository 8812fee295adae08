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
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import ratios
import torch
from numpy.typing import NDArray
from stopwatch import Contender, machine, race
from torch import Tensor, nn

from jtdiag.engine.architectures.mlp_stack import MLP
from jtdiag.engine.loss import joint_loss
from jtdiag_probes.linalg.curvature_products import Tangents
from jtdiag_probes.linalg.lanczos import batch_of_one, lanczos, ritz

PEERS = {
    "hessian_eigenthings": "hessian-eigenthings==1.0.0a5",
    "curvlinops": "curvlinops-for-pytorch==3.0.1",
}
AGREE = 1e-4
"""Relative difference of leading Ritz values that passes."""
LEADING = 5
"""Ritz values that are compared; all start from the same vector."""


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
"""Ritz values, the largest first."""


def ours(problem: Problem) -> Values:
    """Return Ritz values by jtdiag: a kept graph, every vector orthogonalised twice."""

    def outputs(weights: Mapping[str, Tensor]) -> Tensor:
        stacked = {name: weight[None] for name, weight in weights.items()}
        return problem.stack(stacked, problem.x[None])[0].transpose(1, 2)

    tangents = Tangents(outputs, problem.weights)
    product = tangents.hessian(joint_loss(tangents.outputs, problem.target, problem.lam))
    found = ritz(lanczos(batch_of_one(product), _by_member(problem).unsqueeze(0), problem.steps))
    return np.asarray(found.values.numpy()[::-1])


def _start(problem: Problem) -> Tensor:
    return torch.randn(problem.size, generator=torch.Generator().manual_seed(1))


def _by_member(problem: Problem) -> Tensor:
    """Return the same start vector in jtdiag's order: member after member."""
    weights = problem.weights.values()
    pieces = torch.split(_start(problem), [weight.numel() for weight in weights])
    return torch.cat([piece.view(problem.stack.count, -1) for piece in pieces], 1).view(-1)


def eigenthings(problem: Problem) -> Values:
    """Return Ritz values by hessian-eigenthings, which orthogonalises once up to 50 steps."""
    from hessian_eigenthings.algorithms.lanczos import lanczos_tridiagonal
    from hessian_eigenthings.operators.hessian import HessianOperator

    def loss(module: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
        return problem.loss(module(batch[0]), batch[1])

    module = Ensemble(problem.stack, problem.weights)
    operator = HessianOperator(module, [(problem.x, problem.target)], loss)
    found = lanczos_tridiagonal(operator, _start(problem), problem.steps, reorthogonalize=True)
    return _ritz_values(found.alphas, found.betas)


def curvlinops(problem: Problem) -> Values:
    """Return Ritz values by curvlinops, whose Lanczos does not orthogonalise at all."""
    from curvlinops import HessianLinearOperator
    from curvlinops.papyan2020traces.spectrum import fast_lanczos

    module = Ensemble(problem.stack, problem.weights)
    operator = HessianLinearOperator(
        module,
        _Loss(problem),
        list(module.parameters()),
        [(problem.x, problem.target)],
        check_deterministic=False,
    )
    torch.manual_seed(1)  # its start vector comes from the global generator: the same again
    values, _ = fast_lanczos(operator, problem.steps)
    return np.sort(values.numpy())[::-1]


class _Loss(nn.Module):
    """The joint loss as a module; curvlinops asks how it is reduced."""

    reduction = "mean"

    def __init__(self, problem: Problem) -> None:
        super().__init__()
        self.problem = problem

    def forward(self, outputs: Tensor, target: Tensor) -> Tensor:
        return self.problem.loss(outputs, target)


def _ritz_values(diagonal: Tensor, beside: Tensor) -> Values:
    small = torch.diag(diagonal) + torch.diag(beside, 1) + torch.diag(beside, -1)
    return np.asarray(torch.linalg.eigvalsh(small.double()).numpy()[::-1])


CONTENDERS: Mapping[str, Callable[[Problem], Values]] = {
    "jtdiag": ours,
    "hessian_eigenthings": eigenthings,
    "curvlinops": curvlinops,
}


def main() -> None:
    """Compare the Ritz values, then race."""
    options = _options()
    missing = [pip for module, pip in PEERS.items() if importlib.util.find_spec(module) is None]
    if missing:
        sys.exit(f"Missing what to compare with. First run: pip install {' '.join(missing)}")
    torch.set_num_threads(1)
    problem = Problem.of(options)
    print(f"{problem.size} weights, {options.examples} examples, {options.steps} steps")
    if not _agree({name: run(problem)[:LEADING] for name, run in CONTENDERS.items()}):
        sys.exit(f"Leading Ritz values differ by more than {AGREE:g}; no times are told.")
    steps = {n: Contender(step=lambda run=run: run(problem)) for n, run in CONTENDERS.items()}
    times = race(steps, options.rounds, 1, torch.device("cpu"), warm_up=0)
    print(f"{'':22}{'fastest':>10}{'median':>10} s{'x jtdiag':>10}{'by round':>10}")
    for name, spent in times.items():
        first = times["jtdiag"]
        print(
            f"{name:22}{spent.fastest:10.2f}{spent.median:10.2f}  "
            f"{spent.ratio_of_fastest(first):10.2f}{spent.ratio_by_round(first):10.2f}"
        )
    print(machine(torch.device("cpu")))
    for peer in PEERS:
        ratios.print_line(f"Lanczos / {peer}", times["jtdiag"].ratios(times[peer]))


def _agree(found: Mapping[str, Values]) -> bool:
    """Print the leading Ritz values; tell whether the peers' are ours."""
    for name, values in found.items():
        print(f"{name:22}", *(f"{value:12.7f}" for value in values))
    return all(np.allclose(values, found["jtdiag"], rtol=AGREE) for values in found.values())


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--members", type=int, default=16)
    add("--hidden", type=int, default=64)
    add("--examples", type=int, default=1000)
    add("--lam", type=float, default=0.95)
    add("--steps", type=int, default=30)
    add("--rounds", type=int, default=5, help="times every contender has its turn")
    return parser.parse_args()


if __name__ == "__main__":
    main()
