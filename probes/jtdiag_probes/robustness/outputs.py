"""Robustness of one lane, computed from its stored outputs."""

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from jtdiag import names
from jtdiag.store.lanes import Lane
from jtdiag.store.run import Run
from jtdiag_probes.dominance import movement
from jtdiag_probes.robustness import removal_orders
from jtdiag_probes.robustness.fault_means import faults_of
from jtdiag_probes.robustness.margins import margins
from jtdiag_probes.robustness.removal import SharedSubsets, predicted_loss, random_orders
from jtdiag_probes.robustness.removal_summary import (
    area_under_curve,
    by_probability,
    probabilities,
    tolerated_fraction,
)
from jtdiag_probes.robustness.subset_means import SubsetMeans, subsets_of
from jtdiag_probes.robustness.variables import (
    BEST_ALONE_FIRST,
    BEST_FIRST,
    EVALUATIONS,
    GREEDY,
    LEAST_MOVED_FIRST,
    RANDOM,
    REMOVALS,
    REPEATS,
)

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.integer[Any]]

_PURPOSE = 0x726F62
"""Separates these random numbers from all others derived from the recipe's seed."""


def generator(run: Run, lane: Lane, *which: int) -> np.random.Generator:
    """Return a generator for a trial, the same at every λ, so that λs can be compared in pairs."""
    return np.random.default_rng([run.recipe.seed, _PURPOSE, lane.trial, *which])


def measure(run: Run, lane: Lane, epoch: int, metrics: xr.Dataset) -> dict[str, Any]:
    """Return the variables of one lane.

    Args:
        run: Its outputs are read chunk by chunk.
        lane: Which lane.
        epoch: An epoch with stored outputs on test.
        metrics: Metrics of this lane and epoch.
    """
    members = run.recipe.members.count
    orders = random_orders(generator(run, lane, 0), REPEATS, members)
    searched, _ = _sample(run, lane, epoch, names.TEST)
    named = _named_orders(run, lane, epoch, metrics, searched)
    separate = [generator(run, lane, 1, r) for r in range(REPEATS)]
    subsets = subsets_of(members, run.outputs_per_member, orders, separate)
    ordered = SharedSubsets(np.stack(list(named.values())), loss=False)
    single = SharedSubsets(np.arange(members)[:, None])
    frozen = _frozen(run, lane, searched)
    faults = faults_of(members, orders, frozen, lambda: generator(run, lane, 3))
    del searched
    with np.errstate(invalid="ignore", over="ignore"):  # diverged members are NaN
        for block in run.outputs(lane, epoch, names.TEST):
            for curves in (subsets, ordered, single, faults):
                curves.add(block.logits, block.target)
        means = subsets.means()
        by_order = dict(zip(named, ordered.accuracy, strict=True))
        target = run.target(names.TEST, lane)
        return {
            **_curves(run, means, float(single.loss.mean())),
            **_ordered(by_order, means),
            **means.shapley,
            "fault_accuracy": faults.mean,
            "fault_accuracy_repeat_se": faults.error,
            "residual": _residual(means, metrics, len(target)),
            "examples": len(target),
            "most_frequent_class": np.bincount(target).max() / len(target),
        }


def _sample(run: Run, lane: Lane, epoch: int, split: str) -> tuple[Floats, Ints]:
    """Return logits (M, p, K) and targets of as many evenly spaced examples as can be searched."""
    target = run.target(split, lane)
    members, classes = run.recipe.members.count, run.outputs_per_member
    wanted = removal_orders.examples_to_search(members, classes - 1, len(target), 4)
    examples = removal_orders.spread_out(len(target), wanted)
    pieces = []
    for block in run.outputs(lane, epoch, split):
        inside = (examples >= block.start) & (examples < block.start + len(block.target))
        pieces.append(block.logits[:, examples[inside] - block.start])
    return np.concatenate(pieces, 1), target[examples]


def _frozen(run: Run, lane: Lane, logits: Floats) -> Floats:
    """Return each member's logits of one example drawn at random for it, (M, K)."""
    members, count, _ = logits.shape
    examples = generator(run, lane, 2).integers(0, count, members)
    return logits[np.arange(members), examples]


