"""How far each member's parameters have come from where they began, measured on their device."""

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor, nn

Members = Sequence[nn.Module | Iterable[Tensor]] | Mapping[str, Tensor]
"""M modules, or lists of tensors; or stacked tensors (M, …) by name, as torch.func has them."""


class Displacement:
    """Keeps a copy of parameters as they are now, and measures their distance from it later.

    The tensors must be those that the optimiser changes in place.
    """

    def __init__(self, members: Members) -> None:
        self._stacked = isinstance(members, Mapping)
        groups = (
            [list(members.values())]
            if isinstance(members, Mapping)
            else [_tensors(member) for member in members]
        )
        if not groups or not all(groups):
            raise ValueError(
                "watch_parameters was given a member without parameters; give M modules or lists "
                "of tensors, or stacked tensors (M, …) by name."
            )
        self.members = len(groups[0][0]) if self._stacked else len(groups)
        self._now = groups
        self._start = [[tensor.detach().clone() for tensor in group] for group in groups]

    @torch.no_grad()
    def measure(self) -> Tensor:
        """Return the Euclidean distance of each member from the start, (M,)."""
        found = [
            torch.stack([self._distance(p, s) for p, s in zip(now, start, strict=True)])
            for now, start in zip(self._now, self._start, strict=True)
        ]
        if self._stacked:
            return torch.linalg.vector_norm(found[0], dim=0)
        return torch.stack([torch.linalg.vector_norm(one) for one in found])

    def _distance(self, now: Tensor, start: Tensor) -> Tensor:
        """Return a tensor's distance from its start, (); of stacked tensors (M,)."""
        apart = now - start
        apart = apart if apart.dtype == torch.float64 else apart.float()
        if self._stacked:
            return torch.linalg.vector_norm(apart.reshape(len(apart), -1), dim=1)
        return torch.linalg.vector_norm(apart)


def _tensors(member: nn.Module | Iterable[Tensor]) -> list[Tensor]:
    return list(member.parameters() if isinstance(member, nn.Module) else member)
