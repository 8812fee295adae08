"""Training a recipe: every lane epoch by epoch, while a thread writes the results."""

import shutil
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from attrs import evolve
from numpy.typing import NDArray
from torch import Tensor

from jtdiag import names
from jtdiag.cluster import torchrun, workers
from jtdiag.engine import on_workers, parts
from jtdiag.engine.architectures.factory import address_of
from jtdiag.engine.architectures.module_stack import Factory
from jtdiag.engine.datasets import in_memory
from jtdiag.engine.early_warning import Decision
from jtdiag.engine.kept_memory import kept_memory
from jtdiag.engine.lane_group import LaneGroup, Measured, Rows
from jtdiag.engine.parts import Part
from jtdiag.engine.progress import EpochReport, Listener, NullListener, Plan
from jtdiag.engine.ranks import checks, processes
from jtdiag.engine.ranks.processes import Ranks
from jtdiag.engine.ranks.stopping import AgreedStopRequest
from jtdiag.engine.ranks.store import RankWriter, require_shared
from jtdiag.engine.session import Session, torch_threads
from jtdiag.engine.stages import Row, of_lanes, stages
from jtdiag.engine.stopping import StopRequest
from jtdiag.engine.writer import BackgroundWriter
from jtdiag.errors import ClusterError, RecipeError, StoreError, option
from jtdiag.objects.object_folder import is_address
from jtdiag.recipe import presets
from jtdiag.recipe.recipe import Recipe
from jtdiag.recipe.toml import from_table
from jtdiag.store import growth, lane_locks, lanes, layout, uploading
from jtdiag.store.lanes import Lane, Seal
from jtdiag.store.run import Run
from jtdiag.store.writer import EpochBlock, OccupiedError, RunWriter, refuse_occupied

if TYPE_CHECKING:
    from distributed import Client


def train(
    recipe: Recipe | str | Mapping[str, Any],
    out: str | Path | None = None,
    *,
    data: Sequence[Any] | None = None,
    resume: bool = False,
    listener: Listener | None = None,
    factory: Factory | None = None,
    stop: StopRequest | None = None,
    part: str | None = None,
    client: "Client | None" = None,
) -> Run:
    """Train every lane of a recipe, or a part of its lanes, and return the run.

    In processes that torchrun has started, all of which call it, lanes are divided over them.

    Args:
        recipe: A recipe, the name of a preset or file, or a table of fields as in TOML, such as
            ``{"lam": [0, 1], "members": {"arch": "mlp", "count": 8, "hidden": [16]}}``.
        out: The run's folder, by default ``runs/<name>``, or an address in an object store, such
            as ``s3://bucket/run``.
        data: Data in memory, in place of ``data.name``: (x_train, y_train, x_test, y_test) as
            arrays or tensors of N examples, or (train, test) as datasets of torch. They are as
            those of an .npz file, and are written to one in the folder that contains `out`, once.
        resume: Resume the run in that folder, if there is one, from its last sealed epochs. On a
            CPU the resulting store is bit for bit that of an uninterrupted run. If the recipe only
            has more trials than the run, or more λs after its own, these are added.
        listener: Receives the plan, every epoch, and every rule that fires. With several processes
            it is that of rank 0.
        factory: Function that creates one member, for members.arch = "module", or one network
            with all branches, for "branches"; replaces the address in members.factory. The store
            keeps its address if it can be imported, else its name.
        stop: Ends the training early when it is requested, for example by a signal.
        part: Such as "3/16": train the third of sixteen parts of the lanes. Other processes train
            the others, also at the same time; the first one makes the folder, the others join it.
        client: A client of Dask (``distributed.Client``): its workers train the lanes, and this
            process makes the folder and reports what is sealed. All share the folder.

    Raises:
        TrainingStopped: if `stop` was requested; the run can be resumed.
        JtdiagError: if the recipe, the data, the folder or the disk prevent it. Sealed epochs are
            kept.
    """
    recipe = _recipe(recipe, factory, data_given=data is not None)
    place = out if out is not None else Path("runs") / recipe.name
    chosen = None if part is None else Part.of_text(part)
    _check_place(place)
    with uploading.training_folder(place) as path:
        _check_cluster(client, path, chosen)
        if data is not None:
            recipe = in_memory.with_data(recipe, data, path.parent)
        how = _How(path=path, part=chosen, resume=resume, shared=bool(part or client))
        _carry_out(recipe, how, factory, client, listener or NullListener(), stop or StopRequest())
    return Run(place)


