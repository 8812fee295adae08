"""Targets of a training loop: which examples count, and which targets are out of range.

Nothing here synchronizes with the device.
"""

import torch
from torch import Tensor

from jtdiag.families.bernoulli import Bernoulli
from jtdiag.families.categorical import Categorical
from jtdiag.families.contract import Family
from jtdiag.families.poisson import Poisson
from jtdiag.monitor import wording

IGNORED = -100
"""Class of examples that count for nothing, as in torch.nn.functional.cross_entropy."""
TOLERANCE = 0.01
"""Greatest deviation from 1 of a sum of class probabilities."""


def are_probabilities(family: Family, target: Tensor) -> bool:
    """Return whether targets are class probabilities (N, K) instead of classes (N,)."""
    return isinstance(family, Categorical) and target.ndim == 2


def ignored(family: Family, target: Tensor, ignore_index: int) -> Tensor:
    """Return the examples that count for nothing, (N,) bool."""
    if family.classes and target.ndim == 1:
        return target == ignore_index
    return torch.zeros(len(target), dtype=torch.bool, device=target.device)


def out_of_range(family: Family, target: Tensor, outputs: int) -> Tensor:
    """Return the examples whose target the family does not allow, (N,) bool.

    Probabilities are allowed as targets of the families categorical and bernoulli.
    """
    if are_probabilities(family, target):
        return (target < 0).any(-1) | ~((target.sum(-1) - 1).abs() <= TOLERANCE)
    if family.classes:
        return (target < 0) | (target >= outputs)
    if isinstance(family, Bernoulli):
        return ~((target >= 0) & (target <= 1)).all(-1)
    bad = ~target.isfinite()
    if isinstance(family, Poisson):
        bad = bad | (target < 0)
    return bad.any(-1)


def weights(
    given: Tensor | None,
    of_classes: Tensor | None,
    target: Tensor,
    outputs: int,
    left_out: Tensor,
) -> Tensor | None:
    """Return the weights of examples (N,), which are multiplied by those of their classes.

    Args:
        given: (N,), or of any shape with N numbers; None for equal ones.
        of_classes: (K,); None for equal ones.
        target: (N,), or (N, K).
        outputs: K.
        left_out: (N,), examples that do not count.

    Raises:
        ValueError: if there are not as many weights as examples or classes, or targets are
            probabilities and classes have weights.
    """
    if given is not None and given.numel() != len(target):
        raise ValueError(wording.other_weights(tuple(given.shape), len(target)))
    own = None if given is None else given.detach().reshape(-1).to(target.device).float()
    if of_classes is None:
        return own
    if of_classes.shape != (outputs,) or target.ndim != 1:
        raise ValueError(wording.other_class_weights(tuple(of_classes.shape), outputs))
    by_class = of_classes.to(target.device).float()[target.masked_fill(left_out, 0).long()]
    return by_class if own is None else own * by_class


def mass(
    target: Tensor, outputs: int, smoothing: float, weights: Tensor | None, left_out: Tensor
) -> Tensor:
    """Return classes (N,) or probabilities (N, K), smoothed and weighted, summed to (K,)."""
    if target.ndim == 1:
        # A class out of range would end the program on a GPU.
        classes = target.masked_fill(left_out | (target < 0) | (target >= outputs), 0)
        target = torch.nn.functional.one_hot(classes.long(), outputs).double()
    target = (1 - smoothing) * target.double() + smoothing / outputs
    counts = (~left_out).double() if weights is None else weights.double().masked_fill(left_out, 0)
    return counts @ target


def allowed(family: Family, target_dims: int, outputs: int, ignore_index: int) -> str:
    """Return which targets a family allows, for messages."""
    if family.classes and target_dims == 2:
        return "class probabilities, which are not negative and sum to 1"
    if family.classes:
        return f"classes 0 to {outputs - 1}, or {ignore_index} for examples to leave out"
    if isinstance(family, Bernoulli):
        return "numbers from 0 to 1"
    return "finite numbers of 0 or more" if isinstance(family, Poisson) else "finite numbers"
