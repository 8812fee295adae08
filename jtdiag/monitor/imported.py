"""A run from logits that were saved elsewhere, so that probes of outputs can be run on them."""

import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from jtdiag import families, names
from jtdiag.errors import DataError
from jtdiag.families.contract import Family
from jtdiag.monitor import batch_sums, targets as targets_of_loops, wording
from jtdiag.monitor.batch_sums import Batch, Measure
from jtdiag.monitor.chance import Chance
from jtdiag.monitor.imported_logits import SavedSplit, measured, saved
from jtdiag.monitor.recording import Facts, Outputs, Recording, WholeEpoch, address
from jtdiag.monitor.sampled_epoch import SampledEpoch
from jtdiag.store.run import Run


@torch.no_grad()
def from_logits(
    logits: Mapping[str, Any] | Any,
    targets: Mapping[str, Any] | Any,
    *,
    lam: float,
    out: str | Path,
    epochs: int | None = None,
    family: str | Family = "categorical",
    combiner: str = "logits",
) -> Run:
    """Write a run from the logits of members that were trained elsewhere, and return it.

    Probes of outputs and errors can be run on it. What it does not contain is unknown: data,
    architecture, optimizer, weights, and how training went, unless there are training logits.

    Args:
        logits: By split, "train", "val" or "test"; or those of test. (M, N, K), M members on N
            examples after the last epoch, or (E, M, N, K), after each of E epochs: NumPy arrays,
            tensors, or lists of one per member. Of training logits only errors and losses are kept.
            Class probabilities are recognized, and their logarithms are taken.
        targets: By split, or those of the only split: (N,) classes 0 … K−1, or (N, K) numbers.
        lam: λ of Eq. 4 (Webb et al. 2020) in training: 0 for members that were trained
            independently, 1 if only the loss of the ensemble was minimized.
        out: Folder of the new run; it must not exist or be empty.
        epochs: Number of epochs of training. By default E, or 1.
        family: The likelihood, by name or as an object.
        combiner: What the ensemble averages, "logits" or "probabilities".

    Raises:
        DataError: if shapes or numbers cannot be logits of the members and their targets.
        StoreError: if the folder is not empty, or cannot be written.
    """
    likelihood = families.find(family) if isinstance(family, str) else family
    splits = saved(logits, targets, likelihood)
    first = next(iter(splits.values())).logits
    stored = len(first)
    epochs = stored if epochs is None else epochs
    if epochs < 1 or (stored > 1 and epochs != stored):
        raise DataError(wording.epochs_of_logits(epochs, stored))
    measure = Measure(family=likelihood, combiner=combiner, ignore_index=targets_of_loops.IGNORED)
    facts = _facts(splits, family, measure)
    whole = list(_epochs(splits, measure, facts, epochs))
    recording = Recording(out, epochs=epochs, lam=[lam], keep=tuple(range(epochs + 1))[-stored:])
    recording.lane(lam).write_all(whole, first.shape[1], facts)
    run = Run(out)
    _warn(run, splits)
    return run


def _facts(splits: Mapping[str, SavedSplit], family: str | Family, measure: Measure) -> Facts:
    """Return what a store needs to know; chance level is that of the first split there is."""
    first = next(iter(splits.values()))
    chance = Chance(measure.family, None, None, measure.ignore_index)
    chance.add(Batch(first.logits[-1], first.target, len(first.target)))
    chance.settle()
    return Facts(
        family=family if isinstance(family, str) else address(family),
        combiner=measure.combiner,
        outputs=first.logits.shape[-1],
        targets=chance.facts(),
        examples=len(splits[names.TRAIN].target) if names.TRAIN in splits else None,
    )


def _epochs(
    splits: Mapping[str, SavedSplit], measure: Measure, facts: Facts, epochs: int
) -> Iterator[WholeEpoch]:
    """Yield all epochs; those before the first with logits have no values."""
    stored = len(next(iter(splits.values())).logits)
    for epoch in range(1, epochs + 1):
        at = epoch - 1 - (epochs - stored)
        if at < 0:
            yield WholeEpoch(epoch=epoch)
            continue
        train = None
        if names.TRAIN in splits:
            train = _training(splits[names.TRAIN], at, epoch, measure, facts)
        outputs = {
            s: _outputs(arrays, at, measure) for s, arrays in splits.items() if s != names.TRAIN
        }
        yield WholeEpoch(epoch=epoch, train=train, outputs=outputs)


def _outputs(split: SavedSplit, at: int, measure: Measure) -> Outputs:
    means, _ = measured(split, at, measure)
    return split.logits[at].numpy(), split.target.numpy(), means


def _training(
    split: SavedSplit, at: int, epoch: int, measure: Measure, facts: Facts
) -> SampledEpoch:
    means, examples = measured(split, at, measure)
    return SampledEpoch(
        epoch=epoch,
        means=batch_sums.by_name(means, facts.targets.error_scale),
        standard_errors=batch_sums.by_name(np.zeros_like(means)),
        examples=examples,
        counted=1,
        batches=1,
    )


def _warn(run: Run, splits: Mapping[str, SavedSplit]) -> None:
    """Log a warning if the ensemble is not better than a constant prediction."""
    metrics = run.metrics()[names.ENSEMBLE_ERROR].isel({names.EPOCH: -1})
    for split in splits:
        stored = names.TEST if names.TEST_IS_VAL in run.settings and split != names.TRAIN else split
        error = float(metrics.sel({names.SPLIT: stored}).values.item())
        if not error < run.chance_error:
            line = wording.no_better_than_chance(split, error, run.chance_error)
            logging.getLogger("jtdiag").warning("%s", line)
