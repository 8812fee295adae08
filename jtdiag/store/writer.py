"""Writing a run: all data of an epoch first, then the seal that makes the epoch visible."""

import errno
import functools
import os
import shutil
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.codecs import Crc32cCodec, ZstdCodec

from jtdiag import files, names
from jtdiag.errors import StoreError, option
from jtdiag.objects.object_folder import was_address
from jtdiag.recipe import toml
from jtdiag.recipe.recipe import Recipe
from jtdiag.store import (
    checksums,
    chunks,
    formats,
    lane_locks,
    lanes,
    layout,
    owners,
    states,
    trust,
)
from jtdiag.store.lane_locks import HeldError, LaneLocks
from jtdiag.store.lanes import NO_ACTION, Lane, RuleAction, Seal
from jtdiag.store.layout import Extent
from jtdiag.store.run import RECIPE, STORE, Run
from jtdiag.store.run_parts import refuse_part_of_run
from jtdiag.store.states import State


@dataclass(frozen=True, kw_only=True)
class EpochBlock:
    """All that is written for one epoch of one lane."""

    lane: Lane
    epoch: int
    metrics: Mapping[str, NDArray[np.float64]]
    """(split,), (split, member) or (split, member, module) each; displacement, if measured,
    (member,), and what a credit measures in training (member, module)."""
    outputs: Mapping[str, NDArray[Any]]
    """Logits (M, n, K) by split; empty if the epoch's outputs are not kept."""
    checkpoint: Mapping[str, NDArray[Any]]
    """Parameters (M, …), or (1, …) for a branched network; empty if not kept."""
    state: State
    """Empty if the lane cannot be resumed from it."""
    action: RuleAction = NO_ACTION
    """What early-warning rules do to the lane after this epoch."""


@dataclass(frozen=True, kw_only=True)
class Examples:
    """Targets and source indices of the examples of a split, written once."""

    target: NDArray[Any]
    """(n,), or (trials, n) if trials differ; with a last axis of K for regression targets."""
    source_index: NDArray[np.int64]


def seal_after(seal: Seal, block: EpochBlock, recipe: Recipe) -> Seal:
    """Return the seal of a lane after the next epoch; without the checksums of metrics."""
    error = None
    if names.VAL in recipe.splits:
        error = float(block.metrics[names.ENSEMBLE_ERROR][recipe.splits.index(names.VAL)])
    return seal.after(block.epoch, error, recipe, block.action)


class OccupiedError(StoreError):
    """A folder for a new run that contains something, such as a run."""


