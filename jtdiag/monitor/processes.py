"""One epoch of several processes that train one model, as with DistributedDataParallel."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch.distributed as dist
from numpy.typing import NDArray
from torch import Tensor

from jtdiag.monitor import wording
from jtdiag.monitor.epoch_sample import Summed


@dataclass(frozen=True, kw_only=True)
class Share:
    """What one process has seen of an epoch."""

    summed: Summed
    displacement: NDArray[np.float64] | None
    """(M,), or None if parameters are not watched."""
    distributed: bool = False
    """Whether it is that of the part of the parameters that this process has."""
    targets: list[Tensor] | None
    """Sampled targets of the first epoch on the CPU; None in later ones."""


def gathered(share: Share | None) -> list[Share]:
    """Return the shares of all processes, in the order of their ranks; every process must call it.

    Without torch.distributed, or with a single process, it is its own share.

    Args:
        share: That of this process; None if it has none.
    """
    every: list[Share | None] = [share]
    if dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1:
        every = [None] * dist.get_world_size()
        dist.all_gather_object(every, share)
    return [each for each in every if each is not None]


def distance(shares: Sequence[Share]) -> NDArray[np.float64] | None:
    """Return how far members have moved, (M,); None if that is not known of all parameters."""
    if not shares[0].distributed:
        return shares[0].displacement
    parts = [share.displacement for share in shares if share.displacement is not None]
    if len(parts) < dist.get_world_size():  # a process has stopped
        return None
    squares: NDArray[np.float64] = np.square(parts).sum(axis=0)
    return np.sqrt(squares)


def combined(shares: Sequence[Share]) -> Summed:
    """Return the sums of an epoch over all processes, as of one sample of its batches.

    Raises:
        ValueError: if the processes have different numbers of members.
    """
    sampled = [share.summed for share in shares if share.summed.counted]
    columns = {summed.sums.shape[1] for summed in sampled}
    if len(columns) > 1:
        members = sorted(count // 2 - 1 for count in columns)
        raise ValueError(wording.other_members(members[1], members[0]))
    every = sampled or [shares[0].summed]
    return Summed(
        sums=np.concatenate([summed.sums for summed in every]),
        examples=np.concatenate([summed.examples for summed in every]),
        counted=sum(summed.counted for summed in every),
        seen=sum(share.summed.seen for share in shares),
    )
