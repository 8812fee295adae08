"""Weights of two lanes and three members, moved by our optimisers and by others' one by one."""

from types import SimpleNamespace

import pytest
import torch

# Sizes that keep every member's numbers aligned like those of a tensor of its own: products are
# rounded by alignment, and where a covariance has no full rank, its eigenvectors hang on that.
SHAPES = {"weight": (4, 8), "kernel": (4, 2, 3, 3), "bias": (5,), "scale": ()}
LR = (0.3, 0.07)


def drawn(seed, dtype):
    generator = torch.Generator().manual_seed(seed)
    return {
        name: torch.randn(2, 3, *shape, generator=generator, dtype=torch.float64).to(dtype)
        for name, shape in SHAPES.items()
    }


def begin(dtype=torch.float64):
    """Return weights (2, 3, …) by name."""
    return drawn(0, dtype)


def pulls(step, dtype=torch.float64):
    """Return the gradients of a step; they have no more to do with the weights than noise has."""
    return drawn(step + 1, dtype)


def moved(optimiser, dtype=torch.float64, count=20, lr=LR):
    """Return weights and state after some steps."""
    weights = begin(dtype)
    state = optimiser.start(weights)
    for step in range(count):
        optimiser.step(weights, state, pulls(step, dtype), torch.tensor(lr, dtype=dtype))
    return weights, state


def moved_alone(make, dtype=torch.float64, count=20, before=lambda parameters: None):
    """Return weights after some steps of an optimiser for each member, make(parameters, lr)."""
    whole = begin(dtype)
    for lane, lr in enumerate(LR):
        for member in range(3):
            own = {n: w[lane, member].clone().requires_grad_() for n, w in whole.items()}
            optimiser = make(list(own.values()), lr)
            for step in range(count):
                for name, gradient in pulls(step, dtype).items():
                    own[name].grad = gradient[lane, member].clone()
                before(list(own.values()))
                optimiser.step()
            for name, tensor in own.items():
                whole[name][lane, member] = tensor.detach()
    return whole


@pytest.fixture
def stacked():
    """How weights begin, what pulls at them, and where optimisers move them."""
    return SimpleNamespace(lr=LR, begin=begin, pulls=pulls, moved=moved, moved_alone=moved_alone)
