"""Free memory, which sizes are checked against before anything is allocated."""

import math
import os
import zipfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from jtdiag.errors import DataError
from jtdiag.store import layout

_HEADERS = (np.lib.format.read_array_header_2_0, np.lib.format.read_array_header_1_0)


def require_for_arrays(path: Path, names: Iterable[str]) -> None:
    """Check that the arrays of an .npz file fit in memory, by their headers.

    Raises:
        DataError: if they do not.
        ValueError: if a header is damaged.
    """
    total = 0
    with zipfile.ZipFile(path) as archive:
        for name in names:
            with archive.open(f"{name}.npy") as file:
                read = _HEADERS[np.lib.format.read_magic(file)[0] == 1]
                shape, _, dtype = read(file)
                total += math.prod(shape) * dtype.itemsize
    require(total, "its arrays")


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
    """Return the memory in bytes that can be used without swapping."""
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            sizes = dict(line.split(":", 1) for line in file)
        return int(sizes["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):  # not Linux
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
