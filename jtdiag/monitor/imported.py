"""A run from logits that were saved elsewhere, so that probes of outputs can be run on them."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import torch

from jtdiag import families, names
from jtdiag.errors import DataError
from jtdiag.families.contract import Family
from jtdiag.monitor import batch_sums, imported_metrics, targets as targets_of_loops, wording
from jtdiag.monitor.batch_sums import Batch, Measure, Metrics
from jtdiag.monitor.chance import Chance
from jtdiag.monitor.imported_logits import SavedSplit, measured, saved
from jtdiag.monitor.recording import Facts, Recording, WholeEpoch, address
from jtdiag.store.run import Run

MOST_EPOCHS: Final = 100_000
"""Each epoch up to the last one is recorded, with or without logits."""


@torch.no_grad()
def from_logits(
    logits: Mapping[str, Any] | Any,
    targets: Mapping[str, Any] | Any,
    *,
    lam: float,
    out: str | Path,
    epochs: int | Sequence[int] | None = None,
    metrics: Mapping[str, Any] | None = None,
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
        epochs: Number of epochs of training, by default E, or 1; or the E epochs after which the
            logits were saved, such as (37, 200), the last being the end of training.
        metrics: By split, "train" or one that has logits: losses and errors of all epochs, as the
            authors' program saves them (Webb et al. 2020). (epochs, 3 + 3M): loss of the ensemble,
            mean loss of its members, error of the ensemble, then M losses, M errors and M entropies
            of members. Errors are fractions; entropies are not used. Where there are logits, losses
            and errors are computed from these.
        family: The likelihood, by name or as an object.
        combiner: What the ensemble averages, "logits" or "probabilities".

    Raises:
        DataError: if shapes or numbers cannot be logits of the members and their targets.
        StoreError: if the folder is not empty, or cannot be written.
    """
    likelihood = families.find(family) if isinstance(family, str) else family
    splits = saved(logits, targets, likelihood)
    stored, members = next(iter(splits.values())).logits.shape[:2]
    kept = _kept_epochs(epochs, stored)
    known = imported_metrics.by_epoch(metrics or {}, splits, members, kept[-1])
    measure = Measure(family=likelihood, combiner=combiner, ignore_index=targets_of_loops.IGNORED)
    facts = _facts(splits, family, measure)
    whole = list(_epochs(splits, measure, facts, kept, known))
    recording = Recording(out, epochs=kept[-1], lam=[lam], keep=kept)
    recording.lane(lam).write_all(whole, members, facts)
    run = Run(out)
    _warn(run, splits)
    return run


def _kept_epochs(epochs: int | Sequence[int] | None, stored: int) -> tuple[int, ...]:
    """Return the epochs after which the logits were saved, as many as are stored.

    Raises:
        DataError: if their number differs, or they are no increasing epochs.
    """
    if epochs is None or epochs == stored:
        return tuple(range(1, stored + 1))
    kept = (epochs,) if isinstance(epochs, int) else tuple(epochs)
    increasing = all(before < after for before, after in pairwise((0, *kept)))
    if len(kept) != stored or not increasing:
        raise DataError(wording.epochs_of_logits(epochs, stored))
    if kept[-1] > MOST_EPOCHS:
        raise DataError(wording.too_many_epochs(kept[-1], MOST_EPOCHS))
    return kept


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
    splits: Mapping[str, SavedSplit],
    measure: Measure,
    facts: Facts,
    kept: Sequence[int],
    known: Mapping[str, Sequence[Metrics]],
) -> Iterator[WholeEpoch]:
    """Yield all epochs; those after which no logits were saved have the known metrics only."""
    for epoch in range(1, kept[-1] + 1):
        metrics = {split: rows[epoch - 1] for split, rows in known.items()}
        if epoch not in kept:
            yield WholeEpoch(epoch=epoch, metrics=metrics)
            continue
        place = kept.index(epoch)
        outputs = {
            split: (arrays.logits[place].numpy(), arrays.target.numpy(), means)
            for split, arrays in splits.items()
            for means in [measured(arrays, place, measure)]
        }
        if names.TRAIN in outputs:
            _, _, means = outputs.pop(names.TRAIN)
            metrics[names.TRAIN] = batch_sums.by_name(means, facts.targets.error_scale)
        yield WholeEpoch(epoch=epoch, metrics=metrics, outputs=outputs)


def _warn(run: Run, splits: Mapping[str, SavedSplit]) -> None:
    """Log a warning if the ensemble is not better than a constant prediction."""
    metrics = run.metrics()[names.ENSEMBLE_ERROR].isel({names.EPOCH: -1})
    for split in splits:
        stored = names.TEST if names.TEST_IS_VAL in run.settings and split != names.TRAIN else split
        error = float(metrics.sel({names.SPLIT: stored}).values.item())
        if not error < run.chance_error:
            line = wording.no_better_than_chance(split, error, run.chance_error)
            logging.getLogger("jtdiag").warning("%s", line)
