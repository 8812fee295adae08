"""Training a recipe: every lane, epoch by epoch, each handed to the writer as it is done."""

import shutil
from pathlib import Path

import numpy as np
import torch
from attrs import evolve
from numpy.typing import NDArray
from torch import Tensor

from jtdiag import names
from jtdiag.engine.architectures.factory import address_of
from jtdiag.engine.architectures.module_stack import Factory
from jtdiag.engine.early_warning import Decision
from jtdiag.engine.lane_group import LaneGroup, Measured, Rows
from jtdiag.engine.progress import EpochReport, Listener, Plan, Silent
from jtdiag.engine.session import Session, torch_threads
from jtdiag.engine.writer import BackgroundWriter
from jtdiag.errors import RecipeError, StoreError
from jtdiag.recipe import presets
from jtdiag.recipe.recipe import Recipe
from jtdiag.store import lanes, layout
from jtdiag.store.lanes import Lane, Seal
from jtdiag.store.run import Run
from jtdiag.store.writer import EpochBlock, RunWriter, refuse_occupied


def train(
    recipe: Recipe | str,
    out: str | Path | None = None,
    *,
    resume: bool = False,
    listener: Listener | None = None,
    factory: Factory | None = None,
) -> Run:
    """Train every lane of a recipe and return the run.

    Args:
        recipe: A recipe, or the name of a preset or file.
        out: The run's folder; by default ``runs/<name>``.
        resume: Continue the run in that folder, if there is one, from its sealed epochs. On a
            CPU the store then equals, bit for bit, that of a run never interrupted.
        listener: Hears of the plan and of every epoch.
        factory: Makes one member, for members.arch = "module" (or one network with all its
            branches, for "branches"); instead of the address in members.factory. What the
            store keeps of it is its address, if it can be imported, or else its name.

    Raises:
        JtdiagError: if recipe, data, folder or disk do not allow it; what is sealed stays.
    """
    if isinstance(recipe, str):
        recipe = presets.find(recipe)
    if factory is not None:
        recipe = _with_factory(recipe, factory)
    path = Path(out) if out is not None else Path("runs") / recipe.name
    continuing = resume and path.is_dir() and any(path.iterdir())
    if not continuing:
        refuse_occupied(path)
    session = Session.of(recipe, factory=factory)
    session = session.in_way(Run(path).settings) if continuing else session.in_fastest_way()
    store = RunWriter.reopen(path, recipe) if continuing else None
    listener = listener or Silent()
    listener.begin(_plan(session, path, store))
    if store is None:
        store = RunWriter.create(
            path,
            recipe,
            session.extent,
            session.examples(),
            session.settings(),
            known=session.bootstraps(),
        )
    try:
        with torch_threads(session.threads), BackgroundWriter() as writer:
            for group in session.groups():
                _GroupRun(session, group, store, writer, listener).run()
    finally:
        store.close()
    return Run(path)


def _with_factory(recipe: Recipe, factory: Factory) -> Recipe:
    if "factory" not in recipe.members.architecture.fields:
        raise RecipeError(
            f"members.arch is '{recipe.members.arch}', and factory is given; "
            "use arch = 'module' or 'branches'."
        )
    return evolve(recipe, members=evolve(recipe.members, factory=address_of(factory)))


def _plan(session: Session, path: Path, store: RunWriter | None) -> Plan:
    """Return what will run, after refusing what the disk cannot hold."""
    recipe = session.recipe
    size = layout.size(recipe, session.extent)
    every = lanes.lanes_of(recipe)
    seals = [store.seal(lane) if store else Seal() for lane in every]
    done = sum(max(0, seal.epoch) for seal in seals)
    if store is None:
        _check_disk(path, size)
    return Plan(
        recipe=recipe,
        path=path,
        size=size,
        parameters=session.extent.parameters_per_member * recipe.members.copies,
        settings=session.settings(),
        lanes_done=sum(seal.done for seal in seals),
        epochs_to_train=len(every) * recipe.train.epochs - done,
    )


