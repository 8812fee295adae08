"""Run folders of training loops that jtdiag does not run, so that probes can read them."""

import logging
import weakref
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from attrs import evolve
from numpy.typing import NDArray

from jtdiag import names
from jtdiag.errors import RecipeError, StoreError
from jtdiag.families.contract import Family
from jtdiag.monitor import batch_sums, wording
from jtdiag.monitor.batch_sums import Metrics
from jtdiag.monitor.sampled_epoch import SampledEpoch
from jtdiag.names import lam_text
from jtdiag.recipe.recipe import Data, Keep, KeptEpochs, Members, Recipe, Train
from jtdiag.store import lanes
from jtdiag.store.lanes import Lane
from jtdiag.store.layout import Extent, Parameter, TargetFacts
from jtdiag.store.run import Run
from jtdiag.store.writer import EpochBlock, Examples, RunWriter, refuse_occupied

T = TypeVar("T")
Arrays = Mapping[str, NDArray[Any]]
Outputs = tuple[NDArray[Any], NDArray[Any], NDArray[np.float64]]
"""Logits (M, n, K), targets, and means over the examples."""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Facts that a recipe and a store need and only the training loop knows."""

    family: str
    combiner: str
    outputs: int
    """K."""
    targets: TargetFacts
    examples: int | None = None
    """Training examples in the sample of the first epoch."""
    test_is_val: bool = False
    """Whether the split test holds the validation examples, because no others were recorded."""

    @property
    def counts(self) -> dict[str, int]:
        """Number of training examples by split, as far as it is known."""
        return {} if self.examples is None else {names.TRAIN: self.examples}


@dataclass(frozen=True, kw_only=True)
class WholeEpoch:
    """One epoch of a run that is written at once."""

    epoch: int
    metrics: Mapping[str, Metrics] = field(default_factory=dict)
    """By split, if they are known; those of outputs are the means that come with them."""
    outputs: Mapping[str, Outputs] = field(default_factory=dict)
    """By split."""


@dataclass
class Split:
    """Outputs of one split after one epoch, collected batch by batch."""

    logits: list[NDArray[Any]] = field(default_factory=list)
    target: list[NDArray[Any]] = field(default_factory=list)
    sums: NDArray[np.float64] | float = 0.0

    def concatenated(self) -> Outputs:
        """Return logits (M, n, K), targets, and means over the examples."""
        target = np.concatenate(self.target)
        return np.concatenate(self.logits, 1), target, np.asarray(self.sums) / len(target)


class Recording:
    """The run folder of one or several monitors; each λ and trial is a lane.

    Args:
        path: The run's folder; it must not exist or be empty.
        epochs: Number of epochs of each lane.
        lam: The λs; use 1 (end-to-end training) if λ is unknown.
        trials: Number of trials of each λ.
        keep: Epochs whose outputs are stored: "all", "none" or a list, as in a recipe.
        resume: Continue the recording in that folder, if there is one. Epochs that it contains are
            left as they are.

    Raises:
        StoreError: if the folder is not empty, or contains no recording to be continued.
        RecipeError: if an argument is invalid.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        epochs: int,
        lam: Iterable[float] = (1.0,),
        trials: int = 1,
        keep: KeptEpochs = "all",
        resume: bool = False,
    ) -> None:
        self.path = Path(path)
        self._continues = resume and self.path.is_dir() and any(self.path.iterdir())
        if not self._continues:
            refuse_occupied(self.path)
        elif not Run(self.path).recorded:
            raise StoreError(wording.not_recorded(str(self.path)))
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

    @property
    def lams(self) -> tuple[float, ...]:
        """The λs."""
        return self._draft.lam

    def lane(self, lam: float, trial: int = 0) -> "RecordedLane":
        """Return the lane of one λ and trial, to pass to a monitor as `store`.

        Raises:
            RecipeError: if the recording has no such λ or trial.
        """
        lams = self._draft.lam
        if lam not in lams or not 0 <= trial < self._draft.trials:
            raise RecipeError(
                f"the store {self.path} has λ = {', '.join(lam_text(value) for value in lams)}; "
                f"trials per λ: {self._draft.trials}. It has no lane for λ = {lam_text(lam)}, "
                f"trial {trial}."
            )
        return RecordedLane(self, Lane(trial, lams.index(lam)))

    def close(self) -> None:
        """Close the store; this happens automatically after the last epoch of the last lane."""
        if self._writer is not None:
            self._writer.close()

    def write(self, blocks: list[EpochBlock], targets: Arrays, facts: Facts) -> None:
        """Write epochs of a lane in order; the first call creates the store.

        Args:
            blocks: One epoch; epoch 0 comes together with the first one.
            targets: By split.
            facts: Facts from the training loop.

        Raises:
            StoreError: if targets have changed, the recording to be continued is another one, or
                the store cannot be written.
        """
        if self._writer is None:
            open_store = self._reopen if self._continues else self._create
            self._writer = open_store(blocks, targets, facts)
        for split, target in targets.items():
            if split not in self._targets or not np.array_equal(target, self._targets[split]):
                raise StoreError(
                    f"{self.path}: the targets of split {split} have changed; record the same "
                    "examples in the same order after every epoch."
                )
        for block in blocks:
            if block.epoch > self._draft.train.epochs:
                raise StoreError(
                    f"{self.path} was created for {_epochs(self._draft.train.epochs)} and has no "
                    f"room for epoch {block.epoch}; pass the total number of epochs as epochs=…."
                )
            self._writer.write(block, flush=block is blocks[-1])
            self._writer.forget_states([block.lane], block.epoch)
        all_lanes = lanes.lanes_of(self._writer.recipe)
        if all(self._writer.seal(lane).done for lane in all_lanes):
            self._writer.close()

    def _create(self, blocks: list[EpochBlock], targets: Arrays, facts: Facts) -> RunWriter:
        recipe = self._recipe(blocks, targets, facts)
        last = blocks[-1]
        shapes = {name: array.shape[1:] for name, array in last.checkpoint.items()}
        extent = Extent(
            examples={names.TEST: 0}
            | facts.counts
            | {split: len(t) for split, t in targets.items()},
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
        settings = {names.RECORDED: wording.ORIGIN, "torch": torch.__version__}
        if facts.test_is_val:
            settings[names.TEST_IS_VAL] = wording.TEST_IS_VAL
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._targets = dict(targets)
        return RunWriter.create(self.path, recipe, extent, examples, settings)

    def _reopen(self, blocks: list[EpochBlock], targets: Arrays, facts: Facts) -> RunWriter:
        """Open the store of an interrupted recording, of which only `keep` may differ."""
        run = Run(self.path)
        splits = run.recipe.keep.splits
        stored = [names.VAL] if names.TEST_IS_VAL in run.settings else sorted(splits)
        given = [names.VAL] if facts.test_is_val else sorted(targets)
        if stored != given:
            raise StoreError(wording.other_splits(str(self.path), given, stored))
        lane = blocks[0].lane
        self._targets = {split: run.target(split, lane) for split in splits}
        recipe = evolve(self._recipe(blocks, targets, facts), keep=run.recipe.keep)
        return RunWriter.reopen(self.path, recipe)

    def _recipe(self, blocks: list[EpochBlock], targets: Arrays, facts: Facts) -> Recipe:
        """Return the recipe, completed with the facts that the first epoch provides."""
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


def address(family: Family) -> str:
    """Return the address from which the class of a family can be imported."""
    return f"{type(family).__module__}:{type(family).__qualname__}"


def _epochs(count: int) -> str:
    return "1 epoch" if count == 1 else f"{count} epochs"


def _kept(requested: KeptEpochs, at_start: bool, after: bool, epochs: int) -> KeptEpochs:
    """Return the requested epochs that have something to keep."""
    if not after or requested == "none":
        return "none"
    if at_start:
        return requested
    if requested == "all":
        return tuple(range(1, epochs + 1))
    return tuple(epoch for epoch in requested if epoch != 0)


def _of_training(train: SampledEpoch | None) -> Mapping[str, Metrics]:
    return {} if train is None else {names.TRAIN: train.means}


def _displacement(epoch: int, train: SampledEpoch | None, members: int) -> NDArray[np.float64]:
    """Return the members' distances from initialization, (M,); NaN if not watched."""
    if epoch == 0:
        return np.zeros(members)
    if train is None or train.displacement is None:
        return np.full(members, np.nan)
    return train.displacement


def _by_trial(split: str, values: NDArray[Any], trials: int) -> NDArray[Any]:
    return values if split == names.TEST else np.stack([values] * trials)


def _concatenated(splits: Mapping[str, Split]) -> dict[str, Outputs]:
    return {split: piece.concatenated() for split, piece in splits.items()}


def _stored(by_split: Mapping[str, T], facts: Facts) -> Mapping[str, T]:
    """Return the outputs or metrics of an epoch by the split under which they are stored."""
    if not facts.test_is_val:
        return by_split
    return {names.TEST if s == names.VAL else s: value for s, value in by_split.items()}


class RecordedLane:
    """One lane of a recording: collects the outputs of an epoch and writes them."""

    def __init__(self, recording: Recording, lane: Lane) -> None:
        self._recording, self._lane = recording, lane
        self._splits: dict[str, Split] = {}
        self._start: tuple[dict[str, Split], Arrays] | None = None
        self._expected: tuple[set[str], set[str]] | None = None
        self._written = False
        self._warning: weakref.finalize[Any, Any] | None = None

    @property
    def lam(self) -> float:
        """The lane's λ."""
        return self._recording._draft.lam[self._lane.lam_index]

    def close(self) -> None:
        """Close the store of all lanes."""
        self._recording.close()

    @property
    def has_outputs(self) -> bool:
        """Whether any outputs have been recorded since the last epoch."""
        return bool(self._splits)

    def add(
        self, split: str, logits: NDArray[Any], target: NDArray[Any], sums: NDArray[np.float64]
    ) -> None:
        """Add a batch of a split: logits (M, n, K), targets, and sums over the examples."""
        if split not in (names.VAL, names.TEST):
            raise StoreError(f"split is {split!r}; it must be 'val' or 'test'.")
        piece = self._splits.setdefault(split, Split())
        piece.logits.append(logits)
        piece.target.append(target)
        piece.sums = piece.sums + sums

    def discard(self) -> None:
        """Discard the outputs recorded since the last epoch."""
        self._splits = {}

    def hold_start(self, checkpoint: Arrays) -> None:
        """Keep the outputs recorded so far as epoch 0 until the first epoch creates the store.

        If no epoch follows, a warning is logged when the program ends.

        Raises:
            StoreError: if epoch 0 was recorded already.
        """
        path = str(self._recording.path)
        if self._start is not None or self._written:
            raise StoreError(wording.second_start(path))
        self._start = (self._splits, checkpoint)
        self._splits = {}
        logger = logging.getLogger("jtdiag")
        self._warning = weakref.finalize(self, logger.warning, "%s", wording.only_start(path))

    def write(
        self,
        epoch: int,
        train: SampledEpoch | None,
        members: int,
        checkpoint: Arrays,
        facts: Facts,
    ) -> None:
        """Write an epoch: training metrics and the recorded outputs of the other splits.

        Raises:
            StoreError: if a split or an array is missing or new.
        """
        splits, self._splits = self._splits, {}
        self._check_complete(epoch, set(splits), set(checkpoint))
        facts = replace(facts, test_is_val=set(splits) == {names.VAL})
        outputs = _stored(_concatenated(splits), facts)
        this = WholeEpoch(epoch=epoch, metrics=_of_training(train), outputs=outputs)
        distance = _displacement(epoch, train, members)
        blocks = [self._block(this, distance, checkpoint, facts)]
        if not self._written:
            before, weights = self._start or ({}, {})
            start = _stored(_concatenated(before), facts)
            before_training = WholeEpoch(epoch=0, outputs=start)
            blocks.insert(0, self._block(before_training, np.zeros(members), weights, facts))
        targets = {split: target for split, (_, target, _) in outputs.items()}
        self._recording.write(blocks, targets, facts)
        self._written, self._start = True, None
        if self._warning is not None:
            self._warning.detach()

    def write_all(self, epochs: Sequence[WholeEpoch], members: int, facts: Facts) -> None:
        """Write all epochs at once, from 1 on; the last has outputs of every split that any has.

        Raises:
            StoreError: if they cannot be written.
        """
        self._expected = (set(epochs[-1].outputs), set())
        facts = replace(facts, test_is_val=self._expected[0] == {names.VAL})
        whole = [WholeEpoch(epoch=0), *epochs]
        stored = [
            replace(e, metrics=_stored(e.metrics, facts), outputs=_stored(e.outputs, facts))
            for e in whole
        ]
        distances = [_displacement(each.epoch, None, members) for each in stored]
        blocks = [
            self._block(each, distance, {}, facts)
            for each, distance in zip(stored, distances, strict=True)
        ]
        targets = {split: target for split, (_, target, _) in stored[-1].outputs.items()}
        self._recording.write(blocks, targets, facts)
        self._written = True

    def _check_complete(self, epoch: int, splits: set[str], checkpoint: set[str]) -> None:
        """Raise an error if splits or arrays differ from those of the first epoch."""
        if self._expected is None:
            self._expected = (splits, checkpoint)
        for noun, actual, expected in (
            ("split", splits, self._expected[0]),
            ("array of the checkpoint", checkpoint, self._expected[1]),
        ):
            if actual != expected:
                name = min(actual ^ expected)
                state = "is new" if name in actual else "is missing"
                raise StoreError(
                    f"epoch {epoch}: the {noun} {name!r} {state}; record the same splits and "
                    "arrays after every epoch."
                )

    def _block(
        self,
        whole: WholeEpoch,
        displacement: NDArray[np.float64],
        checkpoint: Arrays,
        facts: Facts,
    ) -> EpochBlock:
        assert self._expected is not None
        unknown = batch_sums.by_name(np.full(2 * len(displacement) + 2, np.nan))
        rows = {names.TRAIN: unknown, names.TEST: unknown}
        if names.VAL in self._expected[0] and not facts.test_is_val:
            rows[names.VAL] = unknown
        rows |= whole.metrics
        for split, (_, _, means) in whole.outputs.items():
            rows[split] = batch_sums.by_name(means, facts.targets.error_scale)
        order = [split for split in names.SPLITS if split in rows]
        return EpochBlock(
            lane=self._lane,
            epoch=whole.epoch,
            metrics={
                name: np.stack([np.asarray(rows[split][name]) for split in order])
                for name in names.METRIC_VARIABLES
            }
            | {names.DISPLACEMENT: displacement},
            outputs={split: logits for split, (logits, _, _) in whole.outputs.items()},
            checkpoint=checkpoint,
            state={},
        )
