"""Keeping the memory of large tensors between the steps of training.

The C library of GNU returns a freed block of more than 32 MB to the operating system at once, and
the next step receives it again page by page: a tenth of the step if the weights of a group of lanes
take more than that.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from jtdiag.free_memory import gnu_library

TRIM_THRESHOLD: Final = -1
"""Parameter of `mallopt`: free bytes at the end of the heap above which they are returned."""
MMAP_THRESHOLD: Final = -3
"""Parameter of `mallopt`: bytes from which a block has a mapping of its own."""
KEPT: Final = 2**30
"""Bytes: blocks up to this size are kept."""
USUAL: Final = {TRIM_THRESHOLD: 2**26, MMAP_THRESHOLD: 2**25}
"""What the thresholds grow to by themselves (`man 3 mallopt`)."""


@contextmanager
def kept_memory() -> Iterator[None]:
    """Keep freed memory for the next tensors inside the context, where the C library is GNU's."""
    library = gnu_library()
    if library is None:
        yield
        return
    for parameter in USUAL:
        library.mallopt(parameter, KEPT)
    try:
        yield
    finally:
        for parameter, usual in USUAL.items():
            library.mallopt(parameter, usual)
        library.malloc_trim(0)
