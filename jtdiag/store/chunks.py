"""Reading chunks of a store: a damaged one becomes a line that says so."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from jtdiag.errors import StoreError


def read(array: zarr.Array[Any], where: Any) -> NDArray[Any]:
    """Return a part of an array; a checksum that does not fit is a damaged store."""
    with damage(str(array.store_path)):
        return np.asarray(array[where])


@contextmanager
def damage(where: str) -> Iterator[None]:
    """Turn what a damaged chunk raises when it is read into one line."""
    try:
        yield
    except (OSError, ValueError, RuntimeError) as error:
        raise StoreError(
            f"{where}: a chunk is damaged or cannot be read ({error}). "
            "Train the run again, or restore the folder from a copy."
        ) from error
