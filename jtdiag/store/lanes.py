"""Lanes of a run, and the seals that say how far each has come.

A lane is one pair (lam, trial). Its seal is a small file that is replaced atomically after
everything of an epoch lies on disk, so that a reader sees all of an epoch or none of it.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from jtdiag.errors import StoreError
from jtdiag.files import write_atomically
from jtdiag.recipe.recipe import KeptEpochs, Recipe

FOLDER = "lanes"


@dataclass(frozen=True, order=True)
class Lane:
    """One lambda and one trial of a recipe, by their positions."""

    trial: int
    lam_index: int

    @property
    def key(self) -> str:
        """Name of the lane's files."""
        return f"lam{self.lam_index}-trial{self.trial}"


def lanes_of(recipe: Recipe) -> list[Lane]:
    """Return all lanes of a recipe, trial by trial, in the order in which they are trained."""
    return [Lane(t, i) for t in range(recipe.trials) for i in range(len(recipe.lam))]


@dataclass(frozen=True, kw_only=True)
class Seal:
    """How far a lane has come, and which epochs keep what."""

    epoch: int = -1
    """Last epoch that lies whole on disk; -1 before the first."""
    best: int | None = None
    """Epoch from 1 on with the lowest ensemble validation error, the earliest of equals."""
    best_error: float | None = None
    outputs: tuple[int, ...] = ()
    checkpoints: tuple[int, ...] = ()
    done: bool = False
    stopped: str = ""
    """Rule that ended the lane at this epoch; "" where none did."""
    lowered: str = ""
    """Rule on which λ was lowered; "" where none did."""
    lowered_after: int | None = None
    """Last epoch with the scheduled λ."""

    def after(
        self,
        epoch: int,
        val_error: float | None,
        recipe: Recipe,
        *,
        stopped: str = "",
        lowered: str = "",
    ) -> "Seal":
        """Return the seal that follows when `epoch` lies on disk as well.

        Args:
            epoch: The next one.
            val_error: Of the ensemble, None without validation.
            recipe: Says what is kept, and how many epochs there are.
            stopped: Rule that ends the lane here, if one does.
            lowered: Rule on which λ is lowered from the next epoch on, if one is.
        """
        better = self.improves(epoch, val_error)
        best = epoch if better else self.best
        last = epoch == recipe.train.epochs or bool(stopped)
        return Seal(
            epoch=epoch,
            best=best,
            best_error=val_error if better else self.best_error,
            outputs=_kept(recipe.keep.outputs, (*self.outputs, epoch), best, last),
            checkpoints=_kept(recipe.keep.checkpoints, (*self.checkpoints, epoch), best, last),
            done=last,
            stopped=stopped,
            lowered=self.lowered or lowered,
            lowered_after=self.lowered_after if self.lowered or not lowered else epoch,
        )

    def lam(self, scheduled: float, epoch: int, recipe: Recipe) -> float:
        """Return the λ of an epoch, given the one that the recipe's schedule has for it."""
        if self.lowered_after is None or epoch <= self.lowered_after:
            return scheduled
        return min(scheduled, recipe.alerts.lower_lam)

    def improves(self, epoch: int, val_error: float | None) -> bool:
        """Tell whether an epoch with this ensemble validation error becomes the best."""
        if val_error is None or epoch < 1:
            return False
        return self.best_error is None or val_error < self.best_error


def _kept(
    rule: KeptEpochs, epochs: tuple[int, ...], best: int | None, last: bool
) -> tuple[int, ...]:
    """Return those of the epochs, the newest at the end, that the rule keeps."""
    if isinstance(rule, str):
        return epochs if rule == "all" else ()
    wanted = {epoch for epoch in rule if isinstance(epoch, int)}
    if "best" in rule and best is not None:
        wanted.add(best)
    if "last" in rule and last:
        wanted.add(epochs[-1])
    return tuple(epoch for epoch in epochs if epoch in wanted)


def most_kept(rule: KeptEpochs, epochs: int) -> int:
    """Return how many of the epochs 0 … `epochs` a rule may keep at once."""
    if isinstance(rule, str):
        return epochs + 1 if rule == "all" else 0
    numbered = [epoch for epoch in rule if isinstance(epoch, str) or epoch <= epochs]
    return min(len(numbered), epochs + 1)


def read_seal(run: Path, lane: Lane) -> Seal:
    """Return a lane's seal; a lane without one has not begun."""
    path = run / FOLDER / f"{lane.key}.json"
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        for key in ("outputs", "checkpoints"):
            values[key] = tuple(values[key])
        return Seal(**values)
    except FileNotFoundError:
        return Seal()
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise StoreError(
            f"{path}: is not the seal of a lane ({error!r}). "
            "Train the run again, or restore the folder from a copy."
        ) from error


def write_seal(run: Path, lane: Lane, seal: Seal) -> None:
    """Replace a lane's seal atomically."""
    path = run / FOLDER / f"{lane.key}.json"
    write_atomically(path, json.dumps(asdict(seal)) + "\n")