class RunWriter:
    """The only writer of some lanes of a run; it holds their locks until it is closed."""

    def __init__(self, path: Path, recipe: Recipe, lock: LaneLocks) -> None:
        self.path = path
        self.recipe = recipe
        self._lock = lock
        self._folder: int | None = os.open(path, os.O_RDONLY)  # its inode is not used again
        self._store = zarr.open_group(
            path / STORE, mode="r+", zarr_format=3, use_consolidated=False
        )
        self._arrays: dict[str, zarr.Array[Any]] = {}
        self._seals: dict[Lane, Seal] = {}
        self._metrics: dict[Lane, dict[str, NDArray[np.float64]]] = {}
        self._states = states.epochs(lanes.files_of(path))

    @classmethod
    def create(
        cls,
        path: Path,
        recipe: Recipe,
        extent: Extent,
        examples: Mapping[str, Examples],
        settings: Mapping[str, str],
        *,
        initial: Mapping[str, NDArray[Any]] | None = None,
        of: Sequence[Lane] | None = None,
    ) -> "RunWriter":
        """Create a run; its folder appears under its name only once it is complete.

        If several processes create it at the same time, one succeeds.

        Args:
            path: The run's folder.
            recipe: The recipe to be trained.
            extent: Sizes of the data and the members.
            examples: Targets by split, for splits whose outputs are kept.
            settings: Where and how the computation runs; stored as attributes.
            initial: Contents of arrays that are known before training, by path.
            of: The lanes that this process will write; by default all.

        Raises:
            OccupiedError: if the folder exists and is not empty.
            StoreError: if it cannot be written.
        """
        refuse_occupied(path)
        path = Path(os.path.realpath(path))  # a symbolic link stays one
        files.remove_dead_drafts(path.parent, path.name)
        draft = files.draft_of(path)
        shutil.rmtree(draft, ignore_errors=True)  # left by a dead process with the same PID
        try:
            with disk_errors(path):
                (draft / lanes.FOLDER).mkdir(parents=True)
                allocate(draft / STORE, recipe, extent, examples, settings, initial or {})
                (draft / RECIPE).write_text(toml.to_toml(recipe), encoding="utf-8")
                for lane in lanes.lanes_of(recipe):  # so that a missing seal is noticed
                    lanes.write_seal(draft, lane, Seal())
                files.flush(draft)
                trust.remember(draft, recipe)  # first: the run must not be without it if killed
                # Before the folder appears: no watcher finds it unlocked.
                lock = _lock(draft, recipe, lanes.lanes_of(recipe) if of is None else of)
                publish(draft, path)
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise
        lock.moved(path)
        return cls(path, recipe, lock)

    @classmethod
    def reopen(cls, path: Path, recipe: Recipe, *, of: Sequence[Lane] | None = None) -> "RunWriter":
        """Open a run to resume it, and remove data that were written but never sealed.

        Args:
            path: The run's folder.
            recipe: Its recipe.
            of: The lanes that this process will write; by default all. Other processes may be
                writing the others.

        Raises:
            StoreError: if the folder contains no run or the run of another recipe, or if another
                process is training one of the lanes.
        """
        run = Run(path)
        changed = toml.differences(run.recipe, recipe)
        if changed:
            raise StoreError(
                f"{path} was made with another recipe; these fields differ: {', '.join(changed)}. "
                "Resume with the same recipe, or choose another "
                f"folder{option('', ' with --out')}."
            )
        own = run.lanes if of is None else of
        lock = _lock(path, run.recipe, own)
        writer = cls(path, run.recipe, lock)
        files.remove_dead_drafts(path)
        files.remove_dead_drafts(path / lanes.FOLDER)
        listed = lanes.files_of(path)
        for lane in own:
            writer._remove_unsealed(lane, listed[lane.key])
        return writer

    def seal(self, lane: Lane) -> Seal:
        """Return the seal of a lane: which of its epochs are on disk."""
        if lane not in self._seals:  # a worker of a cluster needs those of a few of thousands
            self._seals[lane] = lanes.read_seal(self.path, lane)
        return self._seals[lane]

    def write(self, block: EpochBlock, *, flush: bool = True) -> None:
        """Write one epoch of one lane and seal it; do nothing if the epoch is already sealed.

        Args:
            block: The epoch.
            flush: Whether the epoch survives a power failure from now on. Without it, an epoch that
                follows at once must be written with it.

        Raises:
            StoreError: if the epoch is not the next one, or the disk cannot be written.
        """
        seal = self.seal(block.lane)
        if block.epoch <= seal.epoch:
            return
        if block.epoch != seal.epoch + 1:
            raise StoreError(
                f"{self.path}, {block.lane.key}: epochs up to {seal.epoch} are sealed; "
                f"epoch {block.epoch} cannot be written before epoch {seal.epoch + 1}."
            )
        self._require_present()
        self._lock.require(block.lane)
        after = seal_after(seal, block, self.recipe)
        with self._disk_errors():
            self._write_arrays(block)
            if block.state:  # recordings have none
                self._write_state(block)
            if block.action.lowered:
                self._write_lam(block.lane, after)
            after = replace(after, metrics=self._metric_checksums(block.lane, after))
            if flush:  # so that no seal that survives a power failure lacks its data
                files.flush(self.path)
            lanes.write_seal(self.path, block.lane, after)
        self._seals[block.lane] = after
        self._remove_superseded(block.lane, seal, after)

    def _require_present(self) -> None:
        """Check that the folder is still the one that was opened, and contains a run.

        Another process could train a new run under its name by now.

        Raises:
            StoreError: if it is not.
        """
        assert self._folder is not None
        try:
            present = os.path.samestat(os.fstat(self._folder), self.path.stat())
        except FileNotFoundError:
            present = False
        if not present or not (self.path / RECIPE).exists():
            raise StoreError(f"{self.path} was removed while it was trained; training has ended.")

    @contextmanager
    def _disk_errors(self) -> Iterator[None]:
        try:
            with disk_errors(self.path):
                yield
        except StoreError:
            self._require_present()
            raise

    def _write_arrays(self, block: EpochBlock) -> None:
        lane = (block.lane.lam_index, block.lane.trial)
        for split, logits in block.outputs.items():
            array = self._array(f"{names.OUTPUTS}/{split}/{names.LOGITS}")
            array[(*lane, block.epoch)] = logits
        for name, values in block.checkpoint.items():
            array = self._array(f"{names.CHECKPOINTS}/{name}")
            array[(*lane, block.epoch)] = values.reshape(array.shape[len(lane) + 1 :])
        rows = self._lane_metrics(block.lane)
        for name, row in block.metrics.items():
            if name not in rows:  # the store was created before this metric existed
                continue
            rows[name][block.epoch] = row
            self._array(f"{names.METRICS}/{name}")[lane] = rows[name]
        self._record_chunks(block)

    def _record_chunks(self, block: EpochBlock) -> None:
        """Record the checksums of the epoch's outputs and checkpoint."""
        arrays = [f"{names.OUTPUTS}/{split}/{names.LOGITS}" for split in block.outputs]
        arrays += [f"{names.CHECKPOINTS}/{name}" for name in block.checkpoint]
        if arrays:
            index = (block.lane.lam_index, block.lane.trial, block.epoch)
            chunks = checksums.of_arrays(self.path / STORE, arrays, index)
            checksums.write(self.path, block.lane, block.epoch, chunks)

    def _metric_checksums(self, lane: Lane, seal: Seal) -> tuple[tuple[str, str], ...]:
        """Return the checksum of every metric's values up to the sealed epoch."""
        until = seal.epoch + 1
        rows = {name: row[:until] for name, row in self._lane_metrics(lane).items()}
        if f"{names.METRICS}/{names.LAM_AT}" in self._store:
            rows[names.LAM_AT] = self._lams(lane, seal)[:until]
        return tuple(sorted((name, checksums.of_rows(row)) for name, row in rows.items()))

    def _lane_metrics(self, lane: Lane) -> dict[str, NDArray[np.float64]]:
        """Return a lane's metrics of all epochs, NaN after the last sealed one."""
        if lane not in self._metrics:
            rows = {}
            variables = [*names.METRIC_VARIABLES, *names.MODULE_VARIABLES, names.DISPLACEMENT]
            variables.append(names.TRAINING_MODULE)
            variables += self.recipe.modules.record.metrics
            for name in (n for n in variables if f"{names.METRICS}/{n}" in self._store):
                rows[name] = self._metric(lane, self._array(f"{names.METRICS}/{name}"))
            self._metrics[lane] = rows
        return self._metrics[lane]

    def _metric(self, lane: Lane, array: zarr.Array[Any]) -> NDArray[np.float64]:
        """Return a metric of a lane, NaN after the last sealed epoch."""
        until = self.seal(lane).epoch + 1
        row = np.full(array.shape[2:], np.nan)
        if until > 0:  # if the lane is trained again, its metrics may be damaged
            row[:until] = chunks.read(array, (lane.lam_index, lane.trial))[:until]
        return row

    def _write_lam(self, lane: Lane, seal: Seal) -> None:
        """Write λ of every epoch of a lane."""
        array = self._array(f"{names.METRICS}/{names.LAM_AT}")
        array[lane.lam_index, lane.trial] = self._lams(lane, seal)

    def _lams(self, lane: Lane, seal: Seal) -> NDArray[np.float64]:
        epochs, scheduled = self.recipe.train.epochs + 1, self.recipe.lam_at
        return np.array(
            [seal.lam(scheduled(lane.lam_index, e), e, self.recipe) for e in range(epochs)]
        )

    def _array(self, path: str) -> zarr.Array[Any]:
        if path not in self._arrays:
            array = cast("zarr.Array[Any]", self._store[path])
            # Checking whether a chunk equals the fill value takes longer than writing it.
            self._arrays[path] = array.with_config({"write_empty_chunks": True})
        return self._arrays[path]

    # --- state for resuming ---------------------------------------------------------------------

    def state(self, lane: Lane, epoch: int) -> State:
        """Read the training state of a lane at the end of an epoch.

        Raises:
            StoreError: if the state is missing or damaged.
        """
        return states.read(self.path, lane, epoch)

    def finished_before(self, lane: Lane, last: int, epoch: int) -> bool:
        """Return whether a lane has its last epoch, and its state of an epoch is no longer kept."""
        seal = self.seal(lane)
        finished = seal.done or seal.epoch >= last
        return finished and not states.path_of(self.path, lane, epoch).exists()

    def _write_state(self, block: EpochBlock) -> None:
        states.write(self.path, block.lane, block.epoch, block.state)
        self._states[block.lane.key].add(block.epoch)

    def forget_states(self, group: Iterable[Lane], epoch: int) -> None:
        """Remove states that are no longer needed once a group of lanes has sealed an epoch."""
        for lane in group:
            seal, of_lane = self.seal(lane), self._states[lane.key]
            if seal.epoch > epoch and not seal.done:  # it resumes from a later one
                continue
            for old in of_lane - (set() if seal.done else {epoch}):
                states.path_of(self.path, lane, old).unlink(missing_ok=True)
                of_lane.remove(old)

    # --- cleanup --------------------------------------------------------------------------------

    def _remove_superseded(self, lane: Lane, before: Seal, after: Seal) -> None:
        for epoch in set(before.outputs) - set(after.outputs):
            self._remove(lane, epoch, names.OUTPUTS)
        for epoch in set(before.checkpoints) - set(after.checkpoints):
            self._remove(lane, epoch, names.CHECKPOINTS)
        # Of an epoch that keeps neither outputs nor a checkpoint there is nothing to check.
        recorded = {*before.outputs, *before.checkpoints, after.epoch}
        for epoch in recorded.difference(after.outputs, after.checkpoints):
            checksums.path_of(self.path, lane, epoch).unlink(missing_ok=True)

    def _remove_unsealed(self, lane: Lane, names_of_files: Sequence[str]) -> None:
        """Remove what an interrupted run wrote without sealing it, or had not yet removed."""
        seal = self.seal(lane)
        for kind, kept in ((names.OUTPUTS, seal.outputs), (names.CHECKPOINTS, seal.checkpoints)):
            for epoch in set(range(self.recipe.train.epochs + 1)) - set(kept):
                self._remove(lane, epoch, kind)
        kept_records = {
            checksums.path_of(self.path, lane, epoch).name
            for epoch in (*seal.outputs, *seal.checkpoints)
        }
        for name in names_of_files:
            is_record = name.endswith(checksums.SUFFIX)
            # A draft is that of a process that was killed, since this one holds the lane's lock.
            if name.endswith(".draft") or (is_record and name not in kept_records):
                (self.path / lanes.FOLDER / name).unlink(missing_ok=True)
        if seal.epoch < 0 and f"{names.METRICS}/{names.LAM_AT}" in self._store:
            self._write_lam(lane, seal)  # written when the run was created, and damaged since
        for chunks_of_array in _chunk_folders(self.path / STORE):
            folder = chunks_of_array / str(lane.lam_index) / str(lane.trial)
            for path in folder.rglob("*.partial"):  # zarr's temporary files of chunks
                path.unlink()

    def _remove(self, lane: Lane, epoch: int, kind: str) -> None:
        """Remove the chunks of one lane and epoch; the paths are zarr's default chunk layout."""
        for array in self._by_epoch[kind]:
            chunks = self.path / STORE / array / "c" / f"{lane.lam_index}/{lane.trial}/{epoch}"
            if chunks.is_file():  # a scalar is one chunk file instead of a folder
                chunks.unlink()
            else:
                shutil.rmtree(chunks, ignore_errors=True)

    @functools.cached_property
    def _by_epoch(self) -> dict[str, list[str]]:
        """Paths of the arrays of outputs and checkpoints, which have chunks for every epoch."""
        kinds: dict[str, list[str]] = {names.OUTPUTS: [], names.CHECKPOINTS: []}
        for path, array in self._store.members(max_depth=None):
            kind = path.partition("/")[0]
            if kind in kinds and isinstance(array, zarr.Array):
                dims = cast("Any", array.metadata).dimension_names or ()
                if tuple(dims[:3]) == (names.LAM, names.TRIAL, names.EPOCH):
                    kinds[kind].append(path)
        return kinds

    def close(self) -> None:
        """Release the locks of the lanes."""
        if self._folder is not None:
            os.close(self._folder)
        self._folder = None
        self._lock.release()


