"""A data set as tensors on the device, split separately for each trial."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from jtdiag import families, names
from jtdiag.engine import datasets, seeds
from jtdiag.engine.datasets import units
from jtdiag.engine.datasets.fingerprint import fingerprint
from jtdiag.engine.datasets.selection import Selection
from jtdiag.engine.datasets.targets import Targets
from jtdiag.errors import DataError
from jtdiag.families.contract import Family
from jtdiag.recipe.recipe import Recipe

Moments = tuple[tuple[float, ...], tuple[float, ...]]


@dataclass(frozen=True, kw_only=True)
class Part:
    """Examples of the training or test part of a data set."""

    x: Tensor
    """(N, …), normalized."""
    y: Tensor
    """(N,) classes, int64; or (N, K) numbers in the engine's precision."""


class DataSet:
    """All examples on the device. The splits of a trial are index tensors into the two parts.

    Args:
        arrays: The data set as it was read.
        recipe: What is selected of it, and how it is split.
        device: Where the examples go.
        moments: Mean and standard deviation, per channel or feature, that normalize the examples;
            None for those of the data set.

    Raises:
        DataError: if the classes or examples that the recipe selects do not exist, or more are to
            be held out than there are.
    """

    def __init__(
        self,
        arrays: datasets.Arrays,
        recipe: Recipe,
        device: torch.device,
        moments: Moments | None = None,
    ) -> None:
        units_differ: tuple[str, ...] = ()
        if arrays.mean is None:  # not published with the data, hence the user's
            units_differ = units.different_units(arrays.x_train, arrays.x_test)
        chosen = Selection.of(arrays, recipe.data)
        arrays = chosen.arrays
        self._sources = {"train": chosen.train, "test": chosen.test}
        examples = len(arrays.y_train)
        if recipe.data.val >= examples:
            raise DataError(
                f"data.val is {recipe.data.val}, but {recipe.data.name} has only {examples} "
                "training examples; hold out fewer."
            )
        self.notes = arrays.notes + units_differ
        """What was converted when the data were read, and what is unusual about them."""
        self.fingerprint = fingerprint(arrays)
        self.classes = arrays.classes
        """Names of the K outputs, or of the classes."""
        self.family: Family = families.find(recipe.family)
        targets = Targets.of(self.family, arrays, recipe)
        self.error_scale, self.target_facts = targets.error_scale, targets.facts
        self.moments: Moments
        """Mean and standard deviation, per channel or feature, that normalize the examples."""
        self._seed, self._val = recipe.seed, recipe.data.val
        dtype = getattr(torch, recipe.engine.precision)
        moments = moments or _moments(arrays, standardize=recipe.data.standardize)
        self.moments = moments
        self._parts = {
            "train": _part(arrays.x_train, targets.train, moments, dtype, device),
            "test": _part(arrays.x_test, targets.test, moments, dtype, device),
        }

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one example."""
        return tuple(self._parts["train"].x.shape[1:])

    def part(self, split: str) -> Part:
        """Return the part that contains a split."""
        return self._parts["test" if split == names.TEST else "train"]

    def positions(self, split: str, trial: int) -> Tensor:
        """Return the positions (n,) of a split in its part, for one trial, on the CPU."""
        if split == names.TEST:
            return torch.arange(len(self._parts["test"].y))
        train, val = seeds.held_out(len(self._parts["train"].y), self._val, self._seed, trial)
        return val if split == names.VAL else train

    def sources(self, split: str, trial: int) -> NDArray[np.intp]:
        """Return the positions (n,) of a split's examples in the data set as it was read."""
        part = "test" if split == names.TEST else "train"
        return self._sources[part][self.positions(split, trial).numpy()]

    def count(self, split: str) -> int:
        """Return the number of examples in a split; it is the same in every trial."""
        return len(self.positions(split, 0))


def load(recipe: Recipe, device: torch.device) -> DataSet:
    """Load the data set that a recipe names onto the device.

    Raises:
        DataError: if it is missing or invalid.
    """
    numbers = not families.find(recipe.family).classes
    data = recipe.data
    arrays = datasets.load(data.name, Path(data.root), numbers=numbers, options=data.options)
    return DataSet(arrays, recipe, device)


def _moments(arrays: datasets.Arrays, *, standardize: bool) -> Moments:
    if not standardize:
        channels = arrays.x_train.shape[1]
        return (0.0,) * channels, (1.0,) * channels
    if arrays.mean is not None and arrays.sd is not None:
        return arrays.mean, arrays.sd
    return datasets.channel_moments(arrays.x_train)


def _part(
    x: NDArray[np.float32],
    y: Tensor,
    moments: Moments,
    dtype: torch.dtype,
    device: torch.device,
) -> Part:
    shape = (-1, *[1] * (x.ndim - 2))
    mean, sd = (torch.tensor(m, dtype=dtype, device=device).view(shape) for m in moments)
    values = torch.from_numpy(x).to(device=device, dtype=dtype, copy=True)
    y = y.to(device, dtype) if y.is_floating_point() else y.to(device)
    return Part(x=values.sub_(mean).div_(sd), y=y)
