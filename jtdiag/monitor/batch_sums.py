"""Losses and errors of members and ensemble, summed over the examples of each batch."""

import math
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
from jtdiag.monitor import targets, wording

Outputs = Tensor | Sequence[Tensor]
"""Logits (M, N, K), or M tensors (N, K)."""
Logits = Outputs | Callable[[], Outputs]
"""Logits, or a function that returns them when called."""

NORMALIZED = 0.01
"""Greatest deviation from 1 of the sum of probabilities, which may be rounded to some digits."""

Metrics = Mapping[str, NDArray[np.float64]]
"""(M,) for members and () for the ensemble, by the names of metrics in a store."""


@dataclass(frozen=True)
class Batch:
    """A batch that has not been summed yet."""

    values: Tensor
    """Logits (M, N, K); or the output of `counted`, (2M + 4, …)."""
    target: Tensor | None
    """(N,) or (N, K); None if `values` are columns."""
    examples: int
    """N."""
    weights: Tensor | None = None
    """(N,), with a mean of 1 over the examples that count; None if all have the same."""


@dataclass(frozen=True, kw_only=True)
class Measure:
    """How the logits of a batch are compared with its targets."""

    family: Family
    combiner: str
    ignore_index: int
    label_smoothing: float = 0.0
    """As in torch's cross-entropy."""


def copied(outputs: Outputs, family: Family, target: Tensor) -> Batch:
    """Return a batch with copies of logits and targets, which the loop may overwrite.

    Raises:
        ValueError: if shapes, devices or dtypes do not match.
    """
    if not isinstance(target, Tensor):
        raise ValueError(wording.no_tensor("targets", type(target).__name__))
    logits = outputs.detach().clone() if isinstance(outputs, Tensor) else _stacked(outputs)
    target = _with_outputs(family, logits, target.detach().clone())
    logits, target = _without_positions(logits, target)
    _check(family, logits, target)
    return Batch(logits, _wide(family, target), len(target))


def _wide(family: Family, target: Tensor) -> Tensor:
    """Return classes as int64, in which −100 is no class; in uint8 it would equal 156."""
    return target.long() if family.classes and target.ndim == 1 else target


def _stacked(outputs: object) -> Tensor:
    if not isinstance(outputs, Sequence) or not all(isinstance(t, Tensor) for t in outputs):
        raise ValueError(wording.no_tensor("logits", type(outputs).__name__))
    shapes = {tuple(tensor.shape) for tensor in outputs}
    if len(shapes) != 1:
        raise ValueError(
            f"the members' logits have the shapes {', '.join(map(str, sorted(shapes))) or 'none'}; "
            "they must all have the shape (N, K)."
        )
    return torch.stack(list(outputs)).detach()


def _with_outputs(family: Family, logits: Tensor, target: Tensor) -> Tensor:
    """Return numbers (N,) of families with a single output as (N, 1), and others unchanged."""
    single = logits.ndim == 3 and logits.shape[-1] == 1 and target.shape == logits.shape[1:2]
    return target.unsqueeze(-1) if single and not family.classes else target


