"""Arrays of a run that are read when they are computed, and verified then.

dask reads such an array chunk by chunk. Each chunk belongs to one lane and epoch, so it is compared
with the checksums that were recorded for them, like those that `Run.outputs` and `Run.checkpoint`
read.
"""

import itertools
from collections.abc import Callable
from typing import Any

import dask.array
import numpy as np
import zarr
from numpy.typing import NDArray

from jtdiag.store import chunks
from jtdiag.store.lanes import Lane

Verify = Callable[[Lane, int], bool]
"""Checks the chunks of a lane and epoch; returns False if the epoch is not kept (any more)."""


class VerifiedArray:
    """An array with the leading dimensions lam, trial and epoch, as far as it is kept."""

    def __init__(self, array: zarr.Array[Any], verify: Verify) -> None:
        self._array, self._verify = array, verify
        self.shape, self.dtype, self.ndim = array.shape, array.dtype, array.ndim

    def __getitem__(self, selection: tuple[slice, ...]) -> NDArray[Any]:
        """Read the slices of all dimensions; what is not kept has the fill value.

        Raises:
            StoreError: if a chunk is damaged, missing, or that of another place.
        """
        grid = [range(size)[part] for size, part in zip(self.shape[:3], selection[:3], strict=True)]
        rest = selection[3:]
        inner = [len(range(size)[part]) for size, part in zip(self.shape[3:], rest, strict=True)]
        result = np.full((*map(len, grid), *inner), self._array.fill_value, self.dtype)
        places = itertools.product(*map(enumerate, grid))
        for (i, lam_index), (j, trial), (k, epoch) in places:
            if self._verify(Lane(trial, lam_index), epoch):
                result[i, j, k] = chunks.read(self._array, (lam_index, trial, epoch, *rest))
        return result


class NamedArray:
    """An array whose damage is an error of one line that names it."""

    def __init__(self, array: zarr.Array[Any]) -> None:
        self._array = array
        self.shape, self.dtype, self.ndim = array.shape, array.dtype, array.ndim

    def __getitem__(self, selection: tuple[slice, ...]) -> NDArray[Any]:
        """Read a part.

        Raises:
            StoreError: if a chunk is damaged.
        """
        return chunks.read(self._array, selection)


def by_epoch(array: zarr.Array[Any], verify: Verify) -> dask.array.Array:
    """Return an array of lanes and epochs as a dask array; each chunk is verified when it is read.

    Args:
        array: Array of the store, with the leading dimensions lam, trial and epoch.
        verify: Is called for each lane and epoch that is read, before it is read.
    """
    return _dask(VerifiedArray(array, verify), array)


def whole(array: zarr.Array[Any]) -> dask.array.Array:
    """Return an array that all lanes share as a dask array."""
    return _dask(NamedArray(array), array)


def _dask(source: VerifiedArray | NamedArray, array: zarr.Array[Any]) -> dask.array.Array:
    # name=False: the name is random, since a hash of the array would be one of this object only.
    return dask.array.from_array(  # type: ignore[no-untyped-call]
        source, chunks=array.chunks, name=False, asarray=False, fancy=False
    )
