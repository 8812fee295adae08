"""What the probe `diversity` computes from the outputs of a few examples."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax

from jtdiag.families.contract import Family
from jtdiag_probes.shared import class_logits, decomposition
from jtdiag_probes.shared.class_logits import ClassLogits
from jtdiag_probes.shared.decomposition import Floats, Target


@dataclass(frozen=True, kw_only=True)
class Terms:
    """Losses, divergences and diversities by example, in nats."""

    losses: Floats
    """Of the members, (M, n)."""
    divergences: Floats
    """(M, n), whose mean over members is the diversity for the combiner."""
    eq4: Floats
    """The joint loss by Eq. 4, (n,)."""
    ensemble: Floats
    """Loss of the ensemble, (n,)."""
    quadratic_part: Floats
    """Diversity to second order, (n,)."""
    probability_loss: Floats
    """Loss, diversity and label term of averaged probabilities, (n,) each."""
    probability_diversity: Floats
    probability_label_term: Floats


def of_outputs(
    logits: NDArray[Any], target: Target, family: Family, combiner: str, lam: float
) -> Terms:
    """Return the terms of outputs (M, n, K), which are computed in float64.

    Args:
        logits: Canonical parameters, (M, n, K).
        target: (n,) classes, or (n, K) numbers.
        family: The likelihood.
        combiner: What the ensemble averages, "logits" or "probabilities".
        lam: λ of Eq. 4.
    """
    if class_logits.is_for(family):
        return _of_classes(ClassLogits(logits, target), combiner, lam)
    logits = unshifted(logits, family)
    loss, divergence, label_term = decomposition.probability_average(logits, target, family)
    return Terms(
        losses=decomposition.cross_entropy(logits, target, family),
        divergences=_divergences(logits, target, family, combiner),
        eq4=decomposition.joint_loss_eq4(logits, target, lam, family, combiner),
        ensemble=decomposition.ensemble_loss(logits, target, family, combiner),
        quadratic_part=decomposition.quadratic_part(logits, family),
        probability_loss=loss,
        probability_diversity=divergence,
        probability_label_term=label_term,
    )


def _of_classes(logits: ClassLogits, combiner: str, lam: float) -> Terms:
    ensemble, losses = logits.of_target(logits.averaged(combiner)), logits.member_losses
    divergence, label_term = logits.mixture_terms()
    return Terms(
        losses=losses,
        divergences=_divergences_of_classes(logits, combiner),
        eq4=lam * ensemble + (1 - lam) * losses.mean(0),
        ensemble=ensemble,
        quadratic_part=logits.quadratic_part(),
        probability_loss=logits.of_target(logits.log_mixture),
        probability_diversity=divergence,
        probability_label_term=label_term,
    )


def divergences(logits: NDArray[Any], target: Target, family: Family, combiner: str) -> Floats:
    """Return the terms (M, n) whose mean over members is the diversity for the combiner."""
    if class_logits.is_for(family):
        return _divergences_of_classes(ClassLogits(logits, target), combiner)
    return _divergences(unshifted(logits, family), target, family, combiner)


def _divergences_of_classes(logits: ClassLogits, combiner: str) -> Floats:
    if combiner == "logits":
        return logits.divergences
    return -np.asarray(log_softmax(-logits.member_losses, axis=0)) - np.log(logits.members)


def _divergences(logits: Floats, target: Target, family: Family, combiner: str) -> Floats:
    if combiner == "logits":
        return decomposition.member_divergences(logits, family)
    return decomposition.label_dependent_divergences(logits, target, family)


def unshifted(logits: NDArray[Any], family: Family) -> Floats:
    """Return logits (M, n, K) in float64, shifted to a maximum of 0 if they are of classes.

    That does not change predictions; logits far from 0 would lose digits.
    """
    logits = logits.astype(np.float64)
    return logits - logits.max(-1, keepdims=True) if family.classes else logits
