"""A data set as tensors on the device, split for each trial."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from jtdiag import names, recipe as recipes
from jtdiag.engine import seeds, sources
from jtdiag.errors import DataError


@dataclass(frozen=True, kw_only=True)
class Part:
    """Examples of the data set's own training or test part."""

    x: Tensor
    """(N, …), normalised."""
    y: Tensor
    """(N,) classes, int64."""


class DataSet:
    """All examples on the device; a trial's splits are positions in one of the two parts.

    Raises:
        DataError: if more examples are to be held out than there are.
    """

    def __init__(
        self, arrays: sources.Arrays, recipe: recipes.Recipe, device: torch.device
    ) -> None:
        examples = len(arrays.y_train)
        if recipe.data.val >= examples:
            raise DataError(
                f"data.val is {recipe.data.val}; {recipe.data.name} has {examples} training "
                "examples, and some must be left to train on."
            )
        self.classes = arrays.classes
        self.moments: tuple[tuple[float, ...], tuple[float, ...]]
        """Mean and standard deviation, per channel or feature, that normalise the examples."""
        self._seed, self._val = recipe.seed, recipe.data.val
        dtype = getattr(torch, recipe.engine.precision)
        moments = self.moments = _moments(arrays)
        self._parts = {
            "train": _part(arrays.x_train, arrays.y_train, moments, dtype, device),
            "test": _part(arrays.x_test, arrays.y_test, moments, dtype, device),
        }

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one example."""
        return tuple(self._parts["train"].x.shape[1:])

    def part(self, split: str) -> Part:
        """Return the part that a split's positions point into."""
        return self._parts["test" if split == names.TEST else "train"]

    def positions(self, split: str, trial: int) -> Tensor:
        """Return the positions (n,), on the CPU, of a trial's split in its part."""
        if split == names.TEST:
            return torch.arange(len(self._parts["test"].y))
        train, val = seeds.held_out(len(self._parts["train"].y), self._val, self._seed, trial)
        return val if split == names.VAL else train

    def count(self, split: str) -> int:
        """Return how many examples a split has; the same in every trial."""
        return len(self.positions(split, 0))


def load(recipe: recipes.Recipe, device: torch.device) -> DataSet:
    """Return the data set that a recipe names, on the device.

    Raises:
        DataError: if it is missing or not what it should be.
    """
    return DataSet(sources.load(recipe.data.name, Path(recipe.data.root)), recipe, device)


def _moments(arrays: sources.Arrays) -> tuple[tuple[float, ...], tuple[float, ...]]:
    if arrays.mean is not None and arrays.sd is not None:
        return arrays.mean, arrays.sd
    return sources.channel_moments(arrays.x_train)


def _part(
    x: NDArray[np.float32],
    y: NDArray[np.int64],
    moments: tuple[tuple[float, ...], tuple[float, ...]],
    dtype: torch.dtype,
    device: torch.device,
) -> Part:
    shape = (-1, *[1] * (x.ndim - 2))
    mean, sd = (torch.tensor(m, dtype=dtype, device=device).view(shape) for m in moments)
    values = torch.from_numpy(x).to(device=device, dtype=dtype, copy=True)
    return Part(x=values.sub_(mean).div_(sd), y=torch.from_numpy(y).to(device))
