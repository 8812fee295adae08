"""Alerts during training: show, send and record the verdicts of the rules."""

from collections.abc import Iterator
from contextlib import contextmanager

from jtdiag.alerts import lane_verdicts, wording
from jtdiag.alerts.dispatch import Dispatcher, PrintLine, print_error
from jtdiag.alerts.lane_verdicts import LaneVerdict
from jtdiag.alerts.record import Record
from jtdiag.engine.progress import EpochReport, Listener, Plan
from jtdiag.errors import StoreError
from jtdiag.probing.findings import Finding
from jtdiag.rules import VerdictLog
from jtdiag.rules.contract import Verdict
from jtdiag.store.lanes import Lane
from jtdiag.store.run import Run


class AlertingListener:
    """A listener that sends and records verdicts, and passes all events on to a display.

    Each rule fires once per lane, also if the run is interrupted and resumed. Errors are printed
    and never stop training.

    Args:
        display: Listener that shows the run.
        dispatcher: Sends alerts.
        print_line: Prints errors.
    """

    def __init__(
        self, display: Listener, dispatcher: Dispatcher, print_line: PrintLine = print_error
    ) -> None:
        self._display, self._dispatcher, self._print_line = display, dispatcher, print_line
        self._record = Record(lane_verdicts.SOURCE, print_line)
        self._log = VerdictLog[Lane]()
        self._started: set[Lane] = set()
        self._trained = False
        self._plan: Plan | None = None

    def begin(self, plan: Plan) -> None:
        """Start a run; if it is resumed, take over the verdicts on its sealed epochs."""
        self._plan = plan
        if plan.path.is_dir() and any(plan.path.iterdir()):
            try:
                self._replay(Run(plan.path))
            except StoreError as error:
                self._print_line(wording.earlier_alerts_unknown(str(error)))
        self._display.begin(plan)

    def _replay(self, run: Run) -> None:
        for lane in run.lanes:
            history = run.history(lane)
            if history is not None:
                self._started.add(lane)
                self._log.replay(lane, history)

    def epoch(self, report: EpochReport) -> None:
        """Pass an epoch on to the display."""
        self._trained = True
        self._started.add(report.lane)
        self._display.epoch(report)

    def verdict(self, lane: Lane, verdict: Verdict) -> None:
        """Show, send and record a verdict, unless its rule has fired on the lane before."""
        assert self._plan is not None
        if not self._log.record(lane, verdict):
            return
        self._trained = True
        self._started.add(lane)
        self._display.verdict(lane, verdict)
        trials = self._plan.recipe.trials
        finding = lane_verdicts.of_lane(self._lane_verdict(lane, verdict), trials)
        self._dispatcher.send(self._plan.path, finding)
        self._record.write(self._plan.path, self.findings())

    def close(self) -> None:
        """Record all findings again, with the final number of trials.

        If nothing was trained, those on record are kept: the probe may have found more.
        """
        if self._plan is not None and self._log and self._trained:
            self._record.write(self._plan.path, self.findings())

    def findings(self) -> list[Finding]:
        """Return the findings so far, λ by λ, of the trials that have started."""
        findings: list[Finding] = []
        for index in sorted({lane.lam_index for lane, _ in self._log}):
            verdicts = [
                self._lane_verdict(lane, verdict)
                for lane, verdict in self._log
                if lane.lam_index == index
            ]
            trials = sum(lane.lam_index == index for lane in self._started)
            findings += lane_verdicts.findings(verdicts, trials)
        return findings

    def _lane_verdict(self, lane: Lane, verdict: Verdict) -> LaneVerdict:
        assert self._plan is not None
        lam = self._plan.recipe.lam[lane.lam_index]
        return LaneVerdict(verdict=verdict, lam=lam, trial=lane.trial)


@contextmanager
def alerting(display: Listener, dispatcher: Dispatcher) -> Iterator[AlertingListener]:
    """Yield a listener that sends and records alerts; close it at the end."""
    listener = AlertingListener(display, dispatcher)
    try:
        yield listener
    finally:
        listener.close()
