"""A store of training that jtdiag did not do, so that its probes can be asked of it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from jtdiag import names
from jtdiag.errors import RecipeError, StoreError
from jtdiag.monitor import batch_sums
from jtdiag.monitor.measured_epoch import MeasuredEpoch
from jtdiag.recipe.recipe import Data, Keep, KeptEpochs, Members, Recipe, Train
from jtdiag.store import lanes
from jtdiag.store.lanes import Lane
from jtdiag.store.layout import Extent, Parameter, TargetFacts
from jtdiag.store.writer import EpochBlock, Examples, RunWriter, refuse_occupied

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What a recipe and a store must know that only the loop tells."""

    family: str
    combiner: str
    outputs: int
    """K."""
    targets: TargetFacts


@dataclass
class Split:
    """Outputs of one split after one epoch, as they are given piece by piece."""

    logits: list[NDArray[Any]] = field(default_factory=list)
    target: list[NDArray[Any]] = field(default_factory=list)
    sums: NDArray[np.float64] | float = 0.0

    def whole(self) -> tuple[NDArray[Any], NDArray[Any], NDArray[np.float64]]:
        """Return logits (M, n, K), targets, and means over the examples."""
        target = np.concatenate(self.target)
        return np.concatenate(self.logits, 1), target, np.asarray(self.sums) / len(target)


