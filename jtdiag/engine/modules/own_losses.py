"""The loss of every member as its outputs change, while those of the other members stay.

Shape suffixes: L lanes, M members, K outputs, B examples of a batch.
"""

import torch
from torch import Tensor

from jtdiag.engine.loss import StepLosses
from jtdiag.engine.modules.contract import StepGradients


class OwnLosses:
    """For a member j with outputs o, the loss M·(L_λ(o; others) − L_λ) + its share of L_λ.

    L_λ and the outputs of the others are those of the forward pass. There, the mean over members is
    L_λ; M·∂L_λ/∂o_j is the gradient everywhere, and at λ = 0 it is the loss of the member alone.
    """

    def __init__(self, losses: StepGradients, logits: Tensor) -> None:
        """Begin with the logits (L, m, K, B) of members in a forward pass."""
        self._losses, self._target = losses, losses.target
        self._every = logits if losses.every is None else losses.every
        self._lam = losses.lam_L[:, None]
        self._coupled = losses.members > 1 and bool((losses.lam_L > 0).any())
        ensemble = losses.objective.losses(self._every, self._target).ensemble
        self._ensemble = ensemble[:, None]
        """Loss (L, 1, B) of the ensemble in the forward pass."""

    @torch.no_grad()
    def __call__(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        """Return means over examples (L, m), and gradients (L, m, K, B) of an example's loss."""
        if not self._coupled:
            losses, gradient = self._evaluated(logits)
            return self._means(losses), gradient * (logits.shape[1] * logits.shape[3])
        means, gradients = [], []
        for member in range(logits.shape[1]):
            j = self._losses.first + member
            changed = self._every.clone()
            changed[:, j] = logits[:, member]
            losses, gradient = self._evaluated(changed)
            own = StepLosses(members=losses.members[:, j : j + 1], ensemble=losses.ensemble)
            means.append(self._means(own))
            gradients.append(gradient[:, j] * (self._losses.members * logits.shape[3]))
        return torch.cat(means, 1), torch.stack(gradients, 1)

    def _evaluated(self, logits: Tensor) -> tuple[StepLosses, Tensor]:
        lam_L, shares = self._losses.lam_L, self._losses.shares
        return self._losses.objective.losses_and_gradient(logits, self._target, lam_L, *shares)

    def _means(self, losses: StepLosses) -> Tensor:
        """Return means over examples (L, m), of members or of one with its ensemble."""
        ensemble = losses.ensemble[:, None]
        if self._coupled:
            ensemble = self._ensemble + self._losses.members * (ensemble - self._ensemble)
        lam = self._lam[..., None]
        of_example = lam * ensemble + (1 - lam) * losses.members
        weight = self._losses.shares[1]
        return (of_example if weight is None else weight * of_example).double().mean(-1)
