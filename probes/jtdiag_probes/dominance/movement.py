"""Distances that members move in parameter space: labeled arrays from checkpoints."""

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from jtdiag import names
from jtdiag.probing.contract import Var
from jtdiag.store.lanes import Lane
from jtdiag.store.run import Run

_LANE_EPOCH = (names.LAM, names.TRIAL, names.EPOCH)
_BY_MEMBER = (*_LANE_EPOCH, names.MEMBER)
_BY_LAYER = (*_LANE_EPOCH, names.PARAMETER, names.MEMBER)
_STRAIGHT = "Euclidean distance of {} from initialization; NaN if a checkpoint is not kept"
_PATH = (
    "sum of the distances of {} between successive kept checkpoints, from initialization on; "
    "a lower bound on the length of the training trajectory"
)

WRITES = {
    "displacement": Var(
        dims=_BY_MEMBER,
        unit=names.FRACTION,
        meaning=_STRAIGHT.format("a member's parameters"),
        from_outputs=True,
    ),
    "displacement_by_layer": Var(
        dims=_BY_LAYER,
        unit=names.FRACTION,
        meaning=_STRAIGHT.format("one parameter array of a member"),
        from_outputs=True,
    ),
    "path_length": Var(
        dims=_BY_MEMBER,
        unit=names.FRACTION,
        meaning=_PATH.format("a member's parameters"),
        from_outputs=True,
    ),
    "path_length_by_layer": Var(
        dims=_BY_LAYER,
        unit=names.FRACTION,
        meaning=_PATH.format("one parameter array of a member"),
        from_outputs=True,
    ),
}

Floats = NDArray[np.floating[Any]]


def squared_distances(parameters: Floats, reference: Floats) -> NDArray[np.float64]:
    """Return ‖θ_j − θ'_j‖² of parameters (M, …) for every member, (M,), in float64."""
    return np.array(
        [
            np.square(np.subtract(a, b, dtype=np.float64)).sum()
            for a, b in zip(parameters, reference, strict=True)
        ]
    )


def displacement(run: Run, lane: Lane, epoch: int) -> NDArray[np.float64] | None:
    """Return each member's distance from initialization, ‖θ_j(T) − θ_j(0)‖₂, (M,).

    None at epoch 0, if a checkpoint is not kept, or if members are branches of one network.
    """
    kept = run.seal(lane).checkpoints
    if epoch == 0 or not {0, epoch} <= set(kept) or run.recipe.members.branched:
        return None
    squares = [
        squared_distances(run.parameter(lane, epoch, name), run.parameter(lane, 0, name))
        for name in run.parameters
    ]
    return np.sqrt(np.sum(squares, 0))


def measure(run: Run, metrics: xr.Dataset) -> xr.Dataset:
    """Return displacement and path length by member, and by member and parameter array.

    Parameter arrays are read one by one, with at most three epochs of one array in memory.
    """
    # Branches of one network share their weights.
    parameters = [] if run.recipe.members.branched else list(run.parameters)
    shape = (*(metrics.sizes[d] for d in _LANE_EPOCH), len(parameters), metrics.sizes[names.MEMBER])
    straight, step = np.full(shape, np.nan), np.full(shape, np.nan)
    for lane in run.lanes:
        kept = [e for e in run.seal(lane).checkpoints if e < metrics.sizes[names.EPOCH]]
        if kept[:1] != [0]:
            continue
        for i, name in enumerate(parameters):
            index = (lane.lam_index, lane.trial, kept, i)
            straight[index], step[index] = _distances(run, lane, kept, name)
    if not parameters:  # an empty sum would be 0
        straight = step = np.full((*shape[:3], 1, shape[4]), np.nan)
    by_layer = np.s_[:, :, :, : len(parameters)]
    return xr.Dataset(
        {
            "displacement": (_BY_MEMBER, np.sqrt(straight.sum(3))),
            "displacement_by_layer": (_BY_LAYER, np.sqrt(straight[by_layer])),
            "path_length": (_BY_MEMBER, _path_length(np.sqrt(step.sum(3)))),
            "path_length_by_layer": (_BY_LAYER, _path_length(np.sqrt(step[by_layer]))),
        },
        coords={names.PARAMETER: np.asarray(parameters, dtype=np.dtypes.StringDType())},
    )


def _distances(
    run: Run, lane: Lane, kept: list[int], name: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return squared distances (epochs, M) from the first and from the previous kept epoch."""
    first = previous = run.parameter(lane, kept[0], name)
    rows = []
    with np.errstate(invalid="ignore", over="ignore"):  # diverged members are NaN
        for epoch in kept:
            current = run.parameter(lane, epoch, name)
            rows.append((squared_distances(current, first), squared_distances(current, previous)))
            previous = current
    straight, step = zip(*rows, strict=True)
    return np.stack(straight), np.stack(step)


def _path_length(steps: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return cumulative sums of steps over epochs; NaN where there is no step."""
    return np.where(np.isnan(steps), np.nan, np.nan_to_num(steps, posinf=np.inf).cumsum(2))
