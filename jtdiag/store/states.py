"""States that training resumes from: one file per lane, for its last sealed epoch."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from itertools import chain
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

import numpy as np
from numpy.typing import NDArray

from jtdiag.errors import StoreError
from jtdiag.printable import shell_word
from jtdiag.store.lanes import FOLDER, Lane, Seal

State = Mapping[str, NDArray[Any]]
"""Arrays needed to resume training exactly."""

_STATE = re.compile(r"^lam\d+-trial\d+-epoch(?P<epoch>\d+)\.npz$")

PLACE = "trial, lam, epoch"
"""Entry of a state that says which lane and epoch it belongs to; none in older versions."""


def path_of(run: Path, lane: Lane, epoch: int) -> Path:
    """Return the path of the state of a lane at the end of an epoch."""
    return run / FOLDER / f"{lane.key}-epoch{epoch}.npz"


def epochs(names_of_files: Mapping[str, Iterable[str]]) -> dict[str, set[int]]:
    """Return the epochs whose states are there, by the key of the lane; empty for other lanes.

    Args:
        names_of_files: Names of the files of lanes, by key.
    """
    result: dict[str, set[int]] = defaultdict(set)
    for key, of_lane in names_of_files.items():
        matches = (_STATE.search(name) for name in of_lane)
        result[key].update(int(matched["epoch"]) for matched in matches if matched)
    return result


def is_needed(seal: Seal) -> bool:
    """Return whether a lane has to be resumed from a state: it has begun and is not done."""
    return seal.epoch >= 0 and not seal.done


def write(run: Path, lane: Lane, epoch: int, state: State) -> None:
    """Write the state of a lane at the end of an epoch; it is complete or not there.

    The file is one of numpy.savez, which would hold all arrays in memory. They are looked at one
    after the other, since they may come from other processes.
    """
    path = path_of(run, lane, epoch)
    draft = path.with_suffix(".draft")
    with draft.open("wb") as stream, ZipFile(stream, "w") as archive:
        for name, array in chain(state.items(), [(PLACE, _place(lane, epoch))]):
            with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, array, allow_pickle=False)
    draft.replace(path)


def read(run: Path, lane: Lane, epoch: int, members: slice = slice(None)) -> State:
    """Read the state of a lane at the end of an epoch.

    Args:
        run: The run's folder.
        lane: The lane.
        epoch: The epoch.
        members: Part of the first axis of each array that is returned, if it has axes.

    Raises:
        StoreError: if the state is missing or damaged, or that of another lane or epoch.
    """
    path = path_of(run, lane, epoch)
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
            place = arrays[PLACE] if PLACE in arrays else _place(lane, epoch)
            if place.tolist() != _place(lane, epoch).tolist():
                raise ValueError("it is that of another lane or epoch")
            names = [name for name in arrays if name != PLACE]
            state = {name: _part(arrays[name], members) for name in names}
    # Damaged headers of the archive are taken for encryption (RuntimeError) or for methods of
    # compression that do not exist (NotImplementedError); a file of a single array is no mapping.
    except (
        *(OSError, ValueError, EOFError, BadZipFile, RuntimeError, NotImplementedError),
        *(TypeError, KeyError, AttributeError, OverflowError, MemoryError),
    ) as error:
        raise StoreError(
            f"{path}: cannot be read ({error}); the lane cannot be resumed. "
            f"Train the lane again with: jtdiag check {shell_word(run)} --repair"
        ) from error
    return state


def _part(array: NDArray[Any], members: slice) -> NDArray[Any]:
    return array[members].copy() if array.ndim and members != slice(None) else array


def _place(lane: Lane, epoch: int) -> NDArray[np.int64]:
    return np.array([lane.trial, lane.lam_index, epoch])
