"""Lanes of a run, and the seals that record how many epochs each has completed.

A lane is one pair (lam, trial). Its seal is a small file that is replaced atomically after all
data of an epoch are on disk, so a reader sees all of an epoch or none of it.
"""

import json
import os
import re
from collections import defaultdict
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from jtdiag import files
from jtdiag.errors import StoreError
from jtdiag.printable import shell_word
from jtdiag.recipe.recipe import KeptEpochs, Recipe

FOLDER = "lanes"

_OF_LANE = re.compile(r"\.?(?P<key>lam\d+-trial\d+)[.-]")
"""Beginning of the name of a lane's file; drafts may begin with a dot."""


@dataclass(frozen=True, order=True)
class Lane:
    """One λ and one trial of a recipe, by their indices."""

    trial: int
    lam_index: int

    @property
    def key(self) -> str:
        """Prefix of the lane's file names."""
        return f"lam{self.lam_index}-trial{self.trial}"


def lanes_of(recipe: Recipe) -> list[Lane]:
    """Return all lanes of a recipe, trial by trial, in the order in which they are trained."""
    return [Lane(t, i) for t in range(recipe.trials) for i in range(len(recipe.lam))]


def files_of(run: Path) -> dict[str, list[str]]:
    """Return the names of the files of each lane by its key, from one listing of the folder.

    Lanes without files have an empty list.
    """
    listed: dict[str, list[str]] = defaultdict(list)
    for name in sorted(os.listdir(run / FOLDER)):
        matched = _OF_LANE.match(name)
        if matched:
            listed[matched["key"]].append(name)
    return listed


@dataclass(frozen=True, kw_only=True)
class RuleAction:
    """What early-warning rules did to a lane."""

    stopped: str = ""
    """Rule that stopped the lane after this epoch; "" if none did."""
    lowered: str = ""
    """Rule that lowered λ from the next epoch on; "" if none did."""


NO_ACTION = RuleAction()


@dataclass(frozen=True, kw_only=True)
class Seal:
    """How many epochs of a lane are complete, and which of them keep outputs and checkpoints."""

    epoch: int = -1
    """Last epoch that is completely on disk; -1 before the first."""
    best: int | None = None
    """Epoch ≥ 1 with the lowest ensemble validation error; the earliest if several tie."""
    best_error: float | None = None
    outputs: tuple[int, ...] = ()
    checkpoints: tuple[int, ...] = ()
    done: bool = False
    action: RuleAction = NO_ACTION
    """What rules have done to the lane so far: `lowered` stays once λ has been lowered."""
    lowered_after: int | None = None
    """Last epoch with the scheduled λ, if a rule lowered λ."""
    metrics: tuple[tuple[str, str], ...] = ()
    """Checksum of every metric's values up to `epoch`, by name; none in older versions."""

    @property
    def stopped(self) -> str:
        """Rule that stopped the lane; "" if none did."""
        return self.action.stopped

    @property
    def lowered(self) -> str:
        """Rule that lowered λ; "" if none did."""
        return self.action.lowered

    def after(
        self,
        epoch: int,
        val_error: float | None,
        recipe: Recipe,
        action: RuleAction = NO_ACTION,
    ) -> "Seal":
        """Return the seal after the next epoch has been written.

        Args:
            epoch: The next epoch.
            val_error: Validation error of the ensemble; None without validation.
            recipe: Defines what is kept and the number of epochs.
            action: What rules do to the lane after this epoch.
        """
        heads_train = epoch > recipe.modules.head_from
        better = heads_train and self.improves(epoch, val_error)
        best = epoch if better else self.best
        last = epoch == recipe.train.epochs or bool(action.stopped)
        return Seal(
            epoch=epoch,
            best=best,
            best_error=val_error if better else self.best_error,
            outputs=_kept(recipe.keep.outputs, (*self.outputs, epoch), best, last),
            checkpoints=_kept(recipe.keep.checkpoints, (*self.checkpoints, epoch), best, last),
            done=last,
            action=RuleAction(stopped=action.stopped, lowered=self.lowered or action.lowered),
            lowered_after=self.lowered_after if self.lowered or not action.lowered else epoch,
        )

    def lam(self, scheduled: float, epoch: int, recipe: Recipe) -> float:
        """Return λ during an epoch, given its value under the recipe's schedule."""
        if self.lowered_after is None or epoch <= self.lowered_after:
            return scheduled
        return min(scheduled, recipe.alerts.lower_lam)

    def improves(self, epoch: int, val_error: float | None) -> bool:
        """Return whether an epoch with this ensemble validation error becomes the best."""
        if val_error is None or epoch < 1:
            return False
        return self.best_error is None or val_error < self.best_error


