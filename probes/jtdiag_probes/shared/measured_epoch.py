"""The epoch at which a lane is measured when what is asked is not kept of every epoch."""

from jtdiag.store.lanes import Lane
from jtdiag.store.run import Run


def measured_epoch(run: Run, lane: Lane, kept: tuple[int, ...]) -> int:
    """Return the epoch that validation chose if it is among those kept, else the last kept.

    −1 where none is kept.
    """
    chosen = run.chosen_epoch(lane)
    if chosen in kept:
        return chosen
    return max(kept, default=-1)
