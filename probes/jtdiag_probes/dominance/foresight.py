"""How early one could have known who leads at the end: labelled arrays from training errors."""

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
        meaning="1 where the leader in training error is the last epoch's; NaN if not sealed",
    ),
    "rank_correlation": Var(
        dims=(*_LANE, names.EPOCH),
        unit=names.FRACTION,
        meaning="Spearman correlation of the members' training errors with the last epoch's",
    ),
    "early_rule": Var(
        dims=_LANE,
        unit=names.FRACTION,
        meaning=(
            f"1 where the member with the lowest training error after epoch {EARLY_EPOCH} leads "
            "at the end; NaN for runs that are not longer, or not done"
        ),
    ),
    "leader_known_since": Var(
        dims=_LANE,
        unit=names.INDEX,
        meaning=(
            "first epoch from which on the leader in training error is the last epoch's; "
            "-1 if not sealed"
        ),
    ),
    "done": Var(
        dims=_LANE, unit=names.FRACTION, meaning="1 where the lane has all its epochs, else 0"
    ),
}


def measure(run: Run, metrics: xr.Dataset, leader: NDArray[np.int64]) -> xr.Dataset:
    """Return how the training errors of each epoch agree with those of the last one sealed.

    Args:
        run: Says which epoch is a lane's last.
        metrics: Of the run.
        leader: (lam, trial, epoch, split), -1 where not sealed.
    """
    train = list(metrics[names.SPLIT].values).index(names.TRAIN)
    errors = metrics[names.MEMBER_ERROR].values[:, :, :, train]
    leaders = leader[:, :, :, train]
    is_final = np.full(leaders.shape, np.nan)
    correlation = np.full(leaders.shape, np.nan)
    done = np.zeros(leaders.shape[:2], bool)
    since = np.full(leaders.shape[:2], -1)
    for lane in run.lanes:
        at = (lane.lam_index, lane.trial)
        sealed = int((leaders[at] >= 0).sum())
        if sealed == 0:
            continue
        is_final[at][:sealed] = leaders[at][:sealed] == leaders[at][sealed - 1]
        since[at] = sealed - leadership.unchanged(leaders[at][:sealed])
        correlation[at][:sealed] = leadership.rank_correlation(
            errors[at][:sealed], errors[at][sealed - 1]
        )
        done[at] = sealed - 1 == run.recipe.train.epochs
    over_epochs = (*_LANE, names.EPOCH)
    return xr.Dataset(
        {
            "leader_is_final": (over_epochs, is_final),
            "rank_correlation": (over_epochs, correlation),
            "early_rule": (_LANE, _early_rule(is_final, done)),
            "leader_known_since": (_LANE, since),
            "done": (_LANE, done.astype(float)),
        }
    )


def _early_rule(is_final: NDArray[np.float64], done: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the rule for lanes that are done and longer than the early epoch, else NaN."""
    if is_final.shape[-1] - 1 <= EARLY_EPOCH:
        return np.full(done.shape, np.nan)
    return np.where(done, is_final[..., EARLY_EPOCH], np.nan)
