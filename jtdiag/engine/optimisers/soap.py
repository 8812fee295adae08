"""SOAP, a second-order optimizer from the library pytorch_optimizer: Adam in Shampoo's eigenbasis.

For every weight (out, in, …) of every member it estimates the covariance of the gradient along
each axis and applies Adam in the eigenbasis of these estimates (Vyas et al. 2024,
arXiv:2409.11321). Members do not share estimates, so SOAP preconditions the layers within a
member, but not the interaction between members.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from jtdiag.engine.optimisers.contract import OptimiserSpec


@dataclass(frozen=True, kw_only=True)
class SOAP:
    """pytorch_optimizer.SOAP for every weight of every member of every lane.

    The library updates tensors of zeros with a learning rate of 1; the result is scaled by the
    learning rate of the lane and added to the weights. This equals the library's own step, because
    without weight decay SOAP never reads the weights. As in the authors' code, the first step only
    initializes the estimates and does not change the weights.

    The eigendecomposition in the first step synchronizes with the device; later steps do not.
    """

    weight_decay: float
    """Decoupled weight decay."""
    every: int = 10
    """Steps between updates of the eigenbases."""
    largest: int = 512
    """Largest axis of a weight whose covariance is estimated; along a larger one, such as the
    pixels of an image, the method is Adam. An axis of size d takes 2·d² numbers per member."""
    prior: float = 1.0
    """Weight of the nearly isotropic covariance that initializes the estimates, relative to the
    first gradient; it decays by 5 % per step. With 0 this is the library's SOAP, whose trajectory
    is not reproducible across machines: if the batch is smaller than the layer, the estimates are
    rank-deficient, and rounding errors select the eigenvectors of the null space."""

    def start(self, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return zeros for the state of SOAP, and step counts (L,) on the CPU."""
        lanes = len(next(iter(weights.values())))
        state = {"steps": torch.zeros(lanes, dtype=torch.int64)}
        for name, weight in weights.items():
            for part, tensor in _tensors(_template(self, weight.shape[2:], weight.dtype)).items():
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
        """Update weights and state in place by one step with learning rates (L,)."""
        tensors = {key: tensor for key, tensor in state.items() if key != "steps"}
        for lane, step in enumerate(state["steps"].tolist()):
            updates = self._updates(
                {name: gradients[name][lane] for name in weights},
                {key: tensor[lane] for key, tensor in tensors.items()},
                step,
            )
            if step == 0:
                continue
            for name, weight in weights.items():
                weight[lane].addcmul_(updates[name], lr_L[lane])
                if self.weight_decay:
                    weight[lane].mul_(1 - lr_L[lane] * self.weight_decay)
        state["steps"].add_(1)

    def _updates(
        self, gradients: Mapping[str, Tensor], state: Mapping[str, Tensor], step: int
    ) -> dict[str, Tensor]:
        """Return the update of one lane's weights (M, …) at learning rate 1; update its state."""
        updates = {name: torch.zeros_like(gradient) for name, gradient in gradients.items()}
        own_state: dict[Tensor, dict[str, Tensor]] = {}
        library_state: dict[Tensor, Any] = {}
        for name, gradient in gradients.items():
            template = _template(self, gradient.shape[1:], gradient.dtype)
            parts = {part: state[f"{part}/{name}"].unbind() for part in _tensors(template)}
            for member, point in enumerate(updates[name].unbind()):
                point.grad = gradient[member]
                own_state[point] = {part: tensors[member] for part, tensors in parts.items()}
                library_state[point] = _replaced(template, own_state[point])
        library = _library(self, list(own_state), step)
        if step:
            library.state.update(library_state)
        library.step()
        for point, ours in own_state.items():
            for part, theirs in _tensors(library.state[point]).items():
                if theirs is not ours[part]:
                    ours[part].copy_(theirs)
        return updates


def _library(soap: SOAP, points: list[Tensor], step: int) -> Optimizer:
    """Return the library's optimizer of some tensors, set to a step count."""
    library = _with_prior(soap.prior)(
        points,
        lr=1.0,
        weight_decay=0.0,
        precondition_frequency=soap.every,
        max_precondition_dim=soap.largest,
    )
    library.param_groups[0]["step"] = step
    return library


@cache
def _with_prior(prior: float) -> Callable[..., Optimizer]:
    """Return the library's SOAP with estimates that are not initialized to 0."""
    import pytorch_optimizer  # importing it takes a second

    class WithPrior(pytorch_optimizer.SOAP):
        def init_pre_conditioner(self, grad: Tensor, state: Any, *args: Any, **named: Any) -> None:
            super().init_pre_conditioner(grad, state, *args, **named)
            for covariance in _tensors(state["GG"]).values():
                # Not equal along all axes: rounding errors would again select the eigenvectors.
                count = len(covariance)
                axes = torch.linspace(0.5, 1.5, count, dtype=grad.dtype, device=grad.device)
                covariance.diagonal().copy_(axes * (prior * grad.square().sum() / count))

    return WithPrior


@cache
def _template(soap: SOAP, shape: torch.Size, dtype: torch.dtype) -> Any:
    """Return the library's state of one weight, with tensors on the meta device."""
    point = torch.zeros(shape, dtype=dtype, device="meta")
    point.grad = torch.zeros_like(point)
    library = _library(soap, [point], 0)
    library.step()
    return library.state[point]


def _tensors(memory: Any, part: str = "") -> dict[str, Tensor]:
    """Return the tensors in nested dicts and lists by their path, such as ``GG.0``."""
    if isinstance(memory, Tensor):
        return {part: memory}
    pairs: Iterable[tuple[Any, Any]] = ()
    if isinstance(memory, dict):
        pairs = memory.items()
    elif isinstance(memory, list):
        pairs = enumerate(memory)
    tensors: dict[str, Tensor] = {}
    for key, value in pairs:
        tensors |= _tensors(value, f"{part}.{key}" if part else str(key))
    return tensors


def _replaced(memory: Any, tensors: Mapping[str, Tensor], part: str = "") -> Any:
    """Return nested dicts and lists with their tensors replaced, by path."""
    if isinstance(memory, Tensor):
        return tensors[part]
    if isinstance(memory, dict):
        return {
            k: _replaced(v, tensors, f"{part}.{k}" if part else str(k)) for k, v in memory.items()
        }
    if isinstance(memory, list):
        return [_replaced(v, tensors, f"{part}.{i}") for i, v in enumerate(memory)]
    return memory


SPEC = OptimiserSpec(name="soap", build=lambda train: SOAP(weight_decay=train.weight_decay))
