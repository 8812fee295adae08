"""When the final leader emerges: labeled arrays from the members' training errors."""

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from jtdiag import names
from jtdiag.probing.contract import Var
from jtdiag.rules.limits import EARLY_EPOCH
from jtdiag.store.run import Run
from jtdiag_probes.dominance import leadership

_LANE = (names.LAM, names.TRIAL)

WRITES = {
    "leader_is_final": Var(
        dims=(*_LANE, names.EPOCH),
        unit=names.FRACTION,
        meaning="1 if the leader in training error is the last sealed epoch's; NaN if not sealed",
    ),
    "rank_correlation": Var(
        dims=(*_LANE, names.EPOCH),
        unit=names.FRACTION,
        meaning="Spearman correlation of the members' training errors with the last sealed epoch's",
    ),
    "early_rule": Var(
        dims=_LANE,
        unit=names.FRACTION,
        meaning=(
            f"1 if the leader in training error after epoch {EARLY_EPOCH} is the leader at the "
            "end; NaN for shorter and unfinished runs, and if all members have the same error then"
        ),
    ),
    "leader_known_since": Var(
        dims=_LANE,
        unit=names.INDEX,
        meaning=(
            "first epoch from which on the leader in training error is the final one; "
            "-1 if not sealed"
        ),
    ),
    "done": Var(dims=_LANE, unit=names.FRACTION, meaning="1 if the lane is finished, else 0"),
}


def measure(run: Run, metrics: xr.Dataset, leader: NDArray[np.int64]) -> xr.Dataset:
    """Compare the training errors of each epoch with those of the last sealed epoch.

    Args:
        run: The run.
        metrics: Its metrics.
        leader: (lam, trial, epoch, split), -1 if not sealed.
    """
    train = list(metrics[names.SPLIT].values).index(names.TRAIN)
    errors = metrics[names.MEMBER_ERROR].values[:, :, :, train]
    leaders = leader[:, :, :, train]
    is_final = np.full(leaders.shape, np.nan)
    correlation = np.full(leaders.shape, np.nan)
    done = np.zeros(leaders.shape[:2], bool)
    since = np.full(leaders.shape[:2], -1)
    tied = np.zeros(leaders.shape[:2], bool)
    for lane in run.lanes:
        index = (lane.lam_index, lane.trial)
        sealed = np.flatnonzero(leaders[index] >= 0)  # without epoch 0 in recorded runs
        if not sealed.size:
            continue
        last = sealed[-1]
        is_final[index][sealed] = leaders[index][sealed] == leaders[index][last]
        since[index] = sealed[-leadership.unchanged(leaders[index][sealed])]
        correlation[index][sealed] = leadership.rank_correlation(
            errors[index][sealed], errors[index][last]
        )
        done[index] = last == run.recipe.train.epochs
        tied[index] = errors.shape[-1] > 1 and np.ptp(errors[index][last]) == 0
    over_epochs = (*_LANE, names.EPOCH)
    return xr.Dataset(
        {
            "leader_is_final": (over_epochs, is_final),
            "rank_correlation": (over_epochs, correlation),
            "early_rule": (_LANE, _early_rule(is_final, done & ~tied)),
            "leader_known_since": (_LANE, since),
            "done": (_LANE, done.astype(float)),
        }
    )


def _early_rule(is_final: NDArray[np.float64], decided: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return `early_rule`: NaN for lanes without a leader, or not longer than the early epoch."""
    if is_final.shape[-1] - 1 <= EARLY_EPOCH:
        return np.full(decided.shape, np.nan)
    return np.where(decided, is_final[..., EARLY_EPOCH], np.nan)
