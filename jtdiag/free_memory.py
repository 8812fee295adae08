"""Returning free memory to the operating system, in processes that run for days.

A process that follows a run reads all its epochs again and again, each time one more. Blocks that
become a little larger each time do not fit where the last ones were, and the C library keeps those.
"""

import ctypes
import platform


def return_free_memory() -> None:
    """Return the memory of freed blocks, where the C library is GNU's; some milliseconds."""
    library = gnu_library()
    if library is not None:
        library.malloc_trim(0)


def gnu_library() -> ctypes.CDLL | None:
    """Return the C library if it is GNU's, whose functions of memory others do not have."""
    return ctypes.CDLL(None) if platform.libc_ver()[0] == "glibc" else None
