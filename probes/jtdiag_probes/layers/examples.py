"""Examples on which layers are measured, and their features as linear probes take them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from jtdiag import names
from jtdiag.replay import Replay
from jtdiag_probes.conditioning.weight_conditioning import evenly

TRAINING_EXAMPLES = 2000
"""Largest number of training examples to which linear probes are fitted."""
VALIDATION_EXAMPLES = 1000
"""Largest number of examples on which their penalty is chosen."""
HELD_OUT_EXAMPLES = 1000
"""Largest number of test examples on which they are evaluated."""
POOLED = 4
"""Height and width to which larger feature maps are averaged."""


@dataclass(frozen=True)
class Part:
    """Examples of one purpose."""

    x: Tensor
    target: NDArray[np.integer[Any]]


def pooled(h: Tensor) -> Tensor:
    """Return features (M, n, d): maps averaged to at most 4 x 4, everything else flattened."""
    if h.ndim == 5 and max(h.shape[3:]) > POOLED:
        height, width = (min(size, POOLED) for size in h.shape[3:])
        maps = functional.adaptive_avg_pool2d(h.flatten(0, 1), (height, width))
        h = maps.view(*h.shape[:2], *maps.shape[1:])
    return h.flatten(2)


def train_and_validation(replay: Replay) -> tuple[Part, Part]:
    """Return training examples, and those of validation, or else every fifth of the former."""
    train = of_split(replay, names.TRAIN, TRAINING_EXAMPLES)
    if replay.session.data.count(names.VAL):
        return train, of_split(replay, names.VAL, VALIDATION_EXAMPLES)
    fifth = np.arange(len(train.target)) % 5 == 4
    if not fifth.any():
        return train, train
    return Part(train.x[~fifth], train.target[~fifth]), Part(train.x[fifth], train.target[fifth])


def of_split(replay: Replay, split: str, most: int) -> Part:
    """Return evenly spaced examples of a split, `most` of them or all."""
    x, target = replay.examples(split)
    few = evenly(len(x), most)
    return Part(x[few], target[few].numpy())
