"""The comparison that is named before a run: end-to-end against independent training."""

from dataclasses import dataclass

import numpy as np
import xarray as xr

from jtdiag import names, stats
from jtdiag.probing.by_example import by_example, has_outputs
from jtdiag.probing.contract import Var
from jtdiag.stats import Interval
from jtdiag.store.lanes import Lane
from jtdiag.store.run import Run

VARIABLES = {
    "end_to_end_mean": Var(
        dims=(), unit=names.FRACTION, meaning="test error at λ = 1 minus that at λ = 0, mean"
    ),
    "end_to_end_low": Var(
        dims=(), unit=names.FRACTION, meaning="lower end of its 95 % interval; NaN for none"
    ),
    "end_to_end_high": Var(
        dims=(), unit=names.FRACTION, meaning="upper end of its 95 % interval; NaN for none"
    ),
    "end_to_end_detectable": Var(
        dims=(),
        unit=names.FRACTION,
        meaning="difference that its test detects with a probability of 80 %; NaN if unknown",
    ),
    "end_to_end_trials": Var(
        dims=(), unit=names.COUNT, meaning="trials that λ = 0 and λ = 1 both have"
    ),
    "end_to_end_wins": Var(
        dims=(),
        unit=names.COUNT,
        meaning="of one trial, test examples right at λ = 1 only; NaN for several, or if unknown",
    ),
    "end_to_end_losses": Var(
        dims=(),
        unit=names.COUNT,
        meaning="of one trial, test examples right at λ = 0 only; NaN for several, or if unknown",
    ),
}


@dataclass(frozen=True, kw_only=True)
class _Compared:
    difference: Interval
    detectable: float = np.nan
    wins: float = np.nan
    losses: float = np.nan


def end_to_end(run: Run, error: xr.DataArray) -> xr.Dataset:
    """Compare the test error at λ = 1 with that at λ = 0: one comparison, named before the run.

    Several trials are compared in pairs by Student's interval. Of a single trial, the test
    examples are the pairs, if its outputs are stored: then the interval is that of
    `stats.paired_fractions`, and it is for these two trained ensembles.

    Args:
        run: Provides the outputs of a single trial.
        error: Of the ensemble, (lam, trial, split); NaN where not measured.

    Returns:
        The variables `VARIABLES`; NaN and 0 trials unless both λs are measured.
    """
    lams = [float(lam) for lam in error[names.LAM].values]
    trials: list[int] = []
    compared = _Compared(difference=Interval(np.nan, np.nan, np.nan))
    if {0.0, 1.0} <= set(lams):
        on_test = error.sel({names.SPLIT: names.TEST}).transpose(names.LAM, names.TRIAL).values
        each = on_test[lams.index(1.0)] - on_test[lams.index(0.0)]
        trials = [int(trial) for trial in np.flatnonzero(np.isfinite(each))]
        if len(trials) == 1:
            compared = _one_trial(run, [Lane(trials[0], lams.index(lam)) for lam in (0.0, 1.0)])
        if not np.isfinite(compared.difference.mean):
            pairs = each[trials]
            compared = _Compared(
                difference=stats.paired(pairs), detectable=stats.smallest_detectable(pairs)
            )
    return xr.Dataset(_columns(compared) | {"end_to_end_trials": len(trials)})


def _one_trial(run: Run, lanes: list[Lane]) -> _Compared:
    """Compare the two trained ensembles on the test examples, if their outputs are stored."""
    if not all(has_outputs(run, lane) for lane in lanes):
        return _Compared(difference=Interval(np.nan, np.nan, np.nan))
    independent, joint = (by_example(run, lane)[names.ENSEMBLE_ERROR] for lane in lanes)
    each = joint - independent
    detectable = stats.smallest_detectable(each)
    if not set(np.unique(each)) <= {-1.0, 0.0, 1.0}:
        return _Compared(difference=stats.paired(each), detectable=detectable)
    wins, losses = int((each < 0).sum()), int((each > 0).sum())
    return _Compared(
        difference=stats.paired_fractions(losses, wins, len(each)),
        detectable=detectable,
        wins=wins,
        losses=losses,
    )


def _columns(compared: _Compared) -> dict[str, float]:
    mean, low, high = compared.difference
    return {
        "end_to_end_mean": mean,
        "end_to_end_low": low,
        "end_to_end_high": high,
        "end_to_end_detectable": compared.detectable,
        "end_to_end_wins": compared.wins,
        "end_to_end_losses": compared.losses,
    }
