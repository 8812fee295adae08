"""Reduce a run's stored outputs, block by block, to labeled arrays."""

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from jtdiag import names
from jtdiag.store.lanes import Lane
from jtdiag.store.run import OutputBlock, Run

CELLS = 2**17
"""Largest number of logits that are processed at once: 1 MB in float64, as much as a cache."""
LANE_EPOCH_SPLIT = (names.LAM, names.TRIAL, names.EPOCH, names.SPLIT)

Reduce = Callable[[Lane, Iterator[OutputBlock]], Mapping[str, NDArray[np.floating[Any]] | float]]
"""Reduces the blocks of one lane, epoch and split to a number or a row for each variable."""


def over_outputs(
    run: Run,
    metrics: xr.Dataset,
    rows: Mapping[str, tuple[str, ...]],
    reduce: Reduce,
    further_sizes: Mapping[str, int] | None = None,
) -> xr.Dataset:
    """Reduce the outputs of every kept epoch and split; NaN where none are kept.

    Args:
        run: Its outputs are read block by block, so only one block is in memory at a time.
        metrics: Provides the coordinates (lam, trial, epoch, split, member).
        rows: Dimensions of each variable after (lam, trial, epoch, split).
        reduce: Called once for each lane, kept epoch and kept split, with `pieces` of the blocks.
        further_sizes: Sizes of dimensions in `rows` that are neither in `metrics` nor the output.
    """
    sizes: dict[Hashable, int] = {**metrics.sizes, names.OUTPUT: run.outputs_per_member}
    sizes.update(further_sizes or {})
    arrays = {
        name: xr.DataArray(
            np.full([sizes[d] for d in (*LANE_EPOCH_SPLIT, *dims)], np.nan),
            dims=(*LANE_EPOCH_SPLIT, *dims),
        )
        for name, dims in rows.items()
    }
    splits = [str(split) for split in metrics[names.SPLIT].values]
    for lane, epochs in kept_outputs(run, metrics).items():
        for epoch in epochs:
            for split in run.recipe.keep.splits:
                with np.errstate(invalid="ignore", over="ignore"):  # diverged members are NaN
                    reduced = reduce(lane, pieces(run.outputs(lane, epoch, split)))
                index = (lane.lam_index, lane.trial, epoch, splits.index(split))
                for name, value in reduced.items():
                    arrays[name].values[index] = value
    return xr.Dataset(arrays, coords=metrics.coords)


def kept_outputs(run: Run, metrics: xr.Dataset) -> dict[Lane, list[int]]:
    """Return the epochs whose outputs are kept, by lane; not those sealed after the metrics."""
    newest = metrics.sizes[names.EPOCH] - 1
    return {lane: [e for e in run.seal(lane).outputs if e <= newest] for lane in run.lanes}


def pieces(blocks: Iterable[OutputBlock]) -> Iterator[OutputBlock]:
    """Divide blocks into smaller ones, of which temporary arrays fit into a processor cache."""
    for block in blocks:
        members, _, outputs = block.logits.shape
        step = max(1, CELLS // (members * outputs))
        for first in range(0, len(block.target), step):
            part = slice(first, first + step)
            logits, target = block.logits[:, part], block.target[part]
            yield OutputBlock(logits=logits, target=target, start=block.start + first)
