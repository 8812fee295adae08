"""Which λs of a result have values to draw, and what to train with if none has."""

import xarray as xr

from jtdiag import names
from jtdiag.errors import ProbeError

NO_OUTPUTS = (
    'The run stores no outputs on the test split. Train with keep.outputs = ["best"] and '
    'keep.splits = ["test"], or keep more.'
)
NO_CHECKPOINTS = (
    'The run stores no checkpoints. Train with keep.checkpoints = ["best"], or keep more.'
)
NOT_TRAINED = "The run has not completed its first epoch."
NOT_TESTED = (
    "Nothing was measured on the split test. In a recorded run, record it with "
    "DominanceMonitor.record."
)
SHOWN_SPLITS = (names.TRAIN, names.TEST)
"""Splits with panels of their own."""


def lams(result: xr.Dataset, name: str, message: str) -> xr.Dataset:
    """Select the λs for which a variable has at least one value, in ascending order.

    Args:
        result: Result of a probe.
        name: A variable with λ among its dimensions.
        message: Error message if there is no such λ: what is missing, and what to do.

    Raises:
        ProbeError: if the variable is NaN everywhere.
    """
    values = result[name].notnull()
    has_values = values.any([dim for dim in values.dims if dim != names.LAM])
    if not has_values.any():
        raise ProbeError(message)
    return result.sel({names.LAM: has_values}).sortby(names.LAM)


def measured_on_test(result: xr.Dataset, name: str, run: str = "") -> xr.Dataset:
    """Select the λs for which a variable has at least one value on test, in ascending order.

    Args:
        result: Result of a probe.
        name: A variable with λ and splits among its dimensions.
        run: Name of the run, for the error message; "" for none.

    Raises:
        ProbeError: if the variable was not measured on test.
    """
    prefix = f"{run}: " if run else ""
    lams(result, name, f"{prefix}{NOT_TRAINED}")
    on_test = result[name].sel({names.SPLIT: names.TEST}, drop=True).notnull()
    has_values = on_test.any([dim for dim in on_test.dims if dim != names.LAM])
    if not has_values.any():
        raise ProbeError(f"{prefix}{NOT_TESTED}")
    return result.sel({names.LAM: has_values}).sortby(names.LAM)


def splits(result: xr.Dataset, name: str) -> list[str]:
    """Return those of `SHOWN_SPLITS` on which a variable has at least one value."""
    kept = [split for split in SHOWN_SPLITS if split in result[names.SPLIT].values]
    return [s for s in kept if result[name].sel({names.SPLIT: s}).notnull().any()]


def trials_and_epochs(values: xr.DataArray) -> xr.DataArray:
    """Select the trials with values, and the epochs at which all of them have values."""
    present = values.notnull()
    present = present.any([dim for dim in values.dims if dim not in (names.TRIAL, names.EPOCH)])
    trials = present.any(names.EPOCH).values
    values, present = values.isel({names.TRIAL: trials}), present.isel({names.TRIAL: trials})
    epochs = present.all(names.TRIAL).values
    if not epochs.any():  # such as unfinished trials that keep the best epochs only
        return trials_and_epochs(values.isel({names.TRIAL: [0]}))
    return values.isel({names.EPOCH: epochs})
