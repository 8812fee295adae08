"""Losses, gradients, diversity and curvature of an ensemble, for any family.

Throughout, η is (..., M, N, K) for M members and N examples; targets are (..., N) classes or
(..., N, K) numbers. There are two ways to combine members. "logits" averages canonical parameters,
which gives the normalized geometric mean of the predictions (Webb et al. 2020, Eq. 2 and 3).
"probabilities" averages the predicted probabilities, or densities: the ensemble is the mixture of
its members, with loss −log mean_j q_j(y).

Shares (..., M, N) weight the members in each example's ensemble; they sum to 1 for an example, and
1/M is the uniform average.
"""

import math

import torch
from torch import Tensor

from jtdiag.families.contract import Family


def for_members(family: Family, target: Tensor) -> Tensor:
    """Add an axis for members to targets: (..., 1, N) classes or (..., 1, N, K) numbers."""
    return target.unsqueeze(-2 if family.classes else -3)


def member_losses(family: Family, eta: Tensor, target: Tensor) -> Tensor:
    """Return −log q_j(y) of every member and example, (..., M, N), in nats."""
    return family.loss(eta, for_members(family, target))


def averaged(eta: Tensor, share: Tensor | None = None) -> Tensor:
    """Return the ensemble's canonical parameters η̄ (..., N, K)."""
    return eta.mean(-3) if share is None else (share.unsqueeze(-1) * eta).sum(-3)


def ensemble_loss(
    family: Family,
    eta: Tensor,
    target: Tensor,
    combiner: str = "logits",
    share: Tensor | None = None,
) -> Tensor:
    """Return the ensemble's loss on every example, (..., N), in nats."""
    if combiner == "logits":
        return family.loss(averaged(eta, share), target)
    return -torch.logsumexp(_log_share(eta, share) - member_losses(family, eta, target), -2)


def prediction(family: Family, eta: Tensor, combiner: str = "logits") -> Tensor:
    """Return the mean μ that the ensemble predicts, (..., N, K)."""
    if combiner == "logits":
        return family.mean(eta.mean(-3))
    return family.mean(eta).mean(-3)


def eq4(
    family: Family,
    eta: Tensor,
    target: Tensor,
    lam: float | Tensor,
    combiner: str = "logits",
    share: Tensor | None = None,
) -> Tensor:
    """Return λ·loss(ensemble) + (1−λ)·mean loss(members) of every example, (..., N), in nats.

    Webb et al. 2020, Eq. 4; λ is a number or a tensor that broadcasts against (..., N).
    """
    members = member_losses(family, eta, target)
    mean = members.mean(-2) if share is None else (share * members).sum(-2)
    return lam * ensemble_loss(family, eta, target, combiner, share) + (1 - lam) * mean


def divergences(family: Family, eta: Tensor) -> Tensor:
    """Return KL(q̄‖q_j), with q̄ the average of logits, of every member and example, (..., M, N)."""
    return family.divergence(eta.mean(-3, keepdim=True), eta)


def responsibilities(
    family: Family, eta: Tensor, target: Tensor, share: Tensor | None = None
) -> Tensor:
    """Return ρ_j = q_j(y) / Σ_i q_i(y), (..., M, N): how well each member explains the target."""
    losses = member_losses(family, eta, target)
    return torch.softmax(_log_share(eta, share) - losses, -2)


def diversities(family: Family, eta: Tensor, target: Tensor, combiner: str = "logits") -> Tensor:
    """Return the terms whose mean over members is the diversity of Eq. 5, (..., M, N), in nats.

    For averaged logits they are KL(q̄‖q_j), whatever the target. For averaged probabilities they
    are log(q̄(y)/q_j(y)) = −log(M ρ_j), which depends on the target (Jeffares et al. 2023): single
    terms may be negative, but their mean is KL(uniform‖ρ) ≥ 0.
    """
    if combiner == "logits":
        return divergences(family, eta)
    losses = member_losses(family, eta, target)
    return -(torch.log_softmax(-losses, -2) + math.log(eta.shape[-3]))


def eq5(
    family: Family, eta: Tensor, target: Tensor, lam: float | Tensor, combiner: str = "logits"
) -> Tensor:
    """Return mean loss(members) − λ·diversity of every example, (..., N): Eq. 5."""
    mean = member_losses(family, eta, target).mean(-2)
    return mean - lam * diversities(family, eta, target, combiner).mean(-2)


