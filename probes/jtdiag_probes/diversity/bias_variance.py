"""Bias, variance and diversity of an ensemble's loss over trials (Wood et al. 2023, JMLR).

M members predict K classes of n examples. The
centroid of several predictions is their normalized geometric mean, the softmax of the mean
log-probability. The mean divergence KL(centroid‖prediction) from it is −log of the sum over
classes of the exponential of that mean. Losses and divergences are per example, in nats.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from jtdiag_probes.shared.class_logits import ClassLogits

Floats = NDArray[np.floating[Any]]

TERMS = (
    "expected_loss",
    "average_bias",
    "average_variance",
    "diversity",
    "ensemble_bias",
    "ensemble_variance",
    "disparity",
)
MEANS = ("expected_loss", "diversity")
"""Terms that are means over trials; the others need a centroid over at least two trials."""


@dataclass
class Sums:
    """Sums over trials from which the terms are computed; trials can be added and removed."""

    trials: int
    log_q: Floats
    """(K, M, n)"""
    log_z: Floats
    """(n,): log of the ensemble's normalizer, 0 or less."""
    diversity: Floats
    """(n,): mean over members of KL(ensemble‖member), computed from its definition."""

    @classmethod
    def of(cls, logits: NDArray[np.floating[Any]]) -> "Sums":
        """Return the sums of a single trial with logits (M, n, K), which are normalized."""
        trial = ClassLogits(logits, np.zeros(logits.shape[1], np.intp))
        return cls(
            trials=1,
            log_q=trial.shifted - trial.log_total,
            log_z=np.asarray(logsumexp(trial.mean_log_q, axis=0)),
            diversity=trial.divergences.mean(0),
        )

    def __add__(self, other: "Sums") -> "Sums":
        """Return the sums over both sets of trials."""
        return Sums(
            trials=self.trials + other.trials,
            log_q=self.log_q + other.log_q,
            log_z=self.log_z + other.log_z,
            diversity=self.diversity + other.diversity,
        )

    def __sub__(self, other: "Sums") -> "Sums":
        """Return the sums without the trials of `other`."""
        with np.errstate(invalid="ignore"):  # of logits that are too large for sums
            return Sums(
                trials=self.trials - other.trials,
                log_q=self.log_q - other.log_q,
                log_z=self.log_z - other.log_z,
                diversity=self.diversity - other.diversity,
            )

    def terms(self, target: NDArray[np.integer]) -> dict[str, Floats]:
        """Return each of `TERMS` for every example, (n,).

        With expectations over trials, member i's centroid q_i° and the ensemble's q̄°:
        expected loss of the ensemble = average bias + average variance − diversity;
        average bias = ensemble bias + disparity; and
        ensemble variance = average variance + disparity − diversity.

        Args:
            target: (n,), the classes.
        """
        means = self.log_q / self.trials
        centroids = ClassLogits(np.moveaxis(means, 0, -1), target)
        ensemble = centroids.mean + centroids.top.mean(0)
        log_z = self.log_z / self.trials
        return {
            "expected_loss": log_z + centroids.of_target(ensemble),
            "average_bias": centroids.member_losses.mean(0),
            "average_variance": -(centroids.top + centroids.log_total).mean(0),
            "diversity": self.diversity / self.trials,
            "ensemble_bias": centroids.of_target(centroids.log_ensemble),
            "ensemble_variance": log_z - np.asarray(logsumexp(ensemble, axis=0)),
            "disparity": centroids.divergences.mean(0),
        }


def residual(terms: dict[str, Floats]) -> Floats:
    """Return the larger error of the two sums of terms, relative to losses above 1."""
    loss = terms["average_bias"] + terms["average_variance"] - terms["diversity"]
    bias = terms["ensemble_bias"] + terms["disparity"]
    scale = np.maximum(1, np.abs(terms["average_bias"] + terms["average_variance"]))
    error = np.maximum(np.abs(loss - terms["expected_loss"]), np.abs(bias - terms["average_bias"]))
    return np.asarray(error / scale)


def jackknife(without: Floats) -> Floats:
    """Return the jackknife standard error of an estimate from its leave-one-out values.

    √((D − 1)/D · Σ_t (x_t − x̄)²) for D trials; for a mean this is its usual standard error.

    Args:
        without: (D, ...), the estimate without trial t; D is 2 or more.
    """
    trials = len(without)
    deviation = without - without.mean(0)
    return np.asarray(np.sqrt((trials - 1) / trials * (deviation**2).sum(0)))
