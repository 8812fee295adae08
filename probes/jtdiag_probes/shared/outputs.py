"""Reading a run's stored outputs chunk by chunk into labelled arrays."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from jtdiag import names
from jtdiag.store.lanes import Lane
from jtdiag.store.run import OutputBlock, Run

LANE_EPOCH_SPLIT = (names.LAM, names.TRIAL, names.EPOCH, names.SPLIT)

Reduce = Callable[[Lane, Iterator[OutputBlock]], Mapping[str, NDArray[np.floating[Any]] | float]]
"""From the blocks of one lane, epoch and split to one number or row for each variable."""


def over_outputs(
    run: Run, metrics: xr.Dataset, rows: Mapping[str, tuple[str, ...]], reduce: Reduce
) -> xr.Dataset:
    """Return what `reduce` makes of every kept epoch and split; NaN where nothing is kept.

    Args:
        run: Its outputs are read block by block, so memory holds one block at a time.
        metrics: Gives the coordinates (lam, trial, epoch, split, member).
        rows: Dimensions of each variable after (lam, trial, epoch, split).
        reduce: Called once for each lane, kept epoch and kept split.
    """
    sizes = {**metrics.sizes, names.OUTPUT: run.outputs_per_member}
    arrays = {
        name: xr.DataArray(
            np.full([sizes[d] for d in (*LANE_EPOCH_SPLIT, *dims)], np.nan),
            dims=(*LANE_EPOCH_SPLIT, *dims),
        )
        for name, dims in rows.items()
    }
    splits = [str(split) for split in metrics[names.SPLIT].values]
    for lane in run.lanes:
        for epoch in run.seal(lane).outputs:
            if epoch >= metrics.sizes[names.EPOCH]:
                continue  # sealed after the metrics were read
            for split in run.recipe.keep.splits:
                with np.errstate(invalid="ignore", over="ignore"):  # diverged members are NaN
                    found = reduce(lane, run.outputs(lane, epoch, split))
                at = (lane.lam_index, lane.trial, epoch, splits.index(split))
                for name, value in found.items():
                    arrays[name].values[at] = value
    return xr.Dataset(arrays, coords=metrics.coords)


def chosen_epochs(run: Run, metrics: xr.Dataset) -> xr.DataArray:
    """Return the epoch that stands for each lane, (lam, trial); -1 for one that has not begun."""
    newest = metrics.sizes[names.EPOCH] - 1  # a lane may have been sealed further since
    chosen = np.empty((len(run.recipe.lam), run.recipe.trials), dtype=np.int64)
    for lane in run.lanes:
        chosen[lane.lam_index, lane.trial] = min(run.chosen_epoch(lane), newest)
    return xr.DataArray(chosen, dims=(names.LAM, names.TRIAL))
