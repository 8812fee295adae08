"""Running statistics of BatchNorm, estimated again for members whose weights were changed."""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from jtdiag.replay import Replay

BATCH = 250
"""Examples in a batch; the estimates of all batches are averaged."""
STATISTICS = ("running_mean", "running_var")
COUNTS = "num_batches_tracked"


def names_of(weights: Iterable[str]) -> list[str]:
    """Return the names of running statistics among those of parameters and buffers."""
    return [name for name in weights if name.rpartition(".")[2] in STATISTICS]


def estimated(replay: Replay, weights: Mapping[str, Tensor], x: Tensor) -> dict[str, Tensor]:
    """Return the running statistics of members on training examples, by name.

    Means over batches of the mean and the unbiased variance of each batch, normalized by that
    batch in all layers before, as in training.

    Args:
        replay: Members of the same kind.
        weights: Parameters and buffers (M, …) of the members.
        x: Examples (n, …).
    """
    batches = torch.tensor_split(x.double(), max(1, len(x) // BATCH))
    of_batches = [_of_batch(replay, weights, batch) for batch in batches]
    return {
        name: torch.stack([each[name] for each in of_batches]).mean(0).to(weights[name].dtype)
        for name in names_of(weights)
    }


def _of_batch(replay: Replay, weights: Mapping[str, Tensor], x: Tensor) -> dict[str, Tensor]:
    """Return the statistics of one batch, in float64.

    They are not returned by the members; but a running statistic r becomes r + m (b − r) with the
    batch's b, whatever the momentum m. Two steps on the same batch give b (Aitken's formula).
    """
    names = names_of(weights)
    state = {name: _start(name, weight).unsqueeze(0) for name, weight in weights.items()}
    values = [{name: state[name][0].clone() for name in names}]
    for _ in range(2):
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            torch.manual_seed(0)  # the same dropout in both steps
            replay.session.stack(state, x.unsqueeze(0), training=True)
        values.append({name: state[name][0].clone() for name in names})
    return {name: _limit(*(each[name] for each in values)) for name in names}


def _start(name: str, weight: Tensor) -> Tensor:
    """Return a copy in float64; the count of batches is 0, so that averages over all begin."""
    if name.rpartition(".")[2] == COUNTS:
        return torch.zeros_like(weight)
    return weight.to(torch.float64 if weight.is_floating_point() else weight.dtype, copy=True)


def _limit(first: Tensor, second: Tensor, third: Tensor) -> Tensor:
    """Return the limit of a sequence that approaches it geometrically; the first if constant."""
    step, bend = second - first, third - 2 * second + first
    return first - torch.where(bend == 0, 0.0, step**2 / torch.where(bend == 0, 1.0, bend))
