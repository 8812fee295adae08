"""Random numbers with an owner: one generator for one purpose, made from the recipe's seed.

Nothing here touches torch's global generator, so measuring can never move training.
"""

from enum import IntEnum
from functools import cache

import numpy as np
import torch
from torch import Tensor


class Purpose(IntEnum):
    """What a generator is for; the numbers are part of every run's definition and never change."""

    WEIGHTS = 1
    SPLIT = 2
    ORDER = 3
    AUGMENT = 4
    DROP = 5


def generator(seed: int, purpose: Purpose, *which: int) -> torch.Generator:
    """Return the CPU generator of one purpose, for example of one trial and epoch."""
    mixed = np.random.SeedSequence([seed, purpose, *which]).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(mixed[0]) >> 1)


@cache
def held_out(examples: int, val: int, seed: int, trial: int) -> tuple[Tensor, Tensor]:
    """Return the positions of a trial's training and validation examples, both ascending."""
    order = torch.randperm(examples, generator=generator(seed, Purpose.SPLIT, trial))
    return order[val:].sort().values, order[:val].sort().values


def augmentation(seed: int, trial: int, epoch: int) -> torch.Generator:
    """Return the generator that decides how a trial's images move in one epoch, at every λ."""
    return generator(seed, Purpose.AUGMENT, trial, epoch)


def batch_order(examples: int, seed: int, trial: int, epoch: int) -> Tensor:
    """Return the order in which a trial sees its examples in one epoch, the same at every λ."""
    return torch.randperm(examples, generator=generator(seed, Purpose.ORDER, trial, epoch))