def _chunk_folders(store: Path) -> Iterator[Path]:
    """Yield the folder of each array's chunks, without looking into it."""
    for folder, inner, _ in os.walk(store):
        chunk_folder = Path(folder) / "c"
        if "c" in inner and not (chunk_folder / "zarr.json").exists():  # no array named c
            inner.remove("c")
            yield chunk_folder


def refuse_occupied(path: Path) -> None:
    """Check that a folder for a new run does not exist or is empty.

    Raises:
        OccupiedError: if it contains anything.
        StoreError: if it is a part of another run.
    """
    refuse_part_of_run(path)
    if was_address(path):
        raise StoreError(
            f"{path}: addresses of object stores are for `jtdiag train` alone, and in Python are "
            "text, not a Path. Choose a folder, or train there."
        )
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        reason = "already contains a run" if (path / RECIPE).exists() else "is not empty"
        raise OccupiedError(
            f"{path} {reason}. Resume a run with {option('resume=True', '--resume')}, or choose "
            f"another folder{option('', ' with --out')}."
        )


def publish(draft: Path, path: Path) -> None:
    """Give a complete run its name.

    Args:
        draft: Its folder so far.
        path: The folder that it becomes.

    Raises:
        OccupiedError: if another process has been faster.
    """
    try:
        draft.replace(path)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
            refuse_occupied(path)
        raise


