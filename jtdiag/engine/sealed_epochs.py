"""Epochs that other processes seal, as reports to a listener."""

import os
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from jtdiag import names
from jtdiag.engine.progress import EpochReport, Listener
from jtdiag.rules import VerdictLog
from jtdiag.store import lanes
from jtdiag.store.lanes import Lane, RuleAction, Seal
from jtdiag.store.run import Run


class SealedEpochs:
    """Reports the epochs of a run that are sealed from now on, and the rules that fire on them."""

    def __init__(self, run: Run, listener: Listener) -> None:
        self._run, self._listener = run, listener
        self._log = VerdictLog[Lane]()
        self._stamps: dict[Lane, tuple[int, ...]] = {}
        self._reported: dict[Lane, int] = {}
        for lane in run.lanes:
            seal, history = run.seal(lane), run.history(lane)
            self._reported[lane] = seal.epoch if history is None else history.last
            if history is not None:
                self._log.replay(lane, history)
        self._open = [lane for lane in run.lanes if not run.seal(lane).done]

    def report(self) -> None:
        """Report what was sealed since the last call."""
        for lane in [lane for lane in self._open if self._has_changed(lane)]:
            seal = self._run.seal(lane)
            if seal.epoch > self._reported[lane]:
                self._report(lane, seal)
            if seal.done:
                self._open.remove(lane)

    def _has_changed(self, lane: Lane) -> bool:
        stat = os.stat(lanes.path_of(self._run.path, lane))
        stamp = stat.st_ino, stat.st_mtime_ns, stat.st_size
        changed = self._stamps.get(lane) != stamp
        self._stamps[lane] = stamp
        return changed

    def _report(self, lane: Lane, seal: Seal) -> None:
        history = self._run.history(lane)
        assert history is not None
        lam, ensemble = history.lam, history.ensemble_loss
        assert lam is not None
        losses = lam * ensemble + (1 - lam) * history.member_loss.mean(1)
        errors, modules = self._held_out_errors(lane), self._modules(lane)
        for epoch in range(self._reported[lane] + 1, seal.epoch + 1):
            for verdict in self._log.judge(lane, history.until(epoch)):
                self._listener.verdict(lane, verdict)
            self._listener.epoch(
                EpochReport(
                    lane=lane,
                    epoch=epoch,
                    train_loss=float(losses[epoch]),
                    ensemble_error=float(errors[epoch]),
                    action=_action(seal, epoch),
                    module=modules[epoch] if modules else "",
                )
            )
        self._reported[lane] = seal.epoch

    def _held_out_errors(self, lane: Lane) -> NDArray[np.float64]:
        splits = self._run.recipe.splits
        split = names.VAL if names.VAL in splits else names.TEST
        return self._run.metric(lane, names.ENSEMBLE_ERROR)[:, splits.index(split)]

    def _modules(self, lane: Lane) -> Sequence[str]:
        """Return the module that each epoch trained, if they are trained one after the other."""
        recorded = self._run.recipe.modules.record
        if not recorded.one_by_one:
            return ()
        indices, each = self._run.metric(lane, names.TRAINING_MODULE), [*self._run.modules]
        return ["" if np.isnan(index) else each[int(index)] for index in indices]


def _action(seal: Seal, epoch: int) -> RuleAction:
    """Return what rules did to a lane after an epoch."""
    return RuleAction(
        stopped=seal.stopped if epoch == seal.epoch else "",
        lowered=seal.lowered if epoch == seal.lowered_after else "",
    )