def _check_place(place: str | Path) -> None:
    """Check that several processes can write a run where it is to be."""
    if torchrun.count() > 1 and is_address(place):
        raise ClusterError(
            f"{place} is in an object store, to which ranks of torchrun do not write; choose a "
            "folder that all machines share."
        )


def _carry_out(
    recipe: Recipe,
    how: "_How",
    factory: Factory | None,
    client: "Client | None",
    listener: Listener,
    stop: StopRequest,
) -> None:
    with processes.joined(recipe.engine.device) as ranks:
        resuming = ranks.agreed(lambda: ranks.first and _resumes(how.path, how.may_join))
        session = ranks.agreed(lambda: _session(recipe, factory, ranks))
        if ranks.count > 1:
            listener = listener if ranks.first else NullListener()
            _train_over_ranks(session, how, resuming, listener, stop)
            return
    with closing(_opened(session, how, resuming, listener)) as opened, stop.heeding():
        if client is None:
            with torch_threads(opened.session.threads):
                own = _lanes(opened.session, how.part)
                _train_stages(opened.session, opened.store, own, listener, stop)
        else:
            opened.close()  # workers take the locks of their lanes
            job = on_workers.job(recipe, how.path, factory, _train_on_worker)
            on_workers.train_lanes(client, job, opened.session.groups(), listener, stop)


@dataclass(frozen=True, kw_only=True)
class _How:
    """How a run is trained, as `train` was asked."""

    path: Path
    part: Part | None
    resume: bool
    shared: bool
    """Whether other processes train other lanes."""

    @property
    def may_join(self) -> bool:
        """Whether there may be a run in the folder."""
        return self.resume or self.part is not None


@dataclass(frozen=True, kw_only=True)
class _Opened:
    """A run that is about to be trained, with the session that its settings determine."""

    session: Session
    store: RunWriter

    def close(self) -> None:
        self.store.close()


def _session(recipe: Recipe, factory: Factory | None, ranks: Ranks) -> Session:
    """Set up a session, whose lanes are divided over processes if there are several."""
    return Session.of(recipe, factory=factory, division=checks.division_of(recipe, ranks))


def _opened(session: Session, how: _How, resuming: bool, listener: Listener) -> _Opened:
    """Open or create a run, after telling the listener what will be trained."""
    session, store = _set_up(session, how, resuming)
    try:
        listener.begin(_plan(session, how.path, store, how.part))
        return _Opened(session=session, store=store or _create(session, how.path, None))
    except BaseException:
        if store is not None:
            store.close()
        raise


def _train_over_ranks(
    session: Session, how: _How, resuming: bool, listener: Listener, stop: StopRequest
) -> None:
    """Train lanes together with other processes; rank 0 opens the run."""
    ranks = session.division.ranks
    ranks.agreed(lambda: checks.require_same_data(session))
    opened = ranks.agreed(lambda: _opened_on_first(session, how, resuming, listener))
    writer = None if opened is None else opened.store
    try:
        settings = ranks.of_first(opened.session.settings() if opened else {})
        if opened is None:
            session = session.with_recorded_plan(settings, same_groups=True)
        else:
            session = opened.session
        require_shared(how.path, session.division)
        own = _lanes(session, how.part)
        store = RankWriter(writer, how.path, session.recipe, session.division, own)
        with stop.heeding(), torch_threads(session.threads):
            _train_stages(session, store, own, listener, AgreedStopRequest(stop, ranks))
    finally:
        if writer is not None:
            writer.close()


def _opened_on_first(
    session: Session, how: _How, resuming: bool, listener: Listener
) -> _Opened | None:
    if not session.division.ranks.first:
        return None
    checks.require_divisible(session)
    return _opened(session, how, resuming, listener)


def _recipe(
    recipe: Recipe | str | Mapping[str, Any], factory: Factory | None, *, data_given: bool
) -> Recipe:
    """Return the recipe that `train` was given, with the address of its factory."""
    if isinstance(recipe, str):
        recipe = presets.find(recipe)
    elif not isinstance(recipe, Recipe):
        # A name that is replaced, since the recipe requires one.
        named = {"data": {"name": "npz", **dict(recipe.get("data", {}))}} if data_given else {}
        recipe = from_table({**recipe, **named})
    return recipe if factory is None else _with_factory(recipe, factory)


