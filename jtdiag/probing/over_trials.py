"""Means and standard errors over trials: the variables of a result, and how they are computed."""

import xarray as xr

from jtdiag import names, stats
from jtdiag.probing.contract import Var


def variables(
    name: str, dims: tuple[str, ...], unit: str, meaning: str, *, from_outputs: bool = False
) -> dict[str, Var]:
    """Return the `Var`s of ``<name>_mean`` and ``<name>_se``.

    Args:
        name: Name of the quantity by trial.
        dims: Dimensions of the means, without trials.
        unit: Unit of both.
        meaning: Meaning of the quantity by trial.
        from_outputs: Whether the quantity is computed from stored outputs.
    """
    se = f"{meaning}, standard error over trials (n−1 in the variance); NaN for one trial"
    return {
        f"{name}_{suffix}": Var(dims=dims, unit=unit, meaning=text, from_outputs=from_outputs)
        for suffix, text in (("mean", f"{meaning}, mean over trials"), ("se", se))
    }


def summary(by_trial: xr.Dataset) -> xr.Dataset:
    """Return ``<name>_mean`` and ``<name>_se`` of every variable, ignoring NaN."""
    means = by_trial.mean(names.TRIAL).rename({n: f"{n}_mean" for n in by_trial.data_vars})
    errors = by_trial.map(standard_error).rename({n: f"{n}_se" for n in by_trial.data_vars})
    return xr.merge([means, errors])


def standard_error(values: xr.DataArray) -> xr.DataArray:
    """Return the standard error of the mean over trials, as `stats.standard_error`."""
    return xr.apply_ufunc(
        stats.standard_error, values, input_core_dims=[[names.TRIAL]], kwargs={"axis": -1}
    )
