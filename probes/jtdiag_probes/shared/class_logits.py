"""Predictions of classes by all members on a few examples, in float64, with classes first.

Arrays are (K, M, n) for K classes, M members and n examples: sums over classes add long rows. With
a few examples at a time (`outputs.pieces`), they stay in the processor's cache. Logits are shifted
to a maximum of 0, and each takes a single exponential, and another one for ensembles without a
member. `decomposition` has the same quantities one by one, for any family.
"""

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from jtdiag.families.categorical import Categorical
from jtdiag.families.contract import Family

Floats = NDArray[np.float64]

SMALLEST = 1e-290
"""Probabilities below this, whose logarithms would lose digits, are computed in log space."""


def is_for(family: Family) -> bool:
    """Return whether this is the likelihood of a family; one with classes may define another."""
    return type(family) is Categorical


class ClassLogits:
    """Logits of some examples, and what is computed from them when it is first used.

    Args:
        logits: (M, n, K), in nats, of any floating dtype.
        target: Classes (n,).
    """

    def __init__(self, logits: NDArray[np.floating[Any]], target: NDArray[Any]) -> None:
        self.members, self.examples, self.classes = logits.shape
        self.target = target
        self._every = np.arange(self.examples)
        by_class = logits.transpose(2, 0, 1)
        self.shifted = np.array(by_class, np.float64, order="C")
        """η minus the largest of each member and example, (K, M, n)."""
        self.top = self.shifted.max(0)
        """The largest logit of each member and example, (M, n)."""
        self.shifted -= self.top

    @functools.cached_property
    def mean(self) -> Floats:
        """Mean over members of the shifted logits, (K, n): the ensemble's, but for a shift."""
        return self._mean_of_members(self.shifted)

    @functools.cached_property
    def log_ensemble(self) -> Floats:
        """Log-probabilities log q̄ of averaged logits, (K, n)."""
        below = self.mean - self.mean.max(0)
        return np.asarray(below - np.log(np.exp(below).sum(0)))

    def averaged(self, combiner: str) -> Floats:
        """Return log-probabilities of the ensemble, (K, n).

        Args:
            combiner: What it averages, "logits" or "probabilities".
        """
        return self.log_ensemble if combiner == "logits" else self.log_mixture

    @functools.cached_property
    def _odds(self) -> Floats:
        return np.exp(self.shifted)

    @functools.cached_property
    def _total(self) -> Floats:
        return np.asarray(self._odds.sum(0))

    @functools.cached_property
    def log_total(self) -> Floats:
        """Log-normalizer of the shifted logits, (M, n), 0 to log K."""
        return np.log(self._total)

    @functools.cached_property
    def log_mixture(self) -> Floats:
        """Log-probabilities log q̂ of averaged probabilities, (K, n)."""
        weight = 1 / (self.members * self._total)
        mixture = np.einsum("kmn,mn->kn", self._odds, weight)
        with np.errstate(divide="ignore"):
            log_mixture = np.log(mixture)
        tiny = np.flatnonzero((mixture < SMALLEST).any(0))
        if tiny.size:
            log_q = self.shifted[..., tiny] - self.log_total[:, tiny]
            log_mixture[:, tiny] = logsumexp(log_q, axis=1) - np.log(self.members)
        return log_mixture

    @functools.cached_property
    def mean_log_q(self) -> Floats:
        """Mean over members of their log-probabilities, (K, n)."""
        return np.asarray(self.mean - self.log_total.mean(0))

    @functools.cached_property
    def member_losses(self) -> Floats:
        """−log q_j(target), (M, n)."""
        return np.asarray(self.log_total - self.shifted[self.target, :, self._every].T)

    @functools.cached_property
    def _expected(self) -> Floats:
        """Mean of a member's shifted logits under the ensemble's prediction, (M, n)."""
        return np.asarray(np.einsum("kn,kmn->mn", np.exp(self.log_ensemble), self.shifted))

    @functools.cached_property
    def divergences(self) -> Floats:
        """KL(q̄‖q_j), (M, n)."""
        entropy = -np.einsum("kn,kn->n", np.exp(self.log_ensemble), self.log_ensemble)
        return np.asarray(self.log_total - self._expected - entropy)

    def of_target(self, log_q: Floats) -> Floats:
        """Return the loss (n,) of log-probabilities (K, n)."""
        return -np.asarray(log_q[self.target, self._every])

    def is_wrong(self, log_q: Floats) -> NDArray[np.bool_]:
        """Return where the most probable class, the first of several, is not the target, (n,)."""
        return np.asarray((log_q.argmax(0) != self.target) | np.isnan(log_q).any(0))

    def are_wrong(self) -> NDArray[np.bool_]:
        """Return where the first largest logit of a member is not the target's, (M, n)."""
        return ~self._is_first[self.target, :, self._every].T

    def quadratic_part(self) -> Floats:
        """Return the diversity to second order, (n,), as `decomposition.quadratic_part`."""
        q = np.exp(self.log_ensemble)
        deviation = self.shifted - self.mean[:, None]
        deviation -= self._expected - (q * self.mean).sum(0)
        np.square(deviation, out=deviation)
        return np.asarray((q * self._mean_of_members(deviation)).sum(0) / 2)

    def mixture_terms(self) -> tuple[Floats, Floats]:
        """Return divergence and label term of averaged probabilities, (n,) each.

        As `decomposition.probability_average`.
        """
        difference = self.log_mixture - self.mean_log_q
        divergence = (np.exp(self.log_mixture) * difference).sum(0)
        return divergence, -self.of_target(difference) - divergence

    def votes(self) -> NDArray[np.int64]:
        """Return how many members vote for each class, (n, K): for their first largest logit.

        A member with a logit that is not a number has no vote.
        """
        return np.asarray(self._is_first.sum(1, dtype=np.int64).T)

    @functools.cached_property
    def _is_first(self) -> NDArray[np.bool_]:
        """Whether a class is the first with the largest logit, (K, M, n)."""
        largest = self.shifted == 0
        if np.count_nonzero(largest) > self.top.size:  # ties
            largest &= largest.cumsum(0) == 1
        return largest

    def left_out(self) -> Floats:
        """Return the increase of the loss of averaged logits without each member, (M, n).

        NaN for a single member.
        """
        if self.members == 1:
            return np.full((1, self.examples), np.nan)
        others = self.members - 1
        without = self.shifted * (-1 / others)
        without += (self.members / others * self.mean)[:, None]
        without -= without.max(0)
        at_target = without[self.target, :, self._every].T
        losses = np.log(np.exp(without, out=without).sum(0)) - at_target
        return np.asarray(losses - self.of_target(self.log_ensemble))

    def projections(self) -> tuple[Floats, float]:
        """Return sums over examples, as `decomposition.logit_projections`: (M,) and a number."""
        centered = self._centered_mean
        return (self.shifted @ centered[..., None]).sum((0, 2)), float((centered**2).sum())

    @functools.cached_property
    def _centered_mean(self) -> Floats:
        return self.mean - self.mean.mean(0)

    def products(self) -> Floats:
        """Return η̃ᵀη̃_j summed over examples, (M, K, K), of logits centered over classes."""
        rows = self.shifted.reshape(-1, self.examples) @ self._centered_mean.T
        products = rows.reshape(self.classes, self.members, self.classes).transpose(1, 2, 0)
        return np.asarray(products - products.mean(-1, keepdims=True))

    def projections_by_class(self) -> Floats:
        """Return Σ⟨η̃_j, η̃⟩ over the examples of each class, (K, M)."""
        along = np.einsum("kmn,kn->mn", self.shifted, self._centered_mean)
        one_hot = self.target[:, None] == np.arange(self.classes)
        return np.asarray((along @ one_hot.astype(np.float64)).T)

    def gini(self) -> Floats:
        """Return 1 − Σ_k q_k² of every member and example, (M, n), without cancellation."""
        others = self._odds * ~self._is_first
        total = others.sum(0)
        squares = np.einsum("kmn,kmn->mn", others, others)
        return np.asarray((2 * total + total**2 - squares) / (1 + total) ** 2)

    def _mean_of_members(self, values: Floats) -> Floats:
        """Return the mean (K, n) of values (K, M, n)."""
        weights = np.full((1, self.members), 1 / self.members)
        return np.asarray((weights @ values)[:, 0])
