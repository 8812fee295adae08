"""Means, standard errors and intervals over trials: variables of a result, and their values."""

import xarray as xr

from jtdiag import names, stats
from jtdiag.probing.contract import Var


def variables(
    name: str, dims: tuple[str, ...], unit: str, meaning: str, *, from_outputs: bool = False
) -> dict[str, Var]:
    """Return the `Var`s of ``<name>_mean``, ``<name>_se``, ``<name>_low`` and ``<name>_high``.

    Args:
        name: Name of the quantity by trial.
        dims: Dimensions of the means, without trials.
        unit: Unit of all of them.
        meaning: Meaning of the quantity by trial.
        from_outputs: Whether the quantity is computed from stored outputs.
    """
    interval = "of Student's 95 % interval of that mean; NaN for one trial or without spread"
    meanings = {
        "mean": f"{meaning}, mean over trials",
        "se": f"{meaning}, standard error over trials (n−1 in the variance); NaN for one trial",
        "low": f"{meaning}, lower end {interval}",
        "high": f"{meaning}, upper end {interval}",
    }
    return {
        f"{name}_{suffix}": Var(dims=dims, unit=unit, meaning=text, from_outputs=from_outputs)
        for suffix, text in meanings.items()
    }


def summary(by_trial: xr.Dataset) -> xr.Dataset:
    """Return mean, standard error and interval over trials of every variable, ignoring NaN.

    These are ``<name>_mean``, ``<name>_se``, ``<name>_low`` and ``<name>_high``, see `variables`.
    """
    means = by_trial.mean(names.TRIAL).rename({n: f"{n}_mean" for n in by_trial.data_vars})
    errors = by_trial.map(standard_error).rename({n: f"{n}_se" for n in by_trial.data_vars})
    ends = xr.Dataset()
    for name, values in by_trial.data_vars.items():
        ends[f"{name}_low"], ends[f"{name}_high"] = interval_ends(values)
    return xr.merge([means, errors, ends])


def interval_ends(values: xr.DataArray) -> tuple[xr.DataArray, xr.DataArray]:
    """Return the ends of the 95 % interval of the mean over trials, as `stats.interval_ends`."""
    low, high = xr.apply_ufunc(
        stats.interval_ends,
        values,
        input_core_dims=[[names.TRIAL]],
        output_core_dims=[[], []],
        kwargs={"axis": -1},
    )
    return low, high


def standard_error(values: xr.DataArray) -> xr.DataArray:
    """Return the standard error of the mean over trials, as `stats.standard_error`."""
    return xr.apply_ufunc(
        stats.standard_error, values, input_core_dims=[[names.TRIAL]], kwargs={"axis": -1}
    )
