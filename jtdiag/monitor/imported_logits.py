"""Logits that were saved elsewhere: arrays in the order of a store, checked against the targets."""

import itertools
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from jtdiag import names
from jtdiag.errors import DataError
from jtdiag.families.categorical import Categorical
from jtdiag.families.contract import Family
from jtdiag.monitor import batch_sums, targets as targets_of_loops, wording

SMALLEST = 1e-12
"""Probability to which smaller ones are raised before the logarithm is taken."""


@dataclass(frozen=True, kw_only=True)
class SavedSplit:
    """Outputs of all members on one split."""

    logits: Tensor
    """(E, M, N, K), floating point."""
    target: Tensor
    """(N,) classes, or (N, K) numbers."""


def saved(
    logits: Mapping[str, Any] | Any, targets: Mapping[str, Any] | Any, family: Family
) -> dict[str, SavedSplit]:
    """Return the outputs of each split, in the order of `names.SPLITS`.

    Args:
        logits: By split, or those of test. (M, N, K) or (E, M, N, K), as arrays, tensors or a list
            over members.
        targets: By split, or those of the only split. (N,) classes, or (N, K) numbers.
        family: The likelihood.

    Raises:
        DataError: if shapes or numbers cannot be logits of the members and their targets.
    """
    by_split = dict(logits) if isinstance(logits, Mapping) else {names.TEST: logits}
    of_targets = dict(targets) if isinstance(targets, Mapping) else None
    unknown = [split for split in by_split if split not in names.SPLITS]
    if unknown or not by_split:
        raise DataError(wording.unknown_splits(list(by_split)))
    if of_targets is None and len(by_split) > 1:
        raise DataError(wording.targets_by_split(list(by_split)))
    of_targets = {next(iter(by_split)): targets} if of_targets is None else of_targets
    if set(of_targets) != set(by_split):
        raise DataError(wording.other_targets(list(by_split), list(of_targets)))
    made = {
        split: _split(split, by_split[split], of_targets[split], family)
        for split in names.SPLITS
        if split in by_split
    }
    shapes = {split: tuple(arrays.logits.shape) for split, arrays in made.items()}
    if len({(shape[0], shape[1], shape[3]) for shape in shapes.values()}) > 1:
        raise DataError(wording.shapes_of_splits(shapes))
    return made


def _split(split: str, logits: Any, targets: Any, family: Family) -> SavedSplit:
    eta, target = _tensor(logits), _tensor(targets)
    eta = eta if eta.is_floating_point() else eta.double()
    eta = eta.unsqueeze(0) if eta.ndim == 3 else eta
    if eta.ndim == 4 and 0 in eta.shape:
        raise DataError(wording.no_outputs(split, tuple(eta.shape[1:])))
    if isinstance(family, Categorical) and eta.ndim == 4 and eta.shape[-1] == 1:
        raise DataError(wording.single_logit(tuple(eta.shape[1:])))
    target = _target(split, target, family, eta)
    _check_order(split, eta, target)
    if not bool(eta.isfinite().all()):
        count = int((~eta.isfinite()).sum())
        raise DataError(wording.not_finite(split, count))
    empty = [place for place, of_epoch in enumerate(eta) if not bool(of_epoch.any())]
    if empty:
        raise DataError(wording.all_zero(split, empty[0]))
    return SavedSplit(logits=_as_logits(split, eta, family), target=target)


def _tensor(values: Any) -> Tensor:
    if isinstance(values, Sequence) and any(isinstance(value, Tensor) for value in values):
        return torch.stack([torch.as_tensor(value) for value in values]).detach().cpu()
    if isinstance(values, Tensor):
        return values.detach().cpu()
    array: NDArray[Any] = np.asarray(values)
    if array.dtype == object or array.dtype.kind not in "biuf":
        raise DataError(wording.no_array(str(array.dtype)))
    # Torch has neither the other byte order nor extended precision.
    native = np.float64 if array.dtype.itemsize > 8 else array.dtype.newbyteorder("=")
    return torch.as_tensor(np.ascontiguousarray(array, dtype=native))


def _target(split: str, target: Tensor, family: Family, eta: Tensor) -> Tensor:
    """Return targets as integers (N,), or as numbers (N, K).

    Raises:
        DataError: if they are not classes 0 to K−1, or not what the family allows.
    """
    outputs = eta.shape[-1]
    target = _classes(split, target) if family.classes else _numbers(split, target, outputs)
    if target.ndim == (1 if family.classes else 2) and len(target):
        out = targets_of_loops.out_of_range(family, target, outputs)
        if bool(out.any()) and eta.ndim == 4 and len(target) == eta.shape[2]:
            low, high = float(target.min()), float(target.max())
            raise DataError(wording.target_range(split, low, high, outputs))
    return target


def _classes(split: str, target: Tensor) -> Tensor:
    if target.ndim == 2 and target.shape[1] == 1:
        raise DataError(wording.column_of_targets(split, tuple(target.shape)))
    if target.ndim == 2 and bool(((target == 0) | (target == 1)).all()):
        raise DataError(wording.one_hot_targets(split))
    if target.is_floating_point() and bool((target != target.round()).any()):
        raise DataError(wording.fractional_targets(split))
    return target.long()


def _numbers(split: str, target: Tensor, outputs: int) -> Tensor:
    """Return (N, K)."""
    target = target.double()
    target = target.unsqueeze(-1) if target.ndim == 1 and outputs == 1 else target
    if target.ndim != 2 or target.shape[1] != outputs:
        raise DataError(wording.targets_of_numbers(split, tuple(target.shape), outputs))
    return target


def _check_order(split: str, eta: Tensor, target: Tensor) -> None:
    """Raise an error unless logits are (E, M, N, K) with N targets; name the order that would be.

    Raises:
        DataError: if they are not.
    """
    if eta.ndim != 4:
        raise DataError(wording.logits_shape(split, tuple(eta.shape), tuple(target.shape)))
    if eta.shape[2] == len(target) and eta.shape[1] > 0 and eta.shape[0] > 0:
        return
    shape = tuple(eta.shape[1:])
    for order in itertools.permutations(range(3)):
        if shape[order[1]] == len(target) and order != (0, 1, 2):
            raise DataError(wording.logits_order(split, shape, len(target), _order(order, shape)))
    raise DataError(wording.logits_shape(split, tuple(eta.shape), tuple(target.shape)))


def _order(order: tuple[int, ...], shape: tuple[int, ...]) -> str:
    """Return the transposition to the order (M, N, K) if members come first or second."""
    place = shape.index(shape[order[1]])
    return {0: "(1, 0, 2)", 2: "(0, 2, 1)"}.get(place, str(order))


def _as_logits(split: str, eta: Tensor, family: Family) -> Tensor:
    """Return logits; of probabilities of classes, their logarithms, which a warning says."""
    if not isinstance(family, Categorical):
        return eta
    if not bool(batch_sums.are_normalized(family, eta)):
        return eta
    logging.getLogger("jtdiag").warning("%s", wording.probabilities_given(split))
    return eta.double().clamp(min=SMALLEST).log().to(eta.dtype)


def measured(split: SavedSplit, place: int, measure: batch_sums.Measure) -> NDArray[np.float64]:
    """Return the mean losses and errors (2M + 2,) of one of the E epochs."""
    batch = batch_sums.copied(split.logits[place], measure.family, split.target)
    [sums] = batch_sums.sum_batches(measure, [batch])
    return sums[:-2].double().numpy() / batch.examples
