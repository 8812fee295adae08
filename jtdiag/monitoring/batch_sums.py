"""Losses and errors of the members on one batch, summed over its examples."""

from collections.abc import Callable, Mapping, Sequence

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


def parameters(given: Given, family: Family, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Return canonical parameters η (M, N, K) in float32 or more, and targets that fit them.

    Raises:
        ValueError: if their shapes, devices or types do not fit.
    """
    if not isinstance(given, Tensor):
        shapes = {tuple(one.shape) for one in given}
        if len(shapes) != 1:
            raise ValueError(
                f"the members' logits are {', '.join(map(str, sorted(shapes))) or 'none'}; they "
                "must be of one shape, (N, K)."
            )
        given = torch.stack(list(given))
    wanted = given.shape[1 : 2 if family.classes else 3]
    if given.ndim != 3 or targets.shape != wanted:
        shape = "(N,)" if family.classes else "(N, K)"
        raise ValueError(
            f"logits are {tuple(given.shape)} and targets {tuple(targets.shape)}; they must be "
            f"(M, N, K), members first, and {shape}."
        )
    if given.device != targets.device:
        raise ValueError(
            f"logits are on {given.device} and targets on {targets.device}; both must be on one."
        )
    if not given.is_floating_point() or (family.classes and targets.is_floating_point()):
        raise ValueError(
            f"logits are {given.dtype} and targets {targets.dtype}; logits must be floating, and "
            "classes whole numbers."
        )
    eta = given.detach()
    if eta.dtype in (torch.float16, torch.bfloat16):
        eta = eta.float()
    return eta, targets.long() if family.classes else targets.to(eta.dtype)


def of_batch(family: Family, combiner: str, eta: Tensor, target: Tensor) -> Tensor:
    """Return sums over the examples, (2M + 2,): losses and errors of members, of the ensemble."""
    members = combining.member_losses(family, eta, target)
    ensemble = combining.ensemble_loss(family, eta, target, combiner).unsqueeze(0)
    if isinstance(family, Categorical) and combiner == "logits":
        wrong = _wrong(eta, members, target), _wrong(eta.mean(0, keepdim=True), ensemble, target)
    else:
        mean = combining.prediction(family, eta, combiner).unsqueeze(0)
        each = combining.for_members(family, target)
        wrong = family.error(family.mean(eta), each), family.error(mean, each)
    return torch.cat([part.sum(-1) for part in (members, wrong[0], ensemble, wrong[1])])


def _wrong(eta: Tensor, loss: Tensor, target: Tensor) -> Tensor:
    """Return the family's error of a vote without its softmax, which takes longer than the rest.

    A probability that is no number has a loss that is none, and counts as wrong.
    """
    return ((eta.argmax(-1) != target) | ~loss.isfinite()).to(loss.dtype)


def by_name(columns: NDArray[np.float64], error_scale: float = 1.0) -> Metrics:
    """Return the columns of `of_batch`, or means of them, by name; errors over their scale."""
    members = len(columns) // 2 - 1
    return {
        names.MEMBER_LOSS: columns[:members],
        names.MEMBER_ERROR: columns[members:-2] / error_scale,
        names.ENSEMBLE_LOSS: columns[-2],
        names.ENSEMBLE_ERROR: columns[-1] / error_scale,
    }
