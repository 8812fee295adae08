"""The first layer of members: which parameter it is, and how its filters look."""

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
    """Return the name of the first layer's weights; None where no checkpoint is kept.

    None also where members are branches of one network and share its first layer.
    Of a module of somebody else it is the first parameter of two dimensions or more, in the
    module's own order; if the module cannot be made here, in alphabetical order.
    """
    shapes = {name: shape for name, shape in run.parameters.items() if len(shape) > 1}
    if not shapes or run.recipe.members.branched:
        return None
    named = re.compile(run.recipe.members.architecture.first_layer)
    if named.pattern:
        return next(name for name in sorted(shapes) if named.fullmatch(name))
    return next((name for name in _in_order(run) if name in shapes), min(shapes))


def _in_order(run: Run) -> list[str]:
    lane, epoch = next(
        (lane, seal.checkpoints[0]) for lane in run.lanes if (seal := run.seal(lane)).checkpoints
    )
    try:
        return list(Replay.of(run, lane, epoch).session.stack.parameters)
    except (DataError, ValueError, ImportError):  # its data or its code are elsewhere
        return []


def image_shape(run: Run, shape: tuple[int, ...]) -> tuple[tuple[int, int, int], str]:
    """Return channels, rows and columns of one filter, and whence they are known.

    Args:
        run: Whose members they are.
        shape: Of the first layer's weights in one member: (filters, …).
    """
    if len(shape) == 4:
        return (shape[1], shape[2], shape[3]), "weights"
    inputs = int(np.prod(shape[1:]))
    try:
        known = budget.data_shape(run.recipe.data.name).input_shape
    except DataError:
        known = ()
    if len(known) == 3 and np.prod(known) == inputs:
        return (known[0], known[1], known[2]), "data"
    side = round(inputs**0.5)
    if not known and side > 1 and side**2 == inputs:
        return (1, side, side), "guess"
    return (1, 1, inputs), "none"


def weights(run: Run, lane: Lane, epoch: int, name: str) -> Floats:
    """Return the filters of all members, flat: (M, filters, inputs), in the type kept."""
    found = run.parameter(lane, epoch, name)
    return found.reshape(*found.shape[:2], -1)


def norms(filters: Floats) -> Floats:
    """Return the Euclidean norm of every filter (..., inputs), summed in float64."""
    return np.sqrt(np.einsum("...i,...i->...", filters, filters, dtype=np.float64))


def strong_share(norm: Floats) -> Floats:
    """Return the share of each member's filters that are strong, (M,), for norms (M, filters).

    Strong is at least half of the 95th percentile of the norms of all members together.
    """
    return np.asarray((norm >= np.nanpercentile(norm, 95) / 2).mean(1))


def stagnating(distance: Floats, limit: float) -> NDArray[np.bool_]:
    """Tell which members (M,) have moved less than `limit` times as far as the one that went most.

    Args:
        distance: Of every member's first layer from its start, (M,).
        limit: Share of the longest way, 0 to 1.
    """
    return np.asarray(distance < limit * np.nanmax(distance))


def sample(strength: Floats, count: int) -> NDArray[np.intp]:
    """Return members to be shown: all in their order, or `count` from the weakest to the strongest.

    Args:
        strength: Of each member, (M,).
        count: Most members to be shown; of more, those at evenly spaced ranks of strength.
    """
    if len(strength) <= count:
        return np.arange(len(strength))
    ranks = np.linspace(0, len(strength) - 1, count).round().astype(int)
    return np.argsort(strength, kind="stable")[ranks]


def strongest(norm: Floats, count: int) -> NDArray[np.intp]:
    """Return the `count` strongest filters, strongest first: (..., count) for norms (..., F)."""
    return np.argsort(-norm, axis=-1, kind="stable")[..., :count]
