"""Shared by all adapters: finding logits and targets in a library's data, and logging findings."""

import logging
from collections.abc import Callable
from typing import Any

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
            f"{argument} is {where!r}, which is not in {contents}; pass one of its keys or "
            "positions, or a function."
        ) from error


def log(finding: Finding) -> None:
    """Log a finding with the logger "jtdiag"; alerts are warnings."""
    level = logging.WARNING if finding.level == "alert" else logging.INFO
    logging.getLogger("jtdiag").log(level, "%s", finding.sentence)


def with_logging(monitor: DominanceMonitor | None) -> DominanceMonitor:
    """Return the monitor, or a new one for None; it logs findings unless its `tell` is set."""
    monitor = monitor or DominanceMonitor()
    monitor.tell = monitor.tell or log
    return monitor
