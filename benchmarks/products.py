"""The floor: the matrix products that a step of a 784-H-10 ensemble cannot do without.

Forward, all M first layers are one product, since all members see the same batch; the second
layers are M small ones. Backward, each layer has one product for its weights, and the second one
more for its inputs; the first layer's inputs need no gradient. That makes five:

======================  =======================================
first layer, forward    (M·H, 784) x (784, B)
first layer, backward   (M·H, B) x (B, 784), for the weights
second layer, forward   M times (K, H) x (H, B)
second layer, weights   M times (K, B) x (B, H)
second layer, inputs    M times (H, K) x (K, B)
======================  =======================================

*The three products* are the strictest reading of that: the first layer's two and one
for the second layer, its forward one. Each is timed alone, its operands in place and warm, its
result written where the last one was, no bias, in whichever of two memory layouts was faster.
"""

from collections.abc import Mapping

import torch
from stopwatch import Contender, Times
from torch import Tensor
from workload import BATCH, CLASSES, SHAPE, Config

FIRST_FORWARD = "first layer, forward"
FIRST_WEIGHTS = "first layer, backward"
SECOND_FORWARD = "second layer, forward"
SECOND_WEIGHTS = "second layer, weights"
SECOND_INPUTS = "second layer, inputs"
PARTS = (FIRST_FORWARD, FIRST_WEIGHTS, SECOND_FORWARD, SECOND_WEIGHTS, SECOND_INPUTS)
THREE = PARTS[:3]
OTHER_LAYOUT = " (transposed)"


def products(config: Config, dtype: torch.dtype, device: torch.device) -> dict[str, Contender]:
    """Return every product in both layouts, ready to be timed."""

    def filled(*shape: int) -> Tensor:
        generator = torch.Generator().manual_seed(0)
        return torch.randn(shape, generator=generator, dtype=torch.float64).to(device, dtype)

    members, hidden, inputs = config.members, config.hidden, SHAPE[1] * SHAPE[2]
    rows = members * hidden
    x = filled(BATCH, inputs)
    first, second = filled(rows, inputs), filled(members, CLASSES, hidden)
    by_first, by_second = filled(rows, BATCH), filled(members, CLASSES, BATCH)
    h = filled(members, hidden, BATCH)
    pairs = {
        FIRST_FORWARD: (first, x.t()),
        FIRST_WEIGHTS: (by_first, x),
        SECOND_FORWARD: (second, h),
        SECOND_WEIGHTS: (by_second, h.mT),
        SECOND_INPUTS: (second.mT, by_second),
    }
    made = {}
    for name, (a, b) in pairs.items():
        made[name] = _product(a, b)
        made[name + OTHER_LAYOUT] = _product(b.mT.contiguous(), a.mT.contiguous())
    return made


def _product(a: Tensor, b: Tensor) -> Contender:
    out = a @ b
    return Contender(lambda: torch.matmul(a, b, out=out))


def parts(times: Mapping[str, Times]) -> dict[str, Times]:
    """Return the time of each part in the faster of its layouts."""
    return {name: times[name].or_faster(times[name + OTHER_LAYOUT]) for name in PARTS}


def total(times: Mapping[str, Times], which: tuple[str, ...]) -> Times:
    """Return the time of several parts, one after the other."""
    result = times[which[0]]
    for name in which[1:]:
        result = result.plus(times[name])
    return result
