"""Losses and errors of members and ensemble, summed over the examples of each batch."""

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

Outputs = Tensor | Sequence[Tensor]
"""Logits (M, N, K), or M tensors (N, K)."""
Logits = Outputs | Callable[[], Outputs]
"""Logits, or a function that returns them when called."""

Metrics = Mapping[str, NDArray[np.float64]]
"""(M,) for members and () for the ensemble, by the names of metrics in a store."""


@dataclass(frozen=True)
class Batch:
    """A batch that has not been summed yet."""

    values: Tensor
    """Logits (M, N, K); or the output of `columns`, (2M + 2, …)."""
    target: Tensor | None
    """(N,) or (N, K); None if `values` are columns."""
    examples: int
    """N."""


def copied(outputs: Outputs, family: Family, targets: Tensor) -> Batch:
    """Return a batch with copies of logits and targets, which the loop may overwrite.

    Raises:
        ValueError: if shapes, devices or dtypes do not match.
    """
    logits = outputs.detach().clone() if isinstance(outputs, Tensor) else _stacked(outputs)
    expected = logits.shape[1 : 2 if family.classes else 3]
    if logits.ndim != 3 or targets.shape != expected:
        shape = "(N,)" if family.classes else "(N, K)"
        raise ValueError(
            f"logits are {tuple(logits.shape)} and targets {tuple(targets.shape)}; they must be "
            f"(M, N, K), with members first, and {shape}."
        )
    if logits.device != targets.device:
        raise ValueError(
            f"logits are on {logits.device} and targets on {targets.device}; they must be on the "
            "same device."
        )
    if not logits.is_floating_point() or (family.classes and targets.is_floating_point()):
        raise ValueError(
            f"logits are {logits.dtype} and targets {targets.dtype}; logits must be floating "
            "point, and classes integers."
        )
    return Batch(logits, targets.detach().clone(), len(targets))


def _stacked(outputs: Sequence[Tensor]) -> Tensor:
    shapes = {tuple(tensor.shape) for tensor in outputs}
    if len(shapes) != 1:
        raise ValueError(
            f"the members' logits have the shapes {', '.join(map(str, sorted(shapes))) or 'none'}; "
            "they must all have the shape (N, K)."
        )
    return torch.stack(list(outputs)).detach()


def sum_batches(family: Family, combiner: str, batches: Sequence[Batch]) -> list[Tensor]:
    """Return the sums over the examples of each batch, (2M + 2,).

    All batches are evaluated at once, which is about a third faster than one by one.
    """
    targets = [batch.target for batch in batches if batch.target is not None]
    if not targets:
        return [batch.values.sum(1) for batch in batches]
    if len(targets) < len(batches):  # a loop that passes both logits and losses
        return [sum_batches(family, combiner, [batch])[0] for batch in batches]
    logits = torch.cat([batch.values for batch in batches], 1)
    values = columns(family, combiner, logits, torch.cat(targets))
    sizes = [batch.examples for batch in batches]
    return [part.sum(1) for part in torch.split(values, sizes, 1)]


def columns(family: Family, combiner: str, logits: Tensor, target: Tensor) -> Tensor:
    """Return losses and errors of members and ensemble for each example, (2M + 2, N).

    Half-precision logits are converted to single precision.
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
    """Return the family's error of logits without the softmax, which dominates the run time.

    A prediction whose loss is not finite counts as wrong.
    """
    return ((eta.argmax(-1) != target) | ~loss.isfinite()).to(loss.dtype)


def by_name(means: NDArray[np.float64], error_scale: float = 1.0) -> Metrics:
    """Return means of the columns, (2M + 2,), by name; errors are divided by their scale."""
    members = len(means) // 2 - 1
    return {
        names.MEMBER_LOSS: means[:members],
        names.MEMBER_ERROR: means[members:-2] / error_scale,
        names.ENSEMBLE_LOSS: means[-2],
        names.ENSEMBLE_ERROR: means[-1] / error_scale,
    }
