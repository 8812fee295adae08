"""Targets as a family wants them, and what counts as no skill at all in predicting them."""

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
    """Targets of both parts, (N,) classes or (N, K) numbers in float64."""

    train: Tensor
    test: Tensor
    error_scale: float
    """What errors are divided by: for families whose errors are fractions, the best constant's."""
    facts: TargetFacts

    @classmethod
    def of(cls, family: Family, arrays: datasets.Arrays, recipe: Recipe) -> "Targets":
        """Return targets that fit the family.

        Raises:
            DataError: if they do not.
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
                f"{recipe.data.name}: the error of a constant prediction is {chance} "
                f"(family = '{recipe.family}'); the family needs an `error` that all targets have."
            )
        if family.relative and not chance > 0:
            raise DataError(
                f"{recipe.data.name}: all targets in y_train are the same; there must be "
                "something to predict."
            )
        error_scale = chance if family.relative else 1.0
        facts = TargetFacts(
            numbers=not family.classes,
            error_measure=family.error_measure,
            chance_error=chance / error_scale,
            error_scale=error_scale,
            mean=mean,
            sd=sd,
        )
        return cls(train=train, test=test, error_scale=error_scale, facts=facts)


def _check_kind(family: Family, arrays: datasets.Arrays, recipe: Recipe) -> None:
    """Refuse classes where numbers are wanted, and numbers where classes are."""
    numbers = arrays.y_train.ndim == 2
    if numbers != family.classes:
        return
    has, wants = ("numbers", "classes") if numbers else ("classes", "numbers")
    other = "one for numbers, such as 'gaussian'," if numbers else "'categorical'"
    raise DataError(
        f"{recipe.data.name} has {has} as targets, and family = '{recipe.family}' predicts {wants};"
        f" set family to {other} or name other data."
    )


def _moments(y: NDArray[np.float64]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and standard deviation (divided by N) of every output; of a constant, 1."""
    sd = y.std(0)
    return tuple(y.mean(0).tolist()), tuple(np.where(sd > 0, sd, 1.0).tolist())
