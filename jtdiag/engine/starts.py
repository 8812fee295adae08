"""How members begin: the initial state of a trial, and the factors that multiply its weights.

Members that begin unequal decide who learns first; the factors make that a setting of a recipe.
"""

import math

import torch
from torch import Tensor

from jtdiag.engine import seeds
from jtdiag.engine.architectures.module_stack import ModuleStack
from jtdiag.recipe.members import EQUAL
from jtdiag.recipe.recipe import Recipe


def factors(recipe: Recipe, trial: int) -> Tensor:
    """Return the starting factor of each member in a trial, (M,) in float64, the same for every λ.

    A factor that is drawn depends on the seed, the trial and the member only, not on M.
    """
    members = recipe.members
    if members.start_spread:
        low, high = (math.log(factor) for factor in members.start_spread)
        drawn = [_uniform(recipe.seed, trial, member) for member in range(members.count)]
        return torch.exp(low + (high - low) * torch.cat(drawn))
    if members.start == EQUAL:
        return torch.ones(members.count, dtype=torch.float64)
    return torch.tensor(members.start, dtype=torch.float64)


def _uniform(seed: int, trial: int, member: int) -> Tensor:
    generator = seeds.generator(seed, seeds.Purpose.START, trial, member)
    return torch.rand(1, generator=generator, dtype=torch.float64)


def initial(
    recipe: Recipe, stack: ModuleStack, trial: int, members: range | None = None
) -> dict[str, Tensor]:
    """Return initial parameters and buffers (M, …) of a trial, parameters times their factor.

    Every trained parameter of a member is multiplied, scale and shift of batch normalization
    included; buffers, such as running statistics, are not.

    Args:
        recipe: The recipe.
        stack: Its members.
        trial: The trial.
        members: Of which members, with the values that they have among all; by default all.
    """
    members = range(stack.count) if members is None else members
    state = stack.initial(seeds.generator(recipe.seed, seeds.Purpose.WEIGHTS, trial), members)
    if recipe.members.starts_equal:
        return state
    by_member = factors(recipe, trial)[members.start : members.stop]
    return {
        name: _times(tensor, by_member) if name in stack.parameters else tensor
        for name, tensor in state.items()
    }


def _times(tensor: Tensor, by_member: Tensor) -> Tensor:
    return tensor * by_member.to(tensor.dtype).view(-1, *[1] * (tensor.ndim - 1))
