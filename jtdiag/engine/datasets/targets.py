"""Targets in the form that a family needs, and the chance level of predicting them."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from jtdiag.engine import datasets
from jtdiag.errors import DataError
from jtdiag.families.contract import Family
from jtdiag.recipe.recipe import Recipe
from jtdiag.store.layout import TargetFacts


@dataclass(frozen=True, kw_only=True)
class Targets:
    """Targets of the training and test part: (N,) classes, or (N, K) numbers in float64."""

    train: Tensor
    test: Tensor
    error_scale: float
    """What errors are divided by: the error of the best constant prediction for families with
    relative errors, else 1."""
    facts: TargetFacts

    @classmethod
    def of(cls, family: Family, arrays: datasets.Arrays, recipe: Recipe) -> "Targets":
        """Validate the targets of a data set for a family and prepare them.

        Raises:
            DataError: if they do not fit the family.
        """
        _check_kind(family, arrays, recipe)
        train, test = torch.from_numpy(arrays.y_train), torch.from_numpy(arrays.y_test)
        for part, y in (("train", train), ("test", test)):
            if complaint := family.complaint(y):
                raise DataError(
                    f"{recipe.data.name}: y_{part} {complaint} (family = '{recipe.family}')."
                )
        mean, sd = _moments(arrays.y_train) if family.standardised else ((), ())
        if family.standardised:
            shift, scale = torch.tensor([mean, sd], dtype=torch.float64)
            train, test = (train - shift) / scale, (test - shift) / scale
        outputs = len(arrays.classes)
        chance = family.chance(train, outputs)
        if not math.isfinite(chance):
            raise DataError(
                f"{recipe.data.name}: the error of a constant prediction is not finite "
                f"(family = '{recipe.family}'); its `error` must be finite for all targets."
            )
        if family.relative and not chance > 0:
            raise DataError(
                f"{recipe.data.name}: all targets in y_train are equal; there is nothing to "
                "predict."
            )
        error_scale = chance if family.relative else 1.0
        facts = TargetFacts(
            numbers=not family.classes,
            error_measure=family.error_measure,
            chance_error=chance / error_scale,
            chance_loss=family.chance_loss(train, outputs),
            error_scale=error_scale,
            mean=mean,
            sd=sd,
        )
        return cls(train=train, test=test, error_scale=error_scale, facts=facts)


def _check_kind(family: Family, arrays: datasets.Arrays, recipe: Recipe) -> None:
    """Check that targets are classes or numbers, whichever the family predicts."""
    numbers = arrays.y_train.ndim == 2
    if numbers != family.classes:
        return
    actual, expected = ("numbers", "classes") if numbers else ("classes", "numbers")
    suggestion = (
        "a family for numbers, such as 'gaussian'," if numbers else "family = 'categorical'"
    )
    raise DataError(
        f"{recipe.data.name}: the targets are {actual}, but family = '{recipe.family}' predicts "
        f"{expected}; use {suggestion} or other data."
    )


def _moments(y: NDArray[np.float64]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and standard deviation (divided by N) per output; 1 for a constant output."""
    sd = y.std(0)
    return tuple(y.mean(0).tolist()), tuple(np.where(sd > 0, sd, 1.0).tolist())
