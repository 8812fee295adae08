"""Choose the epoch at which a probe measures a lane."""

import numpy as np
import xarray as xr

from jtdiag import names
from jtdiag.probing.contract import Var
from jtdiag.store.lanes import Lane
from jtdiag.store.run import Run

CHOSEN_EPOCH = Var(
    dims=(names.LAM, names.TRIAL),
    unit=names.INDEX,
    meaning=(
        "epoch with the lowest validation error of the ensemble; the last one without validation; "
        "-1 if not started"
    ),
)
"""The variable `chosen_epoch` of several results."""


def chosen_epochs(run: Run, metrics: xr.Dataset) -> xr.DataArray:
    """Return `Run.chosen_epoch` of every lane, (lam, trial); -1 for a lane that has not started."""
    newest = metrics.sizes[names.EPOCH] - 1  # more may have been sealed since
    chosen = np.empty((len(run.recipe.lam), run.recipe.trials), dtype=np.int64)
    for lane in run.lanes:
        chosen[lane.lam_index, lane.trial] = min(run.chosen_epoch(lane), newest)
    return xr.DataArray(chosen, dims=(names.LAM, names.TRIAL))


def measured_epoch(run: Run, lane: Lane, kept: tuple[int, ...]) -> int:
    """Return the chosen epoch of a lane if it is kept, else the last kept epoch; -1 for none.

    Args:
        run: The run.
        lane: One of its lanes.
        kept: Epochs for which the required outputs or checkpoints are stored.
    """
    chosen = run.chosen_epoch(lane)
    if chosen in kept:
        return chosen
    return max(kept, default=-1)
