"""The probe `dominance`: whether one member dominates, and how early that can be detected."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from jtdiag import names
from jtdiag.families.contract import Family
from jtdiag.probing.contract import Options, Probe, Var
from jtdiag.rules.limits import EARLY_EPOCH, LEADER_SKILL
from jtdiag.rules.skill import others_skill, skill_ratio
from jtdiag.store.lanes import Lane
from jtdiag.store.run import OutputBlock, Run
from jtdiag_probes.dominance import final_leader, inequality, leadership, movement
from jtdiag_probes.dominance.dominance_verdict import judge
from jtdiag_probes.shared import class_logits, decomposition
from jtdiag_probes.shared.class_logits import ClassLogits
from jtdiag_probes.shared.decomposition import Floats
from jtdiag_probes.shared.outputs import LANE_EPOCH_SPLIT, over_outputs

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
        meaning="member with the lowest error, ties broken by the lowest loss; -1 if not sealed",
    ),
    "leader_margin": Var(
        dims=LANE_EPOCH_SPLIT,
        unit=names.FRACTION,
        meaning="error of the second-best member minus the leader's; NaN for one member",
    ),
    "leader_skill": Var(
        dims=LANE_EPOCH_SPLIT,
        unit=names.FRACTION,
        meaning="the leader's skill over the ensemble's; skill is chance-level error minus error",
    ),
    "median_skill": Var(
        dims=LANE_EPOCH_SPLIT,
        unit=names.FRACTION,
        meaning="the median member's skill over the ensemble's; near 1 if members are as good",
    ),
    "others_skill": Var(
        dims=LANE_EPOCH_SPLIT,
        unit=names.FRACTION,
        meaning=(
            "median skill over the ensemble's of all members but the leaders, whose shares are at "
            f"least {LEADER_SKILL:g}; near 0 if these dominate"
        ),
    ),
    "error_gini": Var(
        dims=LANE_EPOCH_SPLIT,
        unit=names.FRACTION,
        meaning="Gini coefficient of the members' errors: 0 if all are equal; NaN if all are 0",
    ),
    "error_entropy": Var(
        dims=LANE_EPOCH_SPLIT,
        unit=names.NAT,
        meaning="entropy of the members' shares of their total error: ln M if all are equal",
    ),
    "best_to_median": Var(
        dims=LANE_EPOCH_SPLIT,
        unit=names.FRACTION,
        meaning="the leader's error over the median member's; NaN if the latter is 0",
    ),
    "leader_gap": Var(
        dims=LANE_EPOCH_SPLIT,
        unit=names.FRACTION,
        meaning="the leader's error minus the ensemble's; near 0 if one member dominates",
    ),
    **final_leader.WRITES,
    "logit_share": Var(
        dims=_BY_MEMBER,
        unit=names.FRACTION,
        meaning="a member's share of the ensemble's centered logits; the shares sum to 1",
        from_outputs=True,
    ),
    "effective_members": Var(
        dims=LANE_EPOCH_SPLIT,
        unit=names.COUNT,
        meaning="1/Σ share², negative shares set to 0: M if all are equal, 1 if one member has all",
        from_outputs=True,
    ),
    "leave_one_out": Var(
        dims=_BY_MEMBER,
        unit=names.NAT,
        meaning="increase of the ensemble's loss without a member; negative if the loss is lower",
        from_outputs=True,
    ),
    **movement.WRITES,
}


def measure(run: Run, options: Options) -> xr.Dataset:
    """Measure leader and margin by epoch; from outputs and checkpoints, shares and movement."""
    metrics = run.metrics()
    chance = run.chance_error
    error, loss = metrics[names.MEMBER_ERROR].values, metrics[names.MEMBER_LOSS].values
    ensemble = metrics[names.ENSEMBLE_ERROR].values
    leader = leadership.leader(error, loss)
    by_lane = {
        "leader": leader,
        "leader_margin": leadership.margin(error),
        "leader_skill": skill_ratio(error.min(-1), ensemble, chance),
        "median_skill": skill_ratio(np.median(error, -1), ensemble, chance),
        "others_skill": others_skill(skill_ratio(error, ensemble[..., None], chance)),
        "error_gini": inequality.gini(error),
        "error_entropy": inequality.entropy(error),
        "best_to_median": inequality.best_to_median(error),
        "leader_gap": error.min(-1) - ensemble,
    }
    result = xr.Dataset(
        {name: (LANE_EPOCH_SPLIT, values) for name, values in by_lane.items()},
        coords=metrics.coords,
    )
    result = result.merge(
        metrics[[names.MEMBER_ERROR, names.MEMBER_LOSS, names.ENSEMBLE_ERROR]]
    ).merge(final_leader.measure(run, metrics, leader))
    if not options.metrics_only:
        result = result.merge(_from_outputs(run, metrics)).merge(movement.measure(run, metrics))
    return result.assign_attrs(
        chance_error=chance, error_measure=run.error_measure, early_epoch=EARLY_EPOCH
    )


def _from_outputs(run: Run, metrics: xr.Dataset) -> xr.Dataset:
    members = run.recipe.members.count

    def reduce(
        lane: Lane, blocks: Iterator[OutputBlock]
    ) -> Mapping[str, NDArray[np.floating[Any]] | float]:
        projection, norm, increase, examples = np.zeros(members), 0.0, np.zeros(members), 0
        for block in blocks:
            (p, n), left_out = _of_block(block, run.family, run.recipe.combiner)
            projection, norm = projection + p, norm + n
            increase += left_out.sum(1)
            examples += len(block.target)
        share = projection / (members * norm) if norm > 0 else np.full(members, np.nan)
        return {"logit_share": share, "leave_one_out": increase / examples}

    rows = {"logit_share": (names.MEMBER,), "leave_one_out": (names.MEMBER,)}
    reduced = over_outputs(run, metrics, rows, reduce)
    effective = decomposition.effective_members(reduced["logit_share"].values)
    return reduced.assign(effective_members=(LANE_EPOCH_SPLIT, effective))


def _of_block(
    block: OutputBlock, family: Family, combiner: str
) -> tuple[tuple[Floats, float], Floats]:
    """Return projections, and the increase of the loss without each member, (M, n)."""
    if class_logits.is_for(family) and combiner == "logits":
        of_classes = ClassLogits(block.logits, block.target)
        return of_classes.projections(), of_classes.left_out()
    logits = block.logits.astype(np.float64)
    increase = decomposition.leave_one_out(logits, block.target, family, combiner)
    return decomposition.logit_projections(logits, family), increase


probe = Probe(
    name="dominance",
    question="Does one member dominate the ensemble, and how early can that be detected?",
    writes=WRITES,
    measure=measure,
    judge=judge,
    cost="cheap",
    needs_skill=True,
    compares_members=True,
)
