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
