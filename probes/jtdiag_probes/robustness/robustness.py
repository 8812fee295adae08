"""Robustness: accuracy of an ensemble when members fail, are dropped, or are not evaluated."""

from typing import Any

import numpy as np
import xarray as xr

from jtdiag import names
from jtdiag.probing import over_trials
from jtdiag.probing.contract import Options, Probe
from jtdiag.store.lanes import Lane
from jtdiag.store.run import Run
from jtdiag_probes.robustness import outputs, weights
from jtdiag_probes.robustness.subset_means import is_exact
from jtdiag_probes.robustness.variables import LANE, OVER_TRIALS, SHARED, WRITES, empty
from jtdiag_probes.robustness.verdict import judge
from jtdiag_probes.shared.measured_epoch import measured_epoch


def epoch_with_outputs(run: Run, lane: Lane) -> int:
    """Return the epoch chosen on validation, else the last with outputs on test, else −1."""
    stored = run.seal(lane).outputs if names.TEST in run.recipe.keep.splits else ()
    return measured_epoch(run, lane, stored)


def measure(run: Run, options: Options) -> xr.Dataset:
    """Measure every lane at one epoch, on test: removal, faults, Shapley values, partial ensembles.

    Memory use is one chunk of outputs plus about 128 MB of examples for the greedy searches.
    """
    metrics = run.metrics()
    epochs = {
        lane: epoch if (epoch := epoch_with_outputs(run, lane)) < metrics.sizes[names.EPOCH] else -1
        for lane in run.lanes
    }
    result = empty(run)
    kept = {lane: epoch for lane, epoch in epochs.items() if epoch >= 0}
    for lane, epoch in kept.items() if not options.metrics_only else ():
        at_epoch = metrics.isel(
            {names.LAM: lane.lam_index, names.TRIAL: lane.trial, names.EPOCH: epoch}
        )
        _put(result, lane, outputs.measure(run, lane, epoch, at_epoch))
    missing = ""
    if not options.metrics_only:
        missing = weights.measure(run, kept, result, _put)
        by_trial = result[list(OVER_TRIALS)].where(converged(result))
        result = result.merge(over_trials.summary(by_trial))
    measured = np.full([len(run.recipe.lam), run.recipe.trials], -1)
    for lane, epoch in epochs.items():
        measured[lane.lam_index, lane.trial] = epoch
    result["measured_epoch"] = (LANE, measured)
    if options.metrics_only:
        result = result[["measured_epoch"]]
    exact = int(is_exact(run.recipe.members.count))
    return result.assign_attrs(without_bit_flips=missing, point=1, exact=exact)


def converged(result: xr.Dataset) -> xr.DataArray:
    """Return (lam, trial): whether the loss of all members together is finite."""
    loss = result["loss"].sel({"subsets": SHARED, names.DROPPED: 0}, drop=True)
    return loss.notnull() & (abs(loss) < np.inf)


def _put(result: xr.Dataset, lane: Lane, values: dict[str, Any]) -> None:
    """Write the variables of one lane into a result."""
    for name, value in values.items():
        result[name].values[lane.lam_index, lane.trial] = value


probe = Probe(
    name="robustness",
    question="How many members can fail before the ensemble's accuracy drops?",
    writes=WRITES,
    measure=measure,
    judge=judge,
    cost="slow",
    classes_only=True,
    compares_members=True,
)
