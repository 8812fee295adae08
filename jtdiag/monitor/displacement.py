"""Distance of each member's parameters from initialization, computed on their device.

Parameters may be distributed over processes (FSDP, DTensor). Each then measures its part, and the
parts are added up at the end of the epoch, without a collective operation of the parameters: a
process whose monitor has stopped keeps nobody waiting.
"""

import math
from collections.abc import Iterable, Mapping, Sequence

import torch
import torch.distributed as dist
from torch import Tensor, nn

from jtdiag.monitor import wording

Members = Sequence[nn.Module | Iterable[Tensor]] | Mapping[str, Tensor]
"""M modules, or lists of tensors; or stacked tensors (M, …) by name, as in torch.func."""


class Displacement:
    """Copies parameters, and later measures their distance from the copy.

    The tensors must be those that the optimizer updates in place.

    Attributes:
        members: Number of members, M.
        distributed: Whether this process has only a part of the parameters, so that the squares of
            the distances in all processes add up to those of the members.
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
        self.distributed = any(is_distributed(tensor) for group in groups for tensor in group)
        if self._stacked and self.distributed:
            raise ValueError(wording.stacked_and_distributed())
        self._shares = [[self._share(tensor) for tensor in group] for group in groups]
        self._current = groups
        self._start = [[_local(tensor).detach().clone() for tensor in group] for group in groups]

    @torch.no_grad()
    def measure(self) -> Tensor:
        """Return the Euclidean distance of each member from the start, (M,)."""
        distances = [
            torch.stack(
                [self._distance(*each) for each in zip(current, start, shares, strict=True)]
            )
            for current, start, shares in zip(self._current, self._start, self._shares, strict=True)
        ]
        if self._stacked:
            return torch.linalg.vector_norm(distances[0], dim=0)
        return torch.stack([torch.linalg.vector_norm(distance) for distance in distances])

    def _share(self, tensor: Tensor) -> float:
        """Return the share of a process in the squares of a tensor of which others have copies."""
        if is_distributed(tensor):
            sizes = zip(tensor.placements, tensor.device_mesh.shape, strict=True)  # type: ignore[attr-defined]
            return 1 / math.prod(size for placement, size in sizes if placement.is_replicate())
        return 1 / dist.get_world_size() if self.distributed else 1.0

    def _distance(self, current: Tensor, start: Tensor, share: float) -> Tensor:
        """Return the distance of a tensor from its start, (); (M,) for stacked tensors."""
        change = _local(current) - start
        change = change if change.dtype == torch.float64 else change.float()
        if self._stacked:
            return torch.linalg.vector_norm(change.reshape(len(change), -1), dim=1)
        return math.sqrt(share) * torch.linalg.vector_norm(change)


def is_distributed(tensor: Tensor) -> bool:
    """Return whether this process has a part of a tensor, or a copy: whether it is a DTensor."""
    return hasattr(tensor, "device_mesh")  # so that its module need not be imported


def _local(tensor: Tensor) -> Tensor:
    """Return what this process has of a tensor."""
    return tensor.to_local() if is_distributed(tensor) else tensor  # type: ignore[attr-defined]


def _require_several(members: object) -> None:
    if isinstance(members, nn.Module) and not isinstance(members, nn.ModuleList):
        raise ValueError(wording.one_member(type(members).__name__))


def _tensors(member: nn.Module | Iterable[Tensor]) -> list[Tensor]:
    return list(member.parameters() if isinstance(member, nn.Module) else member)