def _set_up(session: Session, how: _How, resuming: bool) -> tuple[Session, RunWriter | None]:
    """Return the session, and the writer of a run that exists or that others join."""
    path, part, resume = how.path, how.part, how.resume
    if not resuming:
        session = session.with_fastest_plan()
        return (session, None) if part is None else _create_or_join(session, path, part, resume)
    session = _recorded(session, path, shared=how.shared)
    if growth.only_grows(Run(path).recipe, session.recipe):
        _grow(session, path)
    return session, _reopen(session, path, part, resume)


def _check_cluster(client: "Client | None", path: Path, part: Part | None) -> None:
    if client is None:
        return
    if torchrun.count() > 1:
        raise ClusterError(torchrun.NOT_WITH_WORKERS)
    if part is not None:
        raise RecipeError(
            f"{option('part', '--part')} is for processes that know nothing of each other; the "
            "workers of a cluster divide the lanes themselves. Leave one of them out."
        )
    if uploading.of(path) is not None:
        raise RecipeError(
            f"{path}: workers of a cluster write into a folder that they share. For a run in an "
            f"object store, start processes with {option('part', '--part')} in place of it."
        )
    workers.check(client, path)


def _train_on_worker(
    session: Session, store: RunWriter, own: Sequence[Lane], stop: StopRequest
) -> None:
    """Train some lanes on a worker of a cluster, with as many threads as it may use."""
    threads = session.threads
    if session.recipe.engine.threads == "auto":
        threads = min(threads, workers.threads())
    with torch_threads(threads):
        _train_stages(session, store, own, NullListener(), stop)


def _train_stages(
    session: Session,
    store: "RunWriter | RankWriter",
    own: Sequence[Lane],
    listener: Listener,
    stop: StopRequest,
) -> None:
    every = stages(session.recipe, session.groups())
    for stage in of_lanes(every, {*own}):
        # The next stage reads what this one has written.
        with kept_memory(), BackgroundWriter() as writer:
            for rows in stage.groups:
                _GroupRun(session, rows, stage.last, store, writer, listener, stop).run()


def _lanes(session: Session, part: Part | None) -> list[Lane]:
    """Return the lanes that this process trains."""
    if part is None:
        return lanes.lanes_of(session.recipe)
    return parts.lanes_of(part, session.recipe, session.groups())


def _create(session: Session, path: Path, part: Part | None) -> RunWriter:
    writing = uploading.of(path) or RunWriter
    return writing.create(
        path,
        session.recipe,
        session.extent,
        session.examples(),
        session.settings(),
        initial=session.known_before,
        of=_lanes(session, part),
    )


def _create_or_join(
    session: Session, path: Path, part: Part, resume: bool
) -> tuple[Session, RunWriter]:
    """Create the run, or join it if another process has been faster."""
    try:
        _check_disk(path, layout.size(session.recipe, session.extent))
        return session, _create(session, path, part)
    except OccupiedError:
        session = _recorded(session, path, shared=True)
        return session, _reopen(session, path, part, resume)


def _recorded(session: Session, path: Path, shared: bool) -> Session:
    """Return the session with the execution plan of an existing run, shared with others or not."""
    session.require_same_data(Run(path))
    return session.with_recorded_plan(Run(path).settings, same_groups=shared)


def _grow(session: Session, path: Path) -> None:
    """Add the lanes that the recipe has and the run has not."""
    recipe, extent = session.recipe, session.extent
    if uploading.of(path) is not None:
        raise StoreError(
            f"{path}: lanes cannot be added to a run in an object store. Copy it into a folder, "
            "and add them there."
        )
    _check_disk(path, layout.size(recipe, extent) - layout.size(Run(path).recipe, extent))
    growth.grow(path, recipe, extent, session.examples(), session.known_before)


def _reopen(session: Session, path: Path, part: Part | None, resume: bool) -> RunWriter:
    own = _lanes(session, part)
    store = (uploading.of(path) or RunWriter).reopen(path, session.recipe, of=own)
    lane_locks.remove_dead(path, set(lanes.lanes_of(session.recipe)) - set(own))
    begun = [lane for lane in own if store.seal(lane).epoch >= 0]
    if begun and not resume:
        store.close()
        raise StoreError(
            f"{path}: part {part} has begun ({parts.by_trial(begun[:1], session.recipe)}). Resume "
            f"it with {option('resume=True', '--resume')}."
        )
    return store


