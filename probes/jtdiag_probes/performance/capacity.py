"""Capacity: the best λ for members of this size, for comparison with other sizes (Fig. 4)."""

import numpy as np
import xarray as xr

from jtdiag import names, stats
from jtdiag.errors import DataError, RecipeError
from jtdiag.probing.contract import Options, Probe, Var
from jtdiag.probing.findings import Finding
from jtdiag.probing.over_trials import standard_error
from jtdiag.replay import parameters_per_member
from jtdiag.store.run import Run
from jtdiag_probes.performance import wording
from jtdiag_probes.performance.optimum import OPTIMUM, best_lams, smoothed

_LANE = (names.LAM, names.TRIAL)
_CURVE = (names.LAM, names.SPLIT)
_SPLIT = (names.SPLIT,)

WRITES = {
    "chosen_epoch": Var(
        dims=_LANE,
        unit=names.INDEX,
        meaning="selected epoch: lowest validation error of the ensemble, or the last; -1 for none",
    ),
    "error": Var(dims=(*_LANE, names.SPLIT), unit=names.FRACTION, meaning="error of the ensemble"),
    "error_mean": Var(dims=_CURVE, unit=names.FRACTION, meaning="its mean over trials"),
    "error_se": Var(
        dims=_CURVE, unit=names.FRACTION, meaning="its standard error over trials; NaN for one"
    ),
    "error_smoothed": Var(
        dims=_CURVE, unit=names.FRACTION, meaning="the mean, averaged with that of both neighbors"
    ),
    **OPTIMUM,
    "optimum_smoothed": Var(
        dims=_SPLIT, unit=names.FRACTION, meaning="λ with the lowest smoothed error"
    ),
    "parameters_per_member": Var(
        dims=(),
        unit=names.COUNT,
        meaning=(
            "parameters of one member, or of the network whose branches members are; NaN if unknown"
        ),
    ),
}


def measure(run: Run, options: Options) -> xr.Dataset:
    """Measure error against λ at the selected epochs, and the optimum, by split."""
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
    result = result.merge(best_lams(result["error"]))
    result["error_smoothed"] = xr.full_like(result["error_mean"], np.nan)
    result["optimum_smoothed"] = (_SPLIT, np.full(result.sizes[names.SPLIT], np.nan))
    for split in range(result.sizes[names.SPLIT]):
        smooth = smoothed(result["error_mean"].values[:, split])
        result["error_smoothed"].values[:, split] = smooth
        if np.isfinite(smooth).any():
            lam = result[names.LAM].values[np.nanargmin(smooth)]
            result["optimum_smoothed"].values[split] = lam
    return result.assign(parameters_per_member=((), _parameters(run))).assign_attrs(
        members=run.recipe.members.count, branched=int(run.recipe.members.branched)
    )


def _parameters(run: Run) -> float:
    try:
        return float(parameters_per_member(run))
    except (DataError, RecipeError):  # neither checkpoints nor data nor module are available
        return np.nan


def judge(result: xr.Dataset) -> list[Finding]:
    """Report the optimum on test, λs that are not worse, and the λ selected on validation."""
    on_test = result.sel({names.SPLIT: names.TEST})
    best = float(on_test["optimum"])
    if not np.isfinite(best) or on_test["error_mean"].notnull().sum() < 2:
        return []
    sentences = [
        wording.optimal_lambda(
            best,
            _percent(on_test, best),
            similar=[
                float(lam)
                for lam, row in zip(
                    on_test[names.LAM].values, on_test["best_set"].values, strict=True
                )
                if row == 1 and lam != best
            ],
            trials=int(on_test["paired_trials"].where(on_test[names.LAM] != best).max()),
            size=float(result["parameters_per_member"]),
            branched=bool(result.attrs.get("branched", False)),
        )
    ]
    selected = _selected_on_validation(result)
    if np.isfinite(selected):
        sentences.append(wording.selected_on_validation(selected, _percent(on_test, selected)))
    return [
        Finding(
            probe="capacity",
            rule="optimal-lambda",
            level="info",
            lam=best,
            number=best,
            sentence=" ".join(sentences),
        )
    ]


def _selected_on_validation(result: xr.Dataset) -> float:
    """Return the λ with the lowest validation error; NaN without a validation split."""
    if names.VAL not in result[names.SPLIT].values:
        return np.nan
    return float(result["optimum"].sel({names.SPLIT: names.VAL}))


def _percent(on_test: xr.Dataset, lam: float) -> stats.Interval:
    interval = stats.mean_interval(on_test["error"].sel({names.LAM: lam}).values)
    return interval.scaled(100).within(0, np.inf)


probe = Probe(
    name="capacity",
    question="Which lambda is best for members of this size?",
    writes=WRITES,
    measure=measure,
    judge=judge,
    cost="slow",
    needs_skill=True,
    compares_members=True,
)
