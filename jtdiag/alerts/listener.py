"""What the rules say while a run trains: recorded with the run, told where alerts go."""

from collections.abc import Iterator
from contextlib import contextmanager

from jtdiag.alerts import wording
from jtdiag.alerts.dispatch import Dispatcher, Say, say
from jtdiag.alerts.record import Record
from jtdiag.alerts.wording import Told
from jtdiag.engine.progress import EpochReport, Listener, Plan
from jtdiag.errors import StoreError
from jtdiag.probing.findings import Finding
from jtdiag.rules import VerdictLog
from jtdiag.rules.contract import Verdict
from jtdiag.store.lanes import Lane
from jtdiag.store.run import Run


class AlertingListener:
    """Hears of a run for another listener, and passes on what the rules say.

    What a rule says of a lane is told once, also when the run was interrupted in between. Nothing
    that happens on the way stops the training.
    """

    def __init__(self, shown: Listener, dispatcher: Dispatcher, say: Say = say) -> None:
        self._shown, self._dispatcher, self._say = shown, dispatcher, say
        self._record = Record(wording.SOURCE, say)
        self._log = VerdictLog[Lane]()
        self._begun: set[Lane] = set()
        self._plan: Plan | None = None

    def begin(self, plan: Plan) -> None:
        """Hear what is about to run; in a run to be resumed, what was said before."""
        self._plan = plan
        if plan.path.is_dir() and any(plan.path.iterdir()):
            try:
                self._remember(Run(plan.path))
            except StoreError as error:
                self._say(f"{error} Alerts of before are not known.")
        self._shown.begin(plan)

    def _remember(self, run: Run) -> None:
        for lane in run.lanes:
            history = run.history(lane)
            if history is not None:
                self._begun.add(lane)
                self._log.replay(lane, history)

    def epoch(self, report: EpochReport) -> None:
        """Pass an epoch on."""
        self._begun.add(report.lane)
        self._shown.epoch(report)

    def verdict(self, lane: Lane, verdict: Verdict) -> None:
        """Record, show and send what a rule says of a lane, unless that is known."""
        assert self._plan is not None
        if not self._log.record(lane, verdict):
            return
        self._begun.add(lane)
        self._shown.verdict(lane, verdict)
        one = wording.of_lane(self._with_lam(lane, verdict), self._plan.recipe.trials)
        self._dispatcher.tell(self._plan.path, one)
        self._record.write(self._plan.path, self.findings())

    def close(self) -> None:
        """Record how many trials a rule spoke in, of all that have been trained."""
        if self._plan is not None and self._log:
            self._record.write(self._plan.path, self.findings())

    def findings(self) -> list[Finding]:
        """Return what has been said so far, λ by λ, of the trials that have begun."""
        found: list[Finding] = []
        for index in sorted({lane.lam_index for lane, _ in self._log}):
            told = [
                self._with_lam(lane, verdict)
                for lane, verdict in self._log
                if lane.lam_index == index
            ]
            trials = sum(lane.lam_index == index for lane in self._begun)
            found += wording.findings(told, trials)
        return found

    def _with_lam(self, lane: Lane, verdict: Verdict) -> Told:
        assert self._plan is not None
        lam = self._plan.recipe.lam[lane.lam_index]
        return Told(verdict=verdict, lam=lam, trial=lane.trial)


@contextmanager
def alerting(shown: Listener, dispatcher: Dispatcher) -> Iterator[AlertingListener]:
    """Yield a listener that tells alerts; at the end, record what was said once more."""
    listener = AlertingListener(shown, dispatcher)
    try:
        yield listener
    finally:
        listener.close()
