"""Writing a run: the engine's side of a store. Everything is written first and sealed last."""

import errno
import fcntl
import os
import shutil
import time
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast
from zipfile import BadZipFile

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.codecs import Crc32cCodec, ZstdCodec

from jtdiag import names
from jtdiag.errors import StoreError
from jtdiag.recipe import toml
from jtdiag.recipe.recipe import Recipe
from jtdiag.store import lanes, layout as schema
from jtdiag.store.lanes import Lane, Seal
from jtdiag.store.layout import Extent
from jtdiag.store.run import LOCK, RECIPE, STORE, Run

State = dict[str, NDArray[Any]]
"""Arrays from which training goes on as if it had never stopped."""


@dataclass(frozen=True, kw_only=True)
class EpochBlock:
    """Everything that one lane has to write for one epoch."""

    lane: Lane
    epoch: int
    metrics: Mapping[str, NDArray[np.float64]]
    """Each (split,) or (split, member); displacement, if known, (member,)."""
    outputs: Mapping[str, NDArray[Any]]
    """Logits (M, n, K) by split; empty when the epoch's outputs are not kept."""
    checkpoint: Mapping[str, NDArray[Any]]
    """Parameters (M, …), or (1, …) of a branched network; empty when they are not kept."""
    state: State
    stopped: str = ""
    """Rule that ends the lane with this epoch."""
    lowered: str = ""
    """Rule on which λ is lowered from the next epoch on."""


@dataclass(frozen=True, kw_only=True)
class Examples:
    """Targets and origins of the examples of a split, written once."""

    target: NDArray[Any]
    """(n,), or (trials, n) where trials differ; of numbers, with an axis of K more."""
    source_index: NDArray[np.int64]


