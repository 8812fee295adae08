"""Verdicts on the lanes of a run. Each rule fires at most once per lane."""

from collections.abc import Hashable, Iterable, Iterator
from typing import Generic, TypeVar

from jtdiag.rules.contract import History, Verdict
from jtdiag.rules.evaluation import judge
from jtdiag.rules.registry import RULES

L = TypeVar("L", bound=Hashable)


class VerdictLog(Generic[L]):
    """Evaluates rules on lanes and keeps the first verdict of each rule and lane.

    Args:
        names: Rules to evaluate; by default all installed ones.
    """

    def __init__(self, names: Iterable[str] | None = None) -> None:
        self.names = RULES.names() if names is None else tuple(names)
        self._verdicts: dict[L, dict[str, Verdict]] = {}

    def pending(self, lane: L) -> list[str]:
        """Return the rules that have not fired on a lane yet."""
        fired = self._verdicts.get(lane, {})
        return [name for name in self.names if name not in fired]

    def record(self, lane: L, verdict: Verdict) -> bool:
        """Keep a verdict unless its rule has fired on the lane before; return whether it is new."""
        fired = self._verdicts.setdefault(lane, {})
        if verdict.rule in fired:
            return False
        fired[verdict.rule] = verdict
        return True

    def judge(self, lane: L, history: History, names: Iterable[str] | None = None) -> list[Verdict]:
        """Evaluate pending rules after the last epoch of a history; return the new verdicts.

        Args:
            lane: The lane.
            history: Its training metrics.
            names: Rules to evaluate, of those that are pending; by default all of them.
        """
        pending = self.pending(lane)
        wanted = pending if names is None else [name for name in names if name in pending]
        return [verdict for verdict in judge(history, wanted) if self.record(lane, verdict)]

    def replay(self, lane: L, history: History, after: int = -1) -> list[Verdict]:
        """Evaluate pending rules after each epoch of a history; return the new verdicts.

        Args:
            lane: The lane.
            history: Its training metrics.
            after: Epochs up to this one have been evaluated already.
        """
        epochs = history.epoch[history.epoch > after]
        return [
            verdict for epoch in epochs for verdict in self.judge(lane, history.until(int(epoch)))
        ]

    def verdicts(self, lane: L) -> list[Verdict]:
        """Return the verdicts on a lane, in the order in which the rules fired."""
        return list(self._verdicts.get(lane, {}).values())

    def __iter__(self) -> Iterator[tuple[L, Verdict]]:
        """Yield all verdicts with their lanes, lane by lane."""
        for lane, fired in self._verdicts.items():
            for verdict in fired.values():
                yield lane, verdict

    def __len__(self) -> int:
        """Return the number of verdicts on all lanes."""
        return sum(len(fired) for fired in self._verdicts.values())


def first(history: History, names: Iterable[str] | None = None) -> list[Verdict]:
    """Return the first verdict of each rule that fires on a lane, in the order of epochs."""
    return VerdictLog[None](names).replay(None, history)
