"""Reading a run: its recipe, its seals, and the arrays of its sealed epochs."""

import copy
import functools
import math
import os
import tomllib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import xarray as xr
import zarr
from numpy.typing import NDArray

from jtdiag import families, files, loading, names
from jtdiag.errors import RecipeError, StoreError
from jtdiag.objects import mirror
from jtdiag.printable import shell_word
from jtdiag.recipe import toml
from jtdiag.recipe.recipe import Recipe
from jtdiag.rules.contract import History
from jtdiag.rules.module_history import METRICS, ModuleHistory
from jtdiag.store import (
    checksums,
    chunks,
    direct,
    formats,
    lane_locks,
    lanes,
    lazy,
    object_locks,
    summary,
    trust,
)
from jtdiag.store.lanes import Lane, Seal

if TYPE_CHECKING:
    from jtdiag.families.contract import Family

RECIPE = "recipe.toml"
STORE = "store.zarr"
GROWTH = "growth"
"""Folder of what is still to be moved to its place when lanes are added."""
KNOWN_OF_RECORDED = (
    *("name", "lam", "trials", "family", "combiner", "members.count", "train.epochs"),
    *("keep.outputs", "keep.checkpoints", "keep.splits", "keep.dtype"),
)
"""Fields of the recipe that are known of a run that was recorded from a user's training loop."""


@dataclass(frozen=True, kw_only=True)
class OutputBlock:
    """Outputs of all members for consecutive examples of one split, lane and epoch."""

    logits: NDArray[np.floating[Any]]
    """(M, n, K), in nats, in the dtype in which they are stored."""
    target: NDArray[Any]
    """(n,) classes, or (n, K) numbers."""
    start: int
    """Index of the first of these examples in the split."""


