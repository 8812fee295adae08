"""K binary labels per example: A(η) = Σ log(1 + exp η), the loss is the binary cross-entropy."""

import torch
from torch import Tensor
from torch.nn import functional

from jtdiag.families.contract import Family


class Bernoulli(Family):
    """Binary labels that are not mutually exclusive. A member predicts one logit per label."""

    relative = False
    error_measure = "fraction of labels wrong"

    def log_partition(self, eta: Tensor) -> Tensor:
        """Return Σ log(1 + exp η)."""
        return -functional.logsigmoid(-eta).sum(-1)  # softplus loses precision above 20

    def link(self, mean: Tensor) -> Tensor:
        """Return logits."""
        return torch.logit(mean)

    def mean(self, eta: Tensor) -> Tensor:
        """Return the probability of each label."""
        return torch.sigmoid(eta)

    def hessian(self, eta: Tensor) -> Tensor:
        """Return diag(q (1 − q)), in a form that is accurate near q = 1."""
        return torch.diag_embed(torch.sigmoid(eta) * torch.sigmoid(-eta))

    def loss(self, eta: Tensor, target: Tensor) -> Tensor:
        """Return Σ log(1 + exp(∓η)): without cancellation."""
        y = target.to(eta.dtype)
        yes, no = functional.logsigmoid(eta), functional.logsigmoid(-eta)
        return -(y * yes + (1 - y) * no).sum(-1)

    def divergence(self, eta: Tensor, other: Tensor) -> Tensor:
        """Return Σ q (log q − log other) over both outcomes, in log space."""
        log_yes, log_no = functional.logsigmoid(eta), functional.logsigmoid(-eta)
        yes = log_yes.exp() * (log_yes - functional.logsigmoid(other))
        no = log_no.exp() * (log_no - functional.logsigmoid(-other))
        return (yes + no).sum(-1)

    def error(self, mean: Tensor, target: Tensor) -> Tensor:
        """Return the fraction of labels on the wrong side of ½; ½ counts as 0."""
        wrong = ((mean > 0.5) != (target > 0.5)) | mean.isnan()
        return wrong.to(mean.dtype).mean(-1)

    def vote_error(self, mean: Tensor, target: Tensor) -> Tensor:
        """Return the fraction of labels that the majority gets wrong; a tie counts as ½."""
        wrong = ((mean > 0.5) != (target > 0.5)) | mean.isnan()
        share = wrong.to(mean.dtype).mean(0)
        return torch.where(share == 0.5, share, (share > 0.5).to(mean.dtype)).mean(-1)

    def complaint(self, target: Tensor) -> str:
        """Require labels 0 or 1."""
        bad = target[(target != 0) & (target != 1)]
        return f"contains {bad[0]:g}; labels are 0 or 1" if len(bad) else ""


FAMILY = Bernoulli()
