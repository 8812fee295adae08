"""BatchNorm of stacked members: one call over the channels of all lanes and members.

BatchNorm treats every channel by itself, so one over all channels is that of every member.
"""

from torch import Tensor
from torch.nn import functional

from jtdiag.engine.architectures.contract import State

MOMENTUM = 0.1
"""Momentum of the running statistics, torch's default."""
EPSILON = 1e-5
"""ε, torch's default."""


def stacked_norm(state: State, name: str, h: Tensor, training: bool) -> Tensor:
    """Return BatchNorm of every member; training updates the running statistics in place.

    Args:
        state: Parameters and buffers (L, M, C) under `name`.
        name: Name of the BatchNorm module.
        h: (N, L·M·C, …); statistics are over all axes but the second.
        training: Normalize by the statistics of the batch.
    """
    weight, bias = state[f"{name}.weight"].flatten(), state[f"{name}.bias"].flatten()
    running = [state[f"{name}.running_{which}"] for which in ("mean", "var")]
    mean, var = (statistic.contiguous().flatten() for statistic in running)
    h = functional.batch_norm(h, mean, var, weight, bias, training, MOMENTUM, EPSILON)
    if training:
        state[f"{name}.num_batches_tracked"].add_(1)
        for statistic, moved in zip(running, (mean, var), strict=True):
            # A copy onto itself would count as a change, and backward rejects changed tensors.
            if not statistic.is_contiguous():
                statistic.copy_(moved.view_as(statistic))
    return h
