"""Reading a run: its recipe, its seals, and its arrays up to what is sealed."""

import fcntl
import functools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import xarray as xr
import zarr
from numpy.typing import NDArray

from jtdiag import families, names
from jtdiag.errors import StoreError
from jtdiag.recipe import toml
from jtdiag.recipe.recipe import Recipe
from jtdiag.rules.contract import History
from jtdiag.store import chunks, lanes
from jtdiag.store.lanes import Lane, Seal

if TYPE_CHECKING:
    from jtdiag.families.contract import Family

RECIPE = "recipe.toml"
STORE = "store.zarr"
LOCK = "engine.lock"
"""The engine holds a lock on this file while it trains; a dead engine's lock is gone."""


@dataclass(frozen=True, kw_only=True)
class OutputBlock:
    """Outputs of every member on some consecutive examples of one split, lane and epoch."""

    logits: NDArray[np.floating[Any]]
    """(M, n, K), in nats, in the type in which they are kept."""
    target: NDArray[Any]
    """(n,) classes, or (n, K) numbers."""
    start: int
    """Position of the first of these examples in the split."""


class Run:
    """A run's folder, read only. Whatever is not sealed does not exist for a reader.

    Seals are read anew on every question, so one object can follow a run that is training.

    Raises:
        StoreError: if the folder holds no run.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        for name in (RECIPE, STORE):
            if not (self.path / name).exists():
                raise StoreError(
                    f"{self.path} is no run: it has no {name}. "
                    "Name a folder that `jtdiag train` has made."
                )
        self.recipe: Recipe = toml.read(self.path / RECIPE)
        self.recipe_hash = toml.digest(self.recipe)
        self.bytes_read = 0
        """Of outputs and checkpoints, by this object; what a display of progress looks at."""
        self._arrays: dict[str, zarr.Array[Any]] = {}  # to find one takes as long as to read it

    @functools.cached_property
    def _store(self) -> zarr.Group:
        try:
            return zarr.open_group(self.path / STORE, mode="r", zarr_format=3)
        except (OSError, ValueError, KeyError) as error:
            raise StoreError(f"{self.path / STORE} cannot be opened: {error}.") from error

    def array(self, path: str) -> zarr.Array[Any]:
        """Return one array of the store by its path, such as ``metrics/member_loss``.

        Raises:
            StoreError: if the store has no such array.
        """
        if path not in self._arrays:
            if path not in self._store:
                raise StoreError(
                    f"{self.path} keeps no {path}; its recipe's [keep] says what it keeps."
                )
            self._arrays[path] = cast("zarr.Array[Any]", self._store[path])
        return self._arrays[path]

    @property
    def outputs_per_member(self) -> int:
        """Outputs K of a member; for classes, how many there are."""
        return int(cast(int, self._store.attrs["outputs_per_member"]))

    @property
    def chance_error(self) -> float:
        """Error without any skill: of a guess, or of the best prediction equal for all."""
        guess = 1 - 1 / self.outputs_per_member
        return float(cast(float, self._store.attrs.get("chance_error", guess)))

    @property
    def chance_loss(self) -> float | None:
        """Loss without any skill, in nats: of a guess among classes; None for other families."""
        classes = self.recipe.family == "categorical" or self.family.classes
        return math.log(self.outputs_per_member) if classes else None

    @property
    def error_scale(self) -> float:
        """What the family's errors were divided by to become fractions."""
        return float(cast(float, self._store.attrs.get("error_scale", 1.0)))

    @property
    def error_measure(self) -> str:
        """What errors are, for people, such as "fraction wrong"."""
        return str(self._store.attrs.get("error_measure", "fraction wrong"))

    @property
    def settings(self) -> dict[str, str]:
        """Where and how the run's arithmetic ran: device, threads, execution, versions."""
        return dict(cast("dict[str, str]", self._store.attrs["settings"]))

    @property
    def recorded(self) -> bool:
        """True when the run was recorded from a loop of its user's, which nobody can repeat."""
        return names.RECORDED in self.settings

    # --- lanes and seals ---------------------------------------------------------------------

    @functools.cached_property
    def lanes(self) -> list[Lane]:
        """All lanes of the run, whether they have begun or not."""
        return lanes.lanes_of(self.recipe)

    def seal(self, lane: Lane) -> Seal:
        """Return how far a lane has come, as of now."""
        return lanes.read_seal(self.path, lane)

    def lam(self, lane: Lane) -> float:
        """Return a lane's λ; where a schedule moves it, the λ at which it arrives."""
        return self.recipe.lam[lane.lam_index]

    def lam_at(self, lane: Lane, epoch: int) -> float:
        """Return the λ with which a lane trained during an epoch."""
        return self._lam_by(self.seal(lane), lane, epoch)

    def _lam_by(self, seal: Seal, lane: Lane, epoch: int) -> float:
        return seal.lam(self.recipe.lam_at(lane.lam_index, epoch), epoch, self.recipe)

    @functools.cached_property
    def family(self) -> "Family":
        """The likelihood of the run's members.

        Raises:
            RecipeError: if it is a file of the user's that is not where the recipe says.
        """
        return families.find(self.recipe.family)

    @property
    def done(self) -> bool:
        """True when every lane has all its epochs."""
        return all(self.seal(lane).done for lane in self.lanes)

    @property
    def training(self) -> bool:
        """True while an engine, in this process or another, has the run in hand."""
        try:
            with (self.path / LOCK).open("rb") as stream:
                fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except BlockingIOError:
            return True
        return False

    def chosen_epoch(self, lane: Lane) -> int:
        """Return the epoch that stands for a lane: the best on validation, or else the last."""
        seal = self.seal(lane)
        return seal.epoch if seal.best is None else seal.best

    # --- arrays ------------------------------------------------------------------------------

    def metrics(self) -> xr.Dataset:
        """Return losses and errors by lam, trial, epoch, split and member; NaN where not sealed.

        ``best_epoch`` (lam, trial) is the epoch that validation chose, -1 without one.
        """
        seals = {lane: self.seal(lane) for lane in self.lanes}  # before the data: never ahead
        self._require_metrics(seals)
        found = self._group(names.METRICS)
        sealed = _per_lane(self.recipe, {lane: seal.epoch for lane, seal in seals.items()})
        found = found.where(found[names.EPOCH] <= sealed)
        best = {lane: -1 if seal.best is None else seal.best for lane, seal in seals.items()}
        found[names.BEST_EPOCH] = _per_lane(self.recipe, best).assign_attrs(unit=names.INDEX)
        return found.isel({names.EPOCH: slice(0, int(sealed.max()) + 1)})

    def history(self, lane: Lane) -> History | None:
        """Return a lane's training metrics up to its seal; None where nothing is known."""
        seal = self.seal(lane)
        if seal.epoch < 0:
            return None
        self._require_metrics({lane: seal})
        epochs = range(seal.epoch + 1)
        where = (lane.lam_index, lane.trial, slice(len(epochs)))
        train = self.recipe.splits.index(names.TRAIN)
        rows = {
            name: chunks.read(self.array(f"{names.METRICS}/{name}"), where)[:, train]
            for name in names.METRIC_VARIABLES
        }
        path = f"{names.METRICS}/{names.DISPLACEMENT}"
        found = History(
            epoch=np.asarray(epochs),
            **rows,
            chance_error=self.chance_error,
            chance_loss=self.chance_loss,
            displacement=chunks.read(self.array(path), where) if path in self._store else None,
            lam=np.array([self._lam_by(seal, lane, epoch) for epoch in epochs]),
        )
        return found.measured() if self.recorded else found

    def outputs(self, lane: Lane, epoch: int, split: str) -> Iterator[OutputBlock]:
        """Yield the outputs of one lane and epoch, chunk by chunk along the examples.

        Raises:
            StoreError: if these outputs are not kept, or a chunk is damaged.
        """
        if epoch not in self.seal(lane).outputs:
            raise StoreError(f"{self.path}: lane {lane.key} keeps no outputs of epoch {epoch}.")
        logits = self.array(f"{names.OUTPUTS}/{split}/{names.LOGITS}")
        self._require(logits, lane.lam_index, lane.trial, epoch)
        target = self.target(split, lane)
        step = logits.chunks[4]
        for start in range(0, logits.shape[4], step):
            where = (lane.lam_index, lane.trial, epoch, slice(None), slice(start, start + step))
            found = self._counted(chunks.read(logits, where))
            yield OutputBlock(logits=found, target=target[start : start + step], start=start)

    def _counted(self, read: NDArray[Any]) -> NDArray[Any]:
        self.bytes_read += read.nbytes
        return read

    def target(self, split: str, lane: Lane) -> NDArray[Any]:
        """Return the classes (n,) or numbers (n, K) of a split's examples, as its outputs lie."""
        array = self.array(f"{names.OUTPUTS}/{split}/{names.TARGET}")
        by_trial = names.TRIAL in (array.metadata.dimension_names or ())  # type: ignore[union-attr]
        return chunks.read(array, lane.trial if by_trial else ...)

    def checkpoint(self, lane: Lane, epoch: int) -> dict[str, NDArray[np.floating[Any]]]:
        """Return the parameters (M, …) of all members of one lane and epoch, by name.

        Where members are branches of one network they are that network's: (1, …).

        Raises:
            StoreError: if that checkpoint is not kept, or a chunk is damaged.
        """
        self._require_checkpoint(lane, epoch)
        return {name: self._weights(lane, epoch, name) for name in self._checkpointed}

    @property
    def parameters(self) -> dict[str, tuple[int, ...]]:
        """Shape of every trained parameter of one member that checkpoints hold, by sorted name.

        Empty where none are kept; of the whole network where members are its branches.
        """
        before = 3 if self.recipe.members.branched else 4  # lam, trial, epoch, member
        return {
            name: array.shape[before:]
            for name, array in sorted(self._checkpointed.items())
            if array.attrs.get("meaning") == "parameter"
        }

    def parameter(self, lane: Lane, epoch: int, name: str) -> NDArray[np.floating[Any]]:
        """Return one parameter (M, …) of all members of one lane and epoch.

        Raises:
            StoreError: if that checkpoint is not kept, or a chunk is damaged.
        """
        self._require_checkpoint(lane, epoch)
        return self._weights(lane, epoch, name)

    def _require_checkpoint(self, lane: Lane, epoch: int) -> None:
        if epoch not in self.seal(lane).checkpoints:
            raise StoreError(f"{self.path}: lane {lane.key} keeps no checkpoint of epoch {epoch}.")

    def _weights(self, lane: Lane, epoch: int, name: str) -> NDArray[np.floating[Any]]:
        array = self.array(f"{names.CHECKPOINTS}/{name}")
        where = (lane.lam_index, lane.trial, epoch)
        self._require(array, *where)
        numbers = self._counted(chunks.read(array, where))
        return numbers[None] if self.recipe.members.branched else numbers

    @functools.cached_property
    def _checkpointed(self) -> dict[str, zarr.Array[Any]]:
        """The arrays of the checkpoints by name: parameters and buffers."""
        if names.CHECKPOINTS not in self._store:
            return {}
        group = cast(zarr.Group, self._store[names.CHECKPOINTS])
        return {name: array for name, array in group.arrays() if array.ndim >= 3}  # no coordinate

    @property
    def tree(self) -> xr.DataTree:
        """The sealed epochs as a DataTree; outputs and checkpoints are lazy dask arrays."""
        seals = {lane: self.seal(lane) for lane in self.lanes}
        nodes = {f"/{names.METRICS}": self.metrics()}
        kinds = {names.CHECKPOINTS: "checkpoints"}
        kinds |= {f"{names.OUTPUTS}/{s}": "outputs" for s in self.recipe.keep.splits}
        for group, kind in kinds.items():
            if group in self._store:
                kept = {lane: getattr(seal, kind) for lane, seal in seals.items()}
                nodes[f"/{group}"] = _only_kept(self.recipe, self._group(group, lazy=True), kept)
        if names.BOOTSTRAP in self._store:
            nodes[f"/{names.BOOTSTRAP}"] = self._group(names.BOOTSTRAP, lazy=True)
        tree = xr.DataTree.from_dict(nodes)
        tree.attrs.update(self._store.attrs)
        return tree

    def _group(self, name: str, *, lazy: bool = False) -> xr.Dataset:
        wanted: dict[Any, Any] | None = {} if lazy else None
        try:
            found = xr.open_zarr(self.path / STORE, group=name, chunks=wanted, consolidated=True)
        except (OSError, ValueError, KeyError) as error:
            raise StoreError(f"{self.path / STORE}/{name} cannot be opened: {error}.") from error
        if not lazy:
            for variable in found.variables:
                with chunks.damage(f"{self.path / STORE}/{name}/{variable}"):
                    found[variable].load()
        return found

    def _require(self, array: zarr.Array[Any], *where: int) -> None:
        """Refuse a sealed part of which chunks are missing: zarr would read them as NaN."""
        folder = self.path.joinpath(STORE, array.path, "c", *map(str, where))
        grid = [
            math.ceil(size / chunk)
            for size, chunk in zip(
                array.shape[len(where) :], array.chunks[len(where) :], strict=True
            )
        ]
        # While it rewrites a chunk, zarr has a draft of it, NAME.partial, beside it.
        files = [folder] if folder.is_file() else folder.rglob("*")
        found = sum(path.is_file() and not path.suffix for path in files)
        if found < math.prod(grid):
            raise StoreError(
                f"{folder}: {math.prod(grid) - found} chunks of a sealed epoch are missing. "
                "Train the run again, or restore the folder from a copy."
            )

    def _require_metrics(self, seals: Mapping[Lane, Seal]) -> None:
        for name in names.METRIC_VARIABLES:
            array = self.array(f"{names.METRICS}/{name}")
            for lane, seal in seals.items():
                if seal.epoch >= 0:
                    self._require(array, lane.lam_index, lane.trial)

    def _written_once(self) -> list[str]:
        """Return the paths of arrays that were known when the run began."""
        once = [names.BOOTSTRAP_COUNT, names.BOOTSTRAP_SOURCE]
        for split in self.recipe.keep.splits:
            once += [f"{names.OUTPUTS}/{split}/{n}" for n in (names.TARGET, names.SOURCE_INDEX)]
        groups = {g for g in (names.BOOTSTRAP, names.OUTPUTS) if g in self._store}
        return [path for path in once if path.partition("/")[0] in groups]

    def check(self) -> int:
        """Read every sealed chunk against its checksum; return how many arrays were read.

        Raises:
            StoreError: naming the first chunk that is damaged or missing.
        """
        count = 0
        self.metrics()
        for path in self._written_once():
            self._require(self.array(path))
            chunks.read(self.array(path), ...)
        for lane in self.lanes:
            seal = self.seal(lane)
            for epoch in seal.outputs:
                for split in self.recipe.keep.splits:
                    count += sum(1 for _ in self.outputs(lane, epoch, split))
            for epoch in seal.checkpoints:
                count += len(self.checkpoint(lane, epoch))
        return count


def _per_lane(recipe: Recipe, values: Mapping[Lane, int]) -> xr.DataArray:
    grid = np.empty((len(recipe.lam), recipe.trials), dtype=np.int64)
    for lane, value in values.items():
        grid[lane.lam_index, lane.trial] = value
    return xr.DataArray(grid, dims=(names.LAM, names.TRIAL))


def _only_kept(
    recipe: Recipe, group: xr.Dataset, kept: Mapping[Lane, tuple[int, ...]]
) -> xr.Dataset:
    """Hide what a store may hold beyond its seals: an epoch half written, or superseded."""
    mask = np.zeros((len(recipe.lam), recipe.trials, recipe.train.epochs + 1), dtype=bool)
    for lane, epochs in kept.items():
        mask[lane.lam_index, lane.trial, list(epochs)] = True
    visible = xr.DataArray(mask, dims=(names.LAM, names.TRIAL, names.EPOCH))

    def hide(array: xr.DataArray) -> xr.DataArray:
        found = array.where(visible) if names.EPOCH in array.dims else array
        return found.transpose(*array.dims)

    return group.map(hide, keep_attrs=True)
