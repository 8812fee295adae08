"""One of K classes: A(η) = log Σ exp η, the loss is the cross-entropy of the softmax."""

import torch
from torch import Tensor
from torch.nn import functional

from jtdiag.families.contract import Family, class_frequencies


class Categorical(Family):
    """One of K classes. Logits are canonical parameters, up to a shift without effect."""

    classes = True
    relative = False
    error_measure = "fraction wrong"

    def log_partition(self, eta: Tensor) -> Tensor:
        """Return log Σ exp η."""
        return torch.logsumexp(eta, -1)

    def link(self, mean: Tensor) -> Tensor:
        """Return log probabilities: of all equivalent logits, those with A(η) = 0."""
        return mean.log()

    def mean(self, eta: Tensor) -> Tensor:
        """Return the softmax."""
        return torch.softmax(eta, -1)

    def hessian(self, eta: Tensor) -> Tensor:
        """Return diag(q) − q qᵀ."""
        q = self.mean(eta)
        return torch.diag_embed(q) - q.unsqueeze(-1) * q.unsqueeze(-2)

    def statistic(self, target: Tensor, outputs: int) -> Tensor:
        """Return the one-hot encoding of the class."""
        return functional.one_hot(target, outputs)

    def base(self, target: Tensor) -> Tensor:
        """Return 0."""
        return torch.zeros(target.shape, device=target.device)

    def loss(self, eta: Tensor, target: Tensor) -> Tensor:
        """Return the cross-entropy."""
        chosen = target.expand(eta.shape[:-1]).unsqueeze(-1)
        return torch.logsumexp(eta, -1) - eta.gather(-1, chosen).squeeze(-1)

    def divergence(self, eta: Tensor, other: Tensor) -> Tensor:
        """Return Σ q (log q − log other), in log space, accurate for saturated predictions."""
        log_q = torch.log_softmax(eta, -1)
        return (log_q.exp() * (log_q - torch.log_softmax(other, -1))).sum(-1)

    def centred(self, eta: Tensor) -> Tensor:
        """Return the logits with mean 0 over classes."""
        return eta - eta.mean(-1, keepdim=True)

    def error(self, mean: Tensor, target: Tensor) -> Tensor:
        """Return 1 where the most probable class, the first if several tie, is not the target."""
        wrong = (mean.argmax(-1) != target) | mean.isnan().any(-1)
        return wrong.to(mean.dtype)

    def vote_error(self, mean: Tensor, target: Tensor) -> Tensor:
        """Return the probability that the class with the most votes is not the target."""
        casts = ~mean.isnan().any(-1, keepdim=True)
        count = (functional.one_hot(mean.argmax(-1), mean.shape[-1]) * casts).sum(0)
        first = count == count.amax(-1, keepdim=True)
        right = first.gather(-1, target.unsqueeze(-1)).squeeze(-1)
        return 1 - right.to(mean.dtype) / first.sum(-1)

    def chance(self, target: Tensor, outputs: int) -> float:
        """Return 1 minus the relative frequency of the most frequent class."""
        return 1 - float(class_frequencies(target, outputs).max())


FAMILY = Categorical()
