"""Training objectives: the joint loss for any family and combiner, and related losses.

Shape suffixes as in `loss`: class-major logits LMKB, targets LB for classes and LBK for numbers.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from jtdiag.engine import loss
from jtdiag.engine.loss import StepLosses
from jtdiag.families import combining
from jtdiag.families.categorical import Categorical
from jtdiag.families.contract import Family
from jtdiag.recipe.recipe import Recipe

Errors = tuple[Tensor, Tensor]
"""Errors of members (L, M, B) and of the ensemble (L, B)."""
PerExample = Callable[[Family, Tensor, Tensor, Tensor], Tensor]
"""Maps a family, η (..., M, N, K), targets and λ to losses (..., N)."""


@dataclass(frozen=True, kw_only=True)
class TrainingObjective:
    """Losses, errors, and the gradient with respect to logits, for one family and combiner."""

    family: Family
    combiner: str = "logits"
    error_scale: float = 1.0
    """Divisor of the family's errors."""
    single_pass: ClassVar[bool] = False
    """Whether losses and gradient are computed by `loss`, in a single pass over the logits."""

    def measured(self, logits_LMKB: Tensor, target: Tensor) -> tuple[StepLosses, Errors]:
        """Return the losses and the errors on every example."""
        return self.losses(logits_LMKB, target), self.errors(logits_LMKB, target)

    def step(
        self,
        logits_LMKB: Tensor,
        target: Tensor,
        lam_L: Tensor,
        share: Tensor | None = None,
        weight: Tensor | None = None,
    ) -> tuple[StepLosses, Errors, Tensor]:
        """Return losses, errors and gradient of a training step: see `losses_and_gradient`."""
        losses, gradient = self.losses_and_gradient(logits_LMKB, target, lam_L, share, weight)
        return losses, self.errors(logits_LMKB, target), gradient

    def losses(self, logits_LMKB: Tensor, target: Tensor) -> StepLosses:
        """Return every member's and the ensemble's loss on every example."""
        eta = logits_LMKB.transpose(2, 3)
        return StepLosses(
            members=combining.member_losses(self.family, eta, target),
            ensemble=combining.ensemble_loss(self.family, eta, target, self.combiner),
        )

    def losses_and_gradient(
        self,
        logits_LMKB: Tensor,
        target: Tensor,
        lam_L: Tensor,
        share: Tensor | None = None,
        weight: Tensor | None = None,
    ) -> tuple[StepLosses, Tensor]:
        """Return the losses, and the gradient of the mean objective with respect to the logits.

        Args:
            logits_LMKB: Logits of all members.
            target: (L, B), or (L, B, K) for numbers.
            lam_L: λ of each lane.
            share: (L, M, B), each member's share of an example's ensemble; by default 1/M.
            weight: Broadcasts against (L, M, B); factor on the gradient of each member and
                example. Shares and weights do not affect the returned losses.
        """
        eta = logits_LMKB.transpose(2, 3)
        gradient = self.gradient(eta, target, lam_L[:, None], share) / eta.shape[2]
        if weight is not None:
            gradient = gradient * weight.unsqueeze(-1)
        return self.losses(logits_LMKB, target), gradient.transpose(2, 3)

    def gradient(self, eta: Tensor, target: Tensor, lam: Tensor, share: Tensor | None) -> Tensor:
        """Return the gradient of each example's objective with respect to η, (L, M, B, K)."""
        return combining.gradient(self.family, eta, target, lam, self.combiner, share)

    def errors(self, logits_LMKB: Tensor, target: Tensor) -> Errors:
        """Return the errors of members (L, M, B) and of the ensemble (L, B)."""
        eta = logits_LMKB.transpose(2, 3)
        expanded = combining.for_members(self.family, target)
        members = self.family.error(self.family.mean(eta), expanded)
        mean = combining.prediction(self.family, eta, self.combiner)
        return members / self.error_scale, self.family.error(mean, target) / self.error_scale


@dataclass(frozen=True, kw_only=True)
class Classes(TrainingObjective):
    """Eq. 4 for classes and averaged logits in closed form, in a single pass over the logits."""

    single_pass: ClassVar[bool] = True

    def losses(self, logits_LMKB: Tensor, target: Tensor) -> StepLosses:
        """Return every member's and the ensemble's cross-entropy on every example."""
        return loss.losses(logits_LMKB, target)

    def losses_and_gradient(
        self,
        logits_LMKB: Tensor,
        target: Tensor,
        lam_L: Tensor,
        share: Tensor | None = None,
        weight: Tensor | None = None,
    ) -> tuple[StepLosses, Tensor]:
        """Return the losses and the gradient of Eq. 4, averaged over the batch."""
        if share is not None:
            return super().losses_and_gradient(logits_LMKB, target, lam_L, share, weight)
        losses, gradient = loss.losses_and_gradient(logits_LMKB, target, lam_L)
        return losses, gradient if weight is None else gradient * weight.unsqueeze(2)

    def errors(self, logits_LMKB: Tensor, target: Tensor) -> Errors:
        """Return where the predicted class is wrong."""
        return loss.vote_errors(logits_LMKB, target)


