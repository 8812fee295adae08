"""The forward pass of stacked members with an execution plan: whole members, or some layers.

Shape suffixes: L lanes, M members, K outputs, B examples of a batch.
"""

import contextlib
from contextlib import AbstractContextManager

import torch
from torch import Tensor

from jtdiag.engine.architectures.contract import State
from jtdiag.engine.architectures.module_stack import ModuleStack
from jtdiag.engine.execution import ExecutionPlan
from jtdiag.families.contract import Family


class Forward:
    """Runs members in the precision and order of a plan, and returns the family's parameters."""

    def __init__(
        self,
        stack: ModuleStack,
        family: Family,
        plan: ExecutionPlan,
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        self.stack, self.plan = stack, plan
        self._family, self._device, self._dtype = family, device, dtype

    def logits(self, state: State, x: Tensor, *, training: bool) -> Tensor:
        """Return logits (L, M, K, B) in the dtype of the weights, whatever that of the products."""
        self._arrange()
        with self._products():
            raw = self.stack(state, x, training=training)
        return self.parameter(raw.to(self._dtype))

    def layers(self, state: State, h: Tensor, start: int, stop: int, *, training: bool) -> Tensor:
        """Return features (L, M, B, …) or, after the head, logits (L, M, K, B).

        Args:
            state: Parameters and buffers (L, M, …) by name.
            h: Inputs (L, B, …), or features (L, M, B, …) of the layers before `start`.
            start: Number of layers before these.
            stop: Number of layers up to the last of these.
            training: Normalize by batch statistics and update the buffers in place, if any.
        """
        self._arrange()
        with self._products():
            computed = self.stack.run(state, h, start, stop, training=training)
        computed = computed.to(self._dtype)
        return computed if stop < len(self.stack.layers) else self.parameter(computed)

    def parameter(self, raw_LMKB: Tensor) -> Tensor:
        """Return the family's parameters of raw outputs, both (L, M, K, B)."""
        if self._family.free:
            return raw_LMKB
        return self._family.parameter(raw_LMKB.transpose(2, 3)).transpose(2, 3)

    def _arrange(self) -> None:
        self.stack.execution = self.plan.execution
        self.stack.channels_last = self.plan.channels_last

    def _products(self) -> AbstractContextManager[object]:
        if not self.plan.bfloat16:
            return contextlib.nullcontext()
        return torch.autocast(self._device.type, torch.bfloat16)
