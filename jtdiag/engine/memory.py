"""Free memory, which sizes are checked against before anything is allocated."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from jtdiag.errors import DataError
from jtdiag.store import layout

_CONTROL_GROUPS: Final = Path("/sys/fs/cgroup")
"""Where Linux states the limits of the container that this process runs in."""


def require(total: int, what: str) -> None:
    """Check that something fits in memory.

    Args:
        total: Its size in bytes.
        what: What it is, for the message; a plural.

    Raises:
        DataError: if it does not fit.
    """
    free = available()
    if total > free:
        raise DataError(
            f"{what} take {layout.readable(total)}, but only {layout.readable(free)} of memory "
            "are free; use fewer or smaller examples."
        )


def available() -> int:
    """Return the memory in bytes that can be used without swapping, on the machine or container."""
    return min([_available_on_machine(), *_available_in_group(_CONTROL_GROUPS)])


def _available_on_machine() -> int:
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            sizes = dict(line.split(":", 1) for line in file)
        return int(sizes["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):  # not Linux
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _available_in_group(folder: Path) -> Iterator[int]:
    """Yield what the limits of the control group leave free; a cache of files can be freed."""
    for limit, used, cache in (
        ("memory.max", "memory.current", "inactive_file"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "total_inactive_file"),
    ):
        try:
            statistics = (folder / limit).with_name("memory.stat").read_text("ascii").split()
            freeable = int(statistics[statistics.index(cache) + 1])
            yield int((folder / limit).read_text()) - int((folder / used).read_text()) + freeable
        except (OSError, ValueError):  # no such group, or "max": no limit
            continue