@dataclass(frozen=True, kw_only=True)
class Differentiated(TrainingObjective):
    """An objective without a closed-form gradient: autograd computes it."""

    per_example: PerExample

    def gradient(self, eta: Tensor, target: Tensor, lam: Tensor, share: Tensor | None) -> Tensor:
        """Return the gradient of each example's objective with respect to η, (L, M, B, K)."""
        with torch.enable_grad():
            leaf = eta.detach().requires_grad_()
            total = self.per_example(self.family, leaf, target, lam).sum()
        [gradient] = torch.autograd.grad(total, leaf)
        return gradient


def build(recipe: Recipe, family: Family, error_scale: float = 1.0) -> TrainingObjective:
    """Create the training objective of a recipe."""
    if recipe.objective.loss == "gncl-exact":
        return Differentiated(family=family, error_scale=error_scale, per_example=gncl_exact)
    kind = TrainingObjective
    if type(family) is Categorical and recipe.combiner == "logits":
        kind = Classes
    return kind(family=family, combiner=recipe.combiner, error_scale=error_scale)


# --- related losses, per example -----------------------------------------------------------------


def gncl_exact(family: Family, eta: Tensor, target: Tensor, lam: float | Tensor) -> Tensor:
    """Return (1/M) Σ loss_j − (λ/2M) Σ d_jᵀ D d_j with d_j = η_j − η̄, D = ∇²A(η̄); (..., N).

    Buschjäger, Pfahler & Morik 2020 (arXiv 2011.02952), "exact": the diversity of Eq. 5 to second
    order in the spread of members. For Gaussian members it is Eq. 4; for classes it has no lower
    bound at any λ above 0, since losses grow linearly with the spread and the square outgrows them.
    """
    mean = eta.mean(-3)
    deviation = eta - mean.unsqueeze(-3)
    product = torch.einsum("...nij,...mnj->...mni", family.hessian(mean), deviation)
    second_order = 0.5 * (deviation * product).sum(-1).mean(-2)
    return combining.member_losses(family, eta, target).mean(-2) - lam * second_order


def jensen_gap(
    family: Family, eta: Tensor, target: Tensor, gamma: float, combiner: str = "logits"
) -> Tensor:
    """Return loss(ensemble) + γ · (mean loss(members) − loss(ensemble)), (..., N).

    Abe, Buchanan, Pleiss & Cunningham 2022 and 2024 (arXiv 2302.00704): Eq. 4 at λ = 1 − γ. A γ
    above 1 discourages diversity, and one below 0 would be a λ beyond 1.
    """
    ensemble = combining.ensemble_loss(family, eta, target, combiner)
    gap = combining.member_losses(family, eta, target).mean(-2) - ensemble
    return ensemble + gamma * gap


def coupled(name: str, eta: Tensor, target: Tensor) -> Tensor:
    """Return a loss of Dutt, Pellerin & Quénot 2017 (arXiv 1709.06053) for classes, (..., N).

    "coupled-fc": cross-entropy of the mean logits, Eq. 4 at λ = 1. "coupled-sm": of the mean log
    probabilities; "coupled-ll": mean of the members' own. The last two are equal, and are Eq. 4 at
    λ = 0: their gradient is 1/M of that of independent training.
    """
    if name == "coupled-fc":
        return torch.nn.functional.cross_entropy(
            eta.mean(-3).movedim(-1, 1), target, reduction="none"
        )
    log_q = torch.log_softmax(eta, -1)
    if name == "coupled-sm":
        return -log_q.mean(-3).gather(-1, target.unsqueeze(-1)).squeeze(-1)
    own = target.unsqueeze(-2).unsqueeze(-1).expand(*eta.shape[:-1], 1)
    return -log_q.gather(-1, own).squeeze(-1).mean(-2)


# --- learner dropout -----------------------------------------------------------------------------


def shares_of_kept(kept: Tensor) -> tuple[Tensor, Tensor]:
    """Return shares (L, M, B) and weights (L, 1, B) of examples for members kept (L, M, B).

    As in Jeffares et al. 2023 (arXiv 2301.11323): the kept members share an example equally. An
    example for which no member is kept is left out of the mean.
    """
    count = kept.sum(1, keepdim=True)
    counts = count > 0
    members = kept.shape[1]
    share = torch.where(counts, kept / count.clamp(min=1), torch.full_like(kept, 1 / members))
    used = counts.sum(-1, keepdim=True).clamp(min=1)
    return share, counts.to(kept.dtype) * counts.shape[-1] / used


def dropout_lam(members: int, kept: int) -> float:
    """Return λ = M(m−1)/(m(M−1)), which training on random subsets of m members is equivalent to.

    Exact for the Gaussian family, where the mean loss of subsets is Eq. 4; for other families to
    second order in the spread of members.
    """
    return 1.0 if members == 1 else members * (kept - 1) / (kept * (members - 1))
