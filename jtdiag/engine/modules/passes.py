"""Forward passes module by module, and what credits compute from them."""

import torch
from torch import Tensor

from jtdiag.engine.architectures.contract import State
from jtdiag.engine.modules.contract import Batch, Setting

BELOW = "gradient handed down"
"""Name of a module's input among the tensors with respect to which gradients are computed."""


def passed(setting: Setting, batch: Batch) -> tuple[list[Tensor], list[Tensor]]:
    """Return inputs and outputs of every module in training mode, each with a graph of its own."""
    inputs, outputs, h = [], [], batch.x
    for index, module in enumerate(setting.modules):
        below = h.detach().requires_grad_() if index else h
        h = setting.run(batch.state, module, below)
        inputs.append(below)
        outputs.append(h)
    return inputs, outputs


def without_updates(setting: Setting, state: State) -> dict[str, Tensor]:
    """Return a state for further passes in training mode, which leave its buffers alone."""
    buffers = setting.forward.stack.buffers
    return {name: t.clone() if name in buffers else t for name, t in state.items()}


def squares(h: Tensor) -> Tensor:
    """Return sums of squares (L, M) of (L, M, …), in float64."""
    # Without flatten, which copies what is not in the order of axes in memory.
    return (h * h).sum(list(range(2, h.ndim)), dtype=torch.float64)
