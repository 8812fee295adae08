"""What all adapters share: how a library's batches and outputs are asked, and where findings go."""

import logging
from collections.abc import Callable
from typing import Any

from jtdiag.monitor.branches import Branches
from jtdiag.monitor.monitor import DominanceMonitor
from jtdiag.probing.findings import Finding

Where = str | int | Callable[[Any], Any] | Branches
"""A key or position in what a library hands over, a function of it, or watched branches."""


def ask(where: Where, given: Any, what: str) -> Any:
    """Return what lies in `given` under a key, a position or an attribute, or what a function says.

    Raises:
        ValueError: if nothing lies there, saying what does.
    """
    if isinstance(where, Branches):
        return where  # the monitor asks them itself, for batches that are counted
    if callable(where):
        return where(given)
    try:
        return given[where]
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        held = list(given) if hasattr(given, "keys") else type(given).__name__
        raise ValueError(
            f"{what} is {where!r}, which is not in {held}; name a key or a position of it, or give "
            "a function."
        ) from error


def log(finding: Finding) -> None:
    """Log a finding, an alert as a warning, under the name jtdiag."""
    level = logging.WARNING if finding.level == "alert" else logging.INFO
    logging.getLogger("jtdiag").log(level, "%s", finding.sentence)


def ready(monitor: DominanceMonitor | None) -> DominanceMonitor:
    """Return a monitor, a new one if none is given, that logs its findings unless it tells them."""
    found = monitor or DominanceMonitor()
    found.tell = found.tell or log
    return found
