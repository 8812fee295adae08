"""Trains candidates as ordinary runs, as far as the search asks, and reads validation errors."""

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from attrs import evolve

from jtdiag import names
from jtdiag.advising.additive import Floats
from jtdiag.advising.candidates import Candidate, path_of
from jtdiag.engine.progress import EpochReport, NullListener
from jtdiag.engine.stopping import StopRequest, TrainingStopped
from jtdiag.engine.train import train
from jtdiag.store import growth
from jtdiag.store.run import RECIPE, Run


class LimitReachedError(Exception):
    """The time or the number of epochs is used up; the search ends, and its answer is given."""


@dataclass
class Limit:
    """How much may be trained in one call; what is already on disk is free."""

    seconds: float = math.inf
    epochs: float = math.inf
    """Epochs of single lanes."""
    trained: int = 0
    """Epochs of single lanes that this call has trained."""
    started: float = field(default_factory=time.monotonic)

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.started

    @property
    def reached(self) -> bool:
        """Whether nothing more may be trained."""
        return self.elapsed >= self.seconds or self.trained >= self.epochs


class _StopAt(StopRequest):
    """Stops between epochs; whatever a user's request stops is stopped as well."""

    def __init__(self, users: StopRequest) -> None:
        super().__init__()
        self._users = users

    @contextmanager
    def heeding(self) -> Iterator[None]:
        """Look at the user's request while the block runs."""
        with self._users.heeding():
            yield

    def between_epochs(self) -> None:
        """Stop if that was requested by either."""
        self._users.between_epochs()
        super().between_epochs()

    def within_epoch(self, started: float, share: float) -> None:
        """Give up the epoch if the user's request leaves too little time for it."""
        self._users.within_epoch(started, share)

    def within_evaluation(self) -> None:
        """Give up the epoch if the time that the user's request leaves has passed."""
        self._users.within_evaluation()


class _Epochs(NullListener):
    """Counts epochs, and stops training after a given one or at the limit."""

    def __init__(self, last: int, limit: Limit, stop: StopRequest) -> None:
        self._last, self._limit, self._stop = last, limit, stop

    def epoch(self, report: EpochReport) -> None:
        """Count an epoch."""
        self._limit.trained += report.epoch > 0
        if report.epoch >= self._last or self._limit.reached:
            self._stop.request(math.inf)


class Training:
    """The runs of the candidates, in the subfolder ``runs`` of a folder.

    Args:
        folder: The folder.
        every: The candidates by name.
        limit: How much may be trained.
        stop: Ends training early when it is requested.
        trained: Called after a training, with the candidate, its errors in all trials so far, and
            the epoch up to which they are trained.
    """

    def __init__(
        self,
        folder: Path,
        every: Mapping[str, Candidate],
        limit: Limit,
        stop: StopRequest | None = None,
        trained: Callable[[Candidate, Floats, int], None] = lambda candidate, errors, epoch: None,
    ) -> None:
        self._folder, self._every, self._limit = folder, every, limit
        self._stop, self._trained = stop or StopRequest(), trained
        self._known: dict[str, Floats] = {}

    def first_trial(self, name: str, share: float) -> float:
        """Return the lowest validation error of the first trial within a share of its epochs.

        Raises:
            LimitReachedError: if it is not trained so far, and the limit is reached.
        """
        epochs = self._every[name].recipe.train.epochs
        last = max(1, math.ceil(share * epochs))
        return float(self._errors(name, 1, last)[0])

    def errors(self, name: str, trials: int) -> Floats:
        """Return the lowest validation errors of the first trials, each in all its epochs.

        Raises:
            LimitReachedError: if they are not all trained, and the limit is reached.
        """
        return self._errors(name, trials, self._every[name].recipe.train.epochs)

    def known(self, name: str) -> Floats:
        """Return the errors of all trials that are complete, (trials,); nothing is trained."""
        if name not in self._known:
            candidate = self._every[name]
            run = existing(path_of(self._folder, candidate))
            last = candidate.recipe.train.epochs
            self._known[name] = np.empty(0) if run is None else validation_errors(run, last)
        return self._known[name]

    def _errors(self, name: str, trials: int, last: int) -> Floats:
        candidate = self._every[name]
        path = path_of(self._folder, candidate)
        run = existing(path)
        if not is_trained(run, trials, last):
            run = self._train(candidate, run, trials, last)
            self._known.pop(name, None)
            self._trained(candidate, validation_errors(run, last), last)
        assert run is not None
        return validation_errors(run, last)[:trials]

    def _train(self, candidate: Candidate, run: Run | None, trials: int, last: int) -> Run:
        """Train the first trials up to an epoch; more trials than one are trained completely."""
        if self._limit.reached:
            raise LimitReachedError
        path = path_of(self._folder, candidate)
        trials_of_run = max(trials, run.recipe.trials if run else 1)
        recipe = evolve(candidate.recipe, trials=trials_of_run)
        stop = _StopAt(self._stop)
        path.parent.mkdir(parents=True, exist_ok=True)
        until = last if last < recipe.train.epochs else recipe.train.epochs + 1
        try:
            train(recipe, path, resume=True, listener=_Epochs(until, self._limit, stop), stop=stop)
        except TrainingStopped:
            self._stop.between_epochs()
        run = existing(path)
        if run is None or not is_trained(run, trials, last):
            raise LimitReachedError
        return run


def existing(path: Path) -> Run | None:
    """Return the run in a folder, if there is one; adding trials to it is finished first."""
    if not (path / RECIPE).exists():
        return None
    growth.finish(path)
    return Run(path)


def is_trained(run: Run | None, trials: int, last: int) -> bool:
    """Return whether the first trials of a run are trained up to an epoch."""
    return run is not None and _trained(run, last) >= trials


def _trained(run: Run, last: int) -> int:
    """Return how many trials are trained up to an epoch, without gaps."""
    seals = [run.seal(lane) for lane in run.lanes]
    behind = [i for i, seal in enumerate(seals) if not seal.done and seal.epoch < last]
    return behind[0] if behind else len(seals)


def validation_errors(run: Run, last: int) -> Floats:
    """Return the lowest validation error of the ensemble in each trial, (trials,).

    Of the trials that are trained up to an epoch. Neither test errors nor outputs are looked at.

    Args:
        run: Of a single λ.
        last: That epoch.
    """
    errors = run.metrics()[names.ENSEMBLE_ERROR].isel({names.LAM: 0})
    on_val = errors.sel({names.SPLIT: names.VAL}).transpose(names.TRIAL, names.EPOCH).values
    seen = on_val[: _trained(run, last), : last + 1]
    return np.min(np.where(np.isnan(seen), np.inf, seen), axis=1, initial=np.inf)
