"""Adding trials or λs to a run, whose lanes stay as they are, bit for bit.

What changes is written into a folder of its own, `growth` in the run's folder: metadata, arrays
that are written once, the recipe, and seals of the new lanes, all as in a new run. Its files are
then moved to their places. The folder appears complete, so a process that is killed leaves either
the old run, or one that says how to go on: what is left in the folder is still to be moved.
"""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jtdiag import files, names
from jtdiag.errors import StoreError
from jtdiag.recipe import toml
from jtdiag.recipe.recipe import Recipe
from jtdiag.store import chunks, formats, lane_locks, lanes, trust
from jtdiag.store.lanes import Seal
from jtdiag.store.layout import Extent
from jtdiag.store.run import GROWTH, RECIPE, STORE, Run
from jtdiag.store.writer import Examples, allocate, disk_errors, held

GROWING = ("lam", "trials", "train.lr")
"""Fields of a recipe to which values may be added."""


def only_grows(old: Recipe, new: Recipe) -> bool:
    """Return whether a recipe has the lanes of another one, unchanged, and more.

    λs are added after those that are there: the number of a λ is in the names of files.
    """
    count = len(old.lam)
    return (
        {"lam", "trials"} & {*toml.differences(old, new)} != set()
        and {*toml.differences(old, new)} <= {*GROWING}
        and new.trials >= old.trials
        and new.lam[:count] == old.lam
        and all(new.first_lr(index) == old.first_lr(index) for index in range(count))
    )


def grow(
    path: Path,
    recipe: Recipe,
    extent: Extent,
    examples: Mapping[str, Examples],
    initial: Mapping[str, NDArray[Any]],
) -> None:
    """Add the lanes of a recipe to a run that has some of them.

    Args:
        path: The run's folder.
        recipe: The new recipe, for which `only_grows` holds.
        extent: As in `RunWriter.create`.
        examples: As in `RunWriter.create`.
        initial: As in `RunWriter.create`.

    Raises:
        StoreError: if a lane is being trained, the run was made by a version that wrote other
            arrays, or the disk cannot be written.
    """
    with _alone(path), disk_errors(path):
        run = Run(path)
        files.remove_dead_drafts(path)
        draft = files.draft_of(path / GROWTH)
        shutil.rmtree(draft, ignore_errors=True)
        try:
            (draft / lanes.FOLDER).mkdir(parents=True)
            allocate(draft / STORE, recipe, extent, examples, run.settings, initial)
            (draft / RECIPE).write_text(toml.to_toml(recipe), encoding="utf-8")
            for lane in set(lanes.lanes_of(recipe)) - set(run.lanes):
                lanes.write_seal(draft, lane, Seal())
            _require_same(run, draft)
            for lane in run.lanes:  # theirs may have been lowered
                scheduled = draft / STORE / names.METRICS / names.LAM_AT / "c"
                shutil.rmtree(scheduled / str(lane.lam_index) / str(lane.trial), ignore_errors=True)
            files.flush(draft)
            trust.remember(draft, recipe)
            draft.replace(path / GROWTH)
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise
        _move(path)


def finish(path: Path) -> None:
    """Finish adding lanes, if that was interrupted.

    Raises:
        StoreError: if another process is doing so, or the disk cannot be written.
    """
    if (path / GROWTH).is_dir():
        with _alone(path), disk_errors(path):
            _move(path)


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    try:
        lock = lane_locks.acquire_all(path)
    except lane_locks.HeldError as error:
        raise StoreError(held(path, error)) from error
    try:
        yield
    finally:
        lock.release()


def _move(path: Path) -> None:
    folder = path / GROWTH
    for file in sorted(folder.rglob("*")):
        if file.is_file():
            place = path / file.relative_to(folder)
            place.parent.mkdir(parents=True, exist_ok=True)
            file.replace(place)
    files.flush(path)
    shutil.rmtree(folder, ignore_errors=True)


def _require_same(run: Run, draft: Path) -> None:
    """Check that the enlarged store contains what the run has written once.

    Raises:
        StoreError: if it does not.
    """
    enlarged = Run(draft)
    if formats.of_store(run.path / STORE) < formats.CHECKED or {*run.metadata_files} != {
        *enlarged.metadata_files
    }:
        raise StoreError(
            f"{run.path} was made by another version of jtdiag, which wrote other arrays; nothing "
            "can be added to it. Train the new recipe in another folder."
        )
    for name in run.written_once:
        run.require_created(name)
        old = chunks.read(run.array(name), ...)
        new = chunks.read(enlarged.array(name), tuple(slice(size) for size in old.shape))
        if not np.array_equal(old, new, equal_nan=old.dtype.kind == "f"):
            raise StoreError(
                f"{run.path}: {name} would change, so nothing can be added. Train the new recipe "
                "in another folder."
            )
