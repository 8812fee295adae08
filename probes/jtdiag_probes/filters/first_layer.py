"""The first layer of the members: which parameter it is, and statistics of its filters."""

import re

import numpy as np
from numpy.typing import NDArray

from jtdiag.errors import DataError
from jtdiag.recipe import budget
from jtdiag.replay import Replay
from jtdiag.store.lanes import Lane
from jtdiag.store.run import Run

Floats = NDArray[np.floating]


def find(run: Run) -> str | None:
    """Return the name of the first layer's weights, or None.

    None if no checkpoint is stored, or if members are branches of one network and share its first
    layer. For a user-defined module it is the first parameter with at least two dimensions, frozen
    or not, in the order of the module, or in alphabetical order if the module cannot be built.
    """
    every = run.parameters | run.frozen
    shapes = {name: shape for name, shape in every.items() if len(shape) > 1}
    if not shapes or run.recipe.members.branched:
        return None
    pattern = re.compile(run.recipe.members.architecture.first_layer)
    if pattern.pattern:
        return next(name for name in sorted(shapes) if pattern.fullmatch(name))
    return next((name for name in _in_order(run) if name in shapes), min(shapes))


def _in_order(run: Run) -> list[str]:
    lane, epoch = next(
        (lane, seal.checkpoints[0]) for lane in run.lanes if (seal := run.seal(lane)).checkpoints
    )
    try:
        return Replay.of(run, lane, epoch).session.stack.parameter_names
    except (DataError, ValueError, ImportError):  # its data or code is not available
        return []


def image_shape(run: Run, shape: tuple[int, ...]) -> tuple[tuple[int, int, int], str]:
    """Return channels, rows and columns of one filter, and the source of that shape.

    Args:
        run: Run of the members.
        shape: Shape of the first layer's weights in one member: (filters, …).
    """
    if len(shape) == 4:
        return (shape[1], shape[2], shape[3]), "weights"
    inputs = int(np.prod(shape[1:]))
    try:
        data_shape = budget.data_shape(run.recipe.data.name, run.recipe.data.layout).input_shape
    except DataError:
        data_shape = ()
    if len(data_shape) == 3 and np.prod(data_shape) == inputs:
        return (data_shape[0], data_shape[1], data_shape[2]), "data"
    side = round(inputs**0.5)
    if not data_shape and side > 1 and side**2 == inputs:
        return (1, side, side), "guess"
    return (1, 1, inputs), "none"


def weights(run: Run, lane: Lane, epoch: int, name: str) -> Floats:
    """Return the flattened filters of all members, (M, filters, inputs), in the stored dtype."""
    parameter = run.parameter(lane, epoch, name)
    return parameter.reshape(*parameter.shape[:2], -1)


def norms(filters: Floats) -> Floats:
    """Return the Euclidean norm of every filter (..., inputs), summed in float64."""
    return np.sqrt(np.einsum("...i,...i->...", filters, filters, dtype=np.float64))


def strong_share(norm: Floats) -> Floats:
    """Return the share of strong filters of each member, (M,), for norms (M, filters).

    A filter is strong if its norm is at least half of the 95th percentile over all members.
    """
    return np.asarray((norm >= np.nanpercentile(norm, 95) / 2).mean(1))


def stagnating(distance: Floats, limit: float) -> NDArray[np.bool_]:
    """Return which members (M,) moved less than `limit` times the largest distance.

    Args:
        distance: Distance of each member's first layer from initialization, (M,).
        limit: Share of the largest distance, 0 to 1.
    """
    return np.asarray(distance < limit * np.nanmax(distance))


def sample(strength: Floats, count: int) -> NDArray[np.intp]:
    """Return the members to show: all in order, or `count` from the weakest to the strongest.

    Args:
        strength: Strength of each member, (M,).
        count: Maximum number of members; if there are more, evenly spaced ranks are shown.
    """
    if len(strength) <= count:
        return np.arange(len(strength))
    ranks = np.linspace(0, len(strength) - 1, count).round().astype(int)
    return np.argsort(strength, kind="stable")[ranks]


def strongest(norm: Floats, count: int) -> NDArray[np.intp]:
    """Return the `count` strongest filters, strongest first: (..., count) for norms (..., F)."""
    return np.argsort(-norm, axis=-1, kind="stable")[..., :count]
