"""A history that grows by one epoch at a time."""

import numpy as np

from jtdiag.rules.contract import Floats, History


class GrowingHistory:
    """The history of a lane in training, in arrays with room for all its epochs.

    Arrays that were copied for each epoch, a little larger each time, would not fit where the last
    ones were, and the memory of a long training would grow by several times what they hold.
    """

    def __init__(self, start: History, room: int) -> None:
        """Copy a history.

        Args:
            start: Its first epochs, one or more.
            room: Number of epochs that are expected; more are possible.
        """
        self._count = start.epoch.size
        self._arrays = start.mapped(lambda rows: _with_room(rows, room))

    def add(self, new: History) -> None:
        """Append an epoch; that epoch and later ones are discarded first.

        Metrics that either history lacks are unknown from then on.

        Args:
            new: A history of one epoch.
        """
        place = int(np.searchsorted(self._arrays.epoch[: self._count], new.last))
        if place == self._arrays.epoch.size:
            self._arrays = self._arrays.mapped(lambda rows: _with_room(rows, 2 * place))
        self._arrays = self._arrays.combined(new, lambda rows, row: _put(rows, place, row))
        self._count = place + 1

    @property
    def history(self) -> History:
        """The epochs so far, as views: valid until an epoch of them is replaced."""
        return self._arrays.mapped(lambda rows: rows[: self._count])


def _with_room(rows: Floats, room: int) -> Floats:
    """Return a copy of rows (E, …) as the first ones of at least `room`."""
    larger = np.zeros((max(room, len(rows)), *rows.shape[1:]), rows.dtype)
    larger[: len(rows)] = rows
    return larger


def _put(rows: Floats, place: int, row: Floats) -> Floats:
    rows[place] = row[0]
    return rows
