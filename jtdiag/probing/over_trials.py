"""Means and standard errors over trials: what a result holds of them, and how they are computed."""

import xarray as xr

from jtdiag import names, stats
from jtdiag.probing.contract import Var


def variables(name: str, dims: tuple[str, ...], unit: str, meaning: str) -> dict[str, Var]:
    """Return the `Var`s of ``<name>_mean`` and ``<name>_se``.

    Args:
        name: Of the quantity by trial.
        dims: Of the means, without trials.
        unit: Of both.
        meaning: Of the quantity by trial.
    """
    se = f"{meaning}, standard error over trials (n−1 in the variance); NaN for one trial"
    return {
        f"{name}_mean": Var(dims=dims, unit=unit, meaning=f"{meaning}, mean over trials"),
        f"{name}_se": Var(dims=dims, unit=unit, meaning=se),
    }


def summary(by_trial: xr.Dataset) -> xr.Dataset:
    """Return ``<name>_mean`` and ``<name>_se`` of every variable, NaN left out."""
    means = by_trial.mean(names.TRIAL).rename({n: f"{n}_mean" for n in by_trial.data_vars})
    errors = by_trial.map(standard_error).rename({n: f"{n}_se" for n in by_trial.data_vars})
    return xr.merge([means, errors])


def standard_error(values: xr.DataArray) -> xr.DataArray:
    """Return the standard error of the mean over trials, as `stats.standard_error`."""
    return xr.apply_ufunc(
        stats.standard_error, values, input_core_dims=[[names.TRIAL]], kwargs={"axis": -1}
    )