def _resumes(path: Path, resume: bool) -> bool:
    """Return whether there is a run to be resumed in a folder, whose code may then be executed."""
    resuming = resume and path.is_dir() and any(path.iterdir())
    if resuming:
        growth.finish(path)
        Run(path).require_trusted_code()
    else:
        refuse_occupied(path)
    return resuming


def _with_factory(recipe: Recipe, factory: Factory) -> Recipe:
    if "factory" not in recipe.members.architecture.fields:
        raise RecipeError(
            f"members.arch is '{recipe.members.arch}', but a factory was passed; "
            "use arch = 'module' or 'branches'."
        )
    return evolve(recipe, members=evolve(recipe.members, factory=address_of(factory)))


def _plan(session: Session, path: Path, store: RunWriter | None, part: Part | None) -> Plan:
    """Return the plan of a run, after checking that a new one fits on the disk."""
    recipe = session.recipe
    size = layout.size(recipe, session.extent)
    own = _lanes(session, part)
    seals = [store.seal(lane) if store else Seal() for lane in own]
    done = sum(max(0, seal.epoch) for seal in seals)
    if store is None:
        _check_disk(path, size)
    return Plan(
        recipe=recipe,
        path=uploading.lasting(path),
        size=size,
        parameters=session.extent.parameters_per_member * recipe.members.copies,
        settings=session.settings(),
        lanes_done=sum(seal.done for seal in seals),
        epochs_to_train=len(own) * recipe.train.epochs - done,
        part="" if part is None else str(part),
        part_lanes=() if part is None else tuple(own),
    )


def _check_disk(path: Path, size: layout.Size) -> None:
    if uploading.of(path) is not None:  # a disk that holds one epoch is enough
        return
    parent = path.absolute()
    while not parent.exists():
        parent = parent.parent
    free = shutil.disk_usage(parent).free
    if size.total > free:
        raise StoreError(
            f"{path} would take {layout.readable(size.total)}, of which outputs take "
            f"{layout.readable(size.outputs)}, but only {layout.readable(free)} of disk space is "
            "free; keep fewer epochs with keep.outputs and keep.checkpoints, or choose a folder on "
            f"another disk{option('', ' with --out')}."
        )


@dataclass(frozen=True, kw_only=True)
class EpochResult:
    """What one epoch of a group of lanes has computed; rows and logits have the row first."""

    epoch: int
    of_lanes: Sequence[int]
    """Row of each lane in rows and logits."""
    lams: Sequence[float]
    """λ of each lane during the epoch."""
    rows: Mapping[str, Rows]
    """Metrics by split."""
    logits: Mapping[str, Tensor]
    """Outputs (L, M, K, N) by split, on the device, of splits whose outputs are kept."""
    decisions: Sequence[Decision]
    """What rules decide for each lane."""
    module: str = ""
    """Module that the epoch trained, if modules are trained one after the other."""

    def metrics(self, index: int, splits: Sequence[str]) -> dict[str, NDArray[np.float64]]:
        """Return the metrics of one lane, in the form that the store keeps."""
        row = self.of_lanes[index]
        by_split = (*names.METRIC_VARIABLES, *names.MODULE_VARIABLES)
        return {
            name: np.stack([self.rows[split][name][row] for split in splits])
            if name in by_split
            else rows[row]
            for name, rows in self.rows[names.TRAIN].items()
        }

    def report(self, index: int, lane: Lane) -> EpochReport:
        """Return the report on one lane for a listener."""
        train, row = self.rows[names.TRAIN], self.of_lanes[index]
        ensemble = float(train[names.ENSEMBLE_LOSS][row])
        members = float(train[names.MEMBER_LOSS][row].mean())
        lam = self.lams[index]
        held_out = names.VAL if names.VAL in self.rows else names.TEST
        return EpochReport(
            lane=lane,
            epoch=self.epoch,
            train_loss=lam * ensemble + (1 - lam) * members,
            ensemble_error=float(self.rows[held_out][names.ENSEMBLE_ERROR][row]),
            action=self.decisions[index].action,
            module=self.module,
        )