class Run:
    """Read-only access to a run's folder. Epochs that are not sealed are invisible.

    Seals are read again on every access, so one object can follow a run that is training.

    Args:
        path: The folder, or the address in an object store, such as "s3://bucket/run". What is
            read of a run there is copied to this machine (`Run.path`), as it was when the run was
            opened.
        trust_code: Whether code that the recipe names, such as a user-defined family, may be
            imported although the run was made by another user or on another machine.

    Raises:
        StoreError: if the folder contains no run.
    """

    def __init__(self, path: str | Path, *, trust_code: bool = False) -> None:
        self.path = mirror.local(path)
        self._mirror = mirror.of(self.path)
        self._trusts_code = trust_code
        self.require(self.path)
        self._require_grown()
        self._require_format()
        self.recipe: Recipe = self._read_recipe()
        self.recipe_hash = toml.digest(self.recipe)
        self.bytes_read = 0
        """Bytes of outputs and checkpoints that this object has read, for progress displays."""
        self._arrays: dict[str, zarr.Array[Any]] = {}  # a lookup takes as long as reading
        self._plain: dict[str, bool] = {}
        self._targets: dict[tuple[str, int | None], NDArray[Any]] = {}
        self._last_record: tuple[Lane | None, int, checksums.Chunks] = (None, -1, {})
        self._left_out: frozenset[Lane] = frozenset()
        self._check_recipe()

    def __repr__(self) -> str:
        """Return the run on one line."""
        return summary.line(self)

    def _repr_html_(self) -> str:
        """Return what the run is and the state of its lanes, for notebooks."""
        return summary.html(self)

    def summary(self) -> str:
        """Return what the run consists of, how far it is, its size and results, as lines."""
        return summary.text(self)

    def require_split(self, split: str) -> None:
        """Check that the run has a split.

        Raises:
            StoreError: if it does not.
        """
        if split not in self.recipe.splits:
            splits = ", ".join(map(repr, self.recipe.splits))
            raise StoreError(f"{self.path} has no split {split!r}; it has {splits}.")

    @staticmethod
    def require(path: Path) -> None:
        """Check that a folder contains a run.

        Raises:
            StoreError: if it does not.
        """
        for name in (RECIPE, STORE):
            if not os.path.exists(path / name):
                raise StoreError(
                    f"{path} is not a run: it has no {name}. "
                    "Give a folder that `jtdiag train` has made."
                )

    def _require_grown(self) -> None:
        if (self.path / GROWTH).is_dir():
            raise StoreError(
                f"{self.path}: trials or λs are being added to it, or that was interrupted; wait, "
                f"or finish it with: jtdiag train {shell_word(self.path)} --resume"
            )

    def _read_recipe(self) -> Recipe:
        try:
            return toml.read(self.path / RECIPE)
        except RecipeError as error:
            text = str(error)
            if str(self.path / RECIPE) in text:
                raise
            raise RecipeError(f"{self.path / RECIPE}: {text}") from error

    def _require_format(self) -> None:
        """Refuse a newer format before anything is read that it may have changed."""
        version = formats.of_store(self.path / STORE)
        try:
            formats.require(self.path, "run", version, formats.RUN)
        except StoreError:
            self._check_attributes()
            raise

    def _check_attributes(self) -> None:
        """Raise an error if the attributes of the store are known to be damaged."""
        try:
            recorded = self._created is not None
        except StoreError:  # a newer version may record it in another way
            return
        if recorded:
            self.check_metadata("zarr.json")

    @functools.cached_property
    def _store(self) -> zarr.Group:
        created = self._created
        if created is not None:
            self.check_metadata("zarr.json")
        try:
            group = zarr.open_group(self.path / STORE, mode="r", zarr_format=3)
        except (OSError, ValueError, KeyError) as error:
            raise StoreError(f"{self.path / STORE} cannot be opened: {error}.") from error
        if formats.of_store(self.path / STORE) >= formats.CHECKED and created is None:
            raise StoreError(
                f"{self.path / lanes.FOLDER / checksums.CREATED} is missing, with the checksums of "
                "the store. Restore the folder from a backup, or train again."
            )
        return group

    @functools.cached_property
    def _created(self) -> dict[str, Any] | None:
        """Checksums of what was written when the run was created; None in older versions."""
        return checksums.read_created(self.path)

    @property
    def has_checksums(self) -> bool:
        """Whether the checksums of all files were recorded; not in runs of older versions."""
        return self._created is not None

    @property
    def metadata_files(self) -> list[str]:
        """Metadata of the store whose hashes were recorded, as paths in the store."""
        return [] if self._created is None else list(self._created["metadata"])

    def check_metadata(self, name: str) -> None:
        """Check that metadata of the store are as they were written.

        Args:
            name: One of `metadata_files`.

        Raises:
            StoreError: if they are not.
        """
        recorded = {} if self._created is None else self._created["metadata"]
        path = self.path / STORE / name
        try:
            changed = recorded.get(name) != files.digest(path)
        except OSError as error:
            raise StoreError(f"{path} cannot be read: {error.strerror}.") from error
        if changed:
            raise StoreError(
                f"{path} was changed after the run was created. {checksums.remedy(self.path)}"
            )

    def _check_recipe(self) -> None:
        """Check that the recipe is the one that the store was made with."""
        stored = self._store.attrs.get("recipe")
        if not isinstance(stored, str) or stored == toml.to_toml(self.recipe):
            return
        changed = toml.differences(toml.from_table(tomllib.loads(stored)), self.recipe)
        if changed:
            raise StoreError(
                f"{self.path / RECIPE} is not the recipe that this run was made with; these fields "
                f"differ: {', '.join(changed)}. Undo the change, or train in another folder."
            )

    def array(self, path: str) -> zarr.Array[Any]:
        """Return one array of the store by its path, such as ``metrics/member_loss``.

        Raises:
            StoreError: if the store has no such array.
        """
        if path not in self._arrays:
            if path not in self._store:
                raise StoreError(
                    f"{self.path} does not keep {path}; [keep] in its recipe defines what is kept."
                )
            self._arrays[path] = cast("zarr.Array[Any]", self._store[path])
        return self._arrays[path]

    @property
    def outputs_per_member(self) -> int:
        """Number of outputs K of a member; the number of classes, if targets are classes."""
        return int(cast(int, self._store.attrs["outputs_per_member"]))

    @property
    def output_names(self) -> tuple[str, ...]:
        """Names of the K classes, as folders or labels give them, or of the K outputs.

        "0", "1", … in runs without names: older ones, and those recorded from a user's loop.
        """
        numbers = [str(k) for k in range(self.outputs_per_member)]
        return tuple(cast("list[str]", self._store.attrs.get(names.OUTPUT_NAMES, numbers)))

    @property
    def chance_error(self) -> float:
        """Error at chance level: of the best constant prediction on the training set.

        Older runs of classes contain the error of a uniform guess.
        """
        guess = 1 - 1 / self.outputs_per_member
        return float(cast(float, self._store.attrs.get("chance_error", guess)))

    @property
    def chance_loss(self) -> float | None:
        """Loss at chance level, in nats: of the training frequencies; None if not classes.

        Older runs do not contain it; it is that of a uniform guess.
        """
        if "chance_loss" in self._store.attrs:
            return float(cast(float, self._store.attrs["chance_loss"]))
        return math.log(self.outputs_per_member) if self.predicts_classes else None

    @property
    def predicts_classes(self) -> bool:
        """Whether a target is a class; otherwise it is a number for every output."""
        if "predicts_classes" in self._store.attrs:
            return bool(self._store.attrs["predicts_classes"])
        return self.recipe.family == "categorical" or self.family.classes  # an older run

    @property
    def training_examples(self) -> int | None:
        """Number of training examples whose wrong predictions are counted in training errors.

        None if the store does not contain it, as in older runs, or if errors count nothing.
        """
        if not self.predicts_classes:
            return None
        count = self._store.attrs.get(names.TRAINING_EXAMPLES)
        return None if count is None else int(cast(int, count))

    @property
    def error_scale(self) -> float:
        """What the family's errors were divided by to become fractions."""
        return float(cast(float, self._store.attrs.get("error_scale", 1.0)))

    @property
    def error_measure(self) -> str:
        """Description of the error, such as "fraction wrong"."""
        return str(self._store.attrs.get("error_measure", "fraction wrong"))

    @property
    def settings(self) -> dict[str, str]:
        """Where and how the run was computed: device, threads, execution, versions."""
        return dict(cast("dict[str, str]", self._store.attrs["settings"]))

    def settings_of(self, lane: Lane) -> dict[str, str]:
        """Return where and how a lane was computed: in a merged run, other than `settings`."""
        of_lanes = cast("dict[str, Any]", self._store.attrs.get(names.LANE_SETTINGS, {}))
        return {**self.settings, **of_lanes.get(lane.key, {})}

    @property
    def recorded(self) -> bool:
        """Whether the run was recorded from a user's training loop and so cannot be replayed."""
        return names.RECORDED in self.settings

    def knows(self, field: str) -> bool:
        """Return whether a field of the recipe says how the run was made.

        Most fields of a recorded run have their default, since the user's loop is unknown.

        Args:
            field: Its full name, such as "train.lr".
        """
        return not self.recorded or field in KNOWN_OF_RECORDED

    # --- lanes and seals ---------------------------------------------------------------------

    @functools.cached_property
    def lanes(self) -> list[Lane]:
        """All lanes of the run, including those that have not started."""
        return lanes.lanes_of(self.recipe)

    def seal(self, lane: Lane) -> Seal:
        """Read the current seal of a lane.

        Raises:
            StoreError: if it is damaged, missing, or contradicts the recipe.
        """
        if lane in self._left_out:
            return Seal()
        seal = lanes.read_seal(self.path, lane)
        path = lanes.path_of(self.path, lane)
        if seal.epoch < 0 and self._created is not None and not path.exists():
            raise StoreError(
                f"{path} is missing: the seal of a lane. Restore the folder from a backup, or "
                "train again."
            )
        lanes.check_plausible(path, seal, self.recipe.train.epochs)
        return seal

    def without(self, left_out: Collection[Lane]) -> "Run":
        """Return the same run in which some lanes have no sealed epoch.

        Args:
            left_out: These lanes.
        """
        if not left_out:
            return self
        run = copy.copy(self)
        run._left_out = self._left_out.union(left_out)
        return run

    def lam(self, lane: Lane) -> float:
        """Return the λ of a lane; with a schedule, its final value."""
        return self.recipe.lam[lane.lam_index]

    def lam_at(self, lane: Lane, epoch: int) -> float:
        """Return the λ of a lane during an epoch."""
        return self._lam_by(self.seal(lane), lane, epoch)

    def _lam_by(self, seal: Seal, lane: Lane, epoch: int) -> float:
        return seal.lam(self.recipe.lam_at(lane.lam_index, epoch), epoch, self.recipe)

    @functools.cached_property
    def family(self) -> "Family":
        """The likelihood of the run's members.

        Raises:
            RecipeError: if it is user-defined and not found at the address in the recipe.
            StoreError: if it is user-defined and the run's code is not trusted.
        """
        if loading.split(self.recipe.family)[0]:
            self.require_trusted_code()
        return families.find(self.recipe.family)

    def require_trusted_code(self) -> None:
        """Check that the code that the recipe names may be imported.

        Raises:
            StoreError: if the run was not made here, and its code is not trusted.
        """
        if not self._trusts_code:
            trust.require(self.path, self.recipe)

    @property
    def done(self) -> bool:
        """Whether every lane is done."""
        return all(self.seal(lane).done for lane in self.lanes)

    @property
    def training(self) -> bool:
        """Whether a writer, in this process or another, has lanes of the run open."""
        if self._mirror is not None:
            return object_locks.any_held(self._mirror.objects, self.lanes)
        return lane_locks.any_held(self.path, self.lanes)

    @property
    def size(self) -> int:
        """Size of all files of the run in bytes."""
        if self._mirror is not None:
            return sum(version.size for version in self._mirror.objects.versions().values())
        return sum(file.stat().st_size for file in self.path.rglob("*") if file.is_file())

    def refresh(self) -> None:
        """Copy what has changed of a run in an object store since it was opened.

        Raises:
            StoreError: if the store cannot be read.
        """
        if self._mirror is not None:
            self._mirror.refresh()

    def chosen_epoch(self, lane: Lane) -> int:
        """Return the epoch to evaluate for a lane: the best on validation, or else the last."""
        seal = self.seal(lane)
        return seal.epoch if seal.best is None else seal.best

    # --- arrays ------------------------------------------------------------------------------

    def metrics(self) -> xr.Dataset:
        """Return losses and errors by lam, trial, epoch, split and member; NaN if not sealed.

        ``best_epoch`` (lam, trial) is the epoch selected on validation, -1 if there is none.
        """
        seals = {lane: self.seal(lane) for lane in self.lanes}  # before the data, never after
        self._require_metrics(seals)
        metrics = self._group(names.METRICS)
        for lane, seal in seals.items():
            for name, checksum in seal.metrics:
                if name not in metrics:  # a store that was resumed by a newer version
                    continue
                row = metrics[name].values[lane.lam_index, lane.trial, : seal.epoch + 1]
                self._check_rows(lane, name, row, checksum)
        sealed = _per_lane(self.recipe, {lane: seal.epoch for lane, seal in seals.items()})
        metrics = metrics.where(metrics[names.EPOCH] <= sealed)
        best = {lane: -1 if seal.best is None else seal.best for lane, seal in seals.items()}
        metrics[names.BEST_EPOCH] = _per_lane(self.recipe, best).assign_attrs(unit=names.INDEX)
        return metrics.isel({names.EPOCH: slice(0, int(sealed.max()) + 1)})

    def start_factors(self) -> xr.DataArray:
        """Return the factors (trial, member) of the members' initial weights; 1 for equal starts.

        Every λ of a trial has the same factors.

        Raises:
            StoreError: if they are damaged, missing, or another array's.
        """
        coordinates = {
            names.TRIAL: np.arange(self.recipe.trials),
            names.MEMBER: np.arange(self.recipe.members.count),
        }
        if names.START_FACTORS in self._store:
            self.require_created(names.START_FACTORS)
            values = chunks.read(self.array(names.START_FACTORS), ...)
        else:
            values = np.ones((self.recipe.trials, self.recipe.members.count))
        return xr.DataArray(
            values,
            dims=(names.TRIAL, names.MEMBER),
            coords=coordinates,
            name=names.START_FACTOR,
            attrs={"unit": names.FRACTION},
        )

    def history(self, lane: Lane) -> History | None:
        """Return the training metrics of a lane's sealed epochs; None if there are none."""
        seal = self.seal(lane)
        if seal.epoch < 0:
            return None
        self._require_metrics({lane: seal})
        epochs = range(seal.epoch + 1)
        train = self.recipe.splits.index(names.TRAIN)
        metrics = {
            name: self._metric(seal, lane, name)[:, train] for name in names.METRIC_VARIABLES
        }
        moved = f"{names.METRICS}/{names.DISPLACEMENT}" in self._store
        lam = (self._lam_by(seal, lane, epoch) for epoch in epochs)
        history = History(
            epoch=np.asarray(epochs),
            **metrics,
            chance_error=self.chance_error,
            chance_loss=self.chance_loss,
            examples=self.training_examples,
            displacement=self._metric(seal, lane, names.DISPLACEMENT) if moved else None,
            lam=np.fromiter(lam, np.float64, len(epochs)),
            head_from=self.recipe.modules.head_from,
            modules=self._module_history(seal, lane, train),
        )
        return history.measured() if self.recorded else history

    def _module_history(self, seal: Seal, lane: Lane, train: int) -> ModuleHistory | None:
        """Return what was measured module by module; None if members are trained as a whole."""
        stored = [name for name in METRICS if f"{names.METRICS}/{name}" in self._store]
        values = {name: self._metric(seal, lane, name) for name in stored}
        metrics = {
            name: value[:, train] if name in names.MODULE_VARIABLES else value
            for name, value in values.items()
        }
        return ModuleHistory.of(self.modules, metrics, self.recipe.modules.warmup)

    def metrics_of(self, lane: Lane) -> list[str]:
        """Return the names of the metrics that a lane has sealed epochs of."""
        if self.seal(lane).epoch < 0:
            return []
        group = cast(zarr.Group, self._store[names.METRICS])
        return sorted(name for name, array in group.arrays() if array.ndim >= 3)  # no coordinates

    def metric(self, lane: Lane, name: str) -> NDArray[np.float64]:
        """Return one metric (epoch, …) of a lane's sealed epochs.

        Raises:
            StoreError: if it is damaged, or not the one that was sealed.
        """
        seal = self.seal(lane)
        if name in names.METRIC_VARIABLES:  # the others are optional in older runs
            self._require(self.array(f"{names.METRICS}/{name}"), lane.lam_index, lane.trial)
        return self._metric(seal, lane, name)

    def _metric(self, seal: Seal, lane: Lane, name: str) -> NDArray[np.float64]:
        # Also epochs to come, so that every reading takes as much memory as the one before: what
        # grows a little each time does not fit where the last one was.
        array = self.array(f"{names.METRICS}/{name}")
        row = chunks.read(array, (lane.lam_index, lane.trial))[: seal.epoch + 1]
        recorded = dict(seal.metrics)
        if name in recorded:
            self._check_rows(lane, name, row, recorded[name])
        return row

    def _check_rows(self, lane: Lane, name: str, row: NDArray[Any], checksum: str) -> None:
        if checksums.of_rows(row) != checksum:
            raise StoreError(
                f"{self.path / STORE / names.METRICS / name}, {lane.key}: these are not the values "
                f"that were sealed. {checksums.remedy(self.path)}"
            )

    def outputs(self, lane: Lane, epoch: int, split: str) -> Iterator[OutputBlock]:
        """Iterate over the outputs of one lane and epoch, in chunks along the examples.

        Raises:
            StoreError: if these outputs are not kept, or a chunk is damaged.
        """
        if epoch not in self.seal(lane).outputs:
            raise StoreError(f"{self.path}: lane {lane.key} has no outputs of epoch {epoch}.")
        logits = self.array(f"{names.OUTPUTS}/{split}/{names.LOGITS}")
        target = self.target(split, lane)
        step = logits.chunks[4]
        for start in range(0, logits.shape[4], step):
            part = slice(start, min(start + step, logits.shape[4]))
            values = self._read_epoch(logits, lane, epoch, part)
            yield OutputBlock(logits=self._counted(values), target=target[part], start=start)

    def _counted(self, values: NDArray[Any]) -> NDArray[Any]:
        self.bytes_read += values.nbytes
        return values

    def target(self, split: str, lane: Lane) -> NDArray[Any]:
        """Return targets of a split in the order of its outputs: (n,) classes or (n, K) numbers."""
        array = self.array(f"{names.OUTPUTS}/{split}/{names.TARGET}")
        by_trial = names.TRIAL in (array.metadata.dimension_names or ())  # type: ignore[union-attr]
        key = (split, lane.trial if by_trial else None)
        if key not in self._targets:  # every epoch and lane has the same ones
            self.require_created(array.path)
            self._targets[key] = chunks.read(array, lane.trial if by_trial else ...)
        return self._targets[key].copy()

    def checkpoint(self, lane: Lane, epoch: int) -> dict[str, NDArray[np.floating[Any]]]:
        """Return the parameters and buffers (M, …) of all members of a lane and epoch, by name.

        If members are branches of one network, these are that network's: (1, …).

        Raises:
            StoreError: if the checkpoint is not kept, or a chunk is damaged.
        """
        self._require_checkpoint(lane, epoch)
        return {name: self._weights(lane, epoch, name) for name in self.checkpointed}

    @property
    def parameters(self) -> dict[str, tuple[int, ...]]:
        """Shape of every trained parameter of one member in the checkpoints, sorted by name.

        Empty if no checkpoints are kept; of the entire network if members are its branches.
        """
        return self._shapes("parameter")

    @property
    def frozen(self) -> dict[str, tuple[int, ...]]:
        """Shape of every parameter of one member that is not trained, as in `parameters`."""
        return self._shapes(names.FROZEN_PARAMETER)

    def _shapes(self, meaning: str) -> dict[str, tuple[int, ...]]:
        leading = 3 if self.recipe.members.branched else 4  # lam, trial, epoch, member
        return {
            name: array.shape[leading:]
            for name, array in sorted(self.checkpointed.items())
            if array.attrs.get("meaning") == meaning
        }

    def parameter(self, lane: Lane, epoch: int, name: str) -> NDArray[np.floating[Any]]:
        """Return one parameter (M, …) of all members of one lane and epoch.

        Raises:
            StoreError: if the checkpoint is not kept, or a chunk is damaged.
        """
        self._require_checkpoint(lane, epoch)
        return self._weights(lane, epoch, name)

    def _require_checkpoint(self, lane: Lane, epoch: int) -> None:
        if epoch not in self.seal(lane).checkpoints:
            raise StoreError(f"{self.path}: lane {lane.key} has no checkpoint of epoch {epoch}.")

    def _weights(self, lane: Lane, epoch: int, name: str) -> NDArray[np.floating[Any]]:
        array = self.array(f"{names.CHECKPOINTS}/{name}")
        values = self._counted(self._read_epoch(array, lane, epoch))
        return values[None] if self.recipe.members.branched else values

    @functools.cached_property
    def modules(self) -> dict[str, tuple[int, int]]:
        """First and last layer of each module of a member, as numbers of layers before and up to.

        The head is last. Empty if members are trained as a whole.
        """
        if names.MODULES not in self._store:
            return {}
        facts = self._group(names.MODULES)
        ends = zip(facts["first_layer"].values, facts["end_layer"].values, strict=True)
        named = zip(facts[names.MODULE].values, ends, strict=True)
        return {str(name): (int(first), int(end)) for name, (first, end) in named}

    def auxiliaries(self, lane: Lane, epoch: int) -> dict[str, NDArray[np.floating[Any]]]:
        """Return the parameters (M, …) that are learned beside the members, by name.

        Empty if there are none.

        Raises:
            StoreError: if the checkpoint is not kept, or a chunk is damaged.
        """
        self._require_checkpoint(lane, epoch)
        return {name: self._weights(lane, epoch, name) for name in self.auxiliary}

    @functools.cached_property
    def checkpointed(self) -> dict[str, zarr.Array[Any]]:
        """Arrays of the checkpoints by name: parameters and buffers."""
        return self._arrays_of(names.CHECKPOINTS)

    @functools.cached_property
    def auxiliary(self) -> dict[str, zarr.Array[Any]]:
        """Arrays of what is learned beside the members, by name, such as local heads."""
        arrays = self._arrays_of(f"{names.CHECKPOINTS}/{names.AUXILIARY}")
        return {f"{names.AUXILIARY}/{name}": array for name, array in arrays.items()}

    def _arrays_of(self, name: str) -> dict[str, zarr.Array[Any]]:
        if name not in self._store:
            return {}
        group = cast(zarr.Group, self._store[name])
        return {name: array for name, array in group.arrays() if array.ndim >= 3}  # not coordinates

    @property
    def tree(self) -> xr.DataTree:
        """All sealed epochs as a DataTree; outputs and checkpoints are lazy dask arrays.

        They are verified when they are read: computing a damaged chunk is a `StoreError`.
        """
        seals = {lane: self.seal(lane) for lane in self.lanes}
        nodes = {f"/{names.METRICS}": self.metrics()}
        kinds = dict.fromkeys(
            (names.CHECKPOINTS, f"{names.CHECKPOINTS}/{names.AUXILIARY}"), "checkpoints"
        )
        kinds |= {f"{names.OUTPUTS}/{s}": "outputs" for s in self.recipe.keep.splits}
        for group, kind in kinds.items():
            if group in self._store:
                kept = {lane: getattr(seal, kind) for lane, seal in seals.items()}
                epochs = self._verified(group, kind)
                nodes[f"/{group}"] = _only_kept(self.recipe, epochs, kept)
        for group in (names.BOOTSTRAP, names.MEMBERS, names.MODULES):
            if group in self._store:
                nodes[f"/{group}"] = self._group(group, in_memory=False)
        tree = xr.DataTree.from_dict(nodes)
        tree.attrs.update(self._store.attrs)
        return tree

    def _verified(self, name: str, kind: str) -> xr.Dataset:
        """Return a group whose epochs are verified as they are read; `kind` is that in seals."""
        group = self._group(name, in_memory=False)

        def reading(array: xr.DataArray) -> xr.DataArray:
            if names.EPOCH not in array.dims:
                return array
            stored = self.array(f"{name}/{array.name}")
            return array.copy(data=lazy.by_epoch(stored, partial(self._verify, stored, kind)))

        return group.map(reading, keep_attrs=True)

    def _verify(self, array: zarr.Array[Any], kind: str, lane: Lane, epoch: int) -> bool:
        """Check an epoch if the lane's seal, which may have changed, still lists it."""
        if epoch not in getattr(self.seal(lane), kind):
            return False
        try:
            self._require_epoch(array, lane, epoch)
        except StoreError:
            if epoch in getattr(self.seal(lane), kind):
                raise
            return False  # a better epoch was sealed at this moment
        return True

    def _group(self, name: str, *, in_memory: bool = True) -> xr.Dataset:
        for array in self._created["chunks"] if self._created is not None else ():
            if array.rpartition("/")[0] == name:
                self.require_created(array)
        try:
            group = xr.open_zarr(self.path / STORE, group=name, chunks=None, consolidated=True)
        except (OSError, ValueError, KeyError) as error:
            raise StoreError(f"{self.path / STORE}/{name} cannot be opened: {error}.") from error
        if in_memory:
            for variable in group.variables:
                with chunks.damage(f"{self.path / STORE}/{name}/{variable}"):
                    group[variable].load()
            return group
        return group.map(
            lambda array: array.copy(data=lazy.whole(self.array(f"{name}/{array.name}"))),
            keep_attrs=True,
        )

    def require_created(self, array: str) -> None:
        """Check the chunks of an array that is written only when the run is created.

        Raises:
            StoreError: if a chunk is missing, or another one.
        """
        if self._created is not None:
            recorded = self._created["chunks"].get(array, {})
            checksums.require(self.path / STORE, array, recorded)

    def _require_epoch(self, array: zarr.Array[Any], lane: Lane, epoch: int) -> None:
        """Check that the chunks of an epoch are those that were written."""
        recorded = self._recorded(lane, epoch).get(array.path)
        if recorded is not None:
            self._fetch(array.path, recorded)
            checksums.require(self.path / STORE, array.path, recorded)
        elif self._created is None:
            self._require(array, lane.lam_index, lane.trial, epoch)
        else:
            raise StoreError(
                f"{checksums.path_of(self.path, lane, epoch)}: has no checksums of {array.path}. "
                f"{checksums.remedy(self.path)}"
            )

    def _read_epoch(
        self, array: zarr.Array[Any], lane: Lane, epoch: int, piece: slice | None = None
    ) -> NDArray[Any]:
        """Read and verify an epoch of an array, or a piece of the examples that is one chunk."""
        place: tuple[int, ...] = (lane.lam_index, lane.trial, epoch)
        chunk: tuple[int, ...] = (0,) * (array.ndim - 3)
        selection: tuple[slice, ...] = ()
        if piece is not None:
            chunk, selection = (0, piece.start // array.chunks[4], 0), (slice(None), piece)
        recorded = self._recorded(lane, epoch).get(array.path, {})
        name = "/".join(map(str, (*place, *chunk)))
        if name not in recorded or not self._is_plain(array):
            self._require_epoch(array, lane, epoch)
            return chunks.read(array, (*place, *selection))
        self._fetch(array.path, {name: recorded[name]})
        whole = direct.read(array, self.path / STORE, name, recorded[name])
        inner = whole.reshape(array.chunks[3:])
        return inner if piece is None else inner[:, : piece.stop - piece.start]

    def _fetch(self, array: str, recorded: Mapping[str, str]) -> None:
        """Copy chunks of a run in an object store, unless they are here already."""
        if self._mirror is None:
            return
        folder = f"{STORE}/{array}/c"
        self._mirror.fetch(
            f"{folder}/{name}"
            for name, checksum in recorded.items()
            if not checksums.is_there(self.path / folder / name, checksum)
        )

    def _is_plain(self, array: zarr.Array[Any]) -> bool:
        if array.path not in self._plain:
            self._plain[array.path] = direct.is_possible(array)
        return self._plain[array.path]

    def _recorded(self, lane: Lane, epoch: int) -> checksums.Chunks:
        """Return the checksums of an epoch's chunks; those of the last one asked for are kept."""
        last = self._last_record
        if last[:2] != (lane, epoch):
            last = (lane, epoch, checksums.read(self.path, lane, epoch) or {})
            self._last_record = last
        return last[2]  # other threads may have replaced the one that is kept

    def _require(self, array: zarr.Array[Any], *index: int) -> None:
        """Check that no chunk of a sealed part is missing: zarr would read it as NaN."""
        folder = self.path.joinpath(STORE, array.path, "c", *map(str, index))
        grid = [
            math.ceil(size / chunk)
            for size, chunk in zip(
                array.shape[len(index) :], array.chunks[len(index) :], strict=True
            )
        ]
        # While rewriting a chunk, zarr keeps a temporary file NAME.partial beside it.
        paths = [folder] if folder.is_file() else folder.rglob("*")
        missing = math.prod(grid) - sum(path.is_file() and not path.suffix for path in paths)
        if missing > 0:
            raise StoreError(
                f"{folder}: {missing} of {math.prod(grid)} chunks of a sealed epoch are missing. "
                "Train the run again, or restore the folder from a backup."
            )

    def _require_metrics(self, seals: Mapping[Lane, Seal]) -> None:
        for name in names.METRIC_VARIABLES:
            array = self.array(f"{names.METRICS}/{name}")
            for lane, seal in seals.items():
                if seal.epoch >= 0:
                    self._require(array, lane.lam_index, lane.trial)

    @property
    def written_once(self) -> list[str]:
        """Paths of the arrays that are written only when the run is created."""
        if self._created is not None:
            return list(self._created["chunks"])
        paths = [names.BOOTSTRAP_COUNT, names.BOOTSTRAP_SOURCE, names.START_FACTORS]
        for split in self.recipe.keep.splits:
            paths += [f"{names.OUTPUTS}/{split}/{n}" for n in (names.TARGET, names.SOURCE_INDEX)]
        groups = {
            group
            for group in (names.BOOTSTRAP, names.MEMBERS, names.OUTPUTS)
            if group in self._store
        }
        return [path for path in paths if path.partition("/")[0] in groups]

    def check(self) -> int:
        """Verify every file of the store; return the number of parts that were read.

        Raises:
            StoreError: for the first part that is damaged or missing; `jtdiag check` lists all.
        """
        from jtdiag.store.check import check  # which reads runs

        report = check(self.path)
        if report.damages:
            raise StoreError(report.damages[0].reason)
        return report.parts


def _per_lane(recipe: Recipe, values: Mapping[Lane, int]) -> xr.DataArray:
    grid = np.empty((len(recipe.lam), recipe.trials), dtype=np.int64)
    for lane, value in values.items():
        grid[lane.lam_index, lane.trial] = value
    return xr.DataArray(grid, dims=(names.LAM, names.TRIAL))


def _only_kept(
    recipe: Recipe, group: xr.Dataset, kept: Mapping[Lane, tuple[int, ...]]
) -> xr.Dataset:
    """Mask epochs that a store contains but no seal lists: partly written or superseded."""
    mask = np.zeros((len(recipe.lam), recipe.trials, recipe.train.epochs + 1), dtype=bool)
    for lane, epochs in kept.items():
        mask[lane.lam_index, lane.trial, list(epochs)] = True
    visible = xr.DataArray(mask, dims=(names.LAM, names.TRIAL, names.EPOCH))

    def hide(array: xr.DataArray) -> xr.DataArray:
        masked = array.where(visible) if names.EPOCH in array.dims else array
        return masked.transpose(*array.dims)

    return group.map(hide, keep_attrs=True)
