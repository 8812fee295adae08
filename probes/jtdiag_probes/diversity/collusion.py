"""Collusion: whether diversity is knowledge or inflation (Jeffares et al. 2023)."""

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from jtdiag import names
from jtdiag.probing.contract import Options, Probe, Var
from jtdiag.store.lanes import Lane
from jtdiag.store.run import Run
from jtdiag_probes.diversity import codependence
from jtdiag_probes.diversity.collusion_verdict import judge
from jtdiag_probes.shared import decomposition
from jtdiag_probes.shared.measured_epoch import measured_epoch

DROPPED = "dropped"
FRACTIONS = (0.2, 0.4, 0.6)
"""Shares of the members that are dropped, as in Jeffares et al. 2023."""
REPEATS = 10
"""Times that members are dropped from every example."""
STREAM = 0xC011
"""Tells this probe's random numbers from those of others with the same seed."""

_LANE = (names.LAM, names.TRIAL)
_SPLIT = (*_LANE, names.SPLIT)
_DROP = (*_SPLIT, DROPPED)
_LEVELS = {
    "ensemble_loss": "loss of the ensemble",
    "mean_member_loss": "mean loss of the members",
    "diversity": "mean member loss minus ensemble loss",
}
_FROM_OUTPUTS = {
    "debiased_diversity": (_SPLIT, names.NAT, "diversity without the members' constant offsets"),
    "bias_share": (_SPLIT, names.FRACTION, "share of the diversity that is constant offsets"),
    "drop_rise": (_DROP, names.NAT, "rise of the loss when members are dropped at random"),
    "drop_rise_se": (_DROP, names.NAT, "standard error of `drop_rise` over repeats"),
    "predicted_rise": (_DROP, names.NAT, "rise that the diversity alone predicts"),
    "drop_excess": (_DROP, names.NAT, "`drop_rise` minus `predicted_rise`"),
}

WRITES = {
    "measured_epoch": Var(
        dims=_LANE,
        unit=names.INDEX,
        meaning="epoch measured: the chosen one, or else the last with outputs; -1 for none",
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
        meaning="1 where training numbers are running means; 0 from outputs after the epoch",
    ),
    **{
        name: Var(dims=dims, unit=unit, meaning=meaning, from_outputs=True)
        for name, (dims, unit, meaning) in _FROM_OUTPUTS.items()
    },
}


def measure(run: Run, options: Options) -> xr.Dataset:
    """Measure every lane at its chosen epoch, and against λ = 0 in the same trial."""
    metrics = run.metrics()
    result = _levels(run, metrics)
    result["train_is_running"] = (_LANE, np.ones([metrics.sizes[d] for d in _LANE]))
    if not options.metrics_only:
        result = result.assign_coords({DROPPED: list(FRACTIONS)})
        for name, (dims, _, _) in _FROM_OUTPUTS.items():
            result[name] = (dims, np.full([result.sizes[d] for d in dims], np.nan))
        for lane in run.lanes:
            epoch = int(result["measured_epoch"].values[lane.lam_index, lane.trial])
            if epoch in run.seal(lane).outputs:
                with np.errstate(invalid="ignore", over="ignore"):  # diverged members are NaN
                    for split in run.recipe.keep.splits:
                        _from_outputs(run, lane, epoch, split, result)
    return _compared(result)


def _levels(run: Run, metrics: xr.Dataset) -> xr.Dataset:
    """Return losses and diversity at the measured epoch, from the metrics."""
    epochs = np.full([metrics.sizes[d] for d in _LANE], -1)
    for lane in run.lanes:
        kept = tuple(e for e in run.seal(lane).outputs if e < metrics.sizes[names.EPOCH])
        epoch = measured_epoch(run, lane, kept or (run.chosen_epoch(lane),))
        epochs[lane.lam_index, lane.trial] = min(epoch, metrics.sizes[names.EPOCH] - 1)
    at = xr.DataArray(epochs, dims=_LANE)
    found = metrics.drop_vars(names.BEST_EPOCH).isel({names.EPOCH: at.clip(min=0)})
    found = found.drop_vars(names.EPOCH)
    ensemble = found[names.ENSEMBLE_LOSS]
    members = found[names.MEMBER_LOSS].mean(names.MEMBER, skipna=False)
    levels = {
        "ensemble_loss": ensemble,
        "mean_member_loss": members,
        "diversity": members - ensemble,
    }
    result = xr.Dataset({name: level.transpose(*_SPLIT) for name, level in levels.items()})
    return result.assign(measured_epoch=at)


