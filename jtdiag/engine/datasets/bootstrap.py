"""Bagging: a bootstrap sample of the training split for every member (Breiman 1996).

Shape suffixes: L lanes, M members, N training examples, B examples of a batch.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from jtdiag.engine import seeds
from jtdiag.recipe.recipe import Recipe
from jtdiag.store.lanes import Lane


def counts(examples: int, members: range, seed: int, trial: int) -> Tensor:
    """Return how often each member draws each training example, (M, N) in int16.

    Each member makes N draws with replacement, so every row sums to N. The draws of a member do
    not depend on the number of members.

    Args:
        examples: Size N of the training split.
        members: Which members.
        seed: The seed of the recipe.
        trial: Draws differ between trials.
    """
    drawn_MN = torch.empty((len(members), examples), dtype=torch.int16)
    for row, member in enumerate(members):
        generator = seeds.generator(seed, seeds.Purpose.BOOTSTRAP, trial, member)
        draws = torch.randint(examples, (examples,), generator=generator)
        drawn_MN[row] = torch.bincount(draws, minlength=examples)
    return drawn_MN


class Bootstrap:
    """Bootstrap samples of a group of lanes, as weights on shared batches or as separate batches.

    In both cases an epoch counts each example as often as the member has drawn it, and a step
    divides by the batch size.
    """

    def __init__(
        self,
        recipe: Recipe,
        lanes: Sequence[Lane],
        members: range,
        examples: int,
        device: torch.device,
    ) -> None:
        self.own = recipe.bootstrap == "batches"
        """Whether each member has its own batches; the group is then a single lane."""
        drawn = [counts(examples, members, recipe.seed, lane.trial) for lane in lanes]
        if self.own:
            [counts_MN] = drawn
            examples_N = torch.arange(examples)
            # Sorted, so that a member that drew every example once sees the shared batches.
            self._samples_MN = torch.stack(
                [examples_N.repeat_interleave(row.long()) for row in counts_MN]
            )
        else:
            # Examples first: a step then reads contiguous rows.
            self._counts_LNM = torch.stack(drawn).transpose(1, 2).contiguous().to(device)

    def weights(self, rank_LB: Tensor) -> Tensor:
        """Return the counts (L, M, B) of training examples, given by their ranks in the split."""
        lanes = torch.arange(len(rank_LB), device=rank_LB.device)[:, None]
        return self._counts_LNM[lanes, rank_LB].transpose(1, 2)

    def samples(self, rank_LN: Tensor) -> Tensor:
        """Return the ranks (M, N) of each member's examples, in the order of an epoch."""
        return self._samples_MN[:, rank_LN[0].cpu()].to(rank_LN.device)
