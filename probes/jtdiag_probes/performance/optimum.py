"""Which λ has the lowest error, and which others are not significantly worse."""

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from jtdiag import names, stats
from jtdiag.probing.contract import Var

Floats = NDArray[np.floating[Any]]

_CURVE = (names.LAM, names.SPLIT)
_INTERVAL = "of the simultaneous 95 % interval of difference_mean; NaN where it has none"

OPTIMUM = {
    "optimum": Var(
        dims=(names.SPLIT,), unit=names.FRACTION, meaning="λ with the lowest mean ensemble error"
    ),
    "best_set": Var(
        dims=_CURVE,
        unit=names.FRACTION,
        meaning="1 if the error is not significantly higher than that of the optimum, 0 if it is",
    ),
    "paired_trials": Var(
        dims=_CURVE, unit=names.COUNT, meaning="trials that this λ and the optimum both have"
    ),
}
"""Variables of `best_lams`."""

DIFFERENCES = {
    "difference_mean": Var(
        dims=_CURVE,
        unit=names.FRACTION,
        meaning="ensemble error minus that of the optimum, mean over paired trials",
    ),
    "difference_low": Var(dims=_CURVE, unit=names.FRACTION, meaning=f"lower end {_INTERVAL}"),
    "difference_high": Var(dims=_CURVE, unit=names.FRACTION, meaning=f"upper end {_INTERVAL}"),
    "difference_detectable": Var(
        dims=_CURVE,
        unit=names.FRACTION,
        meaning="difference that these trials detect with a probability of 80 %; NaN if unknown",
    ),
}
"""Variables of `differences`."""


def best_lams(error: xr.DataArray) -> xr.Dataset:
    """Return the λ with the lowest mean error, and all λs that are not significantly worse.

    Trial t of every λ has the same data split, order of examples and initial weights, so trials
    are pairs; see `stats.best_set`.

    Args:
        error: Of the ensemble, (lam, trial, split); NaN where not measured.

    Returns:
        The variables `OPTIMUM`, in the order of the λs; NaN where no error is measured.
    """
    ordered = error.sortby(names.LAM).transpose(names.SPLIT, names.LAM, names.TRIAL)
    values, lams = ordered.values, ordered[names.LAM].values
    lowest = stats.from_lowest(values).lowest
    measured = np.isfinite(values).any(-1)
    at_lowest = values[np.arange(len(values)), np.maximum(lowest, 0)][:, None]
    paired = (np.isfinite(values) & np.isfinite(at_lowest)).sum(-1)
    result = xr.Dataset(
        {
            "best_set": (
                (names.SPLIT, names.LAM),
                np.where(measured, stats.best_set(values), np.nan),
            ),
            "paired_trials": ((names.SPLIT, names.LAM), paired),
            "optimum": (names.SPLIT, np.where(lowest >= 0, lams[lowest], np.nan)),
        },
        coords={dim: ordered[dim] for dim in (names.SPLIT, names.LAM)},
    )
    return result.sel({names.LAM: error[names.LAM]}).transpose(*_CURVE)


def differences(error: xr.DataArray) -> xr.Dataset:
    """Return how much higher the error of every λ is than that of the λ with the lowest mean.

    The intervals hold simultaneously for all λs, see `stats.against_lowest`.

    Args:
        error: Of the ensemble, (lam, trial, split); NaN where not measured.

    Returns:
        The variables `DIFFERENCES`, in the order of the λs.
    """
    ordered = error.sortby(names.LAM).transpose(names.SPLIT, names.LAM, names.TRIAL)
    compared = stats.from_lowest(ordered.values)
    columns = {
        f"difference_{end}": ((names.SPLIT, names.LAM), getattr(compared, end))
        for end in ("mean", "low", "high")
    }
    columns["difference_detectable"] = ((names.SPLIT, names.LAM), _detectable(ordered.values))
    result = xr.Dataset(columns, coords={dim: ordered[dim] for dim in (names.SPLIT, names.LAM)})
    return result.sel({names.LAM: error[names.LAM]}).transpose(*_CURVE)


def _detectable(values: Floats) -> Floats:
    """Return what the tests of `differences` could have detected, (split, lam)."""
    lowest = stats.from_lowest(values).lowest
    smallest = np.full(values.shape[:2], np.nan)
    for split, of_split in enumerate(values):
        lams = int(np.isfinite(of_split).any(1).sum())
        pairs = max(1, lams * (lams - 1) // 2)
        for lam, row in enumerate(of_split - of_split[max(0, lowest[split])]):
            smallest[split, lam] = stats.smallest_detectable(row, pairs)
    return smallest


def smoothed(means: Floats) -> Floats:
    """Return means (n,) averaged with their neighbors: weights ¼, ½, ¼, and ⅔, ⅓ at the ends.

    A straight line does not change, except at its ends. NaN next to a NaN.
    """
    if len(means) < 3:
        return means.copy()
    inner = (means[:-2] + 2 * means[1:-1] + means[2:]) / 4
    ends = (2 * means[0] + means[1]) / 3, (2 * means[-1] + means[-2]) / 3
    return np.concatenate([ends[:1], inner, ends[1:]])