def _check_disk(path: Path, size: layout.Size) -> None:
    parent = path.absolute()
    while not parent.exists():
        parent = parent.parent
    free = shutil.disk_usage(parent).free
    if size.total > free:
        raise StoreError(
            f"{path} would take {layout.readable(size.total)}, {layout.readable(size.outputs)} of "
            f"it for outputs, and its disk has {layout.readable(free)} free; keep fewer epochs "
            "with keep.outputs and keep.checkpoints, or name a folder on another disk with --out."
        )


class _GroupRun:
    """Trains one group of lanes from its seals to the last epoch."""

    def __init__(
        self,
        session: Session,
        group: list[Lane],
        store: RunWriter,
        writer: BackgroundWriter,
        listener: Listener,
    ) -> None:
        self.recipe, self.store = session.recipe, store
        self.writer, self.listener, self.session = writer, listener, session
        self._lanes = tuple(group)
        group = [lane for lane in group if not store.seal(lane).stopped]
        # Resumed with its lanes grouped otherwise, a lane may have finished in another group.
        least = min((store.seal(lane).epoch for lane in group), default=0)
        self.group = [lane for lane in group if not store.finished_before(lane, least)] or group
        self.seals: dict[Lane, Seal] = {lane: store.seal(lane) for lane in self.group}
        self._keep_dtype = getattr(torch, self.recipe.keep.dtype)
        self._supervision = session.supervision()

    def run(self) -> None:
        """Train; lanes of the group that are sealed further than the others wait for them."""
        last = self.recipe.train.epochs
        done = min((seal.epoch for seal in self.seals.values()), default=last)
        if done < last:
            lanes_in_step = self.session.lane_group(self.group)
            if done >= 0:
                self._go_on_from(done, lanes_in_step)
            for epoch in range(done + 1, last + 1):
                self._epoch(lanes_in_step, epoch)
                lanes_in_step = self._without_stopped(lanes_in_step)
        self._forget_states(self._lanes, last)

    def _go_on_from(self, epoch: int, lane_group: LaneGroup) -> None:
        lane_group.restore([self.store.state(lane, epoch) for lane in self.group])
        run = Run(self.store.path)
        for lane in self.group:
            sealed = run.history(lane)
            assert sealed is not None
            self._supervision.remember(lane, sealed.until(epoch))

    def _without_stopped(self, lane_group: LaneGroup) -> LaneGroup:
        """Return the lanes that train on; the group shrinks to them."""
        left = [i for i, lane in enumerate(self.group) if not self.seals[lane].stopped]
        if len(left) == len(self.group):
            return lane_group
        self.group = [self.group[i] for i in left]
        return lane_group.of_lanes(left) if left else lane_group

    def _forget_states(self, group: tuple[Lane, ...], epoch: int) -> None:
        self.writer.put(lambda: self.store.forget_states(group, epoch))

    def _lams(self, epoch: int) -> list[float]:
        """Return the λ of each lane's epoch: the schedule's, or lower after an alert."""
        return [
            self.seals[lane].lam(self.recipe.lam_at(lane.lam_index, epoch), epoch, self.recipe)
            for lane in self.group
        ]

    def _epoch(self, lane_group: LaneGroup, epoch: int) -> None:
        if not self.group:  # all have been stopped
            return
        lams = self._lams(epoch)
        if epoch == 0:
            rows = {names.TRAIN: lane_group.measure(names.TRAIN).rows}
        else:
            rows = {names.TRAIN: lane_group.train_epoch(epoch, lams)}
        rows[names.TRAIN] |= lane_group.displacement()
        decisions = self._judge(epoch, rows[names.TRAIN], lams)
        measured = self._measure(lane_group, epoch, rows, decisions)
        for index, lane in enumerate(self.group):
            self._hand_over(lane_group, index, epoch, rows, measured, decisions[lane])
            for verdict in decisions[lane].verdicts:
                self.listener.verdict(lane, verdict)
            report = self._report(lane, index, epoch, rows, lams[index], decisions[lane])
            self.listener.epoch(report)
        self._forget_states(tuple(self.group), epoch)

    def _judge(self, epoch: int, train: Rows, lams: list[float]) -> dict[Lane, Decision]:
        return {
            lane: self._supervision.judge(
                lane, epoch, {name: rows[i] for name, rows in train.items()}, lams[i]
            )
            for i, lane in enumerate(self.group)
        }

    def _measure(
        self,
        lane_group: LaneGroup,
        epoch: int,
        rows: dict[str, Rows],
        decisions: dict[Lane, Decision],
    ) -> dict[str, Measured]:
        """Measure validation first, since it decides whether the epoch's outputs are kept."""
        measured: dict[str, Measured] = {}
        if names.VAL in self.recipe.splits:
            wants_val = names.VAL in self.recipe.keep.splits and self._may_keep(epoch)
            measured[names.VAL] = lane_group.measure(
                names.VAL, self._keep_dtype if wants_val else None
            )
            rows[names.VAL] = measured[names.VAL].rows
        for index, lane in enumerate(self.group):
            error = float(rows[names.VAL][names.ENSEMBLE_ERROR][index]) if measured else None
            said = decisions[lane]
            self.seals[lane] = self.seals[lane].after(
                epoch, error, self.recipe, stopped=said.stopped, lowered=said.lowered
            )
        keeps = any(epoch in seal.outputs for seal in self.seals.values())
        for split in (names.TEST, names.TRAIN):
            wanted = keeps and split in self.recipe.keep.splits
            if split == names.TEST or wanted:
                measured[split] = lane_group.measure(split, self._keep_dtype if wanted else None)
        rows[names.TEST] = measured[names.TEST].rows
        return measured

    def _may_keep(self, epoch: int) -> bool:
        """Tell whether the epoch's outputs may be kept, before validation has spoken."""
        best = Seal().after(epoch, 0.0, self.recipe)
        return epoch in best.outputs

    def _hand_over(
        self,
        lane_group: LaneGroup,
        index: int,
        epoch: int,
        rows: dict[str, Rows],
        measured: dict[str, Measured],
        decision: Decision,
    ) -> None:
        """Queue one lane's epoch; copies stay on the device until the writer fetches them."""
        lane = self.group[index]
        seal = self.seals[lane]
        weights, memory = lane_group.snapshot(index)
        logits: dict[str, Tensor] = {}
        if epoch in seal.outputs:
            logits = {
                split: found.logits[index]
                for split, found in measured.items()
                if found.logits is not None
            }
        metrics = self._metrics(rows, index)
        keeps_weights = epoch in seal.checkpoints

        def job() -> None:
            host = {name: tensor.cpu().numpy() for name, tensor in weights.items()}
            state = {f"weight/{name}": array for name, array in host.items()}
            state |= {f"memory/{name}": t.cpu().numpy() for name, t in memory.items()}
            block = EpochBlock(
                lane=lane,
                epoch=epoch,
                metrics=metrics,
                outputs={s: t.cpu().numpy().swapaxes(1, 2) for s, t in logits.items()},
                checkpoint=host if keeps_weights else {},
                state=state,
                stopped=decision.stopped,
                lowered=decision.lowered,
            )
            self.store.write(block)

        self.writer.put(job)

    def _metrics(self, rows: dict[str, Rows], index: int) -> dict[str, NDArray[np.float64]]:
        """Return what the store keeps of one lane's epoch as metrics."""
        found = {
            name: np.stack([rows[split][name][index] for split in self.recipe.splits])
            for name in names.METRIC_VARIABLES
        }
        moved = rows[names.TRAIN].get(names.DISPLACEMENT)
        return found if moved is None else found | {names.DISPLACEMENT: moved[index]}

    def _report(
        self,
        lane: Lane,
        index: int,
        epoch: int,
        rows: dict[str, Rows],
        lam: float,
        decision: Decision,
    ) -> EpochReport:
        train = rows[names.TRAIN]
        ensemble = float(train[names.ENSEMBLE_LOSS][index])
        members = float(train[names.MEMBER_LOSS][index].mean())
        watched = names.VAL if names.VAL in rows else names.TEST
        return EpochReport(
            lane=lane,
            epoch=epoch,
            train_loss=lam * ensemble + (1 - lam) * members,
            ensemble_error=float(rows[watched][names.ENSEMBLE_ERROR][index]),
            stopped=decision.stopped,
            lowered=decision.lowered,
        )