def _lock(path: Path, recipe: Recipe, of: Sequence[Lane]) -> LaneLocks:
    try:
        return lane_locks.acquire(path, of)
    except HeldError as error:
        raise StoreError(held(path, error, recipe)) from error
    except OSError as error:
        raise StoreError(f"{path}: cannot be written: {error.strerror}.") from error


def held(path: Path, error: HeldError, recipe: Recipe | None = None) -> str:
    """Return who holds a lock, and what to do.

    Args:
        path: Folder of the run.
        error: What is held, and by whom.
        recipe: Recipe of the run, if lanes were to be locked.
    """
    what, by = str(path), error.owner or "another process"
    if recipe is not None and error.lane is not None:
        lam = names.lam_text(recipe.lam[error.lane.lam_index])
        what = f"{path}, λ = {lam}, trial {error.lane.trial}"
    remedy = "wait until it has ended, or train other lanes"
    if error.owner is not None and not error.owner.is_here:
        left = max(1, round(owners.SILENT - error.silence))
        remedy = (
            f"its last heartbeat was {error.silence:.0f} s ago; {remedy}, or, if it is dead, try "
            f"again in {left} s"
        )
    return f"{what}: is being trained by {by}; {remedy}."


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn errors of a full or read-only disk into a one-line `StoreError`."""
    try:
        yield
    except OSError as error:
        if isinstance(error, StoreError):
            raise
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StoreError(
                f"The disk of {path} is full. Free some space, then resume with "
                f"{option('resume=True', '--resume')}."
            ) from error
        raise StoreError(f"{path}: cannot be written: {error}.") from error


def allocate(
    path: Path,
    recipe: Recipe,
    extent: Extent,
    examples: Mapping[str, Examples],
    settings: Mapping[str, str],
    initial: Mapping[str, NDArray[Any]],
) -> None:
    """Write an empty store and the record of its files, beside it in the folder of lanes.

    Args:
        path: The store, which is replaced.
        recipe: As in `RunWriter.create`, like all others.
        extent: Sizes.
        examples: Targets.
        settings: Where and how the computation runs.
        initial: Contents that are known before training.
    """
    store = zarr.open_group(path, mode="w", zarr_format=3)
    store.attrs.update(
        {
            "format": formats.RUN,
            "recipe": toml.to_toml(recipe),
            "settings": dict(settings),
            "outputs_per_member": extent.outputs,
            **extent.attributes,
        }
    )
    dims: dict[str, set[str]] = {}
    for array in layout.arrays(recipe, extent):
        allocated = _create(store, array)
        group, _, name = array.path.rpartition("/")
        dims.setdefault(group, set()).update(array.dims)
        if array.path in initial:
            allocated[...] = initial[array.path]
        elif name in (names.TARGET, names.SOURCE_INDEX):
            allocated[...] = getattr(examples[group.rpartition("/")[2]], name)
        if name == names.LAM_AT:
            allocated[...] = _scheduled_lams(recipe)
    for group, used in dims.items():
        _coordinates(cast(zarr.Group, store[group]), used, recipe, extent)
    with warnings.catch_warnings():
        # No array is added later, so the metadata can be consolidated; zarr only warns that
        # implementations in other languages may not use it.
        warnings.filterwarnings("ignore", message="Consolidated metadata", category=UserWarning)
        zarr.consolidate_metadata(store.store)
    _record_created(path)


def _record_created(path: Path) -> None:
    """Record every file of a new store, except metrics, which are written again every epoch."""
    metadata = sorted(path.rglob("zarr.json"))
    arrays = [file.parent for file in metadata if (file.parent / "c").exists()]
    written_once = [
        array.relative_to(path).as_posix()
        for array in arrays
        if array.parent.name != names.METRICS or array.name in COORDINATES
    ]
    hashes = {file.relative_to(path).as_posix(): files.digest(file) for file in metadata}
    checksums.write_created(path.parent, checksums.of_arrays(path, written_once), hashes)


def _scheduled_lams(recipe: Recipe) -> NDArray[np.float64]:
    """Return λ by lam, trial and epoch."""
    epochs = range(recipe.train.epochs + 1)
    rows = [[recipe.lam_at(i, epoch) for epoch in epochs] for i in range(len(recipe.lam))]
    return np.repeat(np.asarray(rows)[:, None], recipe.trials, axis=1)


def _create(store: zarr.Group, array: layout.Array) -> zarr.Array[Any]:
    codecs = [ZstdCodec(level=1), Crc32cCodec()] if array.compressed else [Crc32cCodec()]
    return store.create_array(
        array.path,
        shape=array.shape,
        chunks=array.chunks,
        dtype=array.dtype,
        filters=(),
        compressors=codecs,
        fill_value=np.nan if array.dtype.startswith("float") else 0,
        dimension_names=array.dims,
        attributes={"unit": array.unit, "meaning": array.meaning},
    )


COORDINATES = (
    names.LAM,
    names.TRIAL,
    names.EPOCH,
    names.MEMBER,
    names.SPLIT,
    names.MODULE,
)


def _coordinates(group: zarr.Group, dims: set[str], recipe: Recipe, extent: Extent) -> None:
    """Write the coordinates of a group's dimensions, for those that have coordinates."""
    values: dict[str, NDArray[Any]] = {
        names.LAM: np.asarray(recipe.lam, dtype=np.float64),
        names.TRIAL: np.arange(recipe.trials),
        names.EPOCH: np.arange(recipe.train.epochs + 1),
        names.MEMBER: np.arange(recipe.members.count),
        names.SPLIT: np.asarray(recipe.splits, dtype=np.dtypes.StringDType()),
        names.MODULE: np.asarray(
            [module.name for module in extent.modules], dtype=np.dtypes.StringDType()
        ),
    }
    for name in dims & set(values):
        coordinate = group.create_array(
            name,
            shape=values[name].shape,
            chunks=values[name].shape,
            dtype=values[name].dtype,
            compressors=[Crc32cCodec()],
            dimension_names=(name,),
        )
        coordinate[...] = values[name]