class Recording:
    """The store of one or several monitors' runs: λs and trials of which each is a lane.

    Args:
        path: The run's folder, new.
        epochs: How many epochs each lane will have.
        lam: The λs; one that is not known counts as 1, training of the whole.
        trials: How often each is trained.
        keep: Epochs whose outputs are kept: "all", "none" or a list, as in a recipe.

    Raises:
        StoreError: if the folder holds something.
        RecipeError: if an argument is out of its range.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        epochs: int,
        lam: Iterable[float] = (1.0,),
        trials: int = 1,
        keep: KeptEpochs = "all",
    ) -> None:
        self.path = Path(path)
        refuse_occupied(self.path)
        self._draft = Recipe(
            name=self.path.name,
            lam=tuple(lam),
            trials=trials,
            data=Data(name=names.RECORDED),
            members=Members(arch="module", count=1, factory=f"python:{names.RECORDED}"),
            train=Train(epochs=epochs),
            keep=Keep(outputs=keep),
        )
        self._writer: RunWriter | None = None
        self._targets: dict[str, NDArray[Any]] = {}

    def lane(self, lam: float, trial: int = 0) -> "RecordedLane":
        """Return the place of one λ and trial, to give to a monitor as `store`.

        Raises:
            RecipeError: if the recording has no such λ or trial.
        """
        known = self._draft.lam
        if lam not in known or not 0 <= trial < self._draft.trials:
            raise RecipeError(
                f"the store {self.path} has λ = {', '.join(f'{one:g}' for one in known)} and "
                f"{self._draft.trials} trials; it has no place for λ = {lam:g}, trial {trial}."
            )
        return RecordedLane(self, Lane(trial, known.index(lam)))

    def close(self) -> None:
        """Let go of the store; done by itself when every lane has all its epochs."""
        if self._writer is not None:
            self._writer.close()

    def write(self, blocks: list[EpochBlock], targets: Arrays, facts: Facts) -> None:
        """Write epochs of a lane, in their order; the first of all makes the store.

        Args:
            blocks: One, or with the first epoch also epoch 0.
            targets: By split.
            facts: What the loop tells.

        Raises:
            StoreError: if targets are not those of before, or the disk refuses.
        """
        if self._writer is None:
            self._writer = self._create(blocks, targets, facts)
            self._targets = dict(targets)
        for split, target in targets.items():
            if split not in self._targets or not np.array_equal(target, self._targets[split]):
                raise StoreError(
                    f"{self.path}: targets of split {split} are not those recorded first; record "
                    "the same examples in the same order after every epoch."
                )
        for block in blocks:
            if block.epoch > self._draft.train.epochs:
                raise StoreError(
                    f"{self.path} was made for {self._draft.train.epochs} epochs; epoch "
                    f"{block.epoch} has no place. Give as many epochs as there will be."
                )
            self._writer.write(block)
            self._writer.forget_states([block.lane], block.epoch)
        every = lanes.lanes_of(self._writer.recipe)
        if all(self._writer.seal(lane).done for lane in every):
            self._writer.close()

    def _create(self, blocks: list[EpochBlock], targets: Arrays, facts: Facts) -> RunWriter:
        recipe = self._recipe(blocks, targets, facts)
        last = blocks[-1]
        shapes = {name: array.shape[1:] for name, array in last.checkpoint.items()}
        extent = Extent(
            examples={names.TEST: 0} | {split: len(t) for split, t in targets.items()},
            outputs=facts.outputs,
            parameters={
                name: Parameter(shape=shape, dims=tuple(f"{name}.{i}" for i in range(len(shape))))
                for name, shape in shapes.items()
            },
            targets=facts.targets,
        )
        examples = {
            split: Examples(
                target=_by_trial(split, target, recipe.trials),
                source_index=_by_trial(split, np.arange(len(target)), recipe.trials),
            )
            for split, target in targets.items()
        }
        said = (
            "from a loop of the user's; the recipe's data, learning rate and optimiser are unknown"
        )
        settings = {names.RECORDED: said, "torch": torch.__version__}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        return RunWriter.create(self.path, recipe, extent, examples, settings)

    def _recipe(self, blocks: list[EpochBlock], targets: Arrays, facts: Facts) -> Recipe:
        """Return the recipe, now that the first epoch has shown what there is."""
        draft, first, last = self._draft, blocks[0], blocks[-1]
        epochs = draft.train.epochs
        members = last.metrics[names.MEMBER_LOSS].shape[-1]
        return Recipe(
            name=draft.name,
            lam=draft.lam,
            trials=draft.trials,
            family=facts.family,
            combiner=facts.combiner,
            data=Data(name=names.RECORDED, val=len(targets.get(names.VAL, ()))),
            members=Members(arch="module", count=members, factory=draft.members.factory),
            train=draft.train,
            keep=Keep(
                outputs=_kept(draft.keep.outputs, bool(first.outputs), bool(last.outputs), epochs),
                checkpoints=_kept("all", bool(first.checkpoint), bool(last.checkpoint), epochs),
                splits=tuple(s for s in names.SPLITS if s in targets) or (names.TEST,),
            ),
        )


def _kept(wanted: KeptEpochs, at_start: bool, after: bool, epochs: int) -> KeptEpochs:
    """Return those of the epochs wanted at which there is something to keep."""
    if not after or wanted == "none":
        return "none"
    if at_start:
        return wanted
    if wanted == "all":
        return tuple(range(1, epochs + 1))
    return tuple(epoch for epoch in wanted if epoch != 0)


def _moved(epoch: int, train: MeasuredEpoch | None, members: int) -> NDArray[np.float64]:
    """Return how far the members have come, (M,); NaN where nobody watched."""
    if epoch == 0:
        return np.zeros(members)
    if train is None or train.displacement is None:
        return np.full(members, np.nan)
    return train.displacement


def _by_trial(split: str, values: NDArray[Any], trials: int) -> NDArray[Any]:
    return values if split == names.TEST else np.stack([values] * trials)


class RecordedLane:
    """One λ and one trial of a recording: collects an epoch's outputs and writes them."""

    def __init__(self, recording: Recording, lane: Lane) -> None:
        self._recording, self._lane = recording, lane
        self._splits: dict[str, Split] = {}
        self._start: tuple[dict[str, Split], Arrays] | None = None
        self._wanted: tuple[set[str], set[str]] | None = None
        self._written = False

    @property
    def lam(self) -> float:
        """The lane's λ."""
        return self._recording._draft.lam[self._lane.lam_index]

    def close(self) -> None:
        """Let go of the store, of all its lanes."""
        self._recording.close()

    @property
    def has_outputs(self) -> bool:
        """Whether anything was recorded since the last epoch."""
        return bool(self._splits)

    def add(
        self, split: str, logits: NDArray[Any], target: NDArray[Any], sums: NDArray[np.float64]
    ) -> None:
        """Take a piece of a split: logits (M, n, K), targets, and sums over the examples."""
        if split not in (names.VAL, names.TEST):
            raise StoreError(f"split is {split!r}; it must be val or test.")
        piece = self._splits.setdefault(split, Split())
        piece.logits.append(logits)
        piece.target.append(target)
        piece.sums = piece.sums + sums

    def hold_start(self, checkpoint: Arrays) -> None:
        """Keep what was recorded as epoch 0, until the first epoch tells what a store must know."""
        self._start = (self._splits, checkpoint)
        self._splits = {}

    def write(
        self,
        epoch: int,
        train: MeasuredEpoch | None,
        members: int,
        checkpoint: Arrays,
        facts: Facts,
    ) -> None:
        """Write an epoch: metrics of training, and what was recorded of the other splits.

        Raises:
            StoreError: if a split or array is missing that was there before, or is new.
        """
        splits, self._splits = self._splits, {}
        self._check_whole(epoch, set(splits), set(checkpoint))
        whole = {split: piece.whole() for split, piece in splits.items()}
        blocks = [self._block(epoch, train, whole, members, checkpoint, facts)]
        if not self._written:
            before, weights = self._start or ({}, {})
            start = {split: piece.whole() for split, piece in before.items()}
            blocks.insert(0, self._block(0, None, start, members, weights, facts))
        targets = {split: target for split, (_, target, _) in whole.items()}
        self._recording.write(blocks, targets, facts)
        self._written, self._start = True, None

    def _check_whole(self, epoch: int, splits: set[str], checkpoint: set[str]) -> None:
        """Refuse an epoch with other splits or arrays than the first, which made their places."""
        if self._wanted is None:
            self._wanted = (splits, checkpoint)
        for what, found, wanted in (
            ("split", splits, self._wanted[0]),
            ("array of the checkpoint", checkpoint, self._wanted[1]),
        ):
            if found != wanted:
                odd = min(found ^ wanted)
                state = "is new" if odd in found else "is missing"
                raise StoreError(
                    f"epoch {epoch}: the {what} {odd!r} {state}; record the same after every epoch."
                )

    def _block(
        self,
        epoch: int,
        train: MeasuredEpoch | None,
        whole: Mapping[str, tuple[NDArray[Any], NDArray[Any], NDArray[np.float64]]],
        members: int,
        checkpoint: Arrays,
        facts: Facts,
    ) -> EpochBlock:
        assert self._wanted is not None
        unknown = batch_sums.by_name(np.full(2 * members + 2, np.nan))
        rows = {names.TRAIN: train.means if train else unknown, names.TEST: unknown}
        if names.VAL in self._wanted[0]:
            rows[names.VAL] = unknown
        for split, (_, _, means) in whole.items():
            rows[split] = batch_sums.by_name(means, facts.targets.error_scale)
        order = [split for split in names.SPLITS if split in rows]
        return EpochBlock(
            lane=self._lane,
            epoch=epoch,
            metrics={
                name: np.stack([np.asarray(rows[split][name]) for split in order])
                for name in names.METRIC_VARIABLES
            }
            | {names.DISPLACEMENT: _moved(epoch, train, members)},
            outputs={split: logits for split, (logits, _, _) in whole.items()},
            checkpoint=checkpoint,
            state={},
        )
