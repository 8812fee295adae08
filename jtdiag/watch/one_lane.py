"""What a watcher knows of one lane: its seal, its last errors, and their course by epoch."""

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
"""Of a course at most: all that a watcher remembers of a lane's epochs."""


class LaneWatch:
    """One lane as it grows. Its files are read only when its seal has changed."""

    def __init__(self, run: Run, lane: Lane) -> None:
        self.lane = lane
        self.lam = run.lam(lane)
        self.lam_now = self.lam
        """With which the last epoch was trained; differs where a schedule or a rule moved it."""
        self.seal = Seal()
        self.errors: Errors | None = None
        self.ensemble: tuple[float, ...] = ()
        """Training error of the ensemble by epoch, at most `POINTS` numbers."""
        self.median: tuple[float, ...] = ()
        """The same of the median member."""
        self._log = VerdictLog[Lane]()
        self._path = run.path / lanes.FOLDER / f"{lane.key}.json"
        self._stamp: tuple[int, ...] = ()
        self._judged = -1

    @property
    def verdicts(self) -> list[Verdict]:
        """The first verdict of each rule that fired."""
        return self._log.verdicts(self.lane)

    @property
    def alerts(self) -> list[Verdict]:
        """The verdicts that are alerts."""
        return [verdict for verdict in self.verdicts if verdict.level == "alert"]

    def newly_sealed(self, run: Run) -> bool:
        """Read the seal if its file has changed; tell whether there are epochs yet to be read."""
        stamp = () if self.seal.done else self._look()
        if stamp and stamp != self._stamp:
            self.seal, self._stamp = run.seal(self.lane), stamp
        return self.seal.epoch > self._judged

    def _look(self) -> tuple[int, ...]:
        """Return what changes with the seal's file, which is replaced and never overwritten.

        Nothing where there is no file.
        """
        try:
            found = os.stat(self._path)
        except FileNotFoundError:
            return ()
        return found.st_ino, found.st_mtime_ns, found.st_size

    def read(self, run: Run) -> None:
        """Read the lane's metrics up to its seal, and ask the rules about the new epochs."""
        found = run.history(self.lane)
        if found is None:  # the seal was taken away meanwhile
            return
        history = found.until(self.seal.epoch)
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
    """Return a course (E,) as at most so many numbers: means of neighbours that are finite.

    NaN where none of the neighbours is.
    """
    course = np.asarray(values, dtype=np.float64)
    pieces = [course[i : i + 1] for i in range(course.size)]
    if course.size > points:
        pieces = np.array_split(course, points)
    finite = [piece[np.isfinite(piece)] for piece in pieces]
    return tuple(float(piece.mean()) if piece.size else float("nan") for piece in finite)


def seal_times(run: Path, watched: list[LaneWatch]) -> list[float]:
    """Return when each lane that has begun was last sealed, by the clock of the file system."""
    found = []
    for one in watched:
        try:
            found.append((run / lanes.FOLDER / f"{one.lane.key}.json").stat().st_mtime)
        except FileNotFoundError:
            continue
    return found
