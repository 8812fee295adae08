"""Random number generators, one per purpose, derived from the seed of a recipe.

Torch's global generator is left unchanged, so evaluation cannot influence training.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from functools import cache

import numpy as np
import torch
from torch import Tensor


class Purpose(IntEnum):
    """Purpose of a generator. The numbers determine the results of runs and must never change."""

    WEIGHTS = 1
    SPLIT = 2
    ORDER = 3
    AUGMENT = 4
    DROP = 5
    DROPOUT = 6
    BOOTSTRAP = 7
    START = 8
    AUXILIARY = 9
    NOISE = 10


def generator(seed: int, purpose: Purpose, *keys: int) -> torch.Generator:
    """Return the CPU generator for a purpose and keys such as trial and epoch."""
    return torch.Generator().manual_seed(_mixed(seed, purpose, *keys))


def _mixed(*keys: int) -> int:
    return int(np.random.SeedSequence(keys).generate_state(1, np.uint64)[0]) >> 1


@contextmanager
def global_generator(device: torch.device, seed: int, *keys: int) -> Iterator[None]:
    """Seed torch's global generator inside the context, for modules such as dropout that use it.

    Its state is restored afterwards.

    Args:
        device: Device on which the modules draw.
        seed: The seed of the recipe.
        keys: Trial, epoch, step, and the first of the members that are computed together.
    """
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(_mixed(seed, Purpose.DROPOUT, *keys))
        yield


@cache
def held_out(examples: int, val: int, seed: int, trial: int) -> tuple[Tensor, Tensor]:
    """Return the positions of a trial's training and validation examples, both sorted."""
    order = torch.randperm(examples, generator=generator(seed, Purpose.SPLIT, trial))
    return order[val:].sort().values, order[:val].sort().values


def augmentation(seed: int, trial: int, epoch: int) -> torch.Generator:
    """Return the generator of a trial's augmentation in one epoch, the same for every λ."""
    return generator(seed, Purpose.AUGMENT, trial, epoch)


def batch_order(examples: int, seed: int, trial: int, epoch: int) -> Tensor:
    """Return the order of a trial's training examples in one epoch, the same for every λ."""
    return torch.randperm(examples, generator=generator(seed, Purpose.ORDER, trial, epoch))
