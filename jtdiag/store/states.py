"""States that training resumes from: one file per lane, for its last sealed epoch."""

from pathlib import Path
from typing import Any, cast
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from jtdiag.errors import StoreError
from jtdiag.printable import shell_word
from jtdiag.store.lanes import FOLDER, Lane, Seal

State = dict[str, NDArray[Any]]
"""Arrays needed to resume training exactly."""

PLACE = "trial, lam, epoch"
"""Entry of a state that says which lane and epoch it belongs to; none in older versions."""


def path_of(run: Path, lane: Lane, epoch: int) -> Path:
    """Return the path of the state of a lane at the end of an epoch."""
    return run / FOLDER / f"{lane.key}-epoch{epoch}.npz"


def is_needed(seal: Seal) -> bool:
    """Return whether a lane has to be resumed from a state: it has begun and is not done."""
    return seal.epoch >= 0 and not seal.done


def write(run: Path, lane: Lane, epoch: int, state: State) -> None:
    """Write the state of a lane at the end of an epoch; it is complete or not there."""
    path = path_of(run, lane, epoch)
    draft = path.with_suffix(".draft")
    with draft.open("wb") as stream:
        np.savez(stream, **cast(Any, {**state, PLACE: _place(lane, epoch)}))
    draft.replace(path)


def read(run: Path, lane: Lane, epoch: int) -> State:
    """Read the state of a lane at the end of an epoch.

    Raises:
        StoreError: if the state is missing or damaged, or that of another lane or epoch.
    """
    path = path_of(run, lane, epoch)
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
            state = dict(arrays)
        if state.pop(PLACE, _place(lane, epoch)).tolist() != _place(lane, epoch).tolist():
            raise ValueError("it is that of another lane or epoch")
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


def _place(lane: Lane, epoch: int) -> NDArray[np.int64]:
    return np.array([lane.trial, lane.lam_index, epoch])
