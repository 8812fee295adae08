"""Which lanes of a run can be used: not those that diverged, nor those that have not started."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from jtdiag import names
from jtdiag.probing import wording
from jtdiag.probing.findings import Finding
from jtdiag.rules import usable
from jtdiag.rules.contract import History
from jtdiag.store.lanes import Lane, Seal
from jtdiag.store.run import Run

SAME = 1e-5
"""Relative difference of losses and weights up to which members are the same but for rounding."""
SOURCE = "lanes"
"""Under which these findings are stored, in place of the name of a probe."""


@dataclass(frozen=True, kw_only=True)
class LaneState:
    """What a lane can be used for."""

    lane: Lane
    lam: float
    epoch: int
    """Last sealed epoch; -1 before the first."""
    done: bool
    diverged: bool
    """Whether a loss is not finite or beyond all use."""
    learned: bool
    """Whether the ensemble has become better than chance level; True as long as it is trained."""
    identical: bool = False
    """Whether all members have the same weights."""

    @property
    def used(self) -> bool:
        """Whether probes use the lane."""
        return self.epoch >= 0 and not self.diverged


_KNOWN: WeakKeyDictionary[Run, tuple[list[Seal], list[LaneState]]] = WeakKeyDictionary()


def states(run: Run) -> list[LaneState]:
    """Return the state of every lane, from its metrics at the last and the selected epoch.

    Raises:
        StoreError: if the metrics are damaged.
    """
    seals = [run.seal(lane) for lane in run.lanes]
    if run not in _KNOWN or _KNOWN[run][0] != seals:
        each = [_state(run, lane, seal) for lane, seal in zip(run.lanes, seals, strict=True)]
        _KNOWN[run] = seals, each
    return _KNOWN[run][1]


def _state(run: Run, lane: Lane, seal: Seal) -> LaneState:
    history = run.history(lane)
    diverged, learned, identical = False, True, False
    if history is not None:
        chosen = run.chosen_epoch(lane)
        at_chosen = history.until(chosen) if chosen >= history.epoch[0] else history
        diverged = any(map(usable.has_diverged, (history, at_chosen)))
        diverged = diverged or _diverged_on_test(run, lane, seal)
        identical = not diverged and _identical(run, lane, seal, history)
        learned = not seal.done or any(map(usable.has_learned_something, (history, at_chosen)))
    return LaneState(
        lane=lane,
        lam=run.lam(lane),
        epoch=seal.epoch,
        done=seal.done,
        diverged=diverged,
        learned=learned,
        identical=identical,
    )


def _identical(run: Run, lane: Lane, seal: Seal, history: History) -> bool:
    """Return whether all members have the same weights at the last checkpoint.

    Weights are read only if the members have the same losses, which hardly ever happens.
    """
    if history.members < 2 or not seal.checkpoints or run.recipe.members.branched:
        return False
    if not _same(history.member_loss[-1]):
        return False
    return all(map(_same, run.checkpoint(lane, seal.checkpoints[-1]).values()))


def _same(of_members: NDArray[np.floating[Any]]) -> bool:
    """Return whether values (M, …) are the same for all members, but for rounding."""
    largest = np.abs(of_members).max(initial=0.0)
    return bool((np.abs(of_members - of_members[:1]) <= SAME * largest).all())


def _diverged_on_test(run: Run, lane: Lane, seal: Seal) -> bool:
    """Return whether losses on test are beyond use; a user's own loop may not measure them."""
    history = run.history(lane)
    if run.recorded or history is None or names.TEST not in run.recipe.splits:
        return False
    index = (lane.lam_index, lane.trial, seal.epoch, run.recipe.splits.index(names.TEST))
    arrays = [run.array(f"{names.METRICS}/{n}") for n in (names.MEMBER_LOSS, names.ENSEMBLE_LOSS)]
    return usable.beyond_use(history, *(np.asarray(array[index], float) for array in arrays))


def diverged(run: Run) -> list[Lane]:
    """Return the lanes that diverged."""
    return [state.lane for state in states(run) if state.diverged]


def sealed(run: Run) -> int:
    """Return how many lanes have sealed epochs."""
    return sum(state.epoch >= 0 for state in states(run))


def all_diverged(run: Run) -> bool:
    """Return whether there are lanes with sealed epochs, and all of them diverged."""
    sealed = [state for state in states(run) if state.epoch >= 0]
    return bool(sealed) and all(state.diverged for state in sealed)


def unlearned(run: Run) -> set[float]:
    """Return the λs at which no lane that is used has learned anything."""
    used = [state for state in states(run) if state.used]
    return {state.lam for state in used} - {state.lam for state in used if state.learned}


def identical(run: Run) -> set[float]:
    """Return the λs at which the members of every lane that is used are identical."""
    used = [state for state in states(run) if state.used]
    return {state.lam for state in used} - {state.lam for state in used if not state.identical}


def findings(run: Run) -> list[Finding]:
    """Return which lanes are left out and why, and which have learned nothing."""
    each = states(run)
    lost = [state for state in each if state.diverged]
    idle = [state for state in each if state.used and not state.learned]
    partial = [state for state in each if not state.done and not state.diverged]
    copies = [state for state in each if state.identical]
    result = []
    if lost:
        text = wording.diverged(len(lost), len(each), _where(lost, each))
        result.append(_finding("diverged", text, len(lost), len(each)))
    if copies:
        text = wording.identical(len(copies), len(each), _where(copies, each))
        result.append(_finding("identical", text, len(copies), len(each)))
    if idle:
        text = wording.unlearned(len(idle), len(each), _where(idle, each))
        result.append(_finding("nothing-learned", text, len(idle), len(each)))
    if partial:
        text = wording.unfinished(*_unfinished(each))
        result.append(_finding("unfinished", text, len(partial), len(each)))
    if names.TEST_IS_VAL in run.settings:
        result.append(_finding("validation", wording.TEST_IS_VAL, len(each), len(each)))
    return result


def _finding(rule: str, sentence: str, count: int, lanes: int) -> Finding:
    return Finding(
        probe=SOURCE,
        rule=rule,
        level="alert" if rule in ("diverged", "identical") else "info",
        number=float(count),
        limit=0.0,
        sentence=sentence,
        headline=wording.lanes_headline(rule, count, lanes),
    )


def _unfinished(each: list[LaneState]) -> tuple[int, int, str, str]:
    """Return how many lanes are complete, of how many, which are not, and which did not start."""
    partly = [state for state in each if state.epoch >= 0 and not state.done and not state.diverged]
    absent = [state for state in each if state.epoch < 0]
    complete = sum(state.done for state in each)
    return complete, len(each), _where(partly, each), _where(absent, each)


def _where(group: Iterable[LaneState], each: list[LaneState]) -> str:
    """Return the λs and trials of lanes."""
    by_lam: dict[float, list[int]] = {}
    for state in group:
        by_lam.setdefault(state.lam, []).append(state.lane.trial)
    trials = 1 + max(state.lane.trial for state in each)
    return wording.lanes_where(by_lam, trials)