class RunWriter:
    """The one writer of a run; holds the run's lock until it is closed."""

    def __init__(self, path: Path, recipe: Recipe, lock: IO[bytes]) -> None:
        self.path = path
        self.recipe = recipe
        self._lock = lock
        self._store = zarr.open_group(
            path / STORE, mode="r+", zarr_format=3, use_consolidated=False
        )
        self._arrays: dict[str, zarr.Array[Any]] = {}
        self._seals = {lane: lanes.read_seal(path, lane) for lane in lanes.lanes_of(recipe)}
        self._metrics: dict[Lane, dict[str, NDArray[np.float64]]] = {}

    @classmethod
    def create(
        cls,
        path: Path,
        recipe: Recipe,
        extent: Extent,
        examples: Mapping[str, Examples],
        settings: Mapping[str, str],
        *,
        known: Mapping[str, NDArray[Any]] | None = None,
    ) -> "RunWriter":
        """Allocate a run's store; the folder appears under its name only when it is whole.

        The settings, which say where and how the arithmetic runs, become its attributes. What is
        known beforehand comes by the paths of its arrays.

        Raises:
            StoreError: if something is in the way.
        """
        refuse_occupied(path)
        draft = path.with_name(f".{path.name}.{os.getpid()}.draft")
        shutil.rmtree(draft, ignore_errors=True)  # a dead process may have had our number
        try:
            with _disk_errors(path):
                (draft / lanes.FOLDER).mkdir(parents=True)
                _allocate(draft / STORE, recipe, extent, examples, settings, known or {})
                (draft / RECIPE).write_text(toml.to_toml(recipe), encoding="utf-8")
                lock = _locked(draft)  # before the folder appears: a watcher never finds it idle
                draft.replace(path)
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise
        return cls(path, recipe, lock)

    @classmethod
    def reopen(cls, path: Path, recipe: Recipe) -> "RunWriter":
        """Open a run to continue it, after removing what was written but never sealed.

        Raises:
            StoreError: if the folder holds no run, the run of another recipe, or is in use.
        """
        run = Run(path)
        changed = toml.differences(run.recipe, recipe)
        if changed:
            raise StoreError(
                f"{path} was made by another recipe, with other {', '.join(changed)}. "
                "Resume with the same recipe, or name another folder with --out."
            )
        lock = _locked(path)
        writer = cls(path, run.recipe, lock)
        for half_written in (path / STORE).rglob("*.partial"):  # zarr's drafts of chunks
            half_written.unlink()
        for lane in run.lanes:
            writer._remove_unsealed(lane)
        return writer

    def seal(self, lane: Lane) -> Seal:
        """Return how far a lane has come on disk."""
        return self._seals[lane]

    def write(self, block: EpochBlock) -> None:
        """Write one epoch of one lane and seal it; an epoch that is sealed already is passed over.

        Raises:
            StoreError: if the epoch does not follow the seal, or the disk refuses.
        """
        seal = self._seals[block.lane]
        if block.epoch <= seal.epoch:
            return
        if block.epoch != seal.epoch + 1:
            raise StoreError(
                f"{self.path}, {block.lane.key}: epochs up to {seal.epoch} are sealed; "
                f"epoch {block.epoch} cannot follow."
            )
        after = seal.after(
            block.epoch,
            self._val_error(block),
            self.recipe,
            stopped=block.stopped,
            lowered=block.lowered,
        )
        with _disk_errors(self.path):
            self._write_arrays(block)
            self._write_state(block)
            if block.lowered:
                self._write_lam(block.lane, after)
            lanes.write_seal(self.path, block.lane, after)
        self._seals[block.lane] = after
        self._remove_superseded(block.lane, seal, after)

    def _val_error(self, block: EpochBlock) -> float | None:
        if names.VAL not in self.recipe.splits:
            return None
        return float(block.metrics[names.ENSEMBLE_ERROR][self.recipe.splits.index(names.VAL)])

    def _write_arrays(self, block: EpochBlock) -> None:
        where = (block.lane.lam_index, block.lane.trial)
        for split, logits in block.outputs.items():
            array = self._array(f"{names.OUTPUTS}/{split}/{names.LOGITS}")
            array[(*where, block.epoch)] = logits
        for name, values in block.checkpoint.items():
            array = self._array(f"{names.CHECKPOINTS}/{name}")
            array[(*where, block.epoch)] = values.reshape(array.shape[len(where) + 1 :])
        rows = self._lane_metrics(block.lane)
        for name, row in block.metrics.items():
            if name not in rows:  # a store older than this metric
                continue
            rows[name][block.epoch] = row
            self._array(f"{names.METRICS}/{name}")[where] = rows[name]

    def _lane_metrics(self, lane: Lane) -> dict[str, NDArray[np.float64]]:
        """Return the lane's metrics over all epochs, NaN beyond the seal."""
        if lane not in self._metrics:
            rows = {}
            known = (*names.METRIC_VARIABLES, names.DISPLACEMENT)
            for name in (n for n in known if f"{names.METRICS}/{n}" in self._store):
                array = self._array(f"{names.METRICS}/{name}")
                rows[name] = np.array(array[lane.lam_index, lane.trial], dtype=np.float64)
                rows[name][self._seals[lane].epoch + 1 :] = np.nan
            self._metrics[lane] = rows
        return self._metrics[lane]

    def _write_lam(self, lane: Lane, seal: Seal) -> None:
        """Write the λs of a lane's epochs."""
        epochs, scheduled = self.recipe.train.epochs + 1, self.recipe.lam_at
        row = [seal.lam(scheduled(lane.lam_index, e), e, self.recipe) for e in range(epochs)]
        array = self._array(f"{names.METRICS}/{names.LAM_AT}")
        array[lane.lam_index, lane.trial] = np.asarray(row)

    def _array(self, path: str) -> zarr.Array[Any]:
        if path not in self._arrays:
            array = cast("zarr.Array[Any]", self._store[path])
            # Comparing chunks with the fill value, to leave some out, costs more than writing.
            self._arrays[path] = array.with_config({"write_empty_chunks": True})
        return self._arrays[path]

    # --- what only resuming needs --------------------------------------------------------------

    def state(self, lane: Lane, epoch: int) -> State:
        """Return the state of a lane at the end of an epoch.

        Raises:
            StoreError: if it is missing or damaged.
        """
        path = self._state_path(lane, epoch)
        try:
            with path.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
                return dict(arrays)
        except (OSError, ValueError, EOFError, BadZipFile) as error:
            raise StoreError(
                f"{path}: cannot be read ({error}); the lane cannot be resumed. "
                "Train the run again under another name with --out."
            ) from error

    def finished_before(self, lane: Lane, epoch: int) -> bool:
        """Tell whether a lane is done and its state at an epoch no longer kept."""
        return self._seals[lane].done and not self._state_path(lane, epoch).exists()

    def _state_path(self, lane: Lane, epoch: int) -> Path:
        return self.path / lanes.FOLDER / f"{lane.key}-epoch{epoch}.npz"

    def _write_state(self, block: EpochBlock) -> None:
        path = self._state_path(block.lane, block.epoch)
        draft = path.with_suffix(".draft")
        with draft.open("wb") as stream:
            np.savez(stream, **cast(Any, block.state))
        draft.replace(path)

    def forget_states(self, group: Iterable[Lane], epoch: int) -> None:
        """Remove the states that nobody needs once all lanes of a group have sealed an epoch."""
        for lane in group:
            for path in (self.path / lanes.FOLDER).glob(f"{lane.key}-epoch*.npz"):
                if self._seals[lane].done or path != self._state_path(lane, epoch):
                    path.unlink()

    # --- cleaning --------------------------------------------------------------------------------

    def _remove_superseded(self, lane: Lane, before: Seal, after: Seal) -> None:
        for epoch in set(before.outputs) - set(after.outputs):
            self._remove(lane, epoch, names.OUTPUTS)
        for epoch in set(before.checkpoints) - set(after.checkpoints):
            self._remove(lane, epoch, names.CHECKPOINTS)

    def _remove_unsealed(self, lane: Lane) -> None:
        """Remove what an interrupted engine wrote and did not seal, or had not yet removed."""
        seal = self._seals[lane]
        for kind, kept in ((names.OUTPUTS, seal.outputs), (names.CHECKPOINTS, seal.checkpoints)):
            for epoch in set(range(self.recipe.train.epochs + 1)) - set(kept):
                self._remove(lane, epoch, kind)
        folder = self.path / lanes.FOLDER
        for path in (*folder.glob(f"{lane.key}-*.draft"), *folder.glob(f"{lane.key}.json.*")):
            path.unlink()

    def _remove(self, lane: Lane, epoch: int, kind: str) -> None:
        """Remove the chunks of one lane and epoch, in zarr's default layout of chunk files."""
        for array in (self.path / STORE / kind).glob("**/c"):
            chunks = array / str(lane.lam_index) / str(lane.trial) / str(epoch)
            if chunks.is_file():  # of a single number there is one chunk and no folder
                chunks.unlink()
            else:
                shutil.rmtree(chunks, ignore_errors=True)

    def close(self) -> None:
        """Give the run's lock back."""
        self._lock.close()


