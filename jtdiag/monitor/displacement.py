"""Distance of each member's parameters from initialization, computed on their device."""

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor, nn

from jtdiag.monitor import wording

Members = Sequence[nn.Module | Iterable[Tensor]] | Mapping[str, Tensor]
"""M modules, or lists of tensors; or stacked tensors (M, …) by name, as in torch.func."""


class Displacement:
    """Copies parameters, and later measures their distance from the copy.

    The tensors must be those that the optimizer updates in place.
    """

    def __init__(self, members: Members) -> None:
        _require_several(members)
        self._stacked = isinstance(members, Mapping)
        groups = (
            [list(members.values())]
            if isinstance(members, Mapping)
            else [_tensors(member) for member in members]
        )
        if not groups or not all(groups):
            raise ValueError(
                "watch_parameters was passed a member without parameters; pass M modules or lists "
                "of tensors, or stacked tensors (M, …) by name."
            )
        self.members = len(groups[0][0]) if self._stacked else len(groups)
        self._current = groups
        self._start = [[tensor.detach().clone() for tensor in group] for group in groups]

    @torch.no_grad()
    def measure(self) -> Tensor:
        """Return the Euclidean distance of each member from the start, (M,)."""
        distances = [
            torch.stack([self._distance(p, s) for p, s in zip(current, start, strict=True)])
            for current, start in zip(self._current, self._start, strict=True)
        ]
        if self._stacked:
            return torch.linalg.vector_norm(distances[0], dim=0)
        return torch.stack([torch.linalg.vector_norm(distance) for distance in distances])

    def _distance(self, current: Tensor, start: Tensor) -> Tensor:
        """Return the distance of a tensor from its start, (); (M,) for stacked tensors."""
        change = current - start
        change = change if change.dtype == torch.float64 else change.float()
        if self._stacked:
            return torch.linalg.vector_norm(change.reshape(len(change), -1), dim=1)
        return torch.linalg.vector_norm(change)


def _require_several(members: object) -> None:
    if isinstance(members, nn.Module) and not isinstance(members, nn.ModuleList):
        raise ValueError(wording.one_member(type(members).__name__))


def _tensors(member: nn.Module | Iterable[Tensor]) -> list[Tensor]:
    return list(member.parameters() if isinstance(member, nn.Module) else member)
