"""Bagging: every member's bootstrap of the training split (Breiman 1996).

Shape suffixes: L lanes, M members, N training examples, B examples of a step.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from jtdiag.engine import seeds
from jtdiag.recipe.recipe import Recipe
from jtdiag.store.lanes import Lane


def counts(examples: int, members: int, seed: int, trial: int) -> Tensor:
    """Return how often every member draws every training example, (M, N) in int16.

    N draws with replacement for each member, so a row sums to N. A member's draws do not depend
    on how many other members there are.

    Args:
        examples: N, of the training split.
        members: M.
        seed: The recipe's.
        trial: Another one has other draws.
    """
    found = torch.empty((members, examples), dtype=torch.int16)
    for member in range(members):
        generator = seeds.generator(seed, seeds.Purpose.BOOTSTRAP, trial, member)
        drawn = torch.randint(examples, (examples,), generator=generator)
        found[member] = torch.bincount(drawn, minlength=examples)
    return found


class Bootstrap:
    """The bootstraps of a group of lanes, as weights of common batches or as batches of their own.

    In both cases the gradient of an epoch adds up every member's loss as often as it has drawn an
    example, and a step divides by the examples in the batch.
    """

    def __init__(
        self, recipe: Recipe, lanes: Sequence[Lane], examples: int, device: torch.device
    ) -> None:
        self.own = recipe.bootstrap == "batches"
        """Whether members have batches of their own; then the group is one lane."""
        drawn = [counts(examples, recipe.members.count, recipe.seed, lane.trial) for lane in lanes]
        if self.own:
            [one] = drawn
            each = torch.arange(examples)
            # Sorted, so that a member that drew every example once takes the common batches.
            self._samples_MN = torch.stack([each.repeat_interleave(row.long()) for row in one])
        else:
            # Examples first: a step then reads whole rows.
            self._counts_LNM = torch.stack(drawn).transpose(1, 2).contiguous().to(device)

    def weights(self, rank_LB: Tensor) -> Tensor:
        """Return the counts (L, M, B) of the training examples at these ranks of their split."""
        lanes = torch.arange(len(rank_LB), device=rank_LB.device)[:, None]
        return self._counts_LNM[lanes, rank_LB].transpose(1, 2)

    def samples(self, rank_LN: Tensor) -> Tensor:
        """Return the ranks (M, N) of the examples that each member sees, in an epoch's order."""
        return self._samples_MN[:, rank_LN[0].cpu()].to(rank_LN.device)
