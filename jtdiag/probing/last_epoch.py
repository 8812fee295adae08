"""Each lane at the last epoch at which it was measured.

Outputs and checkpoints may be kept of the best epoch alone, which differs between trials.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeVar

import numpy as np
import xarray as xr

from jtdiag import names
from jtdiag.probing.contract import Var
from jtdiag.store.lanes import Lane
from jtdiag.store.run import Run

LAST_EPOCH: Final = "last_epoch"
"""Variable of results with the last measured epoch of each lane."""
WRITES: Final[dict[str, Var]] = {
    LAST_EPOCH: Var(
        dims=(names.LAM, names.TRIAL),
        unit=names.INDEX,
        meaning="last epoch at which the lane was measured; -1 if it was not",
        from_outputs=True,
    )
}
_Values = TypeVar("_Values", xr.Dataset, xr.DataArray)


def variable(run: Run, measured: Mapping[Lane, Sequence[int]]) -> dict[str, Any]:
    """Return the variable `LAST_EPOCH` of a result.

    Args:
        run: The run.
        measured: The epochs at which each lane was measured, in ascending order.
    """
    epochs = np.full((len(run.recipe.lam), run.recipe.trials), -1)
    for lane, several in measured.items():
        epochs[lane.lam_index, lane.trial] = max(several, default=-1)
    return {LAST_EPOCH: (WRITES[LAST_EPOCH].dims, epochs)}


def at_last_epoch(values: _Values, last: xr.DataArray) -> _Values:
    """Select each lane at its last epoch.

    Args:
        values: With the dimension epoch, which the selection does not have.
        last: `LAST_EPOCH` of the same lanes.

    Returns:
        The values, missing for lanes that were not measured.
    """
    measured = last >= 0
    epochs = last.where(measured, values[names.EPOCH][0]).astype(np.int64)
    return values.sel({names.EPOCH: epochs}).drop_vars(names.EPOCH).where(measured)


def distinct(last: xr.DataArray) -> tuple[int, ...]:
    """Return the last epochs of some lanes, each once, in ascending order."""
    return tuple(int(epoch) for epoch in np.unique(last.values) if epoch >= 0)


def of_finding(epochs: Sequence[int]) -> int | None:
    """Return the epoch of a finding; None if it differs between trials."""
    return epochs[0] if len(epochs) == 1 else None


def after(epochs: Sequence[int]) -> str:
    """Return when something was measured, as part of a sentence.

    Args:
        epochs: In ascending order; one or more.
    """
    if len(epochs) == 1:
        return f"after epoch {epochs[0]}"
    return f"after the last kept epoch of each trial ({epochs[0]} to {epochs[-1]})"
