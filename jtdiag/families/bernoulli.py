"""K yes-or-no labels at once: A(η) = Σ log(1 + exp η), the loss is the binary cross-entropy."""

import torch
from torch import Tensor
from torch.nn import functional

from jtdiag.families.contract import Family


class Bernoulli(Family):
    """Labels of which any number may hold. A member says a logit for each."""

    relative = False
    error_measure = "fraction of labels wrong"

    def log_partition(self, eta: Tensor) -> Tensor:
        """Return Σ log(1 + exp η)."""
        return -functional.logsigmoid(-eta).sum(-1)  # softplus gives up digits above 20

    def link(self, mean: Tensor) -> Tensor:
        """Return logits."""
        return torch.logit(mean)

    def mean(self, eta: Tensor) -> Tensor:
        """Return the probabilities that labels hold."""
        return torch.sigmoid(eta)

    def hessian(self, eta: Tensor) -> Tensor:
        """Return diag(q (1 − q)), written so that it stays exact near q = 1."""
        return torch.diag_embed(torch.sigmoid(eta) * torch.sigmoid(-eta))

    def loss(self, eta: Tensor, target: Tensor) -> Tensor:
        """Return Σ log(1 + exp(∓η)): no difference of large numbers."""
        y = target.to(eta.dtype)
        yes, no = functional.logsigmoid(eta), functional.logsigmoid(-eta)
        return -(y * yes + (1 - y) * no).sum(-1)

    def divergence(self, eta: Tensor, other: Tensor) -> Tensor:
        """Return Σ q (log q − log other) over both answers, in log space."""
        log_yes, log_no = functional.logsigmoid(eta), functional.logsigmoid(-eta)
        yes = log_yes.exp() * (log_yes - functional.logsigmoid(other))
        no = log_no.exp() * (log_no - functional.logsigmoid(-other))
        return (yes + no).sum(-1)

    def error(self, mean: Tensor, target: Tensor) -> Tensor:
        """Return the fraction of labels on the wrong side of ½; a tie counts as no."""
        wrong = ((mean > 0.5) != (target > 0.5)) | mean.isnan()
        return wrong.to(mean.dtype).mean(-1)

    def vote_error(self, mean: Tensor, target: Tensor) -> Tensor:
        """Return the fraction of labels on which most members are wrong, half of it for a tie."""
        wrong = ((mean > 0.5) != (target > 0.5)) | mean.isnan()
        share = wrong.to(mean.dtype).mean(0)
        return torch.where(share == 0.5, share, (share > 0.5).to(mean.dtype)).mean(-1)

    def complaint(self, target: Tensor) -> str:
        """Refuse what is neither 0 nor 1."""
        bad = target[(target != 0) & (target != 1)]
        return f"holds {bad[0]:g}; labels are 0 or 1" if len(bad) else ""


FAMILY = Bernoulli()
