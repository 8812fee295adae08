"""The run of several processes: rank 0 writes it, and all know what is sealed."""

import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from jtdiag.engine.ranks.division import Division
from jtdiag.errors import StoreError
from jtdiag.recipe.recipe import Recipe
from jtdiag.store import states
from jtdiag.store.lanes import Lane, Seal
from jtdiag.store.run import RECIPE
from jtdiag.store.states import State
from jtdiag.store.writer import EpochBlock, RunWriter, seal_after

WAIT = 10.0
"""Seconds until a folder that was just made must be seen on other machines."""


class RankWriter:
    """What training needs of a `RunWriter`, in every process; only rank 0 has one.

    `seal` and `finished_before` return the same everywhere. What a block contains is collected from
    the other processes while it is written.
    """

    def __init__(
        self,
        writer: RunWriter | None,
        path: Path,
        recipe: Recipe,
        division: Division,
        lanes: Sequence[Lane],
    ) -> None:
        self.path = path
        self._writer, self._recipe, self._division = writer, recipe, division
        own = {lane: writer.seal(lane) for lane in lanes} if writer else {}
        self._seals = division.ranks.of_first(own)

    def seal(self, lane: Lane) -> Seal:
        """Return the seal of a lane."""
        return self._seals[lane]

    def finished_before(self, lane: Lane, last: int, epoch: int) -> bool:
        """Return whether a lane has its last epoch, and its state of an epoch is no longer kept."""
        finished = self._writer is not None and self._writer.finished_before(lane, last, epoch)
        return self._division.ranks.of_first(finished)

    def state(self, lane: Lane, epoch: int) -> State:
        """Read the training state of the members of this process.

        Raises:
            StoreError: if the state is missing or damaged.
        """
        members = self._division.members(self._recipe.members.copies)
        part = slice(members.start, members.stop)
        return self._division.ranks.agreed(lambda: states.read(self.path, lane, epoch, part))

    def write(self, block: EpochBlock) -> None:
        """Write and seal an epoch on rank 0, or let rank 0 collect what it consists of."""
        seal = self._seals[block.lane]
        if block.epoch <= seal.epoch:
            return
        if self._writer is not None:
            self._writer.write(block)
        else:
            for arrays in (block.checkpoint, block.state):
                for name in arrays:
                    arrays[name]
        self._seals[block.lane] = seal_after(seal, block, self._recipe)

    def forget_states(self, group: Iterable[Lane], epoch: int) -> None:
        """Remove states that are no longer needed."""
        if self._writer is not None:
            self._writer.forget_states(group, epoch)

    def close(self) -> None:
        """Release the locks of the lanes."""
        if self._writer is not None:
            self._writer.close()


def require_shared(path: Path, division: Division) -> None:
    """Check that every process sees the folder of a run.

    Raises:
        JtdiagError: if one does not.
    """

    def look() -> None:
        deadline = time.monotonic() + WAIT
        while not (path / RECIPE).exists():  # network file systems show new folders later
            if time.monotonic() > deadline:
                raise StoreError(
                    f"{path}: this rank does not see the folder that rank 0 has made; choose one "
                    "that all machines share."
                )
            time.sleep(0.2)

    division.ranks.agreed(look)
