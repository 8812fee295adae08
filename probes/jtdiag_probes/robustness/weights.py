"""Measurements that rebuild the members: bit flips in weights, and the cost of a member."""

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
from jtdiag_probes.robustness.repeats import mean_and_error

Put = Callable[[xr.Dataset, Lane, dict[str, Any]], None]

EXAMPLES = 1000
"""Maximum test examples on which flipped weights are evaluated."""
FEWEST = 100
"""Minimum of the same."""
PRODUCTS = 1e12
"""Maximum multiply-adds for the bit flips of one lane, which take seconds to a minute."""
BATCH = 100


def measure(run: Run, epochs: Mapping[Lane, int], result: xr.Dataset, put: Put) -> str:
    """Add bit flips and costs to a result; return why they are missing, or "".

    They need checkpoints of the measured epoch, and the data set of the recipe.
    """
    kept = {lane: e for lane, e in epochs.items() if e in run.seal(lane).checkpoints}
    if not kept:
        return "the run stores no checkpoints of the measured epochs"
    try:
        first = Replay.of(run, *next(iter(kept.items())))
    except (DataError, StoreError) as error:
        return str(error)
    cost = multiply_adds(first)
    if not run.recipe.members.branched:  # branches cannot be evaluated separately
        result["parameters_per_member"].values[...] = parameters(first)
        result["multiply_adds_per_member"].values[...] = cost
    for lane, epoch in kept.items():
        replay = Replay.of(run, lane, epoch, beside=first)
        put(result, lane, flipped(replay, generator(run, lane, 4), cost))
    return ""


def parameters(replay: Replay) -> int:
    """Return the number of trained parameters of one member."""
    return sum(weight[0].numel() for weight in replay.trained.values())


def multiply_adds(replay: Replay) -> float:
    """Return the multiply-adds of one member for one example (matrices and convolutions)."""
    x, _ = replay.examples(names.TEST)
    counter = FlopCounterMode(display=False)
    with torch.inference_mode(), counter:
        members = replay.logits(x[:1]).shape[0]
    return counter.get_total_flops() / 2 / members


def flipped(replay: Replay, random: np.random.Generator, cost: float) -> dict[str, Any]:
    """Return accuracies of a lane by bit-flip rate, with flips in all parameters of all members.

    Buffers, such as BatchNorm's running statistics, are not changed.
    """
    x, target = _few_examples(replay, cost)
    trained = {name: weight.numpy() for name, weight in replay.trained.items()}
    accuracy = np.empty((bit_flips.DRAWS, 2, len(bit_flips.RATES)))
    for draw, rate in np.ndindex(bit_flips.DRAWS, len(bit_flips.RATES)):
        weights = bit_flips.flip_all(trained, bit_flips.RATES[rate], random)
        logits = _logits(replay, weights, x)
        with np.errstate(invalid="ignore", over="ignore"):
            accuracy[draw, 0, rate] = bit_flips.accuracy(logits, target)
            accuracy[draw, 1, rate] = bit_flips.accuracy(bit_flips.guarded(logits), target)
    mean, error = mean_and_error(accuracy)
    both = ("bit_flip_accuracy", "bit_flip_accuracy_guarded")
    return {
        **dict(zip(both, mean, strict=True)),
        **dict(zip((f"{name}_repeat_se" for name in both), error, strict=True)),
    }


def _few_examples(replay: Replay, cost: float) -> tuple[Tensor, NDArray[np.int64]]:
    """Return inputs and targets of as many evenly spaced test examples as time allows."""
    x, target = replay.examples(names.TEST)
    members = next(iter(replay.weights.values())).shape[0]
    passes = bit_flips.DRAWS * len(bit_flips.RATES)
    wanted = int(PRODUCTS / (passes * members * max(1.0, cost)))
    examples = spread_out(len(target), min(len(target), EXAMPLES, max(FEWEST, wanted)))
    return x[examples], target[examples].numpy()


def _logits(
    replay: Replay, weights: Mapping[str, NDArray[np.floating[Any]]], x: Tensor
) -> NDArray[np.floating[Any]]:
    tensors = {name: torch.from_numpy(array) for name, array in weights.items()}
    with torch.inference_mode():
        logits = [replay.logits_of(tensors, batch) for batch in torch.split(x, BATCH)]
    return torch.cat(logits, 1).numpy()
