"""Training objectives of members that are divided over processes.

Given a sum over all members, the gradient with respect to the logits of one process needs nothing
from the others. That sum has no axis of members: B × K numbers of a batch, whatever their size.

Shape suffixes as in `loss`; M are the members of this process.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from jtdiag.engine import loss
from jtdiag.engine.loss import StepLosses
from jtdiag.engine.objectives import Errors, TrainingObjective
from jtdiag.engine.ranks.processes import Ranks
from jtdiag.families import combining


@dataclass(frozen=True, kw_only=True)
class OverRanks(TrainingObjective):
    """Eq. 4 for any family."""

    ranks: Ranks
    members: int
    """Members of all processes."""

    def measured(self, logits_LMKB: Tensor, target: Tensor) -> tuple[StepLosses, Errors]:
        """Return losses and errors of the members of this process, and of the ensemble."""
        eta = logits_LMKB.transpose(2, 3)
        own = combining.member_losses(self.family, eta, target)
        if self.combiner == "logits":
            mean = self.ranks.sum(eta.sum(1)) / self.members
            ensemble, predicted = self.family.loss(mean, target), self.family.mean(mean)
        else:
            _, ensemble, predicted = self._mixture(eta, own, None)
        return StepLosses(members=own, ensemble=ensemble), self._errors(eta, target, predicted)

    def step(
        self,
        logits_LMKB: Tensor,
        target: Tensor,
        lam_L: Tensor,
        share: Tensor | None = None,
        weight: Tensor | None = None,
    ) -> tuple[StepLosses, Errors, Tensor]:
        """Return losses, errors and gradient; shares and weights are those of own members."""
        eta = logits_LMKB.transpose(2, 3)
        own = combining.member_losses(self.family, eta, target)
        residual = self.family.mean(eta) - self._statistic(eta, target).unsqueeze(1)
        own_share = eta.new_full((), 1 / self.members) if share is None else share
        own_share, lam = own_share.expand(eta.shape[:3]), lam_L[:, None, None]
        if self.combiner == "logits":
            mean, shared = self._means(eta, share)
            pull = (self.family.mean(shared) - self._statistic(eta, target)).unsqueeze(1)
            gradient = own_share[..., None] * torch.lerp(residual, pull, lam[..., None])
            ensemble, predicted = self.family.loss(mean, target), self.family.mean(mean)
        else:
            rho, ensemble, predicted = self._mixture(eta, own, share)
            gradient = torch.lerp(own_share, rho, lam)[..., None] * residual
        gradient = gradient / eta.shape[2]
        if weight is not None:
            gradient = gradient * weight[..., None]
        losses = StepLosses(members=own, ensemble=ensemble)
        return losses, self._errors(eta, target, predicted), gradient.transpose(2, 3)

    def _statistic(self, eta: Tensor, target: Tensor) -> Tensor:
        return self.family.statistic(target, eta.shape[-1]).to(eta.dtype)

    def _means(self, eta: Tensor, share: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return the mean of all members' logits, and that with their shares, (L, B, K)."""
        own = eta.sum(1) / self.members
        if share is None:
            mean = self.ranks.sum(own)
            return mean, mean
        mean, shared = self.ranks.sum(torch.stack([own, (share[..., None] * eta).sum(1)]))
        return mean, shared

    def _mixture(
        self, eta: Tensor, own: Tensor, share: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return responsibilities of own members, losses and predictions of the mixture.

        Probabilities of targets are divided by the largest one before they are summed.
        """
        largest = self.ranks.max((-own).amax(1))
        scaled = (-own - largest.nan_to_num(neginf=0.0).unsqueeze(1)).exp()
        weighted = scaled / self.members if share is None else share * scaled
        sums = torch.cat(
            [
                self.family.mean(eta).sum(1) / self.members,
                torch.stack([scaled.sum(1) / self.members, weighted.sum(1)], -1),
            ],
            -1,
        )
        sums = self.ranks.sum(sums)
        predicted, mean, total = sums[..., :-2], sums[..., -2], sums[..., -1]
        return weighted / total.unsqueeze(1), -(largest + mean.log()), predicted

    def _errors(self, eta: Tensor, target: Tensor, predicted: Tensor) -> Errors:
        expanded = combining.for_members(self.family, target)
        members = self.family.error(self.family.mean(eta), expanded)
        return members / self.error_scale, self.family.error(predicted, target) / self.error_scale


@dataclass(frozen=True, kw_only=True)
class ClassesOverRanks(OverRanks):
    """Eq. 4 for classes and averaged logits in closed form, in a single pass over the logits."""

    def measured(self, logits_LMKB: Tensor, target: Tensor) -> tuple[StepLosses, Errors]:
        """Return losses and errors of the members of this process, and of the ensemble."""
        mean = self._mean(logits_LMKB)
        losses = loss.losses(logits_LMKB, target, mean)
        return losses, loss.vote_errors(logits_LMKB, target, mean)

    def step(
        self,
        logits_LMKB: Tensor,
        target: Tensor,
        lam_L: Tensor,
        share: Tensor | None = None,
        weight: Tensor | None = None,
    ) -> tuple[StepLosses, Errors, Tensor]:
        """Return losses, errors and gradient; shares and weights are those of own members."""
        if share is not None:
            return super().step(logits_LMKB, target, lam_L, share, weight)
        mean = self._mean(logits_LMKB)
        losses, gradient = loss.losses_and_gradient(
            logits_LMKB, target, lam_L, mean, members=self.members
        )
        if weight is not None:
            gradient = gradient * weight.unsqueeze(2)
        return losses, loss.vote_errors(logits_LMKB, target, mean), gradient

    def _mean(self, logits_LMKB: Tensor) -> Tensor:
        """Return the mean of all members' logits, (L, K, B)."""
        return self.ranks.sum(logits_LMKB.sum(1)) / self.members


def divided(objective: TrainingObjective, ranks: Ranks, members: int) -> OverRanks:
    """Return the objective of members that are divided over processes.

    Args:
        objective: That of one process, with a closed form.
        ranks: The processes.
        members: Members of all of them.
    """
    kind = ClassesOverRanks if objective.single_pass else OverRanks
    return kind(
        family=objective.family,
        combiner=objective.combiner,
        error_scale=objective.error_scale,
        ranks=ranks,
        members=members,
    )
