"""The probe `collusion`: whether diversity reduces the loss (Jeffares et al. 2023)."""

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from jtdiag import names, stats
from jtdiag.probing.contract import Options, Probe, Var
from jtdiag.store.lanes import Lane
from jtdiag.store.run import Run
from jtdiag_probes.diversity import dropping, rounding
from jtdiag_probes.diversity.collusion_verdict import judge
from jtdiag_probes.shared.class_logits import ClassLogits
from jtdiag_probes.shared.measured_epoch import measured_epoch
from jtdiag_probes.shared.outputs import pieces

FRACTIONS = (0.2, 0.4, 0.6)
"""Fractions of the members that are dropped, as in Jeffares et al. 2023; at least one member."""
REPEATS = 10
"""Random draws of the dropped members for every example."""
STREAM = 0xC011
"""Separates the random numbers of this probe from others with the same seed."""

_LANE = (names.LAM, names.TRIAL)
_SPLIT = (*_LANE, names.SPLIT)
_DROP = (*_SPLIT, names.DROPPED)
_LEVELS = {
    "ensemble_loss": "loss of the ensemble",
    "mean_member_loss": "mean loss of the members",
    "diversity": "mean member loss minus ensemble loss",
}
_FROM_OUTPUTS = {
    "debiased_diversity": (_SPLIT, names.NAT, "diversity without the members' constant offsets"),
    "bias_share": (_SPLIT, names.FRACTION, "share of the diversity due to constant offsets"),
    "drop_rise": (_DROP, names.NAT, "increase of the loss if members are dropped at random"),
    "drop_rise_se": (_DROP, names.NAT, "standard error of `drop_rise` over repeats"),
    "predicted_rise": (_DROP, names.NAT, "increase predicted from the diversity alone"),
    "drop_excess": (_DROP, names.NAT, "`drop_rise` minus `predicted_rise`"),
}

WRITES = {
    "measured_epoch": Var(
        dims=_LANE,
        unit=names.INDEX,
        meaning="the chosen epoch if its outputs are kept, else the last kept one; -1 for none",
    ),
    **{name: Var(dims=_SPLIT, unit=names.NAT, meaning=m) for name, m in _LEVELS.items()},
    **{
        f"{name}_change": Var(
            dims=_SPLIT, unit=names.NAT, meaning=f"{m}, minus that of λ = 0 in the same trial"
        )
        for name, m in _LEVELS.items()
    },
    "generalisation_gap": Var(
        dims=_LANE, unit=names.NAT, meaning="loss of the ensemble on test minus that in training"
    ),
    "diversity_ratio": Var(
        dims=_LANE, unit=names.FRACTION, meaning="diversity in training over that on test"
    ),
    "train_is_running": Var(
        dims=_LANE,
        unit=names.FRACTION,
        meaning="1 if training values are running means; 0 if computed from stored outputs",
    ),
    "dropped_members": Var(
        dims=(names.DROPPED,),
        unit=names.COUNT,
        meaning="number of members dropped for this fraction: 1 to M − 1; 0 of one",
        from_outputs=True,
    ),
    **{
        name: Var(dims=dims, unit=unit, meaning=meaning, from_outputs=True)
        for name, (dims, unit, meaning) in _FROM_OUTPUTS.items()
    },
}


def measure(run: Run, options: Options) -> xr.Dataset:
    """Measure every lane at its chosen epoch, and compare with λ = 0 in the same trial."""
    metrics = run.metrics()
    result = _levels(run, metrics)
    result["train_is_running"] = (_LANE, np.ones([metrics.sizes[d] for d in _LANE]))
    if not options.metrics_only:
        result = result.assign_coords({names.DROPPED: list(FRACTIONS)})
        members = run.recipe.members.count
        dropped = [members - dropping.kept_of(members, fraction) for fraction in FRACTIONS]
        result["dropped_members"] = (names.DROPPED, dropped)
        for name, (dims, _, _) in _FROM_OUTPUTS.items():
            result[name] = (dims, np.full([result.sizes[d] for d in dims], np.nan))
        for lane in run.lanes:
            epoch = int(result["measured_epoch"].values[lane.lam_index, lane.trial])
            if epoch in run.seal(lane).outputs:
                with np.errstate(invalid="ignore", over="ignore"):  # diverged members are NaN
                    for split in run.recipe.keep.splits:
                        _from_outputs(run, lane, epoch, split, result)
    return _compared(result).assign_attrs(members=run.recipe.members.count)


