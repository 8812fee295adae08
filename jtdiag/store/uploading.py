"""Training into an object store: a folder of this process, whose sealed epochs are uploaded.

The run is written into a folder on this machine as any other. After an epoch, what is new of the
lane is uploaded, then its seal, and then what the seal no longer lists is removed. So a process
that is killed leaves objects that no seal lists, and no seal without its objects. The seal is
written on condition that it is the one that this process has read or written last.

Chunks of outputs and checkpoints are cut to nothing once they are uploaded: the folder needs the
space of one epoch. It is removed at the end.
"""

import functools
import json
import os
import shutil
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from numpy.typing import NDArray

from jtdiag import files, names, printable
from jtdiag.errors import StoreError
from jtdiag.objects import mirror
from jtdiag.objects.object_folder import ChangedError, ObjectFolder, Version, is_address
from jtdiag.recipe.recipe import Recipe
from jtdiag.store import lanes
from jtdiag.store.lane_locks import RUN_LOCK, HeldError
from jtdiag.store.lanes import Lane
from jtdiag.store.layout import Extent
from jtdiag.store.object_locks import ObjectLocks
from jtdiag.store.run import RECIPE, STORE
from jtdiag.store.writer import EpochBlock, Examples, RunWriter, held, refuse_occupied

POLL = 0.5
"""Seconds between two looks at a run that another process is creating."""

Stamp = tuple[int, int, int]
"""Changes when a file is written: its size, date and number."""

_UPLOADS: dict[Path, "Upload"] = {}
"""Uploads by the folder of this process."""


def of(path: Path) -> "Upload | None":
    """Return the upload of the run in a folder; None if the run stays there."""
    return _UPLOADS.get(path)


def lasting(path: Path) -> Path:
    """Return the folder in which a run that is trained in a folder can be read from now on."""
    upload = of(path)
    return path if upload is None else upload.mirror


@contextmanager
def training_folder(place: str | Path) -> Iterator[Path]:
    """Yield the folder in which a run is trained: for an address, a temporary one.

    What there is of a run at the address is in it, except for outputs, checkpoints and states.

    Args:
        place: Folder or address.

    Raises:
        StoreError: if the store cannot be used.
    """
    if not is_address(place):
        yield Path(place)
        return
    parent = mirror.cache() / "training"
    parent.mkdir(parents=True, exist_ok=True)
    files.remove_dead_drafts(parent)
    objects = ObjectFolder(str(place))
    draft = parent / f".{objects.name}.{files.process()}-{uuid4().hex[:8]}.draft"
    path = draft / objects.name
    draft.mkdir()
    printable.show_as(str(path), objects.address)
    try:
        upload = _UPLOADS[path] = Upload(objects, path)
        upload.copy()
        yield path
    finally:
        if path in _UPLOADS:
            _UPLOADS.pop(path).locks.close()
        shutil.rmtree(draft, ignore_errors=True)


class ObjectWriter(RunWriter):
    """The only writer of some lanes of a run in an object store."""

    upload: "Upload"

    def write(self, block: EpochBlock, *, flush: bool = True) -> None:
        """Write and seal an epoch, and upload it."""
        super().write(block, flush=False)  # what is only on this disk need not survive
        self.upload.push(block.lane)

    def forget_states(self, group: Iterable[Lane], epoch: int) -> None:
        """Remove states that are no longer needed, in the store too."""
        lanes_of_group = list(group)
        super().forget_states(lanes_of_group, epoch)
        for lane in lanes_of_group:
            self.upload.push(lane)

    def close(self) -> None:
        """Release the locks of the lanes."""
        super().close()
        self.upload.locks.close()