def _named_orders(
    run: Run, lane: Lane, epoch: int, metrics: xr.Dataset, searched: Floats
) -> dict[tuple[str, str], Ints]:
    """Return the orders in which members are kept, by purpose and name.

    Orders whose data are not stored are left out. The member dropped first is kept last, so orders
    of removal are reversed.
    """
    split = names.VAL if run.recipe.data.val else names.TRAIN
    of_split = metrics.sel({names.SPLIT: split})
    best_first = removal_orders.least_first(
        of_split[names.MEMBER_ERROR].values, of_split[names.MEMBER_LOSS].values
    )
    target = run.target(names.TEST, lane)
    examples = removal_orders.spread_out(len(target), searched.shape[1])
    with np.errstate(invalid="ignore", over="ignore"):
        worst = removal_orders.greedy_removal(margins(searched, target[examples]))
        orders = {
            ("removal", BEST_FIRST): best_first[::-1],
            ("removal", GREEDY): worst[::-1],
            ("evaluation", BEST_ALONE_FIRST): best_first,
        }
        moved = movement.displacement(run, lane, epoch)
        if moved is not None:
            least = removal_orders.least_first(moved, np.zeros_like(moved))
            orders["removal", LEAST_MOVED_FIRST] = least[::-1]
        if names.VAL in run.recipe.keep.splits and run.recipe.data.val:
            chosen = margins(*_sample(run, lane, epoch, names.VAL))
            orders["evaluation", GREEDY] = removal_orders.greedy_selection(chosen)
    return orders


def _curves(run: Run, means: SubsetMeans, member_loss: float) -> dict[str, Floats | float]:
    """Return curves by kind of subset and members dropped, and their summary statistics."""
    members = run.recipe.members.count
    accuracy, loss = means.accuracy[:, ::-1], means.loss[:, ::-1]
    ensemble = float(loss[0, 0])
    predicted = predicted_loss(ensemble, member_loss - ensemble, members)[::-1]
    with np.errstate(invalid="ignore", divide="ignore"):
        excess = loss / predicted
    probability = probabilities(members, run.recipe.trials)
    chance = 1 / run.outputs_per_member
    return {
        "accuracy": accuracy,
        "accuracy_repeat_se": means.accuracy_error[:, ::-1],
        "loss": loss,
        "loss_repeat_se": means.loss_error[:, ::-1],
        "predicted_loss": predicted,
        "codependence_excess": excess,
        "tolerated_fraction": np.array([tolerated_fraction(curve) for curve in accuracy]),
        "area_under_curve": np.array([area_under_curve(curve) for curve in accuracy]),
        "accuracy_by_probability": by_probability(means.accuracy[0], probability, chance),
    }


def _ordered(by_order: dict[tuple[str, str], Floats], means: SubsetMeans) -> dict[str, Floats]:
    """Return accuracies of members dropped or evaluated in an order, and the lowest of all."""
    missing = np.full(len(means.lowest), np.nan)
    by_order = {("evaluation", RANDOM): means.accuracy[0], **by_order}
    removed = [by_order.get(("removal", name), missing)[::-1] for name in REMOVALS]
    evaluated = [by_order.get(("evaluation", name), missing) for name in EVALUATIONS]
    every = np.stack([means.lowest[::-1], *removed, *np.stack(evaluated)[:, ::-1]])
    return {
        "accuracy_ordered": np.stack(removed),
        "accuracy_worst": np.nanmin(every, 0),
        "partial_accuracy": np.stack(evaluated),
    }


def _residual(means: SubsetMeans, metrics: xr.Dataset, examples: int) -> float:
    """Return the difference of the ensemble's accuracy from the metrics, beyond one example."""
    stored = 1 - float(metrics[names.ENSEMBLE_ERROR].sel({names.SPLIT: names.TEST}))
    difference = abs(float(means.accuracy[0, -1]) - stored)
    return max(0.0, difference - 1 / examples)
