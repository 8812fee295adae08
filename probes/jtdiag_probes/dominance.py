"""Dominance: whether one member carries the ensemble, and how early one could have known."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from jtdiag import names
from jtdiag.lanes import Lane
from jtdiag.probe_contract import Options, Probe, Var
from jtdiag.store import OutputBlock, Run
from jtdiag_probes import decomposition, leadership
from jtdiag_probes.dominance_verdict import EARLY_EPOCH, judge
from jtdiag_probes.outputs import LANE_EPOCH_SPLIT, over_outputs

_LANE = (names.LAM, names.TRIAL)
_BY_MEMBER = (*LANE_EPOCH_SPLIT, names.MEMBER)

WRITES = {
    names.MEMBER_ERROR: Var(dims=_BY_MEMBER, unit=names.FRACTION, meaning="error of a member"),
    names.MEMBER_LOSS: Var(dims=_BY_MEMBER, unit=names.NAT, meaning="loss of a member"),
    names.ENSEMBLE_ERROR: Var(
        dims=LANE_EPOCH_SPLIT, unit=names.FRACTION, meaning="error of the ensemble"
    ),
    "leader": Var(
        dims=LANE_EPOCH_SPLIT,
        unit=names.INDEX,
        meaning="member with the lowest error, among equals the lowest loss; -1 if not sealed",
    ),
    "leader_margin": Var(
        dims=LANE_EPOCH_SPLIT,
        unit=names.FRACTION,
        meaning="error of the second-best member minus the leader's; NaN for one member",
    ),
    "leader_skill": Var(
        dims=LANE_EPOCH_SPLIT,
        unit=names.FRACTION,
        meaning="the leader's skill over the ensemble's; skill is chance error minus error",
    ),
    "median_skill": Var(
        dims=LANE_EPOCH_SPLIT,
        unit=names.FRACTION,
        meaning="the median member's skill over the ensemble's; near 1 if members stand alone",
    ),
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
    "logit_share": Var(
        dims=_BY_MEMBER,
        unit=names.FRACTION,
        meaning="a member's share of the ensemble's centred logits; the shares add up to 1",
        from_outputs=True,
    ),
    "effective_members": Var(
        dims=LANE_EPOCH_SPLIT,
        unit=names.COUNT,
        meaning="1/Σ share², negative shares as 0: M if all carry the same, 1 if one carries all",
        from_outputs=True,
    ),
    "leave_one_out": Var(
        dims=_BY_MEMBER,
        unit=names.NAT,
        meaning="rise of the ensemble's loss without a member; negative if it does better",
        from_outputs=True,
    ),
}


def measure(run: Run, options: Options) -> xr.Dataset:
    """Measure who leads, by how much, since when; from stored outputs also who carries what."""
    metrics = run.metrics()
    chance = run.chance_error
    error, loss = metrics[names.MEMBER_ERROR].values, metrics[names.MEMBER_LOSS].values
    ensemble = metrics[names.ENSEMBLE_ERROR].values
    leader = leadership.leader(error, loss)
    by_lane = {
        "leader": leader,
        "leader_margin": leadership.margin(error),
        "leader_skill": leadership.skill_ratio(error.min(-1), ensemble, chance),
        "median_skill": leadership.skill_ratio(np.median(error, -1), ensemble, chance),
    }
    result = xr.Dataset(
        {name: (LANE_EPOCH_SPLIT, values) for name, values in by_lane.items()},
        coords=metrics.coords,
    )
    result = result.merge(
        metrics[[names.MEMBER_ERROR, names.MEMBER_LOSS, names.ENSEMBLE_ERROR]]
    ).merge(_foresight(run, metrics, leader))
    if not options.metrics_only:
        result = result.merge(_from_outputs(run, metrics))
    return result.assign_attrs(
        chance_error=chance, error_measure=run.error_measure, early_epoch=EARLY_EPOCH
    )


def _foresight(run: Run, metrics: xr.Dataset, leader: NDArray[np.int64]) -> xr.Dataset:
    """Return how the training errors of each epoch agree with those of the last one sealed."""
    train = list(metrics[names.SPLIT].values).index(names.TRAIN)
    errors = metrics[names.MEMBER_ERROR].values[:, :, :, train]
    leaders = leader[:, :, :, train]
    is_final = np.full(leaders.shape, np.nan)
    correlation = np.full(leaders.shape, np.nan)
    rule = np.full(leaders.shape[:2], np.nan)
    for lane in run.lanes:
        at = (lane.lam_index, lane.trial)
        sealed = int((leaders[at] >= 0).sum())
        if sealed == 0:
            continue
        is_final[at][:sealed] = leaders[at][:sealed] == leaders[at][sealed - 1]
        correlation[at][:sealed] = leadership.rank_correlation(
            errors[at][:sealed], errors[at][sealed - 1]
        )
        if EARLY_EPOCH < sealed - 1 == run.recipe.train.epochs:
            rule[at] = is_final[at][EARLY_EPOCH]
    over_epochs = (*_LANE, names.EPOCH)
    return xr.Dataset(
        {
            "leader_is_final": (over_epochs, is_final),
            "rank_correlation": (over_epochs, correlation),
            "early_rule": (_LANE, rule),
        }
    )


def _from_outputs(run: Run, metrics: xr.Dataset) -> xr.Dataset:
    members = run.recipe.members.count

    def reduce(
        lane: Lane, blocks: Iterator[OutputBlock]
    ) -> Mapping[str, NDArray[np.floating[Any]] | float]:
        projection, norm, rise, examples = np.zeros(members), 0.0, np.zeros(members), 0
        for block in blocks:
            logits = block.logits.astype(np.float64)
            p, n = decomposition.logit_projections(logits, run.family)
            projection, norm = projection + p, norm + n
            rise += decomposition.leave_one_out(
                logits, block.target, run.family, run.recipe.combiner
            ).sum(1)
            examples += len(block.target)
        share = projection / (members * norm) if norm > 0 else np.full(members, np.nan)
        return {"logit_share": share, "leave_one_out": rise / examples}

    rows = {"logit_share": (names.MEMBER,), "leave_one_out": (names.MEMBER,)}
    found = over_outputs(run, metrics, rows, reduce)
    effective = decomposition.effective_members(found["logit_share"].values)
    return found.assign(effective_members=(LANE_EPOCH_SPLIT, effective))


probe = Probe(
    name="dominance",
    question="Does one member carry the ensemble, and how early could one have known?",
    writes=WRITES,
    measure=measure,
    judge=judge,
    cost="cheap",
)
