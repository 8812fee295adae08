"""Performance: errors and losses of the ensemble and its members at the selected epoch."""

import numpy as np
import xarray as xr

from jtdiag import names, stats
from jtdiag.probing import lane_states, over_trials
from jtdiag.probing.contract import Options, Probe, Var
from jtdiag.store.run import Run
from jtdiag_probes.performance.end_to_end import VARIABLES, end_to_end
from jtdiag_probes.performance.optimum import DIFFERENCES, OPTIMUM, best_lams, differences
from jtdiag_probes.performance.performance_verdict import judge

_LANE_SPLIT = (names.LAM, names.TRIAL, names.SPLIT)
_OVER_TRIALS = (names.LAM, names.SPLIT)
_MEANINGS = {
    names.ENSEMBLE_ERROR: (names.FRACTION, "error of the ensemble, in the family's measure"),
    names.ENSEMBLE_LOSS: (names.NAT, "loss of the ensemble"),
    "best_member_error": (names.FRACTION, "error of the best member"),
    "median_member_error": (names.FRACTION, "error of the median member"),
    "worst_member_error": (names.FRACTION, "error of the worst member"),
    "mean_member_loss": (names.NAT, "mean loss of the members"),
    "diversity": (names.NAT, "mean member loss minus ensemble loss"),
}
_POPULATION = "end of the 95 % interval of the mean test error for new trials and new test examples"

WRITES = {
    "chosen_epoch": Var(
        dims=(names.LAM, names.TRIAL),
        unit=names.INDEX,
        meaning="selected epoch: lowest validation error of the ensemble, or the last; -1 for none",
    ),
    "lr": Var(
        dims=(names.LAM,),
        unit=names.FRACTION,
        meaning="learning rate of all members together, before any schedule",
    ),
    "population_low": Var(
        dims=(names.LAM,), unit=names.FRACTION, meaning=f"lower {_POPULATION}; NaN where unknown"
    ),
    "population_high": Var(
        dims=(names.LAM,), unit=names.FRACTION, meaning=f"upper {_POPULATION}; NaN where unknown"
    ),
    **OPTIMUM,
    **DIFFERENCES,
    **VARIABLES,
    **{n: Var(dims=_LANE_SPLIT, unit=unit, meaning=m) for n, (unit, m) in _MEANINGS.items()},
    **{
        name: var
        for n, (unit, meaning) in _MEANINGS.items()
        for name, var in over_trials.variables(n, _OVER_TRIALS, unit, meaning).items()
    },
}


def measure(run: Run, options: Options) -> xr.Dataset:
    """Measure every lane at its selected epoch, and means with standard errors over trials."""
    metrics = run.metrics()
    epoch = xr.DataArray(
        [
            [run.chosen_epoch(lane) for lane in run.lanes if lane.lam_index == i]
            for i in range(len(run.recipe.lam))
        ],
        dims=(names.LAM, names.TRIAL),
    ).clip(max=metrics.sizes[names.EPOCH] - 1)
    selected = metrics.drop_vars(names.BEST_EPOCH).isel({names.EPOCH: epoch.clip(min=0)})
    selected = selected.drop_vars(names.EPOCH)
    members = selected[names.MEMBER_ERROR]
    lanes = xr.Dataset(
        {
            names.ENSEMBLE_ERROR: selected[names.ENSEMBLE_ERROR],
            names.ENSEMBLE_LOSS: selected[names.ENSEMBLE_LOSS],
            "best_member_error": members.min(names.MEMBER, skipna=False),
            "median_member_error": members.median(names.MEMBER, skipna=False),
            "worst_member_error": members.max(names.MEMBER, skipna=False),
            "mean_member_loss": selected[names.MEMBER_LOSS].mean(names.MEMBER, skipna=False),
        }
    )
    lanes["diversity"] = lanes["mean_member_loss"] - lanes[names.ENSEMBLE_LOSS]
    lanes = lanes.transpose(*_LANE_SPLIT)
    error = lanes[names.ENSEMBLE_ERROR]
    rates = [run.recipe.first_lr(i) for i in range(len(run.recipe.lam))]
    parts = [best_lams(error), differences(error), end_to_end(run, error)]
    result = xr.merge([lanes, over_trials.summary(lanes), population(run, error), *parts])
    return result.assign(chosen_epoch=epoch, lr=(names.LAM, rates)).assign_attrs(
        error_measure=run.error_measure,
        lr_rule=run.recipe.train.lr_rule,
        members=run.recipe.members.count,
        chance_error=run.chance_error,
        unlearned=sorted(lane_states.unlearned(run)),
    )


def population(run: Run, error: xr.DataArray) -> xr.Dataset:
    """Return the 95 % interval of the mean test error for new trials and new test examples.

    Args:
        run: Provides the number of test examples, if it keeps their targets.
        error: Of the ensemble, (lam, trial, split); NaN where not measured.

    Returns:
        population_low and population_high (lam), see `stats.population_interval`. NaN where the
        number of test examples is unknown, or the error is not the fraction of them that is wrong.
    """
    count = _test_examples(run) if run.error_measure == "fraction wrong" else 0
    rows = error.sel({names.SPLIT: names.TEST}).transpose(names.LAM, names.TRIAL).values
    ends = np.array([stats.population_interval(row, count) for row in rows])
    return xr.Dataset(
        {"population_low": (names.LAM, ends[:, 1]), "population_high": (names.LAM, ends[:, 2])},
        coords={names.LAM: error[names.LAM]},
    )


def _test_examples(run: Run) -> int:
    """Return the number of test examples; 0 if the run does not keep their targets.

    Raises:
        StoreError: if they are damaged.
    """
    keep = run.recipe.keep
    if keep.outputs == "none" or names.TEST not in keep.splits:
        return 0
    return len(run.target(names.TEST, run.lanes[0]))


probe = Probe(
    name="performance",
    question="How good are the ensemble and its members, at each lambda?",
    writes=WRITES,
    measure=measure,
    judge=judge,
    cost="cheap",
)
