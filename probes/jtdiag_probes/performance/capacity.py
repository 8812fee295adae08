"""Capacity: the best λ of members of this size, to be compared with other sizes (Fig. 4)."""

import numpy as np
import xarray as xr

from jtdiag import names
from jtdiag.errors import DataError, RecipeError
from jtdiag.probing.contract import Options, Probe, Var
from jtdiag.probing.findings import Finding
from jtdiag.probing.over_trials import standard_error
from jtdiag.replay import parameters_per_member
from jtdiag.store.run import Run
from jtdiag_probes.performance import optimum

STREAM = 0xCA9
"""Tells this probe's random numbers from those of others with the same seed."""
_LANE = (names.LAM, names.TRIAL)
_CURVE = (names.LAM, names.SPLIT)
_SPLIT = (names.SPLIT,)

WRITES = {
    "chosen_epoch": Var(
        dims=_LANE,
        unit=names.INDEX,
        meaning="epoch measured: lowest ensemble validation error, or else the last; -1 for none",
    ),
    "error": Var(dims=(*_LANE, names.SPLIT), unit=names.FRACTION, meaning="error of the ensemble"),
    "error_mean": Var(dims=_CURVE, unit=names.FRACTION, meaning="its mean over trials"),
    "error_se": Var(
        dims=_CURVE, unit=names.FRACTION, meaning="its standard error over trials; NaN for one"
    ),
    "error_smoothed": Var(
        dims=_CURVE, unit=names.FRACTION, meaning="the mean, averaged with that of both neighbours"
    ),
    "best_probability": Var(
        dims=_CURVE,
        unit=names.FRACTION,
        meaning="share of resamples of the trials in which this λ is best; NaN for one trial",
    ),
    "optimum": Var(dims=_SPLIT, unit=names.FRACTION, meaning="λ with the lowest mean error"),
    "optimum_low": Var(
        dims=_SPLIT, unit=names.FRACTION, meaning="lower end of the optimum's 95 % interval"
    ),
    "optimum_high": Var(
        dims=_SPLIT, unit=names.FRACTION, meaning="upper end of the optimum's 95 % interval"
    ),
    "optimum_smoothed": Var(
        dims=_SPLIT, unit=names.FRACTION, meaning="λ with the lowest smoothed error"
    ),
    "parameters_per_member": Var(
        dims=(), unit=names.COUNT, meaning="parameters of one member; NaN if not known"
    ),
}


def measure(run: Run, options: Options) -> xr.Dataset:
    """Measure error against λ at the chosen epochs, and where it is lowest, by split."""
    metrics = run.metrics()
    epochs = np.full([metrics.sizes[d] for d in _LANE], -1)
    for lane in run.lanes:
        epochs[lane.lam_index, lane.trial] = run.chosen_epoch(lane)
    chosen = xr.DataArray(epochs, dims=_LANE).clip(max=metrics.sizes[names.EPOCH] - 1)
    error = metrics[names.ENSEMBLE_ERROR].isel({names.EPOCH: chosen.clip(min=0)})
    error = error.drop_vars([names.EPOCH, names.BEST_EPOCH], errors="ignore")
    result = xr.Dataset({"error": error.transpose(*_LANE, names.SPLIT), "chosen_epoch": chosen})
    result = result.sortby(names.LAM)
    result["error_mean"] = result["error"].mean(names.TRIAL)
    result["error_se"] = standard_error(result["error"])
    for name in ("error_smoothed", "best_probability"):
        result[name] = xr.full_like(result["error_mean"], np.nan)
    for name in ("optimum", "optimum_low", "optimum_high", "optimum_smoothed"):
        result[name] = (_SPLIT, np.full(result.sizes[names.SPLIT], np.nan))
    for at in range(result.sizes[names.SPLIT]):
        _find_optimum(result, at, np.random.default_rng([run.recipe.seed, STREAM]))
    return result.assign(parameters_per_member=((), _parameters(run))).assign_attrs(
        members=run.recipe.members.count
    )


def _find_optimum(result: xr.Dataset, at: int, random: np.random.Generator) -> None:
    """Fill in the optimum of one split, among the λs of which some trial is known."""
    lams = result[names.LAM].values
    errors, mean = result["error"].values[:, :, at], result["error_mean"].values[:, at]
    smooth = optimum.smoothed(mean)
    result["error_smoothed"].values[:, at] = smooth
    known = np.isfinite(mean)
    if not known.any():
        return
    result["optimum"].values[at] = lams[np.nanargmin(mean)]
    if np.isfinite(smooth).any():
        result["optimum_smoothed"].values[at] = lams[np.nanargmin(smooth)]
    whole = np.isfinite(errors[known]).all(0)
    probability = optimum.probabilities(errors[known][:, whole], random)
    result["best_probability"].values[known, at] = probability
    low, high = optimum.interval(probability)
    if low >= 0:
        result["optimum_low"].values[at] = lams[known][low]
        result["optimum_high"].values[at] = lams[known][high]


def _parameters(run: Run) -> float:
    try:
        return float(parameters_per_member(run))
    except (DataError, RecipeError):  # neither checkpoints nor data nor module say it
        return np.nan


def judge(result: xr.Dataset) -> list[Finding]:
    """Say where the optimum lies on test and how sure that is, and what validation would choose."""
    on_test = result.sel({names.SPLIT: names.TEST})
    best = float(on_test["optimum"])
    if not np.isfinite(best) or on_test["error_mean"].notnull().sum() < 2:
        return []
    low, high = float(on_test["optimum_low"]), float(on_test["optimum_high"])
    trials = int(on_test["error"].notnull().all(names.LAM).sum())
    if np.isfinite(low):
        where = f"is λ = {low:g}" if low == high else f"lies from {low:g} to {high:g}"
        doubt = f"in 95 % of resamples of {trials} trials the best {where}"
    else:
        doubt = "one trial does not say how sure that is"
    return [
        Finding(
            probe="capacity",
            rule="optimal-lambda",
            level="info",
            lam=best,
            number=best,
            sentence=(
                f"λ = {best:g} has the lowest test error, {_percent(on_test, best)}; {doubt}. "
                f"{_size(result)}{_by_validation(result)}"
            ),
        )
    ]


def _size(result: xr.Dataset) -> str:
    size = float(result["parameters_per_member"])
    if not np.isfinite(size):
        return "How many parameters a member has is not known: no checkpoint, and no data to ask."
    return f"A member has {size:,.0f} parameters."


def _by_validation(result: xr.Dataset) -> str:
    """Say what an honest choice of λ would have come to."""
    if names.VAL not in result[names.SPLIT].values:
        return ""
    chosen = float(result["optimum"].sel({names.SPLIT: names.VAL}))
    if not np.isfinite(chosen):
        return ""
    error = _percent(result.sel({names.SPLIT: names.TEST}), chosen)
    return f" Validation would choose λ = {chosen:g}, with a test error of {error}."


def _percent(on_test: xr.Dataset, lam: float) -> str:
    at = on_test.sel({names.LAM: lam})
    mean, se = 100 * float(at["error_mean"]), 100 * float(at["error_se"])
    return f"{mean:.1f} %" + (f" ± {se:.1f}" if np.isfinite(se) else "")


probe = Probe(
    name="capacity",
    question="Which lambda is best for members of this size?",
    writes=WRITES,
    measure=measure,
    judge=judge,
    cost="slow",
)
