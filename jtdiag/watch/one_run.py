"""One run that is watched: what has changed since the last look, told as events."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

from jtdiag import rules
from jtdiag.alerts import lane_verdicts
from jtdiag.alerts.lane_verdicts import LaneVerdict
from jtdiag.errors import StoreError
from jtdiag.probing import findings as finding
from jtdiag.probing.findings import Finding
from jtdiag.store.run import RECIPE, Run
from jtdiag.watch.events import Appeared, Ended, Event, Resumed, Sealed, Silent, State, Trouble
from jtdiag.watch.heartbeat import Heartbeat
from jtdiag.watch.one_lane import LaneWatch, seal_times

OVER = ("done", "dead")

AtTheEnd = Callable[[Run], list[Finding]]


class RunWatch:
    """A run and what is remembered of it, which does not grow with its epochs.

    Raises:
        StoreError: if the folder holds no run; later, if what it holds cannot be read.
        RecipeError: if its recipe is none.
    """

    def __init__(self, path: Path, at_the_end: AtTheEnd | None = None) -> None:
        """Take a run's folder, and what may be asked of the run when it is over."""
        self.path = path
        self.run = Run(path)
        self.lanes = [LaneWatch(self.run, lane) for lane in self.run.lanes]
        self.state: State | None = None
        """None before the first look."""
        self.findings: list[Finding] = []
        """As they stand after the last look: of the rules, and of what was asked at the end."""
        self.newest: LaneWatch | None = None
        """The lane that was sealed last."""
        self.heartbeat = Heartbeat()
        self.old = False
        """True for a run that was over when it was first seen."""
        self.trouble = ""
        """Why findings could not be kept in the run's folder; "" where they are."""
        self._at_the_end = at_the_end
        self._spoken = 0
        self._told: set[tuple[object, ...]] = set()
        self._lock_unseen = False
        self._epochs = self.run.recipe.train.epochs

    @property
    def epochs(self) -> tuple[int, int]:
        """Epochs of all lanes together that are sealed, and those that the recipe has.

        What a lane leaves out that was stopped early counts for neither.
        """
        sealed = [max(0, lane.seal.epoch) for lane in self.lanes]
        whole = [
            epoch if lane.seal.done else self._epochs
            for lane, epoch in zip(self.lanes, sealed, strict=True)
        ]
        return sum(sealed), sum(whole)

    @property
    def alerts(self) -> list[Finding]:
        """The findings that are alerts."""
        return [one for one in self.findings if one.level == "alert"]

    @property
    def over(self) -> bool:
        """True when nothing more is expected."""
        return self.state in OVER

    def look(self) -> Iterator[Event]:
        """Yield what has happened since the last look: first what was sealed, then what it says."""
        if not (self.path / RECIPE).exists():
            raise StoreError(f"{self.path} is gone: somebody has removed or renamed the folder.")
        first, was_over = self.state is None, self.over
        held = self.run.training  # before the seals: what it sealed last is still seen
        fresh = [lane for lane in self.lanes if lane.newly_sealed(self.run)]
        state = self._state(held, moved=bool(fresh) and not first)
        if first:
            yield self._appear(state)
        elif was_over and state not in OVER:
            self.old = False
            self.heartbeat.restart()
            yield Resumed()
        elif fresh:
            self.heartbeat.beat()
        yield from self._read(fresh)
        yield from self._turn(state)

    def _appear(self, state: State) -> Appeared:
        """Take the first look, and estimate from the dates of files how long epochs take."""
        self.old = state in OVER
        if not self.old:
            self.heartbeat = self._listen()
        recipe = self.run.recipe
        return Appeared(
            state=state,
            lanes=len(self.lanes),
            epochs=recipe.train.epochs,
            members=recipe.members.count,
        )

    def _listen(self) -> Heartbeat:
        begun = (self.path / RECIPE).stat().st_mtime
        times = seal_times(self.path, self.lanes)
        quiet = time.time() - max(times, default=begun)
        if not times:
            return Heartbeat(quiet)
        at_once = int(self.run.settings.get("lanes", "1"))
        sealed = sum(lane.seal.epoch + 1 for lane in self.lanes)
        return Heartbeat(quiet, max(0.0, max(times) - begun) * at_once / max(1, sealed))

    def _state(self, held: bool, *, moved: bool) -> State:
        """Return the run's state.

        A run that grows although no lock is seen is trained on a machine whose locks are not
        visible here; from then on only its silence says that it is dead.
        """
        if all(lane.seal.done for lane in self.lanes):
            return "done"
        if not held and moved and self.state == "dead":
            self._lock_unseen = True
        if self._lock_unseen and not held:
            return "training" if moved or not self.heartbeat.stopped else "dead"
        if not held:
            return "dead"
        return "silent" if not moved and self.state and self.heartbeat.stopped else "training"

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
        spoken = sum(len(lane.verdicts) for lane in self.lanes)
        if spoken > self._spoken:
            self._spoken, self.findings = spoken, self._from_rules()
            if self._at_the_end or not self.old:
                yield from self._record()
            yield from self._untold(self.alerts)

    def _turn(self, state: State) -> Iterator[Event]:
        """Pass to a state, and tell it where it is another."""
        before, self.state = self.state, state
        if state == before:
            return
        if state == "silent":
            yield Silent(seconds=self.heartbeat.quiet)
        elif state in OVER:
            yield from self._untold(self.findings)
            if self._at_the_end and self.newest:  # else there is nothing to ask about
                self.findings = _joined(self.findings, self._at_the_end(self.run))
                yield from self._untold(self.findings)
            self.run = Run(self.path)  # lets go of the store's metadata
            yield Ended(done=state == "done")

    # --- findings ------------------------------------------------------------------------------

    def _from_rules(self) -> list[Finding]:
        """Return what the rules have said so far, one finding for each rule and λ."""
        groups: dict[tuple[int, float], list[LaneVerdict]] = {}
        for lane in self.lanes:
            for verdict in lane.verdicts:
                told = LaneVerdict(verdict=verdict, lam=lane.lam, trial=lane.lane.trial)
                groups.setdefault((rules.rank(verdict.rule), lane.lam), []).append(told)
        return [
            one
            for _, group in sorted(groups.items(), key=lambda item: item[0])
            for one in lane_verdicts.findings(group, trials=self._reached(group))
        ]

    def _reached(self, group: list[LaneVerdict]) -> int:
        """Return in how many trials of a λ the epoch is sealed at which a rule first spoke."""
        epoch = min(one.verdict.epoch for one in group)
        return sum(lane.lam == group[0].lam and lane.seal.epoch >= epoch for lane in self.lanes)

    def _record(self) -> Iterator[Trouble]:
        """Keep the findings of the rules in the run's folder, where others stand there.

        That a folder is not to be written hinders nobody from watching; it is told once.
        """
        try:
            kept = [one for one in finding.read(self.path) if one.probe == lane_verdicts.SOURCE]
            # The probe alerts has a finding of its own, "carried", besides those of the rules.
            if [one for one in kept if one.rule != "carried"] != self.findings:
                finding.record(self.path, lane_verdicts.SOURCE, self.findings)
        except StoreError as error:
            if self.trouble != str(error):
                self.trouble = str(error)
                yield Trouble(what=self.trouble)

    def _untold(self, findings: list[Finding]) -> Iterator[Finding]:
        """Yield each finding once, and again only when further trials join it."""
        for one in findings:
            key = (one.probe, one.rule, one.lam, one.trials)
            if key not in self._told:
                self._told.add(key)
                yield one


def _joined(first: list[Finding], second: list[Finding]) -> list[Finding]:
    """Return the findings of both, those of a probe that both have from the second."""
    asked = {one.probe for one in second}
    return [one for one in first if one.probe not in asked] + second
