"""Losses and errors of the members on batches, summed over the examples of each."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from jtdiag import names
from jtdiag.families import combining
from jtdiag.families.categorical import Categorical
from jtdiag.families.contract import Family

Given = Tensor | Sequence[Tensor]
"""Logits (M, N, K), or M tensors (N, K)."""
Logits = Given | Callable[[], Given]
"""Logits, or a function that returns them when they are wanted."""

Metrics = Mapping[str, NDArray[np.float64]]
"""(M,) of members and () of the ensemble, by the names of a store's metrics."""


@dataclass(frozen=True)
class Batch:
    """A batch as it is held until it is summed."""

    values: Tensor
    """Logits (M, N, K); or what `columns` makes of them, (2M + 2, …)."""
    target: Tensor | None
    """(N,) or (N, K); None where columns are given."""
    examples: int
    """N."""


def held(given: Given, family: Family, targets: Tensor) -> Batch:
    """Return a batch to hold: a copy, so that the loop may do with its own what it likes.

    Raises:
        ValueError: if shapes, devices or types do not fit.
    """
    logits = given.detach().clone() if isinstance(given, Tensor) else _stacked(given)
    wanted = logits.shape[1 : 2 if family.classes else 3]
    if logits.ndim != 3 or targets.shape != wanted:
        shape = "(N,)" if family.classes else "(N, K)"
        raise ValueError(
            f"logits are {tuple(logits.shape)} and targets {tuple(targets.shape)}; they must be "
            f"(M, N, K), members first, and {shape}."
        )
    if logits.device != targets.device:
        raise ValueError(
            f"logits are on {logits.device} and targets on {targets.device}; both must be on one."
        )
    if not logits.is_floating_point() or (family.classes and targets.is_floating_point()):
        raise ValueError(
            f"logits are {logits.dtype} and targets {targets.dtype}; logits must be floating, and "
            "classes whole numbers."
        )
    return Batch(logits, targets.detach().clone(), len(targets))


def _stacked(given: Sequence[Tensor]) -> Tensor:
    shapes = {tuple(one.shape) for one in given}
    if len(shapes) != 1:
        raise ValueError(
            f"the members' logits are {', '.join(map(str, sorted(shapes))) or 'none'}; they must "
            "be of one shape, (N, K)."
        )
    return torch.stack(list(given)).detach()


def of_batches(family: Family, combiner: str, batches: Sequence[Batch]) -> list[Tensor]:
    """Return the sums over the examples of each batch, (2M + 2,).

    Computed for all batches at once, which takes two thirds of the time of one after the other.
    """
    targets = [batch.target for batch in batches if batch.target is not None]
    if not targets:
        return [batch.values.sum(1) for batch in batches]
    if len(targets) < len(batches):  # a loop that gives now logits, now losses
        return [of_batches(family, combiner, [batch])[0] for batch in batches]
    logits = torch.cat([batch.values for batch in batches], 1)
    found = columns(family, combiner, logits, torch.cat(targets))
    sizes = [batch.examples for batch in batches]
    return [part.sum(1) for part in torch.split(found, sizes, 1)]


def columns(family: Family, combiner: str, logits: Tensor, target: Tensor) -> Tensor:
    """Return losses and errors of members and of the ensemble, example by example, (2M + 2, N).

    Logits of half precision are taken for what they are and computed in single.
    """
    eta = logits.float() if logits.dtype in (torch.float16, torch.bfloat16) else logits
    target = target.long() if family.classes else target.to(eta.dtype)
    members = combining.member_losses(family, eta, target)
    ensemble = combining.ensemble_loss(family, eta, target, combiner).unsqueeze(0)
    if isinstance(family, Categorical) and combiner == "logits":
        wrong = _wrong(eta, members, target), _wrong(eta.mean(0, keepdim=True), ensemble, target)
    else:
        mean = combining.prediction(family, eta, combiner).unsqueeze(0)
        each = combining.for_members(family, target)
        wrong = family.error(family.mean(eta), each), family.error(mean, each)
    return torch.cat([members, wrong[0], ensemble, wrong[1]])


def _wrong(eta: Tensor, loss: Tensor, target: Tensor) -> Tensor:
    """Return the family's error of a vote without its softmax, which takes longer than the rest.

    A probability that is no number has a loss that is none, and counts as wrong.
    """
    return ((eta.argmax(-1) != target) | ~loss.isfinite()).to(loss.dtype)


def by_name(means: NDArray[np.float64], error_scale: float = 1.0) -> Metrics:
    """Return means of the columns, (2M + 2,), by name; errors over their scale."""
    members = len(means) // 2 - 1
    return {
        names.MEMBER_LOSS: means[:members],
        names.MEMBER_ERROR: means[members:-2] / error_scale,
        names.ENSEMBLE_LOSS: means[-2],
        names.ENSEMBLE_ERROR: means[-1] / error_scale,
    }
