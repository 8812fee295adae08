"""Watch one lane: its seal, its latest errors, its error curves and its verdicts."""

import os
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from jtdiag.rules import VerdictLog
from jtdiag.rules.contract import Verdict
from jtdiag.store import lanes
from jtdiag.store.lanes import Lane, Seal
from jtdiag.store.run import Run
from jtdiag.watch.events import Errors

POINTS = 64
"""Maximum length of a stored error curve; bounds the memory used per lane."""


class LaneWatch:
    """A lane that is being trained. Its metrics are read only when its seal has changed."""

    def __init__(self, run: Run, lane: Lane) -> None:
        self.lane = lane
        self.lam = run.lam(lane)
        self.lam_now = self.lam
        """λ of the latest epoch; differs from `lam` if a schedule or a rule changed it."""
        self.seal = Seal()
        self.errors: Errors | None = None
        self.ensemble: tuple[float, ...] = ()
        """Training error of the ensemble by epoch, at most `POINTS` values."""
        self.median: tuple[float, ...] = ()
        """Training error of the median member by epoch, at most `POINTS` values."""
        self._log = VerdictLog[Lane]()
        self._path = lanes.path_of(run.path, lane)
        self._stamp: tuple[int, ...] = ()
        self._judged = -1

    @property
    def verdicts(self) -> list[Verdict]:
        """First verdict of each rule that has fired."""
        return self._log.verdicts(self.lane)

    @property
    def alerts(self) -> list[Verdict]:
        """Verdicts at level "alert"."""
        return [verdict for verdict in self.verdicts if verdict.level == "alert"]

    def newly_sealed(self, run: Run) -> bool:
        """Read the seal if its file has changed; return whether there are epochs yet to be read."""
        stamp = () if self.seal.done else self._stat()
        if stamp and stamp != self._stamp:
            self.seal, self._stamp = run.seal(self.lane), stamp
        return self.seal.epoch > self._judged

    def _stat(self) -> tuple[int, ...]:
        """Return a stamp that changes when the seal's file is replaced; empty without a file."""
        try:
            stat = os.stat(self._path)
        except FileNotFoundError:
            return ()
        return stat.st_ino, stat.st_mtime_ns, stat.st_size

    def read(self, run: Run) -> None:
        """Read the lane's metrics up to its seal and evaluate the rules on the new epochs."""
        whole = run.history(self.lane)
        if whole is None:  # the seal was removed in the meantime
            return
        history = whole.until(self.seal.epoch)
        self.lam_now = self.lam if history.lam is None else float(history.lam[-1])
        error, loss = history.member_error, history.member_loss
        leader = int(np.lexsort((loss[-1], error[-1]))[0])
        median = np.median(error, axis=1)
        self.errors = Errors(
            ensemble=float(history.ensemble_error[-1]),
            median=float(median[-1]),
            best=float(error[-1, leader]),
            leader=leader,
        )
        self.ensemble, self.median = thin(history.ensemble_error), thin(median)
        self._log.replay(self.lane, history, after=self._judged)
        self._judged = history.last


def thin(values: ArrayLike, points: int = POINTS) -> tuple[float, ...]:
    """Return a curve (E,) as at most `points` values: means of the finite neighbors.

    The result is NaN where no neighbor is finite.
    """
    curve = np.asarray(values, dtype=np.float64)
    pieces = np.array_split(curve, min(points, curve.size)) if curve.size else []
    finite = [piece[np.isfinite(piece)] for piece in pieces]
    return tuple(float(piece.mean()) if piece.size else float("nan") for piece in finite)


def seal_times(run: Path, watched: list[LaneWatch]) -> list[float]:
    """Return the modification times of the lanes' seals; lanes not yet started have none."""
    times = []
    for lane_watch in watched:
        try:
            time = lanes.path_of(run, lane_watch.lane).stat().st_mtime
        except FileNotFoundError:  # a run of an older version
            continue
        times += [time] if lane_watch.seal.epoch >= 0 else []
    return times
