"""Checking a whole run: every file is compared with the checksums that were recorded."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from jtdiag import files, names
from jtdiag.errors import JtdiagError
from jtdiag.objects import mirror
from jtdiag.store import checksums, chunks, lanes, states
from jtdiag.store.formats import NewerFormatError
from jtdiag.store.lanes import Lane
from jtdiag.store.run import RECIPE, STORE, Run


@dataclass(frozen=True, kw_only=True)
class Damage:
    """A part of a run that is not as it was written."""

    reason: str = ""
    """What is wrong, in one line that names the file; "" as long as nothing is."""
    lane: Lane | None = None
    """Lane that it belongs to; None for what all lanes share."""
    epoch: int | None = None
    variable: str = ""
    """Array of the store, such as ``checkpoints/layer1.weight``."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """What was checked, and what is damaged."""

    parts: int
    """Number of parts that were read: an array of a lane and epoch, or a file."""
    damages: tuple[Damage, ...]
    by_place: bool
    """Whether chunks were compared with checksums recorded by path; not in older runs."""


STATE = "state"
"""Stands in place of a variable for the state to resume a lane from."""

Part = tuple[Callable[[], object], Damage]
"""A call that reads a part and raises if it is damaged, and the place that it is at."""


def check(path: Path) -> Report:
    """Read everything that is sealed in the store of a run.

    Args:
        path: Folder of the run.

    Raises:
        StoreError: if the folder is not a run, or that of a newer version.
    """
    copy = mirror.of(path)
    if copy is not None:  # what is in the store is checked, not what was copied before
        copy.refresh(whole=True)
    recipe = stored_recipe(path)
    if recipe is None or (path / RECIPE).exists():
        Run.require(path)
    try:
        run = Run(path)
    except NewerFormatError:
        raise
    except JtdiagError as error:
        variable = "" if recipe is None or _is_text(path / RECIPE, recipe) else RECIPE
        damage = Damage(reason=str(error), variable=variable)
        return Report(parts=1, damages=(damage,), by_place=True)
    count, damages = 0, []
    for read, place in _parts(run):
        count += 1
        try:
            read()
        except JtdiagError as error:
            if not _superseded(run, place):
                damages.append(replace(place, reason=str(error)))
    return Report(parts=count, damages=tuple(damages), by_place=run.has_checksums)


def stored_recipe(path: Path) -> str | None:
    """Return the copy of a run's recipe that its store contains; None if that is damaged too."""
    attributes = path / STORE / "zarr.json"
    try:
        created = checksums.read_created(path)
        if created is None or created["metadata"].get("zarr.json") != files.digest(attributes):
            return None
        return str(json.loads(attributes.read_text(encoding="utf-8"))["attributes"]["recipe"])
    except (OSError, ValueError, KeyError):
        return None


def _is_text(path: Path, text: str) -> bool:
    try:
        return path.read_bytes() == text.encode()
    except OSError:
        return False


def _parts(run: Run) -> Iterator[Part]:
    for name in run.metadata_files:
        yield partial(run.check_metadata, name), Damage(variable=name)
    for name in run.written_once:
        yield partial(_read_once, run, name), Damage(variable=name)
    for lane in run.lanes:
        yield from _of_lane(run, lane)


def _read_once(run: Run, name: str) -> None:
    run.require_created(name)
    chunks.read(run.array(name), ...)


def _read_outputs(run: Run, lane: Lane, epoch: int, split: str) -> None:
    for _ in run.outputs(lane, epoch, split):
        pass


def _of_lane(run: Run, lane: Lane) -> Iterator[Part]:
    yield partial(run.seal, lane), Damage(lane=lane, variable="seal")
    try:
        seal = run.seal(lane)
    except JtdiagError:
        return
    for name in run.metrics_of(lane):
        yield partial(run.metric, lane, name), Damage(lane=lane, variable=f"{names.METRICS}/{name}")
    if states.is_needed(seal) and not run.recorded:
        place = Damage(lane=lane, epoch=seal.epoch, variable=STATE)
        yield partial(states.read, run.path, lane, seal.epoch), place
    for epoch in seal.outputs:
        for split in run.recipe.keep.splits:
            place = Damage(
                lane=lane,
                epoch=epoch,
                variable=f"{names.OUTPUTS}/{split}/{names.LOGITS}",
            )
            yield partial(_read_outputs, run, lane, epoch, split), place
    for epoch in seal.checkpoints:
        for name in (*run.checkpointed, *run.auxiliary):
            place = Damage(lane=lane, epoch=epoch, variable=f"{names.CHECKPOINTS}/{name}")
            yield partial(run.parameter, lane, epoch, name), place


def _superseded(run: Run, place: Damage) -> bool:
    """Return whether an epoch was removed while it was read, since a better or later one came."""
    if place.lane is None or place.epoch is None:
        return False
    try:
        seal = run.seal(place.lane)
    except JtdiagError:
        return False
    if place.variable == STATE:
        return seal.done or seal.epoch != place.epoch
    outputs = place.variable.startswith(names.OUTPUTS)
    return place.epoch not in (seal.outputs if outputs else seal.checkpoints)


def damaged_lanes(report: Report) -> list[Lane]:
    """Return the lanes that have damage, in order."""
    return sorted({damage.lane for damage in report.damages if damage.lane is not None})


def mark_damaged(path: Path, report: Report) -> None:
    """Let the seals of a run no longer list the epochs whose outputs or checkpoints are damaged.

    Readers then treat these epochs as not kept.
    """
    for damage in report.damages:
        if damage.lane is None or damage.epoch is None or damage.variable == STATE:
            continue
        seal = lanes.read_seal(path, damage.lane)
        lanes.write_seal(path, damage.lane, lanes.without_epoch(seal, damage.epoch))
