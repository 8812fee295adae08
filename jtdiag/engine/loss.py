"""The joint-training loss, Eq. 4 of Webb et al. 2020, and its gradient in closed form.

Shape suffixes: L lanes, M members, K outputs, N or B examples. Inside the engine logits are
class-major, LMKB: the first layer is then one matrix product over all members without a
transposition, and sums over classes are contiguous in memory.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from jtdiag import families
from jtdiag.families import combining
from jtdiag.families.contract import Family


def joint_loss(
    logits: Tensor,
    targets: Tensor,
    lam: float | Tensor,
    *,
    family: str | Family = "categorical",
    combiner: str = "logits",
) -> Tensor:
    """Return the joint-training loss λ·loss(ensemble) + (1−λ)·mean loss(members), in nats.

    It can be used in any training loop and supports higher-order derivatives. The prediction of the
    ensemble is the softmax of the mean logits, the normalized geometric mean (Webb et al. 2020,
    Eq. 2 to 4).

    Args:
        logits: (..., M, N, K), logits of M members for N examples.
        targets: (..., N), classes 0 … K−1; or (..., N, K), numbers, for families of numbers.
        lam: the weight λ in [0, 1], a number or a tensor of shape (...).
        family: the likelihood, as a name or an object.
        combiner: what the ensemble averages, "logits" or "probabilities".

    Returns:
        The mean over examples, (...); a scalar for logits (M, N, K).

    Raises:
        ValueError: if the shapes do not match or λ is outside [0, 1].
    """
    likelihood = families.find(family) if isinstance(family, str) else family
    _check_shapes(logits, targets, likelihood)
    weight = torch.as_tensor(lam, dtype=logits.dtype, device=logits.device)
    if not bool(((weight >= 0) & (weight <= 1)).all()):
        reason = " (above 1 the loss has no lower bound)" if bool((weight > 1).any()) else ""
        raise ValueError(f"lam is {lam}{reason}; it must be in [0, 1].")
    ensemble = combining.ensemble_loss(likelihood, logits, targets, combiner).mean(-1)
    members = combining.member_losses(likelihood, logits, targets).mean((-2, -1))
    return weight * ensemble + (1 - weight) * members


def _check_shapes(logits: Tensor, targets: Tensor, family: Family) -> None:
    expected = logits.shape[:-3] + logits.shape[-2 : -1 if family.classes else None]
    if logits.ndim < 3 or targets.shape != expected:
        shape = "(..., N)" if family.classes else "(..., N, K)"
        raise ValueError(
            f"logits have shape {tuple(logits.shape)} and targets {tuple(targets.shape)}; "
            f"they must be (..., M, N, K) and {shape}."
        )


@dataclass(frozen=True)
class StepLosses:
    """Losses of one batch, in nats."""

    members: Tensor
    """(L, M, B)"""
    ensemble: Tensor
    """(L, B)"""


def losses(logits_LMKB: Tensor, target_LB: Tensor, mean_LKB: Tensor | None = None) -> StepLosses:
    """Return every member's and the ensemble's loss on every example.

    Args:
        logits_LMKB: Logits.
        target_LB: Classes.
        mean_LKB: Mean logits, if the ensemble has other members, too.
    """
    log_q = torch.log_softmax(logits_LMKB, 2)
    mean_LKB = logits_LMKB.mean(1) if mean_LKB is None else mean_LKB
    log_q_bar = torch.log_softmax(mean_LKB, 1)
    return _losses(log_q, log_q_bar, target_LB)


def losses_and_gradient(
    logits_LMKB: Tensor,
    target_LB: Tensor,
    lam_L: Tensor,
    mean_LKB: Tensor | None = None,
    members: int | None = None,
) -> tuple[StepLosses, Tensor]:
    """Return the losses, and the batch mean of the gradient of Eq. 4 with respect to the logits.

    For member j it is ((1−λ)·q_j + λ·q̄ − y) / (M·B), with q the predicted probabilities and y
    the one-hot target.

    Args:
        logits_LMKB: Logits.
        target_LB: Classes.
        lam_L: λ of each lane.
        mean_LKB: Mean logits, if the ensemble has other members, too.
        members: Number M of members of the ensemble, if it has others, too.
    """
    members = members or logits_LMKB.shape[1]
    batch = logits_LMKB.shape[3]
    log_q = torch.log_softmax(logits_LMKB, 2)
    mean_LKB = logits_LMKB.mean(1) if mean_LKB is None else mean_LKB
    log_q_bar = torch.log_softmax(mean_LKB, 1)
    step_losses = _losses(log_q, log_q_bar, target_LB)
    lam = lam_L[:, None, None]
    minus_one = lam.new_full((1, 1, 1), -1).expand_as(target_LB[:, None])
    shared = (lam * log_q_bar.exp()).scatter_add_(1, target_LB[:, None], minus_one)
    count = members * batch
    gradient = torch.addcmul(shared[:, None] / count, log_q.exp_(), (1 - lam)[:, None] / count)
    return step_losses, gradient


def _losses(log_q: Tensor, log_q_bar: Tensor, target_LB: Tensor) -> StepLosses:
    return StepLosses(
        members=-at_target(log_q, target_LB[:, None]),
        ensemble=-at_target(log_q_bar, target_LB),
    )


def vote_errors(
    logits_LMKB: Tensor, target_LB: Tensor, mean_LKB: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Return where members (L, M, B) and the ensemble of averaged logits (L, B) are wrong.

    Args:
        logits_LMKB: Logits.
        target_LB: Classes.
        mean_LKB: Mean logits, if the ensemble has other members, too.
    """
    members = wrong_votes(logits_LMKB, target_LB[:, None])
    mean_LKB = logits_LMKB.mean(1) if mean_LKB is None else mean_LKB
    return members, wrong_votes(mean_LKB, target_LB)


def at_target(values: Tensor, target: Tensor) -> Tensor:
    """Return the values (..., B) of the target class from values (..., K, B); targets broadcast.

    On a CPU, gathering along the flattened last axes takes half the time of gathering along K.
    """
    batch = values.shape[-1]
    flat = target * batch + torch.arange(batch, device=target.device)
    return values.flatten(-2).gather(-1, flat.expand(*values.shape[:-2], batch))


def wrong_votes(logits: Tensor, target: Tensor) -> Tensor:
    """Return where the class with the largest logit, the first if several tie, is not the target.

    Equivalent to ``logits.argmax(-2) != target``, which torch computes slowly along axes other than
    the last: on a CPU it would take as long as the rest of a step. NaN counts as wrong.

    Args:
        logits: (..., K, B)
        target: (B,) or any shape that broadcasts to (..., B).
    """
    own = at_target(logits, target)
    classes = torch.arange(logits.shape[-2], device=logits.device)[:, None]
    hidden = torch.where(classes < target.unsqueeze(-2), 0.0, -torch.inf).to(logits.dtype)
    largest_before = (logits + hidden).amax(-2)
    return ~((own >= logits.amax(-2)) & (own > largest_before))