class _GroupRun:
    """Trains one group of lanes from its last sealed epoch to the last one of a stage.

    Lanes of a row have the same results in the stage: one is trained, and all are written.
    """

    def __init__(
        self,
        session: Session,
        rows: Sequence[Row],
        last: int,
        store: RunWriter | RankWriter,
        writer: BackgroundWriter,
        listener: Listener,
        stop: StopRequest,
    ) -> None:
        self._stop = stop
        self.recipe, self.store = session.recipe, store
        self.writer, self.listener, self.session = writer, listener, session
        self._last = last
        self._lanes = tuple(lane for row in rows for lane in row)
        self._rows = self._unfinished(rows)
        self.seals: dict[Lane, Seal] = {lane: store.seal(lane) for lane in self.group}
        self._keep_dtype = getattr(torch, self.recipe.keep.dtype)
        self._early_warning = session.early_warning()

    @property
    def group(self) -> list[Lane]:
        """The lanes that are trained or written."""
        return [lane for row in self._rows for lane in row]

    @property
    def _of_lanes(self) -> list[int]:
        """Row of each lane."""
        return [index for index, row in enumerate(self._rows) for _ in row]

    def _unfinished(self, rows: Sequence[Row]) -> list[list[Lane]]:
        store, last = self.store, self._last
        going_on = [[lane for lane in row if not store.seal(lane).stopped] for row in rows]
        first = min((store.seal(lane).epoch for row in going_on for lane in row), default=0)
        # After resuming with another grouping, a lane may have finished as part of another group.
        left = [
            [lane for lane in row if not store.finished_before(lane, last, first)]
            for row in going_on
        ]
        return [row for row in left if row] or [row for row in going_on if row]

    def run(self) -> None:
        """Train; all lanes resume from the earliest last epoch in the group."""
        done = min((seal.epoch for seal in self.seals.values()), default=self._last)
        if done < self._last:
            # Of a row, the lane with the earliest last epoch: its state is that of this epoch.
            trained = [min(row, key=lambda lane: self.seals[lane].epoch) for row in self._rows]
            lane_group = self.session.lane_group(trained)
            if done >= 0:
                self._resume(done, lane_group)
            for epoch in range(done + 1, self._last + 1):
                self._stop.between_epochs()
                self._epoch(lane_group, epoch)
                lane_group = self._without_stopped(lane_group)
        self._forget_states(self._lanes, self._last)

    def _resume(self, epoch: int, lane_group: LaneGroup) -> None:
        lane_group.restore([self.store.state(lane, epoch) for lane in lane_group.lanes])
        run = Run(self.store.path)
        for lane in self.group:
            history = run.history(lane)
            assert history is not None
            self._early_warning.restore(lane, history.until(epoch))

    def _without_stopped(self, lane_group: LaneGroup) -> LaneGroup:
        """Drop stopped lanes from the group and return the remaining lanes."""
        rows = [[lane for lane in row if not self.seals[lane].stopped] for row in self._rows]
        remaining = [i for i, row in enumerate(rows) if row]
        unchanged = len(remaining) == len(rows)
        self._rows = [rows[i] for i in remaining]
        return lane_group if unchanged or not remaining else lane_group.of_lanes(remaining)

    def _forget_states(self, group: tuple[Lane, ...], epoch: int) -> None:
        self.writer.put(lambda: self.store.forget_states(group, epoch))

    def _lams(self, epoch: int) -> list[float]:
        """Return λ of each lane: the schedule's value, or a lower one after an alert."""
        return [
            self.seals[lane].lam(self.recipe.lam_at(lane.lam_index, epoch), epoch, self.recipe)
            for lane in self.group
        ]

    def _epoch(self, lane_group: LaneGroup, epoch: int) -> None:
        if not self.group:  # every lane has been stopped
            return
        result = self._compute(lane_group, epoch)
        for index, lane in enumerate(self.group):
            self._write(lane_group, index, result)
            for verdict in result.decisions[index].verdicts:
                self.listener.verdict(lane, verdict)
            self.listener.epoch(result.report(index, lane))
        self._forget_states(tuple(self.group), epoch)

    def _compute(self, lane_group: LaneGroup, epoch: int) -> EpochResult:
        """Train one epoch, apply the rules, advance the seals, and evaluate the other splits."""
        lams = self._lams(epoch)
        if epoch == 0:
            train = lane_group.measure(names.TRAIN, stop=self._stop).rows
        else:
            of_rows = [lams[self._of_lanes.index(row)] for row in range(len(self._rows))]
            train = lane_group.train_epoch(epoch, of_rows, self._stop)
        train = train | lane_group.displacement() | self._training_module(epoch)
        decisions = self._judge(epoch, train, lams)
        # Validation comes first: it decides whether the epoch's outputs are kept.
        measured = self._validate(lane_group, epoch)
        self._advance_seals(epoch, measured, decisions)
        measured |= self._evaluate(lane_group, epoch)
        return EpochResult(
            epoch=epoch,
            of_lanes=self._of_lanes,
            lams=lams,
            rows={split: result.rows for split, result in measured.items()} | {names.TRAIN: train},
            logits={
                split: result.logits
                for split, result in measured.items()
                if result.logits is not None
            },
            decisions=decisions,
            module=self._module(epoch),
        )

    def _module(self, epoch: int) -> str:
        """Return the module that an epoch trains, if they are trained one after the other."""
        modules, chosen = self.session.modules, self.recipe.modules
        if modules is None or not chosen.epochs or epoch == 0:
            return ""
        return modules.setting.modules[chosen.phase(epoch)[0]].name

    def _training_module(self, epoch: int) -> Rows:
        """Return the index of the module that an epoch trains, by row, if it trains only one."""
        modules = self.recipe.modules
        if not modules.record.one_by_one:
            return {}
        index = modules.phase(epoch)[0] if epoch else np.nan
        return {names.TRAINING_MODULE: np.full(len(self._rows), index, dtype=np.float64)}

    def _judge(self, epoch: int, train: Rows, lams: list[float]) -> list[Decision]:
        return [
            self._early_warning.judge(
                lane, epoch, {name: rows[row] for name, rows in train.items()}, lams[i]
            )
            for i, (lane, row) in enumerate(zip(self.group, self._of_lanes, strict=True))
        ]

    def _validate(self, lane_group: LaneGroup, epoch: int) -> dict[str, Measured]:
        if names.VAL not in self.recipe.splits:
            return {}
        may_keep = epoch in Seal().after(epoch, 0.0, self.recipe).outputs
        keep = names.VAL in self.recipe.keep.splits and may_keep
        dtype = self._keep_dtype if keep else None
        return {names.VAL: lane_group.measure(names.VAL, dtype, stop=self._stop)}

    def _advance_seals(
        self, epoch: int, measured: Mapping[str, Measured], decisions: Sequence[Decision]
    ) -> None:
        for index, (lane, row) in enumerate(zip(self.group, self._of_lanes, strict=True)):
            error = None
            if names.VAL in measured:
                error = float(measured[names.VAL].rows[names.ENSEMBLE_ERROR][row])
            action = decisions[index].action
            self.seals[lane] = self.seals[lane].after(epoch, error, self.recipe, action)

    def _evaluate(self, lane_group: LaneGroup, epoch: int) -> dict[str, Measured]:
        """Evaluate the test split, and the training split if its outputs are kept."""
        kept = any(epoch in seal.outputs for seal in self.seals.values())
        measured = {}
        for split in (names.TEST, names.TRAIN):
            keep = kept and split in self.recipe.keep.splits
            if split == names.TEST or keep:
                dtype = self._keep_dtype if keep else None
                measured[split] = lane_group.measure(split, dtype, stop=self._stop)
        return measured

    def _write(self, lane_group: LaneGroup, index: int, result: EpochResult) -> None:
        """Queue one lane's epoch; copies stay on the device until the writer fetches them."""
        lane, row = self.group[index], result.of_lanes[index]
        seal = self.seals[lane]
        weights, memory = lane_group.snapshot(row)
        logits: dict[str, Tensor] = {}
        if result.epoch in seal.outputs:
            logits = {split: tensor[row] for split, tensor in result.logits.items()}
        metrics = result.metrics(index, self.recipe.splits)
        action = result.decisions[index].action
        epoch, keep_weights = result.epoch, result.epoch in seal.checkpoints

        division = self.session.division

        def job() -> None:
            host = {name: tensor.cpu() for name, tensor in weights.items()}
            state = {f"weight/{name}": tensor for name, tensor in host.items()}
            state |= {f"memory/{name}": tensor.cpu() for name, tensor in memory.items()}
            outputs = division.logits({s: tensor.cpu() for s, tensor in logits.items()})
            block = EpochBlock(
                lane=lane,
                epoch=epoch,
                metrics=metrics,
                outputs={s: array.swapaxes(1, 2) for s, array in outputs.items()},
                checkpoint=division.weights(host) if keep_weights else {},
                state=division.weights(state),
                action=action,
            )
            self.store.write(block)

        self.writer.put(job)
