"""Performance: how good the ensemble and its members are, at the epoch that validation chose."""

import numpy as np
import xarray as xr

from jtdiag import names
from jtdiag.probing import over_trials
from jtdiag.probing.contract import Options, Probe, Var
from jtdiag.probing.findings import Finding
from jtdiag.store.run import Run
from jtdiag_probes.performance import optimum

_LANE_SPLIT = (names.LAM, names.TRIAL, names.SPLIT)
_OVER_TRIALS = (names.LAM, names.SPLIT)
_WRONG = "fraction wrong"
STREAM = 0xCA9
"""Tells the random numbers of resampled trials from others with the same seed."""
_MEANINGS = {
    names.ENSEMBLE_ERROR: (names.FRACTION, "error of the ensemble, in the family's measure"),
    names.ENSEMBLE_LOSS: (names.NAT, "loss of the ensemble"),
    "best_member_error": (names.FRACTION, "error of the best member"),
    "median_member_error": (names.FRACTION, "error of the median member"),
    "worst_member_error": (names.FRACTION, "error of the worst member"),
    "mean_member_loss": (names.NAT, "mean loss of the members"),
    "diversity": (names.NAT, "mean member loss minus ensemble loss"),
}

WRITES = {
    "chosen_epoch": Var(
        dims=(names.LAM, names.TRIAL),
        unit=names.INDEX,
        meaning="epoch measured: lowest ensemble validation error, or else the last; -1 for none",
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
    **{n: Var(dims=_LANE_SPLIT, unit=unit, meaning=m) for n, (unit, m) in _MEANINGS.items()},
    **{
        name: var
        for n, (unit, meaning) in _MEANINGS.items()
        for name, var in over_trials.variables(n, _OVER_TRIALS, unit, meaning).items()
    },
}


def measure(run: Run, options: Options) -> xr.Dataset:
    """Measure every lane at its chosen epoch, and means with standard errors over trials."""
    metrics = run.metrics()
    epoch = xr.DataArray(
        [
            [run.chosen_epoch(lane) for lane in run.lanes if lane.lam_index == i]
            for i in range(len(run.recipe.lam))
        ],
        dims=(names.LAM, names.TRIAL),
    ).clip(max=metrics.sizes[names.EPOCH] - 1)
    at = metrics.drop_vars(names.BEST_EPOCH).isel({names.EPOCH: epoch.clip(min=0)})
    at = at.drop_vars(names.EPOCH)
    members = at[names.MEMBER_ERROR]
    lanes = xr.Dataset(
        {
            names.ENSEMBLE_ERROR: at[names.ENSEMBLE_ERROR],
            names.ENSEMBLE_LOSS: at[names.ENSEMBLE_LOSS],
            "best_member_error": members.min(names.MEMBER, skipna=False),
            "median_member_error": members.median(names.MEMBER, skipna=False),
            "worst_member_error": members.max(names.MEMBER, skipna=False),
            "mean_member_loss": at[names.MEMBER_LOSS].mean(names.MEMBER, skipna=False),
        }
    )
    lanes["diversity"] = lanes["mean_member_loss"] - lanes[names.ENSEMBLE_LOSS]
    lanes = lanes.transpose(*_LANE_SPLIT)
    rates = [run.recipe.first_lr(i) for i in range(len(run.recipe.lam))]
    found = xr.merge(
        [lanes, over_trials.summary(lanes), best_lam(lanes[names.ENSEMBLE_ERROR], run.recipe.seed)]
    )
    found = found.assign(chosen_epoch=epoch, lr=(names.LAM, rates))
    return found.assign_attrs(error_measure=run.error_measure, lr_rule=run.recipe.train.lr_rule)


def best_lam(error: xr.DataArray, seed: int) -> xr.Dataset:
    """Return the λ with the lowest mean error, and the 95 % interval over resampled trials.

    Args:
        error: Of the ensemble, (lam, trial, split); NaN where not known.
        seed: Of the draws, where there are too many resamples to count.

    Returns:
        optimum, optimum_low and optimum_high (split); NaN where no error is known, and for the
        ends where fewer than two trials are.
    """
    ordered = error.sortby(names.LAM).transpose(names.LAM, names.TRIAL, names.SPLIT)
    lams, values = ordered[names.LAM].values, ordered.values
    ends = np.full((3, values.shape[2]), np.nan)
    for at in range(values.shape[2]):
        known = np.isfinite(values[:, :, at]).any(1)
        if not known.any():
            continue
        here = values[known][:, :, at]
        ends[0, at] = lams[known][int(np.nanmean(here, 1).argmin())]
        whole = np.isfinite(here).all(0)
        random = np.random.default_rng([seed, STREAM])
        low, high = optimum.interval(optimum.probabilities(here[:, whole], random))
        if low >= 0:
            ends[1:, at] = lams[known][[low, high]]
    found = dict(zip(("optimum", "optimum_low", "optimum_high"), ends, strict=True))
    return xr.Dataset({name: (names.SPLIT, row) for name, row in found.items()})


def judge(result: xr.Dataset) -> list[Finding]:
    """Say at which λ the ensemble is best on test, against both ends."""
    mean = result["ensemble_error_mean"].sel({names.SPLIT: names.TEST}).dropna(names.LAM)
    if mean.size == 0:
        return []
    best = float(mean[names.LAM].values[int(np.argmin(mean.values))])
    lowest = _percent(result, best)
    others = [
        f"{what} (λ = {lam:g}) {_percent(result, lam)}{_remark(result, lam, best)}"
        for lam, what in ((0.0, "independent training"), (1.0, "end-to-end training"))
        if lam in mean[names.LAM].values and lam != best
    ]
    measure = result.attrs.get("error_measure", _WRONG)
    what = "" if measure == _WRONG else f" ({measure})"
    against = f", against {' and '.join(others)}" if others else ""
    return [
        Finding(
            probe="performance",
            rule="best-lambda",
            level="info",
            lam=best,
            number=float(mean.min()),
            sentence=f"λ = {best:g}: lowest test error of the ensemble{what}, {lowest}{against}.",
        )
    ]


def _remark(result: xr.Dataset, lam: float, best: float) -> str:
    """Say where a difference may be none, or one of the learning rate."""
    remarks = ["no clear difference"] if _doubtful(result, lam, best) else []
    rates = [float(result["lr"].sel({names.LAM: at})) for at in (lam, best)]
    if rates[0] != rates[1]:
        remarks.append(f"at learning rate {rates[0]:g} instead of {rates[1]:g}")
    return f" ({', '.join(remarks)})" if remarks else ""


def _doubtful(result: xr.Dataset, lam: float, best: float) -> bool:
    """Tell whether a difference is below two standard errors; trials are not taken as paired."""
    at = result.sel({names.LAM: [lam, best], names.SPLIT: names.TEST})
    difference = abs(float(at["ensemble_error_mean"].diff(names.LAM).item()))
    se = float((at["ensemble_error_se"] ** 2).sum(skipna=False)) ** 0.5
    return difference <= 2 * se


def _percent(result: xr.Dataset, lam: float) -> str:
    at = result.sel({names.LAM: lam, names.SPLIT: names.TEST})
    mean, se = 100 * float(at["ensemble_error_mean"]), 100 * float(at["ensemble_error_se"])
    return f"{mean:.1f} %" + (f" ± {se:.1f}" if np.isfinite(se) else "")


probe = Probe(
    name="performance",
    question="How good are the ensemble and its members, at each lambda?",
    writes=WRITES,
    measure=measure,
    judge=judge,
    cost="cheap",
)