def label_term(log_q: Tensor, target: Tensor) -> Tensor:
    """Return the class-dependent part of the diversity of averaged probabilities, (..., N).

    mean_j log(q̄(y)/q_j(y)) = mean_j KL(q̄‖q_j) + ⟨log q̄ − mean_j log q_j, y − q̄⟩, with q̄ the mean
    of the probabilities; this is the last term (Wood et al. 2023, for a combiner that is not the
    centroid). Its expectation is 0 where y is drawn from q̄.

    Args:
        log_q: (..., M, N, K) log probabilities.
        target: (..., N) classes.
    """
    log_bar = torch.logsumexp(log_q, -3) - math.log(log_q.shape[-3])
    # Where q̄ is 0, so is every q_j, and 0 · (−∞) counts as 0.
    difference = log_bar - log_q.mean(-3)
    at_target = difference.gather(-1, target.unsqueeze(-1)).squeeze(-1)
    return at_target - (log_bar.exp() * difference).sum(-1)


def _log_share(eta: Tensor, share: Tensor | None) -> Tensor:
    if share is None:
        return eta.new_tensor(-math.log(eta.shape[-3]))
    return share.log()


# --- derivatives ---------------------------------------------------------------------------------


def gradient(
    family: Family,
    eta: Tensor,
    target: Tensor,
    lam: float | Tensor,
    combiner: str = "logits",
    share: Tensor | None = None,
) -> Tensor:
    """Return the gradient of `eq4` with respect to η, per example, (..., M, N, K).

    (1−λ) s_j (μ_j − T) + λ s_j (μ̄ − T) for averaged logits with shares s_j: at λ = 1 it is
    the same for all members. For averaged probabilities the ensemble term is λ ρ_j (μ_j − T), which
    is largest for members that already explain the target.
    """
    statistic = family.statistic(target, eta.shape[-1]).to(eta.dtype)
    own = family.mean(eta) - statistic.unsqueeze(-3)
    share = eta.new_full((), 1 / eta.shape[-3]) if share is None else share
    share = share.expand(eta.shape[:-1])
    weight = torch.as_tensor(lam, dtype=eta.dtype, device=eta.device)
    weight = (weight[None] if weight.ndim == 0 else weight).unsqueeze(-2)  # (..., 1, N)
    if combiner == "logits":
        shared = (family.mean(averaged(eta, share)) - statistic).unsqueeze(-3)
        return share.unsqueeze(-1) * torch.lerp(own, shared, weight.unsqueeze(-1))
    rho = responsibilities(family, eta, target, share)
    return torch.lerp(share, rho, weight).unsqueeze(-1) * own


def curvature(
    family: Family,
    eta: Tensor,
    lam: float,
    combiner: str = "logits",
    target: Tensor | None = None,
) -> Tensor:
    """Return the Hessian of `eq4` with respect to all outputs of an example, (..., N, MK, MK).

    Averaged logits: block (j, k) is (λ/M²) Σ̄ + δ_jk ((1−λ)/M) Σ_j, whatever the target, positive
    semidefinite for λ in [0, 1]. Averaged probabilities: δ_jk [((1−λ)/M + λ ρ_j) Σ_j − λ ρ_j r_j
    r_jᵀ] + λ ρ_j ρ_k r_j r_kᵀ with r_j = μ_j − T. It depends on the target; it can be indefinite.
    """
    members, outputs = eta.shape[-3], eta.shape[-1]
    by_example = eta.transpose(-3, -2)  # (..., N, M, K)
    own = family.hessian(by_example)  # (..., N, M, K, K)
    if combiner == "logits":
        shared = lam / members**2 * family.hessian(averaged(eta))
        blocks = shared[..., None, :, None, :].expand(
            *shared.shape[:-2], members, outputs, members, outputs
        )
        return _stacked(blocks, (1 - lam) / members * own)
    if target is None:
        raise ValueError("target is None; the curvature of averaged probabilities needs it.")
    statistic = family.statistic(target, outputs).to(eta.dtype)
    rho = responsibilities(family, eta, target).transpose(-2, -1)  # (..., N, M)
    residual = family.mean(by_example) - statistic.unsqueeze(-2)
    pull = rho.unsqueeze(-1) * residual
    blocks = lam * pull[..., :, :, None, None] * pull[..., None, None, :, :]
    outer = pull.unsqueeze(-1) * residual.unsqueeze(-2)
    weight = ((1 - lam) / members + lam * rho)[..., None, None]
    return _stacked(blocks, weight * own - lam * outer)


def _stacked(blocks: Tensor, diagonal: Tensor) -> Tensor:
    """Return blocks (..., M, K, M, K) with blocks (..., M, K, K) added on the diagonal."""
    members, outputs = blocks.shape[-4:-2]
    summed = blocks.clone()
    for j in range(members):
        summed[..., j, :, j, :] += diagonal[..., j, :, :]
    return summed.reshape(*blocks.shape[:-4], members * outputs, members * outputs)
