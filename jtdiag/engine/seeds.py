"""Random numbers with an owner: one generator for one purpose, made from the recipe's seed.

Nothing here leaves a trace in torch's global generator, so measuring can never move training.
"""

from collections.abc import Iterator
from contextlib import contextmanager
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
    DROPOUT = 6
    BOOTSTRAP = 7


def generator(seed: int, purpose: Purpose, *which: int) -> torch.Generator:
    """Return the CPU generator of one purpose, for example of one trial and epoch."""
    return torch.Generator().manual_seed(_mixed(seed, purpose, *which))


def _mixed(*keys: int) -> int:
    return int(np.random.SeedSequence(keys).generate_state(1, np.uint64)[0]) >> 1


@contextmanager
def torchs_own(device: torch.device, seed: int, *which: int) -> Iterator[None]:
    """Let modules that draw from torch's global generator, as dropout does, draw from a seed.

    Afterwards the generator is what it was.

    Args:
        device: On which they draw.
        seed: The recipe's.
        which: Trial, epoch, step, and the first of the members that are computed together.
    """
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(_mixed(seed, Purpose.DROPOUT, *which))
        yield


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
