"""SOAP, a second-order method, by the library pytorch_optimizer: Adam in Shampoo's eigenbasis.

For every weight (out, in, …) of every member it estimates the covariance of the gradient along
each side, and scales the gradient as Adam does, but in the eigenbasis of these estimates (Vyas et
al. 2024, arXiv:2409.11321). No two members share an estimate. So it mends what is ill-conditioned
within a layer of a member, and cannot see what is ill-conditioned between members.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer


@dataclass(frozen=True, kw_only=True)
class SOAP:
    """pytorch_optimizer.SOAP on every weight of every member of every lane.

    The library moves zeros, at a learning rate of 1, and the lane's own goes in front of where
    they went: the library's own step, for without weight decay SOAP never looks at the weights.
    As its authors have it, the first step only begins the estimates and moves nothing.

    In that first step an eigendecomposition waits for the device; no later one does.
    """

    weight_decay: float
    """Decoupled: a step shrinks the weights by lr times it."""
    every: int = 10
    """Steps from one correction of the eigenbases to the next."""
    largest: int = 512
    """Longest side of a weight whose covariance is estimated; along a longer one, such as the
    pixels of an image, the method is Adam. A side of d takes 2·d² numbers of each member."""
    prior: float = 1.0
    """Weight, against the first gradient's, of a covariance without direction that the estimates
    begin with and forget by a twentieth a step. With 0 it is the library's SOAP as it stands,
    and its path hangs on the last bit: a batch smaller than the layer leaves directions
    without any covariance, rounding chooses axes among them, and Adam makes much of the choice."""

    def start(self, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return zeros for all that SOAP remembers, and steps (L,), on the CPU to be read."""
        lanes = len(next(iter(weights.values())))
        state = {"steps": torch.zeros(lanes, dtype=torch.int64)}
        for name, weight in weights.items():
            for part, tensor in _tensors(_memory(self, weight.shape[2:], weight.dtype)).items():
                shape = (*weight.shape[:2], *tensor.shape)
                state[f"{part}/{name}"] = weight.new_zeros(shape, dtype=tensor.dtype)
        return state

    @torch.no_grad()
    def step(
        self,
        weights: Mapping[str, Tensor],
        state: Mapping[str, Tensor],
        gradients: Mapping[str, Tensor],
        lr_L: Tensor,
    ) -> None:
        """Move weights and state, in place, by one step with learning rates (L,)."""
        own = {key: tensor for key, tensor in state.items() if key != "steps"}
        for lane, taken in enumerate(state["steps"].tolist()):
            moved = self._move_zeros(
                {name: gradients[name][lane] for name in weights},
                {key: tensor[lane] for key, tensor in own.items()},
                taken,
            )
            if taken == 0:
                continue
            for name, weight in weights.items():
                weight[lane].addcmul_(moved[name], lr_L[lane])
                if self.weight_decay:
                    weight[lane].mul_(1 - lr_L[lane] * self.weight_decay)
        state["steps"].add_(1)

    def _move_zeros(
        self, gradients: Mapping[str, Tensor], state: Mapping[str, Tensor], taken: int
    ) -> dict[str, Tensor]:
        """Return where one lane's weights (M, …) come to from zero; move its state in place."""
        moved = {name: torch.zeros_like(gradient) for name, gradient in gradients.items()}
        held: dict[Tensor, dict[str, Tensor]] = {}
        memories: dict[Tensor, Any] = {}
        for name, gradient in gradients.items():
            template = _memory(self, gradient.shape[1:], gradient.dtype)
            parts = {part: state[f"{part}/{name}"].unbind() for part in _tensors(template)}
            for member, point in enumerate(moved[name].unbind()):
                point.grad = gradient[member]
                held[point] = {part: tensors[member] for part, tensors in parts.items()}
                memories[point] = _replaced(template, held[point])
        library = _library(self, list(held), taken)
        if taken:
            library.state.update(memories)
        library.step()
        for point, ours in held.items():
            for part, theirs in _tensors(library.state[point]).items():
                if theirs is not ours[part]:
                    ours[part].copy_(theirs)
        return moved


def _library(soap: SOAP, points: list[Tensor], taken: int) -> Optimizer:
    """Return the library's optimiser of some tensors, with so many steps behind it."""
    library = _with_prior(soap.prior)(
        points,
        lr=1.0,
        weight_decay=0.0,
        precondition_frequency=soap.every,
        max_precondition_dim=soap.largest,
    )
    library.param_groups[0]["step"] = taken
    return library


@cache
def _with_prior(prior: float) -> Callable[..., Optimizer]:
    """Return the library's SOAP, whose estimates begin elsewhere than at 0."""
    import pytorch_optimizer  # takes a second, which no other optimiser should cost

    class WithPrior(pytorch_optimizer.SOAP):
        def init_pre_conditioner(self, grad: Tensor, state: Any, *args: Any, **named: Any) -> None:
            super().init_pre_conditioner(grad, state, *args, **named)
            for covariance in _tensors(state["GG"]).values():
                # Not the same along all axes, for then rounding would choose among them again.
                count = len(covariance)
                axes = torch.linspace(0.5, 1.5, count, dtype=grad.dtype, device=grad.device)
                covariance.diagonal().copy_(axes * (prior * grad.square().sum() / count))

    return WithPrior


@cache
def _memory(soap: SOAP, shape: torch.Size, dtype: torch.dtype) -> Any:
    """Return what the library remembers of one weight, with tensors that hold no numbers."""
    point = torch.zeros(shape, dtype=dtype, device="meta")
    point.grad = torch.zeros_like(point)
    library = _library(soap, [point], 0)
    library.step()
    return library.state[point]


def _tensors(memory: Any, part: str = "") -> dict[str, Tensor]:
    """Return the tensors in nested dicts and lists by the way to them, such as ``GG.0``."""
    if isinstance(memory, Tensor):
        return {part: memory}
    pairs: Iterable[tuple[Any, Any]] = ()
    if isinstance(memory, dict):
        pairs = memory.items()
    elif isinstance(memory, list):
        pairs = enumerate(memory)
    found: dict[str, Tensor] = {}
    for key, value in pairs:
        found |= _tensors(value, f"{part}.{key}" if part else str(key))
    return found


def _replaced(memory: Any, tensors: Mapping[str, Tensor], part: str = "") -> Any:
    """Return nested dicts and lists with other tensors, by the ways to them, in their places."""
    if isinstance(memory, Tensor):
        return tensors[part]
    if isinstance(memory, dict):
        return {
            k: _replaced(v, tensors, f"{part}.{k}" if part else str(k)) for k, v in memory.items()
        }
    if isinstance(memory, list):
        return [_replaced(v, tensors, f"{part}.{i}") for i, v in enumerate(memory)]
    return memory