def refuse_occupied(path: Path) -> None:
    """Refuse a folder for a new run that holds anything.

    Raises:
        StoreError: saying what is in the way.
    """
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        what = "already holds a run" if (path / RECIPE).exists() else "is not empty"
        raise StoreError(
            f"{path} {what}. Continue a run with --resume, or name another folder with --out."
        )


def _locked(path: Path) -> IO[bytes]:
    stream = (path / LOCK).open("ab")
    for wait in (0.05, 0.2, 0.0):  # a watcher holds the lock for the moment of a look
        with suppress(BlockingIOError):
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return stream
        time.sleep(wait)
    stream.close()
    raise StoreError(f"{path} is being trained by another process; wait for it.")


@contextmanager
def _disk_errors(path: Path) -> Iterator[None]:
    """Turn what a full or forbidden disk raises into one line."""
    try:
        yield
    except OSError as error:
        if isinstance(error, StoreError):
            raise
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StoreError(
                f"The disk of {path} is full. Free some space, then continue with --resume."
            ) from error
        raise StoreError(f"{path}: cannot be written: {error}.") from error


def _allocate(
    path: Path,
    recipe: Recipe,
    extent: Extent,
    examples: Mapping[str, Examples],
    settings: Mapping[str, str],
    known: Mapping[str, NDArray[Any]],
) -> None:
    store = zarr.open_group(path, mode="w", zarr_format=3)
    store.attrs.update(
        {
            "recipe": toml.to_toml(recipe),
            "settings": dict(settings),
            "outputs_per_member": extent.outputs,
            **extent.targets.attributes,
        }
    )
    dims: dict[str, set[str]] = {}
    for array in schema.arrays(recipe, extent):
        made = _create(store, array)
        group, _, name = array.path.rpartition("/")
        dims.setdefault(group, set()).update(array.dims)
        if array.path in known:
            made[...] = known[array.path]
        elif name in (names.TARGET, names.SOURCE_INDEX):
            made[...] = getattr(examples[group.rpartition("/")[2]], name)
        if name == names.LAM_AT:
            made[...] = _scheduled_lams(recipe)
    for group, used in dims.items():
        _coordinates(cast(zarr.Group, store[group]), used, recipe)
    with warnings.catch_warnings():
        # Nothing is allocated later, so the metadata can be gathered once; zarr's warning says
        # only that other languages' readers may not use it.
        warnings.filterwarnings("ignore", message="Consolidated metadata", category=UserWarning)
        zarr.consolidate_metadata(store.store)


def _scheduled_lams(recipe: Recipe) -> NDArray[np.float64]:
    """Return λ by lam, trial and epoch."""
    epochs = range(recipe.train.epochs + 1)
    rows = [[recipe.lam_at(i, epoch) for epoch in epochs] for i in range(len(recipe.lam))]
    return np.repeat(np.asarray(rows)[:, None], recipe.trials, axis=1)


def _create(store: zarr.Group, array: schema.Array) -> zarr.Array[Any]:
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


def _coordinates(group: zarr.Group, dims: set[str], recipe: Recipe) -> None:
    """Write the coordinates of a group's dimensions, of those that have any."""
    values: dict[str, NDArray[Any]] = {
        names.LAM: np.asarray(recipe.lam, dtype=np.float64),
        names.TRIAL: np.arange(recipe.trials),
        names.EPOCH: np.arange(recipe.train.epochs + 1),
        names.MEMBER: np.arange(recipe.members.count),
        names.SPLIT: np.asarray(recipe.splits, dtype=np.dtypes.StringDType()),
    }
    for name in dims & set(values):
        made = group.create_array(
            name,
            shape=values[name].shape,
            chunks=values[name].shape,
            dtype=values[name].dtype,
            compressors=[Crc32cCodec()],
            dimension_names=(name,),
        )
        made[...] = values[name]