def _levels(run: Run, metrics: xr.Dataset) -> xr.Dataset:
    """Return losses and diversity at the measured epoch, from the metrics."""
    epochs = np.full([metrics.sizes[d] for d in _LANE], -1)
    for lane in run.lanes:
        kept = tuple(e for e in run.seal(lane).outputs if e < metrics.sizes[names.EPOCH])
        epoch = measured_epoch(run, lane, kept or (run.chosen_epoch(lane),))
        epochs[lane.lam_index, lane.trial] = min(epoch, metrics.sizes[names.EPOCH] - 1)
    measured = xr.DataArray(epochs, dims=_LANE)
    at_epoch = metrics.drop_vars(names.BEST_EPOCH).isel({names.EPOCH: measured.clip(min=0)})
    at_epoch = at_epoch.drop_vars(names.EPOCH)
    ensemble = at_epoch[names.ENSEMBLE_LOSS]
    members = at_epoch[names.MEMBER_LOSS].mean(names.MEMBER, skipna=False)
    levels = {
        "ensemble_loss": ensemble,
        "mean_member_loss": members,
        "diversity": rounding.without(members - ensemble, members),
    }
    result = xr.Dataset({name: level.transpose(*_SPLIT) for name, level in levels.items()})
    return result.assign(measured_epoch=measured)


def _from_outputs(run: Run, lane: Lane, epoch: int, split: str, result: xr.Dataset) -> None:
    """Write the values of one lane, epoch and split into the result."""
    index = (lane.lam_index, lane.trial, list(result[names.SPLIT].values).index(split))
    values = outputs_of(run, lane, epoch, split)
    for name in _FROM_OUTPUTS:
        result[name].values[index] = values[name]
    if split == names.TRAIN:  # more accurate than the running means of the metrics
        for name in _LEVELS:
            result[name].values[index] = values[name]
        result["train_is_running"].values[index[:2]] = 0


def outputs_of(
    run: Run, lane: Lane, epoch: int, split: str
) -> dict[str, NDArray[np.floating[Any]] | float]:
    """Compute all variables from the outputs of one lane, epoch and split, which are read twice."""
    members = run.recipe.members.count
    kept = tuple(dropping.kept_of(members, fraction) for fraction in FRACTIONS)
    random_drops = dropping.Dropping(kept=kept, repeats=REPEATS)
    random = np.random.default_rng([run.recipe.seed, lane.trial, STREAM])
    sums = np.zeros((members, run.outputs_per_member))
    losses, rises, examples = np.zeros(2), np.zeros((len(kept), REPEATS)), 0
    for block in pieces(run.outputs(lane, epoch, split)):
        logits = ClassLogits(block.logits, block.target)
        sums += logits.shifted.sum(2).T
        ensemble_loss = logits.of_target(logits.log_ensemble).sum()
        losses += (logits.member_losses.mean(0).sum(), ensemble_loss)
        rises += random_drops.rises(np.moveaxis(logits.shifted, 0, -1), block.target, random)
        examples += len(block.target)
    offsets = dropping.offsets(dropping.centered(sums / examples))
    debiased = sum(
        float(dropping.diversity(block.logits - offsets).sum())
        for block in pieces(run.outputs(lane, epoch, split))
    )
    (member_loss, ensemble_loss), rise = losses / examples, rises / examples
    diversity, debiased = float(member_loss - ensemble_loss), debiased / examples
    if abs(diversity) <= rounding.ROUNDING * abs(member_loss):
        diversity = debiased = 0.0
    predicted = np.array([dropping.predicted_rise(np.array(diversity), members, m) for m in kept])
    return {
        "ensemble_loss": float(ensemble_loss),
        "mean_member_loss": float(member_loss),
        "diversity": diversity,
        "debiased_diversity": debiased,
        "bias_share": 1 - debiased / diversity if diversity > 0 else np.nan,
        "drop_rise": rise.mean(1),
        "drop_rise_se": np.where(
            np.isfinite(rise).all(1), stats.standard_error(rise, axis=1), np.nan
        ),
        "predicted_rise": predicted,
        "drop_excess": rise.mean(1) - predicted,
    }


def _compared(result: xr.Dataset) -> xr.Dataset:
    """Add changes from λ = 0 in the same trial, and comparisons of training with test."""
    lams = result[names.LAM].values
    for name in _LEVELS:
        reference = result[name].sel({names.LAM: 0.0}, drop=True) if 0.0 in lams else np.nan
        result[f"{name}_change"] = result[name] - reference
    train, test = (result.sel({names.SPLIT: s}, drop=True) for s in (names.TRAIN, names.TEST))
    result["generalisation_gap"] = test["ensemble_loss"] - train["ensemble_loss"]
    result["diversity_ratio"] = train["diversity"] / test["diversity"].where(test["diversity"] > 0)
    return result


probe = Probe(
    name="collusion",
    question="Does the diversity make the ensemble better, or do the members collude?",
    writes=WRITES,
    measure=measure,
    judge=judge,
    cost="slow",
    needs_skill=True,
    classes_only=True,
    compares_members=True,
)
