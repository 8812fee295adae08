"""Losses of one module, from its features alone: pure functions of arrays.

Sources: Nøkland & Eidnes 2019 (arXiv 1901.06656), Wang et al. 2021 (InfoPro, arXiv 2101.10832),
Khosla et al. 2020 (SupCon, arXiv 2004.11362).
"""

import torch
from torch import Tensor
from torch.nn import functional


def unit(z: Tensor) -> Tensor:
    """Return vectors (..., D) of length 1; those of length 0 stay 0, with a finite gradient."""
    length = torch.linalg.vector_norm(z, dim=-1, keepdim=True)
    return z / torch.where(length > 0, length, torch.ones_like(length))


def similarity(z: Tensor) -> Tensor:
    """Return the cosines (..., B, B) of vectors (..., B, D), each centred over its D values."""
    directions = unit(z - z.mean(-1, keepdim=True))
    return directions @ directions.transpose(-1, -2)


def label_similarity(target: Tensor, classes: int, dtype: torch.dtype) -> Tensor:
    """Return `similarity` of one-hot labels (..., B): 1 for the same class, else −1/(C − 1)."""
    same = target.unsqueeze(-1) == target.unsqueeze(-2)
    within, across = torch.tensor([1.0, -1.0 / (classes - 1)], dtype=dtype, device=target.device)
    return torch.where(same, within, across)


def similarity_loss(z: Tensor, target: Tensor, classes: int) -> Tensor:
    """Return the mean squared difference of similarities over all B² pairs, (...).

    Args:
        z: Vectors (..., B, D).
        target: Classes, broadcasting to (..., B).
        classes: Number of classes C, at least 2.
    """
    labels = label_similarity(target, classes, z.dtype)
    return (similarity(z) - labels).square().mean((-2, -1))


def similarity_gradient(z: Tensor, labels: Tensor) -> Tensor:
    """Return the gradient of `similarity_loss` with respect to vectors, (..., B, D).

    In closed form: with directions u of the centred vectors, and S − T the difference of the
    similarities, which is symmetric, 4 (S − T) u / B² is the gradient with respect to u.

    Args:
        z: Vectors (..., B, D).
        labels: `label_similarity` (..., B, B).
    """
    centred = z - z.mean(-1, keepdim=True)
    length = centred.square().sum(-1, keepdim=True).sqrt()  # vector_norm is slow across strides
    length = torch.where(length > 0, length, 1.0)
    u = centred / length
    difference = u @ u.mT - labels
    by_u = (u.mT @ difference).mT  # in the order of axes that the engine's vectors have in memory
    # What changes the length or the mean of a vector changes no similarity.
    by_centred = by_u - u * (by_u * u).sum(-1, keepdim=True)
    by_centred *= 4 / z.shape[-2] ** 2 / length
    return by_centred - by_centred.mean(-1, keepdim=True)


def reconstruction_loss(logits: Tensor, x: Tensor) -> Tensor:
    """Return the mean cross-entropy of inputs in [0, 1] over examples and values, (...).

    Args:
        logits: (..., B, D) of the reconstruction.
        x: Broadcasts to the same shape.
    """
    # In place of binary_cross_entropy_with_logits, which does not broadcast.
    losses = functional.softplus(logits) - logits * x
    return losses.mean((-2, -1))


def reconstruction_gradient(logits: Tensor, x: Tensor, weight: float = 1.0) -> Tensor:
    """Return the gradient of `reconstruction_loss` times a weight by logits (..., B, D)."""
    gradient = logits.sigmoid()
    gradient -= x
    gradient *= weight / (logits.shape[-2] * logits.shape[-1])
    return gradient


def contrastive_loss(z: Tensor, target: Tensor, temperature: float) -> Tensor:
    """Return the supervised contrastive loss of embeddings, (...), 0 without a pair of one class.

    For an example i with positives P(i), others of its class: −mean over p in P(i) of
    log(exp(z_i·z_p/τ) / Σ over a ≠ i of exp(z_i·z_a/τ)), and its mean over the examples that have
    positives (Khosla et al. 2020, Eq. 2).

    Args:
        z: Embeddings (..., B, D), of which the directions count.
        target: Classes, broadcasting to (..., B).
        temperature: τ > 0.
    """
    directions = unit(z)
    cosines = directions @ directions.transpose(-1, -2) / temperature
    itself = torch.eye(z.shape[-2], dtype=torch.bool, device=z.device)
    log_odds = cosines - cosines.masked_fill(itself, -torch.inf).logsumexp(-1, keepdim=True)
    positive = (target.unsqueeze(-1) == target.unsqueeze(-2)) & ~itself
    count = positive.sum(-1)
    own = -torch.where(positive, log_odds, 0.0).sum(-1) / count.clamp(min=1)
    return own.sum(-1) / (count > 0).sum(-1).clamp(min=1)


def between(ends: tuple[float, float], index: int, count: int) -> float:
    """Return the weight of a local module, linear from the first one to the last."""
    if count == 1:
        return ends[0]
    return ends[0] + (ends[1] - ends[0]) * index / (count - 1)
