"""Losses of members and ensemble from logits, and the diversity between them (Webb et al. 2020).

All functions take logits (M, n, K) of M members on n examples and work in float64 and in log
space, so that saturated predictions stay exact. Losses and divergences are in nats.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax, logsumexp

Floats = NDArray[np.floating]


def cross_entropy(logits: Floats, target: NDArray[np.integer]) -> Floats:
    """Return −log q(target) for logits (..., n, K) and classes (n,), as (..., n)."""
    chosen = np.take_along_axis(
        logits, np.broadcast_to(target, logits.shape[:-1])[..., None], axis=-1
    )[..., 0]
    return np.asarray(logsumexp(logits, axis=-1) - chosen)


def member_divergences(logits: Floats) -> Floats:
    """Return KL(q̄‖q_j) of every member and example, (M, n); 0 or more up to rounding.

    q̄ is the ensemble's prediction, the softmax of the mean logits. The mean over members is
    the diversity of Eq. 5; targets do not enter.
    """
    log_q = log_softmax(logits, axis=-1)
    log_q_bar = log_softmax(logits.mean(0), axis=-1)
    return np.asarray((np.exp(log_q_bar) * (log_q_bar - log_q)).sum(-1))


def joint_loss_eq4(logits: Floats, target: NDArray[np.integer], lam: float) -> Floats:
    """Return λ·loss(ensemble) + (1−λ)·mean loss(members) for every example, (n,): Eq. 4."""
    members = cross_entropy(logits, target).mean(0)
    return lam * cross_entropy(logits.mean(0), target) + (1 - lam) * members


def joint_loss_eq5(member_losses: Floats, divergences: Floats, lam: float) -> Floats:
    """Return mean loss(members) − λ·diversity for every example, (n,): Eq. 5."""
    return np.asarray(member_losses.mean(0) - lam * divergences.mean(0))


def leave_one_out(logits: Floats, target: NDArray[np.integer]) -> Floats:
    """Return how much the ensemble's loss rises without member j, (M, n); NaN for one member.

    Negative where the ensemble does better without the member.
    """
    members = logits.shape[0]
    if members == 1:
        return np.full(logits.shape[:2], np.nan)
    mean = logits.mean(0)
    without = (members * mean - logits) / (members - 1)
    return cross_entropy(without, target) - cross_entropy(mean, target)


def logit_projections(logits: Floats) -> tuple[Floats, float]:
    """Return Σ_x⟨η̃_j, η̃⟩ for every member, (M,), and Σ_x‖η̃‖², with η̃ the mean.

    The logits are centred over classes first, since a shift of all of them changes nothing.
    Sums over chunks of examples add up; projection / (M · norm) is a member's logit share.
    """
    centred = logits - logits.mean(-1, keepdims=True)
    mean = centred.mean(0)
    return np.einsum("mnk,nk->m", centred, mean), float((mean**2).sum())


def effective_members(shares: Floats) -> Floats:
    """Return 1/Σ c_j² of logit shares (..., M): M when all carry the same, 1 when one carries all.

    Negative shares, of members that pull against the ensemble, count as zero.
    """
    carried = np.clip(shares, 0, None)
    carried = carried / carried.sum(-1, keepdims=True)
    return np.asarray(1 / (carried**2).sum(-1))


def quadratic_part(logits: Floats) -> Floats:
    """Return ½ · mean_j d_jᵀ Σ̄ d_j for every example, (n,), with d_j = η_j − η̄; 0 or more.

    Σ̄ = diag(q̄) − q̄q̄ᵀ, so each term is half the variance of d_j under q̄. It is the diversity of
    Eq. 5 to second order in the spread (Buschjäger et al. 2020).
    """
    mean = logits.mean(0)
    q_bar = np.exp(log_softmax(mean, axis=-1))
    apart = logits - mean
    apart -= (q_bar * apart).sum(-1, keepdims=True)
    return 0.5 * np.asarray(np.einsum("nk,mnk,mnk->mn", q_bar, apart, apart).mean(0))


def probability_average(
    logits: Floats, target: NDArray[np.integer]
) -> tuple[Floats, Floats, Floats]:
    """Return loss, divergence and label term of the mean of probabilities, (n,) each, in nats.

    With q̂ = mean_j q_j, mean loss(members) = loss + divergence + label term (Wood et al. 2023, for
    a combiner that is no centroid). The loss is −log q̂(y); the divergence, mean_j KL(q̂‖q_j), is
    0 or more; the label term, ⟨log q̂ − mean_j log q_j, y − q̂⟩, has any sign.
    """
    log_q = log_softmax(logits, axis=-1)
    log_hat = logsumexp(log_q, axis=0) - np.log(len(logits))
    above = log_hat - log_q.mean(0)
    divergence = (np.exp(log_hat) * above).sum(-1)
    at_target = target[:, None]
    loss = -np.take_along_axis(log_hat, at_target, axis=-1)[:, 0]
    label_term = np.take_along_axis(above, at_target, axis=-1)[:, 0] - divergence
    return np.asarray(loss), np.asarray(divergence), np.asarray(label_term)
