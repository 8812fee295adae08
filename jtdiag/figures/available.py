"""What of a result can be drawn; where nothing can, a line that says what is missing."""

import xarray as xr

from jtdiag import names
from jtdiag.errors import ProbeError

NO_OUTPUTS = (
    'The run has kept no outputs on test to draw. Train with keep.outputs = ["best"] and '
    'keep.splits = ["test"] or more.'
)
NO_CHECKPOINTS = (
    'The run has kept no checkpoint to draw from. Train with keep.checkpoints = ["best"] or more.'
)


def lams(result: xr.Dataset, name: str, otherwise: str) -> xr.Dataset:
    """Return the λs, ascending, of which a variable holds a number.

    Args:
        result: Of a probe.
        name: A variable with λ among its dimensions.
        otherwise: What is missing if there is none, and what to do.

    Raises:
        ProbeError: if there is none.
    """
    known = result[name].notnull()
    held = known.any([d for d in known.dims if d != names.LAM])
    if not held.any():
        raise ProbeError(otherwise)
    return result.sel({names.LAM: held}).sortby(names.LAM)
