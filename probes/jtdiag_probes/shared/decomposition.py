"""Losses of members and ensemble from logits, and the diversity between them (Webb et al. 2020).

All functions take logits (M, n, K) of M members on n examples and compute in float64 and in log
space, so that saturated predictions stay exact. Losses and divergences are in nats. Logits are the
canonical parameters of a family; see `jtdiag.families`.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import log_softmax, logsumexp

from jtdiag.families import combining
from jtdiag.families.categorical import FAMILY as CATEGORICAL
from jtdiag.families.contract import Family

Floats = NDArray[np.floating]
Target = NDArray[Any]
"""(n,) classes, or (n, K) numbers."""


def _tensor(array: NDArray[Any]) -> torch.Tensor:
    """Return an array as a tensor, without a copy if the array is writable."""
    return torch.from_numpy(array if array.flags.writeable else array.copy())


def cross_entropy(logits: Floats, target: Target, family: Family = CATEGORICAL) -> Floats:
    """Return −log q(target) for logits (..., n, K) and targets, as (..., n)."""
    return family.loss(_tensor(logits), _tensor(target)).numpy()


def ensemble_loss(
    logits: Floats, target: Target, family: Family = CATEGORICAL, combiner: str = "logits"
) -> Floats:
    """Return the ensemble's loss on every example, (n,)."""
    return combining.ensemble_loss(family, _tensor(logits), _tensor(target), combiner).numpy()


def member_divergences(logits: Floats, family: Family = CATEGORICAL) -> Floats:
    """Return KL(q̄‖q_j) of every member and example, (M, n); 0 or more up to rounding.

    q̄ is the ensemble's prediction, for classes the softmax of the mean logits. The mean over
    members is the diversity of Eq. 5, which does not depend on the targets.
    """
    return combining.divergences(family, _tensor(logits)).numpy()


def label_dependent_divergences(
    logits: Floats, target: Target, family: Family = CATEGORICAL
) -> Floats:
    """Return log(q̄(y)/q_j(y)), (M, n), of averaged probabilities q̄ and targets y.

    Individual terms may be negative; their mean over members is the diversity, 0 or more.
    """
    combiner = "probabilities"
    return combining.diversities(family, _tensor(logits), _tensor(target), combiner).numpy()


def joint_loss_eq4(
    logits: Floats,
    target: Target,
    lam: float,
    family: Family = CATEGORICAL,
    combiner: str = "logits",
) -> Floats:
    """Return λ·loss(ensemble) + (1−λ)·mean loss(members) for every example, (n,): Eq. 4."""
    return combining.eq4(family, _tensor(logits), _tensor(target), lam, combiner).numpy()


def joint_loss_eq5(member_losses: Floats, divergences: Floats, lam: float) -> Floats:
    """Return mean loss(members) − λ·diversity for every example, (n,): Eq. 5."""
    return np.asarray(member_losses.mean(0) - lam * divergences.mean(0))


def leave_one_out(
    logits: Floats, target: Target, family: Family = CATEGORICAL, combiner: str = "logits"
) -> Floats:
    """Return the increase of the ensemble's loss without member j, (M, n); NaN for one member.

    Negative if the ensemble is better without the member.
    """
    members = logits.shape[0]
    if members == 1:
        return np.full(logits.shape[:2], np.nan)
    if combiner == "probabilities":
        return _left_out_of_mixture(-cross_entropy(logits, target, family))
    mean = logits.mean(0)
    without = (members * mean - logits) / (members - 1)
    return cross_entropy(without, target, family) - cross_entropy(mean, target, family)


def _left_out_of_mixture(log_q: Floats) -> Floats:
    """Return the increase of −log mean_i q_i without each member, from log q (M, n).

    Computed from sums over the members before and after each one: subtracting a member from the
    total would lose digits if it dominates the total.
    """
    empty = np.full((1, log_q.shape[1]), -np.inf)
    before = np.concatenate([empty, np.logaddexp.accumulate(log_q, axis=0)])
    after = np.concatenate([empty, np.logaddexp.accumulate(log_q[::-1], axis=0)])[::-1]
    rest = np.logaddexp(before[:-1], after[1:]) - np.log(len(log_q) - 1)
    return np.asarray(before[-1] - np.log(len(log_q)) - rest)


def logit_projections(logits: Floats, family: Family = CATEGORICAL) -> tuple[Floats, float]:
    """Return Σ_x⟨η̃_j, η̃⟩ for every member, (M,), and Σ_x‖η̃‖², with η̃ the mean over members.

    Logits of classes are centered over classes first, since a common shift has no effect. The sums
    can be accumulated over chunks of examples; projection / (M · norm) is a member's logit share.
    """
    centered = family.centred(_tensor(logits)).numpy()
    mean = centered.mean(0)
    return np.einsum("mnk,nk->m", centered, mean), float((mean**2).sum())


def effective_members(shares: Floats) -> Floats:
    """Return 1/Σ c_j² of logit shares (..., M): M if all are equal, 1 if one member has all.

    Negative shares, of members whose logits oppose the ensemble's, are set to zero.
    """
    positive = np.clip(shares, 0, None)
    positive = positive / positive.sum(-1, keepdims=True)
    return np.asarray(1 / (positive**2).sum(-1))


def quadratic_part(logits: Floats, family: Family = CATEGORICAL) -> Floats:
    """Return ½ · mean_j d_jᵀ Σ̄ d_j for every example, (n,), with d_j = η_j − η̄; 0 or more.

    This is the diversity of Eq. 5 to second order in the spread (Buschjäger et al. 2020). For
    classes Σ̄ = diag(q̄) − q̄q̄ᵀ, so each term is half the variance of d_j under q̄.
    """
    mean = logits.mean(0)
    if not family.classes:
        sigma, deviation = family.hessian(_tensor(mean)).numpy(), logits - mean
        return 0.5 * np.asarray(np.einsum("mnk,nkl,mnl->mn", deviation, sigma, deviation).mean(0))
    q_bar = np.exp(log_softmax(mean, axis=-1))
    deviation = logits - mean
    deviation -= (q_bar * deviation).sum(-1, keepdims=True)
    return 0.5 * np.asarray(np.einsum("nk,mnk,mnk->mn", q_bar, deviation, deviation).mean(0))


def probability_average(
    logits: Floats, target: Target, family: Family = CATEGORICAL
) -> tuple[Floats, Floats, Floats]:
    """Return loss, divergence and label term of averaged probabilities, (n,) each, in nats.

    The last two are NaN except for classes: for a mixture of densities only their sum is known.

    With q̂ = mean_j q_j, mean loss(members) = loss + divergence + label term (Wood et al. 2023, for
    a combiner that is not a centroid). The loss is −log q̂(y); the divergence, mean_j KL(q̂‖q_j), is
    0 or more; the label term, ⟨log q̂ − mean_j log q_j, y − q̂⟩, has any sign.
    """
    if not family.classes:
        undefined = np.full(logits.shape[1], np.nan)
        return ensemble_loss(logits, target, family, "probabilities"), undefined, undefined
    log_q = log_softmax(logits, axis=-1)
    log_hat = logsumexp(log_q, axis=0) - np.log(len(logits))
    difference = log_hat - log_q.mean(0)
    divergence = (np.exp(log_hat) * difference).sum(-1)
    index = target[:, None]
    loss = -np.take_along_axis(log_hat, index, axis=-1)[:, 0]
    label_term = np.take_along_axis(difference, index, axis=-1)[:, 0] - divergence
    return np.asarray(loss), np.asarray(divergence), np.asarray(label_term)
