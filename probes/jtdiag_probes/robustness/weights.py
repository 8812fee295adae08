"""What needs the members themselves: flipped bits in their weights, and what they cost to ask."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from jtdiag import names
from jtdiag.errors import DataError, StoreError
from jtdiag.replay import Replay
from jtdiag.store.lanes import Lane
from jtdiag.store.run import Run
from jtdiag_probes.robustness import bit_flips
from jtdiag_probes.robustness.outputs import generator
from jtdiag_probes.robustness.removal_orders import spread_out

Put = Callable[[xr.Dataset, Lane, dict[str, Any]], None]

EXAMPLES = 1000
"""Most test examples on which flipped weights are tried."""
FEWEST = 100
PRODUCTS = 1e12
"""Multiply-adds that the flipped weights of one lane may take, seconds to a minute."""
BATCH = 100


def measure(run: Run, epochs: Mapping[Lane, int], result: xr.Dataset, put: Put) -> str:
    """Put bit flips and costs into a result; return why they are missing, or nothing.

    They need checkpoints of the measured epoch, and the data at the recipe's place.
    """
    kept = {lane: e for lane, e in epochs.items() if e in run.seal(lane).checkpoints}
    if not kept:
        return "no checkpoints of the measured epochs are kept"
    try:
        first = Replay.of(run, *next(iter(kept.items())))
    except (DataError, StoreError) as error:
        return str(error)
    cost = multiply_adds(first)
    if not run.recipe.members.branched:  # branches are computed together, whatever is asked
        result["parameters_per_member"].values[...] = parameters(first)
        result["multiply_adds_per_member"].values[...] = cost
    for lane, epoch in kept.items():
        replay = Replay.of(run, lane, epoch, beside=first)
        put(result, lane, flipped(replay, generator(run, lane, 4), cost))
    return ""


def parameters(replay: Replay) -> int:
    """Return how many numbers of one member are trained."""
    return sum(weight[0].numel() for weight in replay.trained.values())


def multiply_adds(replay: Replay) -> float:
    """Return the products of matrices and convolutions in one member for one example."""
    x, _ = replay.examples(names.TEST)
    counter = FlopCounterMode(display=False)
    with torch.inference_mode(), counter:
        members = replay.logits(x[:1]).shape[0]
    return counter.get_total_flops() / 2 / members


def flipped(replay: Replay, random: np.random.Generator, cost: float) -> dict[str, Any]:
    """Return accuracies of a lane by rate, all parameters of all members being exposed.

    Buffers, such as BatchNorm's running statistics, are spared.
    """
    x, target = _few_examples(replay, cost)
    exposed = {name: weight.numpy() for name, weight in replay.trained.items()}
    found = np.empty((bit_flips.DRAWS, 2, len(bit_flips.RATES)))
    for at in np.ndindex(bit_flips.DRAWS, len(bit_flips.RATES)):
        draw, rate = at
        weights = bit_flips.flip_all(exposed, bit_flips.RATES[rate], random)
        logits = _logits(replay, weights, x)
        with np.errstate(invalid="ignore", over="ignore"):
            found[draw, 0, rate] = bit_flips.accuracy(logits, target)
            found[draw, 1, rate] = bit_flips.accuracy(bit_flips.guarded(logits), target)
    error = found.std(0, ddof=1) / np.sqrt(len(found))
    both = ("bit_flip_accuracy", "bit_flip_accuracy_guarded")
    return {
        **dict(zip(both, found.mean(0), strict=True)),
        **dict(zip((f"{name}_repeat_se" for name in both), error, strict=True)),
    }


def _few_examples(replay: Replay, cost: float) -> tuple[Tensor, NDArray[np.int64]]:
    """Return inputs and targets of test, evenly spaced, as many as the time allows."""
    x, target = replay.examples(names.TEST)
    members = next(iter(replay.weights.values())).shape[0]
    passes = bit_flips.DRAWS * len(bit_flips.RATES)
    wanted = int(PRODUCTS / (passes * members * max(1.0, cost)))
    at = spread_out(len(target), min(len(target), EXAMPLES, max(FEWEST, wanted)))
    return x[at], target[at].numpy()


def _logits(
    replay: Replay, weights: Mapping[str, NDArray[np.floating[Any]]], x: Tensor
) -> NDArray[np.floating[Any]]:
    given = {name: torch.from_numpy(array) for name, array in weights.items()}
    with torch.inference_mode():
        found = [replay.logits_of(given, part) for part in torch.split(x, BATCH)]
    return torch.cat(found, 1).numpy()
