"""Reading chunks of a store, with a one-line error for a damaged chunk."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from jtdiag.errors import StoreError


def read(array: zarr.Array[Any], selection: Any) -> NDArray[Any]:
    """Read part of an array.

    Raises:
        StoreError: if a chunk cannot be read or its checksum is wrong.
    """
    with damage(str(array.store_path)):
        return np.asarray(array[selection])


@contextmanager
def damage(location: str) -> Iterator[None]:
    """Turn errors raised while reading a damaged chunk into a `StoreError`."""
    try:
        yield
    except (OSError, ValueError, RuntimeError) as error:
        raise StoreError(
            f"{location}: a chunk is damaged or cannot be read ({error}). "
            "Train the run again, or restore the folder from a backup."
        ) from error
