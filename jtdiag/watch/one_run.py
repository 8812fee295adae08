"""Watch one run and report what has changed as events."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

from jtdiag import rules
from jtdiag.alerts import lane_verdicts
from jtdiag.alerts.lane_verdicts import LaneVerdict
from jtdiag.errors import StoreError
from jtdiag.probing import findings
from jtdiag.probing.findings import Finding
from jtdiag.probing.running import record_lost
from jtdiag.store.run import RECIPE, Run
from jtdiag.watch.events import Appeared, Ended, Event, Resumed, Sealed, Stalled, State, Trouble
from jtdiag.watch.heartbeat import Heartbeat
from jtdiag.watch.one_lane import LaneWatch, seal_times

OVER = ("done", "dead")

AtTheEnd = Callable[[Run], list[Finding]]


class RunWatch:
    """A run that is being watched. Memory use does not grow with the number of epochs.

    Raises:
        StoreError: if the folder is not a run; later, if its data cannot be read.
        RecipeError: if its recipe is invalid.
    """

    def __init__(self, path: Path, at_the_end: AtTheEnd | None = None) -> None:
        """Open a run; `at_the_end` computes further findings when the run has ended."""
        self.path = path
        self.run = Run(path)
        self.lanes = [LaneWatch(self.run, lane) for lane in self.run.lanes]
        self.state: State | None = None
        """None before the first poll."""
        self.findings: list[Finding] = []
        """Findings of the rules so far and, after the run has ended, of `at_the_end`."""
        self.newest: LaneWatch | None = None
        """Lane with the most recently saved epoch."""
        self.heartbeat = Heartbeat()
        self.old = False
        """True for a run that had already ended when it was first seen."""
        self.trouble = ""
        """Reason why findings could not be written to the run's folder, or ""."""
        self._at_the_end = at_the_end
        self._verdicts = 0
        self._reported: set[tuple[object, ...]] = set()
        self._lock_unseen = False
        self._epochs = self.run.recipe.train.epochs

    @property
    def epochs(self) -> tuple[int, int]:
        """Number of saved epochs and total number of epochs, summed over the lanes.

        Epochs that a stopped lane does not train count for neither.
        """
        sealed = [max(0, lane.seal.epoch) for lane in self.lanes]
        total = [
            epoch if lane.seal.done else self._epochs
            for lane, epoch in zip(self.lanes, sealed, strict=True)
        ]
        return sum(sealed), sum(total)

    @property
    def alerts(self) -> list[Finding]:
        """Findings at level "alert"."""
        return [finding for finding in self.findings if finding.level == "alert"]

    @property
    def over(self) -> bool:
        """True if the run is complete or its training process has exited."""
        return self.state in OVER

    def poll(self) -> Iterator[Event]:
        """Yield the events since the last call: first saved epochs, then findings."""
        self.run.refresh()
        if not (self.path / RECIPE).exists():
            raise StoreError(f"{self.path} no longer exists: the folder was removed or renamed.")
        first, was_over = self.state is None, self.over
        # Read before the seals, so that the last epochs of a process that exits are still seen.
        locked = self.run.training
        fresh = [lane for lane in self.lanes if lane.newly_sealed(self.run)]
        state = self._next_state(locked, moved=bool(fresh) and not first)
        if first:
            yield self._first_poll(state)
        elif was_over and state not in OVER:
            self.old = False
            self.heartbeat.restart()
            yield Resumed()
        elif fresh:
            self.heartbeat.beat()
        yield from self._read(fresh)
        yield from self._enter(state)

    def _first_poll(self, state: State) -> Appeared:
        """Set up the heartbeat of a run that is training."""
        self.old = state in OVER
        if not self.old:
            self.heartbeat = self._heartbeat()
        recipe = self.run.recipe
        return Appeared(
            state=state,
            lanes=len(self.lanes),
            epochs=recipe.train.epochs,
            members=recipe.members.count,
        )

    def _heartbeat(self) -> Heartbeat:
        """Return a heartbeat with the mean duration of an epoch, from the dates of the files."""
        started = (self.path / RECIPE).stat().st_mtime
        times = seal_times(self.path, self.lanes)
        idle = time.time() - max(times, default=started)
        if not times:
            return Heartbeat(idle)
        at_a_time = int(self.run.settings.get("lanes", "1"))
        sealed = sum(lane.seal.epoch + 1 for lane in self.lanes)
        return Heartbeat(idle, max(0.0, max(times) - started) * at_a_time / max(1, sealed))

    def _next_state(self, locked: bool, *, moved: bool) -> State:
        """Return the run's state.

        A run that grows without a visible lock is trained on another machine whose locks cannot
        be seen here. From then on it counts as dead only if it saves no epoch for too long.
        """
        if all(lane.seal.done for lane in self.lanes):
            return "done"
        if not locked and moved and self.state == "dead":
            self._lock_unseen = True
        if self._lock_unseen and not locked:
            return "training" if moved or not self.heartbeat.stalled else "dead"
        if not locked:
            return "dead"
        return "silent" if not moved and self.state and self.heartbeat.stalled else "training"

    def _read(self, fresh: list[LaneWatch]) -> Iterator[Event]:
        for lane in fresh:
            lane.read(self.run)
            self.newest = lane
            yield Sealed(
                lane=lane.lane,
                epoch=lane.seal.epoch,
                epochs=self._epochs,
                lam=lane.lam,
                lam_at=lane.lam_now,
                errors=lane.errors,
                done=lane.seal.done,
                stopped=lane.seal.stopped,
            )
        verdicts = sum(len(lane.verdicts) for lane in self.lanes)
        if verdicts > self._verdicts:
            self._verdicts, self.findings = verdicts, self._from_rules()
            if self._at_the_end or not self.old:
                yield from self._record()
            yield from self._new(self.alerts)

    def _enter(self, state: State) -> Iterator[Event]:
        """Change to a state and yield the events that follow from the change."""
        previous, self.state = self.state, state
        if state == previous:
            return
        if state == "silent":
            yield Stalled(seconds=self.heartbeat.idle)
        elif state in OVER:
            yield from self._new(self.findings)
            if self._at_the_end and self.newest:  # without an epoch there is nothing to evaluate
                self.findings = _merged(self.findings, self._at_the_end(self.run))
                yield from self._new(self.findings)
            self.run = Run(self.path)  # frees the cached metadata of the store
            yield Ended(done=state == "done")

    # --- findings ------------------------------------------------------------------------------

    def _from_rules(self) -> list[Finding]:
        """Return the findings of the rules so far, one for each rule and λ."""
        groups: dict[tuple[int, float], list[LaneVerdict]] = {}
        for lane in self.lanes:
            for verdict in lane.verdicts:
                key = rules.rank(verdict.rule), lane.lam
                lane_verdict = LaneVerdict(verdict=verdict, lam=lane.lam, trial=lane.lane.trial)
                groups.setdefault(key, []).append(lane_verdict)
        return [
            finding
            for _, group in sorted(groups.items(), key=lambda item: item[0])
            for finding in lane_verdicts.findings(group, trials=self._trials(group))
        ]

    def _trials(self, group: list[LaneVerdict]) -> int:
        """Return the number of trials of a λ that have saved the epoch of the first verdict."""
        epoch = min(lane_verdict.verdict.epoch for lane_verdict in group)
        return sum(lane.lam == group[0].lam and lane.seal.epoch >= epoch for lane in self.lanes)

    def _record(self) -> Iterator[Trouble]:
        """Write the findings of the rules to the run's folder if they have changed.

        A folder that cannot be written can still be watched; the problem is reported once.
        """
        try:
            record_lost(self.run)
            stored = findings.read(self.path, lost=True)
            recorded = [f for f in stored if f.probe == lane_verdicts.SOURCE]
            # The probe alerts has a finding of its own, "carried", besides those of the rules.
            if [f for f in recorded if f.rule != "carried"] != self.findings:
                findings.record(self.path, lane_verdicts.SOURCE, self.findings)
        except StoreError as error:
            if self.trouble != str(error):
                self.trouble = str(error)
                yield Trouble(what=self.trouble)

    def _new(self, candidates: list[Finding]) -> Iterator[Finding]:
        """Yield each finding once, and again only if it holds in further trials."""
        for finding in candidates:
            key = (finding.probe, finding.rule, finding.lam, finding.trials)
            if key not in self._reported:
                self._reported.add(key)
                yield finding


def _merged(first: list[Finding], second: list[Finding]) -> list[Finding]:
    """Return the findings of both lists; for a probe in both, only those of the second."""
    replaced = {finding.probe for finding in second}
    return [finding for finding in first if finding.probe not in replaced] + second
