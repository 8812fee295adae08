"""Performance: errors and losses of the ensemble and its members at the selected epoch."""

import numpy as np
import xarray as xr

from jtdiag import names, stats
from jtdiag.probing import over_trials
from jtdiag.probing.contract import Options, Probe, Var
from jtdiag.store.run import Run
from jtdiag_probes.performance import optimum
from jtdiag_probes.performance.performance_verdict import judge

_LANE_SPLIT = (names.LAM, names.TRIAL, names.SPLIT)
_OVER_TRIALS = (names.LAM, names.SPLIT)
STREAM = 0xCA9
"""Separates the random numbers of the bootstrap from others of the same seed."""
_MEANINGS = {
    names.ENSEMBLE_ERROR: (names.FRACTION, "error of the ensemble, in the family's measure"),
    names.ENSEMBLE_LOSS: (names.NAT, "loss of the ensemble"),
    "best_member_error": (names.FRACTION, "error of the best member"),
    "median_member_error": (names.FRACTION, "error of the median member"),
    "worst_member_error": (names.FRACTION, "error of the worst member"),
    "mean_member_loss": (names.NAT, "mean loss of the members"),
    "diversity": (names.NAT, "mean member loss minus ensemble loss"),
}
_INTERVAL = "of the simultaneous 95 % interval of difference_mean; NaN where it has none"

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
    "optimum": Var(
        dims=(names.SPLIT,), unit=names.FRACTION, meaning="λ with the lowest mean ensemble error"
    ),
    "optimum_low": Var(
        dims=(names.SPLIT,), unit=names.FRACTION, meaning="lower end of its 95 % interval"
    ),
    "optimum_high": Var(
        dims=(names.SPLIT,), unit=names.FRACTION, meaning="upper end of its 95 % interval"
    ),
    "difference_mean": Var(
        dims=_OVER_TRIALS,
        unit=names.FRACTION,
        meaning="ensemble error minus that of the optimum, mean over paired trials",
    ),
    "difference_low": Var(dims=_OVER_TRIALS, unit=names.FRACTION, meaning=f"lower end {_INTERVAL}"),
    "difference_high": Var(
        dims=_OVER_TRIALS, unit=names.FRACTION, meaning=f"upper end {_INTERVAL}"
    ),
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
    result = xr.merge(
        [lanes, over_trials.summary(lanes), best_lam(error, run.recipe.seed), differences(error)]
    )
    return result.assign(chosen_epoch=epoch, lr=(names.LAM, rates)).assign_attrs(
        error_measure=run.error_measure,
        lr_rule=run.recipe.train.lr_rule,
        members=run.recipe.members.count,
    )


def best_lam(error: xr.DataArray, seed: int) -> xr.Dataset:
    """Return the λ with the lowest mean error, and its 95 % interval by a bootstrap over trials.

    Args:
        error: Of the ensemble, (lam, trial, split); NaN where not measured.
        seed: Of the random resamples, where there are too many to enumerate.

    Returns:
        optimum, optimum_low and optimum_high (split). NaN where no error is measured; the ends
        are NaN where fewer than two trials are.
    """
    ordered = error.sortby(names.LAM).transpose(names.LAM, names.TRIAL, names.SPLIT)
    lams, values = ordered[names.LAM].values, ordered.values
    ends = np.full((3, values.shape[2]), np.nan)
    for split in range(values.shape[2]):
        measured = np.isfinite(values[:, :, split]).any(1)
        if not measured.any():
            continue
        rows = values[measured][:, :, split]
        ends[0, split] = lams[measured][int(np.nanmean(rows, 1).argmin())]
        complete = np.isfinite(rows).all(0)
        random = np.random.default_rng([seed, STREAM])
        low, high = optimum.interval(optimum.probabilities(rows[:, complete], random))
        if low >= 0:
            ends[1:, split] = lams[measured][[low, high]]
    columns = dict(zip(("optimum", "optimum_low", "optimum_high"), ends, strict=True))
    return xr.Dataset({name: (names.SPLIT, row) for name, row in columns.items()})


def differences(error: xr.DataArray) -> xr.Dataset:
    """Return how much higher the error of every λ is than that of the λ with the lowest mean.

    Trial t of every λ has the same data split, order of examples and initial weights, so trials
    are pairs. The intervals hold simultaneously for all λs, see `stats.against_lowest`.

    Args:
        error: Of the ensemble, (lam, trial, split); NaN where not measured.

    Returns:
        difference_mean, difference_low and difference_high (lam, split), in the order of the λs.
    """
    ordered = error.sortby(names.LAM).transpose(names.SPLIT, names.LAM, names.TRIAL)
    intervals = np.array([stats.against_lowest(rows)[1] for rows in ordered.values])
    columns = {
        f"difference_{end}": ((names.SPLIT, names.LAM), intervals[..., i])
        for i, end in enumerate(("mean", "low", "high"))
    }
    result = xr.Dataset(columns, coords={dim: ordered[dim] for dim in (names.SPLIT, names.LAM)})
    return result.transpose(*_OVER_TRIALS).sel({names.LAM: error[names.LAM]})


probe = Probe(
    name="performance",
    question="How good are the ensemble and its members, at each lambda?",
    writes=WRITES,
    measure=measure,
    judge=judge,
    cost="cheap",
)
