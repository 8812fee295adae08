"""Shared by all adapters: finding logits and targets in a library's data, and logging findings."""

import logging
from collections.abc import Callable
from typing import Any

from jtdiag.integrations import wording
from jtdiag.monitor.branches import Branches
from jtdiag.monitor.monitor import DominanceMonitor
from jtdiag.probing.findings import Finding

Where = str | int | Callable[[Any], Any] | Branches
"""A key or position in a library's data, a function of the data, or captured branches."""


def select(where: Where, data: Any, argument: str) -> Any:
    """Return the item of `data` at a key or position, or the result of a function of `data`.

    Args:
        where: Key, position, function, or captured branches, which are returned as they are.
        data: Outputs or batch of a library.
        argument: Name of the adapter's argument that `where` comes from, for messages.

    Raises:
        ValueError: if there is no such item.
    """
    if isinstance(where, Branches):
        return where  # the monitor calls them, for batches in the sample only
    if callable(where):
        return where(data)
    try:
        return data[where]
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        contents = list(data) if hasattr(data, "keys") else type(data).__name__
        raise ValueError(
            wording.no_such_item(argument=argument, where=repr(where), contents=str(contents))
        ) from error


class EmptySteps:
    """Counts the batches of an epoch in which a library's step returned nothing.

    Args:
        source: What returns nothing, for messages.
        returned: What it should return.
    """

    def __init__(self, source: str, returned: str) -> None:
        self._source, self._returned = source, returned
        self._batches, self._empty = 0, 0

    def add(self, empty: bool) -> bool:
        """Count a batch; return whether it is empty."""
        self._batches += 1
        self._empty += empty
        return empty

    def end_epoch(self) -> None:
        """Start counting again.

        Raises:
            ValueError: if all batches of the epoch were empty.
        """
        batches, empty = self._batches, self._empty
        self._batches, self._empty = 0, 0
        if batches and batches == empty:
            raise ValueError(
                wording.nothing_returned(
                    source=self._source, batches=batches, returned=self._returned
                )
            )


def end_epoch(monitor: DominanceMonitor, steps: EmptySteps | None = None) -> None:
    """End a monitor's epoch. A library has trained for an epoch by now, so nothing is raised."""
    monitor.guard.arm()
    with monitor.guard:
        if steps is not None:
            steps.end_epoch()
        monitor.end_epoch()


def in_processes(monitor: DominanceMonitor, *, main: bool) -> None:
    """Combine the monitors of all processes; all but the main process report nothing."""
    monitor.combine_processes()
    if not main:
        monitor.in_background()


def log(finding: Finding) -> None:
    """Log a finding with the logger "jtdiag"; alerts are warnings."""
    level = logging.WARNING if finding.level == "alert" else logging.INFO
    logging.getLogger("jtdiag").log(level, "%s", finding.sentence)


def with_logging(monitor: DominanceMonitor | None) -> DominanceMonitor:
    """Return the monitor, or a new one for None; it logs findings unless its `tell` is set."""
    monitor = monitor or DominanceMonitor()
    monitor.tell = monitor.tell or log
    return monitor