def _kept(
    rule: KeptEpochs, epochs: tuple[int, ...], best: int | None, last: bool
) -> tuple[int, ...]:
    """Return the epochs that a rule keeps; the newest is last."""
    if isinstance(rule, str):
        return epochs if rule == "all" else ()
    kept = {epoch for epoch in rule if isinstance(epoch, int)}
    if "best" in rule and best is not None:
        kept.add(best)
    if "last" in rule and last:
        kept.add(epochs[-1])
    return tuple(epoch for epoch in epochs if epoch in kept)


def most_kept(rule: KeptEpochs, epochs: int) -> int:
    """Return the largest number of the epochs 0 … `epochs` that a rule keeps at the same time."""
    if isinstance(rule, str):
        return epochs + 1 if rule == "all" else 0
    numbered = [epoch for epoch in rule if isinstance(epoch, str) or epoch <= epochs]
    return min(len(numbered), epochs + 1)


def path_of(run: Path, lane: Lane) -> Path:
    """Return the path of a lane's seal."""
    return run / FOLDER / f"{lane.key}.json"


def read_seal(run: Path, lane: Lane) -> Seal:
    """Read the seal of a lane. In runs of older versions, a lane without one has not started.

    Raises:
        StoreError: if the file is damaged, or the seal of another lane.
    """
    path = path_of(run, lane)
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        if files.CHECKSUM in values:  # seals of older versions have none
            values = files.of_file(path, values)
        if values.pop("lane", lane.key) != lane.key:
            raise ValueError("it is that of another lane")
        for key in ("outputs", "checkpoints"):
            values[key] = tuple(values[key])
        metrics = tuple(sorted(values.pop("metrics", {}).items()))
        action = RuleAction(stopped=values.pop("stopped", ""), lowered=values.pop("lowered", ""))
        return Seal(action=action, metrics=metrics, **values)
    except FileNotFoundError:
        return Seal()
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise StoreError(
            f"{path}: is not the seal of a lane ({type(error).__name__}: {error}). "
            f"See what is damaged with: jtdiag check {shell_word(run)}"
        ) from error


def check_plausible(path: Path, seal: Seal, epochs: int) -> None:
    """Check that a seal can be that of a run with this many epochs.

    Raises:
        StoreError: if it cannot.
    """
    kept = (*seal.outputs, *seal.checkpoints)
    contradictions = {
        f"epoch {seal.epoch} of {epochs}": not -1 <= seal.epoch <= epochs,
        "an epoch that it keeps is not sealed": any(not 0 <= e <= seal.epoch for e in kept),
        "its best epoch is not sealed": not 1 <= (seal.best or 1) <= max(1, seal.epoch),
        "it ends early without a reason": seal.done and seal.epoch < epochs and not seal.stopped,
    }
    for contradiction, holds in contradictions.items():
        if holds:
            raise StoreError(
                f"{path}: contradicts the recipe ({contradiction}). "
                "Train the run again, or restore the folder from a backup."
            )


def without_epoch(seal: Seal, epoch: int) -> Seal:
    """Return a seal that lists neither outputs nor a checkpoint of an epoch."""
    return replace(
        seal,
        outputs=tuple(e for e in seal.outputs if e != epoch),
        checkpoints=tuple(e for e in seal.checkpoints if e != epoch),
    )


def write_seal(run: Path, lane: Lane, seal: Seal) -> None:
    """Replace a lane's seal atomically."""
    values: dict[str, object] = {"lane": lane.key}
    for key, value in asdict(seal).items():
        values |= value if key == "action" else {key: value}
    files.write_json(path_of(run, lane), values | {"metrics": dict(seal.metrics)})
