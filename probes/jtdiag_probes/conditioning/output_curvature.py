"""Curvature of the joint loss with respect to the members' outputs.

For one example the Hessian with respect to the M·K outputs is
H_jk = (λ/M²) Σ̄ + δ_jk ((1−λ)/M) Σ_j, with Σ_j the covariance of a member's prediction and Σ̄
that of the ensemble's (the second derivative of Eq. 4, Webb et al. 2020). It holds for every
exponential family and does not depend on targets. For classification, shifting all logits of a
member changes nothing. These M null directions are excluded throughout by a choice of coordinates.
Everything is computed in float64.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import null_space
from scipy.special import log_softmax

from jtdiag_probes.linalg import coupled_blocks
from jtdiag_probes.linalg.coupled_blocks import Estimate

Floats = NDArray[np.floating]

LEAST_LOG_PROBABILITY = -600.0
"""Probabilities below e to this power have no inverse covariance in float64 (singular)."""
PRECISE = 1e-6
"""Relative rounding error from which the smallest eigenvalue is computed in a second way."""
MEANINGLESS = 0.1
"""Relative rounding error from which κ⁺ is not distinguished from infinity."""


@dataclass(frozen=True, kw_only=True)
class Curvature:
    """Covariances of n examples in d coordinates, with their inverses, excluding shifts.

    Other families would supply their own covariances; for a unit Gaussian all are identities.
    """

    members: Floats
    """Σ_j, (n, M, d, d)."""
    members_inverse: Floats
    ensemble_root: Floats
    """F with F Fᵀ = Σ̄, (n, d, r)."""
    ensemble_inverse: Floats
    """Σ̄⁻¹, (n, d, d)."""
    members_singular: NDArray[np.bool_]
    """Examples for which the inverse of some Σ_j is too large for float64, (n,); it is capped."""
    ensemble_singular: NDArray[np.bool_]
    """The same for the inverse of Σ̄."""
    undefined: NDArray[np.bool_]
    """Examples with outputs that are not finite, or without any curvature in float64, (n,)."""
    lift: Floats | None = None
    """L_j, (n, M, d, d), for curvature with respect to the weights: Σ_j is then L_jᵀΣ_jL_j, and
    coordinate a of the outputs is row a of L_j. None for the outputs themselves."""


def categorical(logits: Floats) -> Curvature:
    """Return the curvature of logits (M, n, K), in d = K−1 coordinates.

    In orthonormal coordinates Q of R^K without the shifts, diag(q) − qqᵀ has the inverse
    Qᵀ diag(1/q) Q, so small probabilities keep their full precision.
    """
    logits = logits.astype(np.float64)
    log_q = np.moveaxis(log_softmax(logits, axis=-1), 0, 1)
    log_q_bar = log_softmax(logits.mean(0), axis=-1)
    least, least_bar = log_q.min((1, 2)), log_q_bar.min(1)
    undefined = ~np.isfinite(least + least_bar) | _flat(log_q, log_q_bar)
    log_q[undefined] = log_q_bar[undefined] = -np.log(logits.shape[-1])
    basis = without_shifts(logits.shape[-1])
    return Curvature(
        members=_gram(basis.T @ _root(log_q)),
        members_inverse=_inverse(log_q, basis),
        ensemble_root=basis.T @ _root(log_q_bar),
        ensemble_inverse=_inverse(log_q_bar, basis),
        members_singular=undefined | (least < LEAST_LOG_PROBABILITY),
        ensemble_singular=undefined | (least_bar < LEAST_LOG_PROBABILITY),
        undefined=undefined,
    )


def _flat(log_q: Floats, log_q_bar: Floats) -> NDArray[np.bool_]:
    """Return where every prediction is a single class, up to the least probability, (n,)."""
    second = np.partition(log_q, -2, axis=-1)[..., -2].max(1)
    second_bar = np.partition(log_q_bar, -2, axis=-1)[..., -2]
    return np.asarray(np.maximum(second, second_bar) < LEAST_LOG_PROBABILITY)


def _inverse(log_q: Floats, basis: Floats) -> Floats:
    """Return Qᵀ diag(1/q) Q, (..., d, d), with probabilities of at least the least."""
    log_q = np.maximum(log_q, LEAST_LOG_PROBABILITY)
    return _gram(basis.T * np.exp(-log_q / 2)[..., None, :])


def without_shifts(classes: int) -> Floats:
    """Return K−1 orthonormal directions of logits that sum to zero, (K, K−1)."""
    return np.asarray(null_space(np.ones((1, classes))))


def _root(log_q: Floats) -> Floats:
    """Return F with F Fᵀ = diag(q) − qqᵀ, (..., K, K)."""
    q, half = np.exp(log_q), np.exp(log_q / 2)
    return np.asarray(half[..., None] * np.eye(q.shape[-1]) - q[..., None] * half[..., None, :])


def _gram(root: Floats) -> Floats:
    return np.asarray(root @ np.swapaxes(root, -1, -2))


@dataclass(frozen=True, kw_only=True)
class Extremes:
    """Extreme eigenvalues of the Hessian of each example with respect to the outputs, (n,).

    Softmax shifts are excluded. At λ = 1 so are the other (M−1)(K−1) null directions, along which
    the mean output is constant, which leaves the K−1 eigenvalues of the consensus.
    """

    smallest: Floats
    largest: Floats
    rounding: Floats
    """Bound on the relative rounding error of `smallest`; above 1 it is meaningless."""
    resolved: float = np.inf
    """Size of κ⁺ up to which every example is resolved. Beyond it, an example with infinite κ⁺ may
    be better conditioned than one with finite κ⁺."""

    @property
    def kappa(self) -> Floats:
        """κ⁺ = largest/smallest, (n,); inf if float64 cannot distinguish smallest from 0."""
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = self.largest / self.smallest
        return np.asarray(np.where(self.rounding < MEANINGLESS, ratio, np.inf))

    def quantiles(self, shares: Sequence[float]) -> Floats:
        """Return quantiles of κ⁺ over examples; inf where unresolved examples may change them."""
        kappa = self.kappa
        quantiles = np.quantile(kappa, shares, method="closest_observation")
        if np.isinf(kappa).any():
            quantiles[quantiles > self.resolved] = np.inf
        return np.asarray(quantiles)


class Spectrum:
    """Eigenvalues of the Hessian with respect to the outputs for one set of logits, for any λ."""

    def __init__(self, curvature: Curvature) -> None:
        self.curvature = curvature
        self.poles, vectors = np.linalg.eigh(curvature.members)
        self._vectors = self._in_output_space(vectors)
        inverse_poles, inverse_vectors = np.linalg.eigh(curvature.members_inverse)
        # The smallest have an absolute error of eps times the largest, and may come out negative.
        rounding = np.finfo(np.float64).eps * inverse_poles[..., -1:]
        self.inverse_poles = np.maximum(inverse_poles, rounding)
        self._inverse_vectors = self._in_output_space(inverse_vectors)
        self.members = self.poles.shape[1]
        shared = self._shared_root()
        self.consensus = _top(_gram(np.swapaxes(shared, 1, 2) @ curvature.ensemble_root))
        """Largest eigenvalue of the consensus, of E Σ̄ Eᵀ/M with E = [1; …; 1], (n,)."""
        solved = np.linalg.solve(shared, curvature.ensemble_inverse)
        self._stiffest = _top(np.linalg.solve(shared, np.swapaxes(solved, 1, 2)))

    def _in_output_space(self, vectors: Floats) -> Floats:
        lift = self.curvature.lift
        by_pole = np.swapaxes(vectors if lift is None else lift @ vectors, -1, -2)
        return np.ascontiguousarray(by_pole)  # read again at every step

    def _shared_root(self) -> Floats:
        """Return a root of mean_j L_j L_jᵀ, (n, d, d), the identity without lift."""
        lift = self.curvature.lift
        if lift is None:
            return np.broadcast_to(np.eye(self.poles.shape[-1]), self.curvature.members[:, 0].shape)
        return np.linalg.cholesky(_gram(lift).mean(1))

    def extremes(self, lam: float) -> Extremes:
        """Return both ends of the spectrum at λ in [0, 1]."""
        if lam == 1 or self.members == 1:
            return self._of_consensus()
        if lam == 0:
            return self._of_members()
        weight = (1 - lam) / self.members
        root = self.curvature.ensemble_root * (np.sqrt(lam) / self.members)
        least = coupled_blocks.smallest(
            self.inverse_poles / weight,
            self._inverse_vectors,
            self.curvature.ensemble_inverse * (self.members**2 / lam),
        )
        least = self._or_directly(least, weight, root, self.curvature.ensemble_singular)
        most = coupled_blocks.largest(self.poles * weight, self._vectors, root)
        # Half: the bound of the direct way contains the norm up to a factor of 2.
        resolved = MEANINGLESS / (2 * np.finfo(np.float64).eps * self.poles[0].size)
        return replace(self._extremes(least, most), resolved=resolved)

    def limit(self) -> Floats:
        """Return the limit of (1−λ)κ⁺(λ) as λ → 1, (n,); NaN for one member.

        This is the largest eigenvalue of Σ̄ divided by the smallest one of the members' mean
        curvature in the directions along which the mean output is constant.
        """
        if self.members == 1:
            return np.full(len(self.poles), np.nan)
        free = np.zeros_like(self.curvature.ensemble_inverse)
        least = coupled_blocks.smallest(self.inverse_poles, self._inverse_vectors, free)
        least = self._or_directly(least, 1.0, None, np.zeros(len(free), bool))
        return self._extremes(least, self.consensus).kappa

    def _or_directly(
        self,
        least: Estimate,
        weight: float,
        coupling_root: Floats | None,
        singular: NDArray[np.bool_],
    ) -> Estimate:
        """Compute the smallest eigenvalues that are imprecise from the matrix itself.

        They are those of examples in which one member is so certain that the inverse of its
        covariance hides those of the others, although the coupling supplies what it lacks.
        """
        value, rounding = least.value.copy(), least.rounding.copy()
        rounding[self.curvature.members_singular | singular] = np.inf
        poor = np.flatnonzero((rounding > PRECISE) & ~self.curvature.undefined)
        if poor.size:
            root = None if coupling_root is None else coupling_root[poor]
            direct = coupled_blocks.smallest_directly(
                self.poles[poor] * weight, self._vectors[poor], root
            )
            better = direct.rounding < rounding[poor]
            value[poor[better]] = direct.value[better]
            rounding[poor[better]] = direct.rounding[better]
        return Estimate(value, rounding)

    def _of_consensus(self) -> Extremes:
        stiffest = self._stiffest * self.members
        singular = self.curvature.ensemble_singular
        return self._extremes(self._inverted(stiffest, singular), self.consensus / self.members)

    def _of_members(self) -> Extremes:
        steepest = self.inverse_poles.max((1, 2)) * self.members
        singular = self.curvature.members_singular
        largest = self.poles.max((1, 2)) / self.members
        return self._extremes(self._inverted(steepest, singular), largest)

    def _inverted(self, stiffest: Floats, singular: NDArray[np.bool_]) -> Estimate:
        rounding = np.finfo(np.float64).eps * self.poles.shape[-1] * self.members
        return Estimate(1 / stiffest, np.where(singular, np.inf, rounding))

    def _extremes(self, least: Estimate, most: Floats) -> Extremes:
        rounding = np.where(self.curvature.undefined, np.inf, least.rounding)
        return Extremes(smallest=least.value, largest=most, rounding=rounding)


def _top(symmetric: Floats) -> Floats:
    return np.asarray(np.linalg.eigvalsh(symmetric)[..., -1])


def gini(logits: Floats) -> Floats:
    """Return 1 − Σ_k q_k², the trace of the covariance of predictions, for logits (..., K).

    Computed as (2s + s² − t)/(1+s)² with odds o_k = q_k/q_max, s = Σ o_k and t = Σ o_k² over all
    classes but the most likely one, which avoids cancellation for confident predictions.
    """
    odds = logits.astype(np.float64)
    odds -= odds.max(-1, keepdims=True)
    np.exp(odds, out=odds)
    np.put_along_axis(odds, odds.argmax(-1, keepdims=True), 0.0, -1)
    total = odds.sum(-1)
    squares = np.einsum("...k,...k->...", odds, odds)
    return np.asarray((2 * total + total**2 - squares) / (1 + total) ** 2)


def anisotropy(lam: Floats, ensemble_trace: Floats | float, member_trace: Floats | float) -> Floats:
    """Return A(λ) = 1 + λ/(1−λ) · tr Σ̄ / mean_j tr Σ_j; inf at λ = 1.

    This is the mean curvature along consensus divided by that along disagreement.
    """
    lam = np.asarray(lam, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        odds = np.where(lam < 1, lam / (1 - lam), np.inf)
        return np.asarray(1 + odds * np.divide(ensemble_trace, member_trace))


def group_size(lam: float, members: int) -> float:
    """Return m(λ) = M/(1 + (1−λ)(M−1)), the number of members that λ trains jointly, 1 to M.

    Training the mean of m random members weights the two losses as λ does: exact for squared
    error, to second order in the spread of the members for classification.
    """
    return members / (1 + (1 - lam) * (members - 1))