def _without_positions(logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Return logits (M, B, T, …, K) of sequences as (M, N, K), and their targets as (N,) or (N, K).

    Every position is an example. Other shapes are unchanged.
    """
    if logits.ndim <= 3 or target.shape not in (logits.shape[1:-1], logits.shape[1:]):
        return logits, target
    positions = logits.flatten(1, -2)
    return positions, target.reshape(positions.shape[1], *target.shape[logits.ndim - 2 :])


def _check(family: Family, logits: Tensor, target: Tensor) -> None:
    """Raise a ValueError if shapes, devices or dtypes do not match."""
    for tensor in (logits, target):
        if tensor.layout != torch.strided:
            raise ValueError(wording.not_dense(str(tensor.layout).removeprefix("torch.")))
    without_outputs = logits.ndim == 2 and target.shape == logits.shape[1:]
    single = without_outputs or (logits.ndim == 3 and logits.shape[-1] == 1)
    if isinstance(family, Categorical) and single:
        raise ValueError(wording.single_logit(tuple(logits.shape)))
    soft = targets.are_probabilities(family, target)
    expected = logits.shape[1 : 2 if family.classes and not soft else 3]
    if logits.ndim != 3 or target.shape != expected:
        shape = "(N,)" if family.classes else "(N, K)"
        raise ValueError(
            f"logits are {tuple(logits.shape)} and targets {tuple(target.shape)}; they must be "
            f"(M, N, K), with members first, and {shape}.{_remedy(family, logits, target)}"
        )
    if logits.device != target.device:
        raise ValueError(
            f"logits are on {logits.device} and targets on {target.device}; they must be on the "
            "same device."
        )
    if soft and not target.is_floating_point():
        raise ValueError(wording.integer_probabilities(str(target.dtype)))
    real_classes = family.classes and not soft and target.is_floating_point()
    if not logits.is_floating_point() or real_classes:
        raise ValueError(
            f"logits are {logits.dtype} and targets {target.dtype}; logits must be floating "
            "point, and classes integers."
        )


def _remedy(family: Family, logits: Tensor, target: Tensor) -> str:
    """Return how to transpose logits that seem to have the examples first; "" for others."""
    order = logits.transpose(0, 1) if logits.ndim == 3 else None
    if order is None or target.shape[:1] != order.shape[1:2]:
        return ""
    return wording.members_second(len(order))


def sum_batches(measure: Measure, batches: Sequence[Batch]) -> list[Tensor]:
    """Return the sums over the examples of each batch, (2M + 4,).

    All batches are evaluated at once, which is about a third faster than one by one.
    """
    all_targets = [batch.target for batch in batches if batch.target is not None]
    if not all_targets:
        return [batch.values.sum(1) for batch in batches]
    kinds = {
        (batch.weights is None, None if t is None else t.ndim)
        for batch in batches
        for t in [batch.target]
    }
    if len(kinds) > 1 and len(batches) > 1:
        # A loop that passes both logits and losses, or classes and probabilities, or weights.
        return [sum_batches(measure, [batch])[0] for batch in batches]
    logits = torch.cat([batch.values for batch in batches], 1)
    weights = [batch.weights for batch in batches if batch.weights is not None]
    values = measured(
        measure, logits, torch.cat(all_targets), torch.cat(weights) if weights else None
    )
    sizes = [batch.examples for batch in batches]
    return [part.sum(1) for part in torch.split(values, sizes, 1)]


def measured(
    measure: Measure, logits: Tensor, target: Tensor, weights: Tensor | None = None
) -> Tensor:
    """Return the output of `counted` for logits (M, N, K) and their targets, (2M + 4, N).

    Losses, but not errors, are those of smoothed labels, and are multiplied by weights (N,).
    """
    family = measure.family
    left_out = targets.ignored(family, target, measure.ignore_index)
    bad = targets.out_of_range(family, target, logits.shape[-1]) & ~left_out
    if family.classes and target.ndim == 1:
        # An index out of range would end the program on a GPU.
        target = target.masked_fill(left_out | bad, 0)
    values = columns(family, measure.combiner, logits, target)
    if measure.label_smoothing or weights is not None:
        values = _as_trained(values, measure, logits, weights)
    return counted(values, left_out | bad, bad)


def _as_trained(values: Tensor, measure: Measure, logits: Tensor, weights: Tensor | None) -> Tensor:
    """Return columns (2M + 2, N) with losses of smoothed labels, multiplied by weights (N,)."""
    losses = torch.cat([values[: len(logits)], values[-2:-1]])
    if measure.label_smoothing:
        uniform = -_log_probabilities(measure.combiner, logits.to(losses.dtype)).mean(-1)
        losses = torch.lerp(losses, uniform, measure.label_smoothing)
    if weights is not None:
        losses = losses * weights.to(losses.dtype)
    return torch.cat([losses[:-1], values[len(logits) : -2], losses[-1:], values[-1:]])


def normalized(weights: Tensor, left_out: Tensor) -> Tensor:
    """Return weights (N,) with a mean of 1 over the examples that count, as in torch's mean."""
    weights = weights.masked_fill(left_out, 0)
    total = weights.sum().clamp(min=torch.finfo(weights.dtype).tiny)
    return weights * ((~left_out).sum() / total)


def counted(values: Tensor, left_out: Tensor, bad: Tensor) -> Tensor:
    """Return columns (2M + 2, N), 0 for examples that do not count, and two more columns.

    Args:
        values: From `columns`.
        left_out: (N,), examples that do not count.
        bad: (N,), examples whose target is out of range.

    Returns:
        (2M + 4, N); the last two columns are 1 for examples that count, and for bad targets.
    """
    values = values.masked_fill(left_out, 0)
    return torch.cat([values, torch.stack([~left_out, bad]).to(values.dtype)])


def columns(family: Family, combiner: str, logits: Tensor, target: Tensor) -> Tensor:
    """Return losses and errors of members and ensemble for each example, (2M + 2, N).

    Half-precision logits are converted to single precision.
    """
    eta = logits.float() if logits.dtype in (torch.float16, torch.bfloat16) else logits
    if targets.are_probabilities(family, target):
        return _probability_columns(combiner, eta, target.to(eta.dtype))
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


def _probability_columns(combiner: str, eta: Tensor, target: Tensor) -> Tensor:
    """Return the columns for class probabilities p (N, K) as targets, as in mixup.

    The loss is −Σ p log q, as in torch's cross-entropy. The error is the probability 1 − p_k that
    the predicted class k is wrong, which for a single class is 0 or 1 as usual.
    """
    log_all = _log_probabilities(combiner, eta)
    loss = -(target * log_all).masked_fill(target == 0, 0).sum(-1)
    correct = target.expand_as(log_all).gather(-1, log_all.argmax(-1, keepdim=True)).squeeze(-1)
    error = (1 - correct).masked_fill(~loss.isfinite(), 1)
    return torch.cat([loss[:-1], error[:-1], loss[-1:], error[-1:]])


def _log_probabilities(combiner: str, eta: Tensor) -> Tensor:
    """Return log class probabilities of the members and the ensemble, (M + 1, N, K)."""
    log_q = torch.log_softmax(eta, -1)
    if combiner == "logits":
        ensemble = torch.log_softmax(eta.mean(0), -1)
    else:
        ensemble = torch.logsumexp(log_q, 0) - math.log(len(eta))
    return torch.cat([log_q, ensemble.unsqueeze(0)])


def _wrong(eta: Tensor, loss: Tensor, target: Tensor) -> Tensor:
    """Return the family's error of logits without the softmax, which dominates the run time.

    A prediction whose loss is not finite counts as wrong.
    """
    return ((eta.argmax(-1) != target) | ~loss.isfinite()).to(loss.dtype)


def are_normalized(family: Family, values: Tensor) -> Tensor:
    """Return whether outputs (M, N, K) are class probabilities already, () bool on their device."""
    if not isinstance(family, Categorical):
        return torch.zeros((), dtype=torch.bool)
    inside = ((values >= 0) & (values <= 1)).all()
    return inside & ((values.double().sum(-1) - 1).abs() <= NORMALIZED).all()


def by_name(means: NDArray[np.float64], error_scale: float = 1.0) -> Metrics:
    """Return means of the columns, (2M + 2,), by name; errors are divided by their scale."""
    members = len(means) // 2 - 1
    return {
        names.MEMBER_LOSS: means[:members],
        names.MEMBER_ERROR: means[members:-2] / error_scale,
        names.ENSEMBLE_LOSS: means[-2],
        names.ENSEMBLE_ERROR: means[-1] / error_scale,
    }
