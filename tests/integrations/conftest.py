"""A small ensemble and its data, for the loops of all libraries."""

from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

M, N, K, BATCH = 3, 44, 4, 10


class Members(nn.Module):
    """Networks of one layer that remember what they said in training, for a count by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.members = nn.ModuleList(nn.Linear(5, K) for _ in range(M))
        self.said: list[tuple[Tensor, Tensor]] = []

    def forward(self, x: Tensor, target: Tensor) -> Tensor:
        """Return logits (M, N, K)."""
        logits = torch.stack([member(x) for member in self.members])
        if self.training:
            self.said.append((logits.detach().clone(), target))
        return logits

    def errors_by_hand(self, epoch: int) -> list[float]:
        """Return the members' training errors in an epoch, the first being 1."""
        steps = -(-N // BATCH)
        of_epoch = self.said[(epoch - 1) * steps : epoch * steps]
        wrong = sum((logits.argmax(-1) != target).sum(-1) for logits, target in of_epoch)
        return (wrong.double() / sum(len(target) for _, target in of_epoch)).tolist()


@pytest.fixture
def toy() -> SimpleNamespace:
    """Members, inputs and classes."""
    random = torch.Generator().manual_seed(0)
    x = torch.randn(N, 5, generator=random)
    torch.manual_seed(0)
    return SimpleNamespace(
        x=x,
        y=(3 * x[:, 0]).round().long() % K,
        members=Members(),
        batch=BATCH,
        loss=lambda logits, target: functional.cross_entropy(logits.mean(0), target),
    )