class Upload:
    """A run that this process writes into a folder, and from there into an object store."""

    def __init__(self, objects: ObjectFolder, path: Path) -> None:
        self.objects, self.path = objects, path
        self.locks = ObjectLocks(objects)
        self.mirror = mirror.of_training(objects)
        """Folder that stays when training has ended; findings are written there."""
        self._stamps: dict[Lane, dict[str, Stamp]] = {}
        """Files of a lane as they were when they were uploaded or downloaded."""
        self._seals: dict[Lane, Version] = {}

    def copy(self) -> None:
        """Copy what there is of the run, except for outputs, checkpoints and states.

        Raises:
            StoreError: if there is something else at the address.
        """
        listed = self.objects.versions()
        if RECIPE in listed:
            needed = (name for name in listed if name == RECIPE or _is_made_at_first(name))
            self.objects.download(filter(mirror.is_copied, needed), self.path)
        elif not _is_unfinished(listed):
            raise StoreError(
                f"{self.objects.address} is not empty, and has no run; choose another address."
            )

    def create(
        self,
        path: Path,
        recipe: Recipe,
        extent: Extent,
        examples: Mapping[str, Examples],
        settings: Mapping[str, str],
        *,
        initial: Mapping[str, NDArray[Any]] | None = None,
        of: Sequence[Lane] | None = None,
    ) -> RunWriter:
        """Create a run, as `RunWriter.create` does; it is one as soon as its recipe is there."""
        own = lanes.lanes_of(recipe) if of is None else of
        with self._creating():
            self._take(recipe, own)
            writer = ObjectWriter.create(
                path, recipe, extent, examples, settings, initial=initial, of=of
            )
            self._upload_new(recipe)
        return self._with_upload(writer)

    def reopen(self, path: Path, recipe: Recipe, *, of: Sequence[Lane] | None = None) -> RunWriter:
        """Open a run to resume it, as `RunWriter.reopen` does."""
        own = lanes.lanes_of(recipe) if of is None else of
        self._take(recipe, own)
        listed = self.objects.versions()
        for lane in own:
            self._copy_lane(lane, listed)
        writer = ObjectWriter.reopen(path, recipe, of=of)
        for lane in own:  # what was never sealed is removed
            self.push(lane)
        return self._with_upload(writer)

    def push(self, lane: Lane) -> None:
        """Upload what is new of a lane, then its seal, and remove what is gone.

        Raises:
            StoreError: if another process has taken the lane, or the store cannot be written.
        """
        stamps = self._files(lane)
        known = self._stamps[lane]
        changed = {name for name, stamp in stamps.items() if known.get(name) != stamp}
        seal = _seal(lane)
        self.objects.upload(changed - {seal}, self.path)
        if seal in changed:
            self.locks.require(lane)
            self._write_seal(lane)
        self.objects.remove(known.keys() - stamps.keys())
        for name in changed:
            if mirror.LARGE.fullmatch(name):
                os.truncate(self.path / name, 0)
        self._stamps[lane] = self._files(lane)

    def _with_upload(self, writer: RunWriter) -> RunWriter:
        assert isinstance(writer, ObjectWriter)
        writer.upload = self
        return writer

    def _take(self, recipe: Recipe, own: Iterable[Lane]) -> None:
        try:
            self.locks.take(own)
        except HeldError as error:
            raise StoreError(held(self.path, error, recipe)) from error

    @contextmanager
    def _creating(self) -> Iterator[None]:
        """Create a run alone; if another process has been faster, there is one.

        Raises:
            OccupiedError: if there is a run.
        """
        self._wait_for_creation()
        try:
            listed = self.objects.versions()
            if RECIPE in listed:
                self.copy()
                refuse_occupied(self.path)
            self.objects.remove(filter(_is_made_at_first, listed))  # by a process that died
            yield
        finally:
            self.locks.release([None])

    def _wait_for_creation(self) -> None:
        """Take the lock of the run; another process that is creating it takes seconds."""
        while True:
            try:
                self.locks.take([None])
            except HeldError:
                time.sleep(POLL)
            else:
                return

    def _upload_new(self, recipe: Recipe) -> None:
        """Upload a new run; its recipe comes last."""
        every = {_name(self.path, path) for path in self.path.rglob("*") if path.is_file()}
        every = {name for name in every if not mirror.is_temporary(name)}
        of_lanes = lanes.lanes_of(recipe)
        seals = {_seal(lane) for lane in of_lanes}
        self.objects.upload(every - seals - {RECIPE}, self.path)
        for lane in of_lanes:
            self._write_seal(lane)
            self._stamps[lane] = self._files(lane)
        self.objects.write(RECIPE, (self.path / RECIPE).read_bytes(), None)

    def _write_seal(self, lane: Lane) -> None:
        content = (self.path / _seal(lane)).read_bytes()
        try:
            version = self.objects.write(_seal(lane), content, self._seals.get(lane))
        except ChangedError as error:
            raise StoreError(
                f"{self.objects.address}/{_seal(lane)}: another process has saved an epoch of this "
                "lane; training has ended here."
            ) from error
        self._seals[lane] = version

    def _copy_lane(self, lane: Lane, listed: Mapping[str, Version]) -> None:
        """Copy the files of a lane, whose lock is held; for large chunks, empty files stand."""
        chunks = (f"{folder}/" for folder in self._chunks(lane))
        prefixes = (f"{lanes.FOLDER}/{lane.key}.", f"{lanes.FOLDER}/{lane.key}-", *chunks)
        of_lane = {
            name for name in listed if name.startswith(prefixes) and not mirror.is_temporary(name)
        }
        for name in self._files(lane).keys() - of_lane:  # removed since the run was copied
            (self.path / name).unlink()
        large = {name for name in of_lane if mirror.LARGE.fullmatch(name)}
        for path in (self.path / name for name in large):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        copied = self.objects.download(of_lane - large, self.path)
        self._seals[lane] = copied[_seal(lane)]
        self._stamps[lane] = self._files(lane)

    def _files(self, lane: Lane) -> dict[str, Stamp]:
        """Return the stamps of a lane's files, by name."""
        paths = [*(self.path / lanes.FOLDER).glob(f"{lane.key}[.-]*")]
        for chunks in self._chunks(lane):
            paths += (self.path / chunks).rglob("*")
        files_of_lane = {_name(self.path, path): path for path in paths if path.is_file()}
        return {
            name: _stamp(path)
            for name, path in files_of_lane.items()
            if not mirror.is_temporary(name)
        }

    def _chunks(self, lane: Lane) -> list[str]:
        """Return the folders of a lane's chunks."""
        place = f"c/{lane.lam_index}/{lane.trial}"
        return [f"{STORE}/{array}/{place}" for array in self._arrays]

    @functools.cached_property
    def _arrays(self) -> list[str]:
        """Paths of the arrays that have chunks of their own for every lane."""
        store = self.path / STORE
        described = {path: json.loads(path.read_text("utf-8")) for path in store.rglob("zarr.json")}
        return [
            path.parent.relative_to(store).as_posix()
            for path, fields in described.items()
            if (fields.get("dimension_names") or ())[:2] == [names.LAM, names.TRIAL]
        ]


def _is_made_at_first(name: str) -> bool:
    """Return whether an object is one of those that are written before the recipe, and no lock."""
    return name.startswith((f"{STORE}/", f"{lanes.FOLDER}/")) and not mirror.is_temporary(name)


def _is_unfinished(listed: Collection[str]) -> bool:
    """Return whether objects are nothing but what a process left that was creating a run."""
    inner = (f"{STORE}/", f"{lanes.FOLDER}/")
    if not all(name == RUN_LOCK or name.startswith(inner) for name in listed):
        return False
    return RUN_LOCK in listed or not any(map(_is_made_at_first, listed))


def _seal(lane: Lane) -> str:
    return f"{lanes.FOLDER}/{lane.key}.json"


def _name(run: Path, path: Path) -> str:
    return path.relative_to(run).as_posix()


def _stamp(path: Path) -> Stamp:
    status = path.stat()
    return status.st_size, status.st_mtime_ns, status.st_ino