def _from_outputs(run: Run, lane: Lane, epoch: int, split: str, result: xr.Dataset) -> None:
    at = (lane.lam_index, lane.trial, list(result[names.SPLIT].values).index(split))
    found = outputs_of(run, lane, epoch, split)
    for name in _FROM_OUTPUTS:
        result[name].values[at] = found[name]
    if split == names.TRAIN:  # better than the running means of the metrics
        for name in _LEVELS:
            result[name].values[at] = found[name]
        result["train_is_running"].values[at[:2]] = 0


def outputs_of(
    run: Run, lane: Lane, epoch: int, split: str
) -> dict[str, NDArray[np.floating[Any]] | float]:
    """Return what the outputs of one lane, epoch and split say; they are read twice."""
    members = run.recipe.members.count
    kept = tuple(codependence.kept_of(members, fraction) for fraction in FRACTIONS)
    dropping = codependence.Dropping(kept=kept, repeats=REPEATS)
    random = np.random.default_rng([run.recipe.seed, lane.trial, STREAM])
    sums = np.zeros((members, run.outputs_per_member))
    losses, rises, examples = np.zeros(2), np.zeros((len(kept), REPEATS)), 0
    for block in run.outputs(lane, epoch, split):
        logits = codependence.centred(block.logits)
        sums += logits.sum(1)
        each = decomposition.cross_entropy(logits, block.target).mean(0).sum()
        whole = decomposition.cross_entropy(logits.mean(0), block.target).sum()
        losses += (each, whole)
        rises += dropping.rises(logits, block.target, random)
        examples += len(block.target)
    offsets = codependence.offsets(sums / examples)
    debiased = sum(
        float(codependence.diversity(codependence.centred(block.logits) - offsets).sum())
        for block in run.outputs(lane, epoch, split)
    )
    each, whole = losses / examples
    diversity, debiased = float(each - whole), debiased / examples
    rise = rises / examples
    predicted = np.array(
        [codependence.predicted_rise(np.array(diversity), members, m) for m in kept]
    )
    return {
        "ensemble_loss": float(whole),
        "mean_member_loss": float(each),
        "diversity": diversity,
        "debiased_diversity": debiased,
        "bias_share": 1 - debiased / diversity if diversity > 0 else np.nan,
        "drop_rise": rise.mean(1),
        "drop_rise_se": rise.std(1, ddof=1) / np.sqrt(REPEATS),
        "predicted_rise": predicted,
        "drop_excess": rise.mean(1) - predicted,
    }


def _compared(result: xr.Dataset) -> xr.Dataset:
    """Add what each lane is against λ = 0 in the same trial, and training against test."""
    lams = result[names.LAM].values
    for name in _LEVELS:
        alone = result[name].sel({names.LAM: 0.0}, drop=True) if 0.0 in lams else np.nan
        result[f"{name}_change"] = result[name] - alone
    train, test = (result.sel({names.SPLIT: s}, drop=True) for s in (names.TRAIN, names.TEST))
    result["generalisation_gap"] = test["ensemble_loss"] - train["ensemble_loss"]
    result["diversity_ratio"] = train["diversity"] / test["diversity"].where(test["diversity"] > 0)
    return result


probe = Probe(
    name="collusion",
    question="Is the members' diversity knowledge, or do they only play together?",
    writes=WRITES,
    measure=measure,
    judge=judge,
    cost="slow",
    classes_only=True,
)
