"""Votes: what members are worth when they vote, by how often and how they disagree."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from jtdiag import names
from jtdiag.probing.contract import Options, Probe, Var
from jtdiag.probing.findings import Finding
from jtdiag.probing.over_trials import standard_error
from jtdiag.store.lanes import Lane
from jtdiag.store.run import OutputBlock, Run
from jtdiag_probes.combining import voting
from jtdiag_probes.shared.measured_epoch import CHOSEN_EPOCH, chosen_epochs
from jtdiag_probes.shared.outputs import LANE_EPOCH_SPLIT, over_outputs

_FROM_METRICS = {
    "mean_member_error": "mean error of the members",
    "diversity_effect": "mean member error minus the ensemble's, in 0/1 loss; may be negative",
}
_FROM_VOTES = {
    "majority_error": "error of the majority vote; ties are broken by lot",
    "majority_diversity_effect": "mean member error minus the majority vote's; may be negative",
    "improvement_rate": "majority_diversity_effect over the mean member error (EIR)",
    "disagreement": "how often two different members vote differently; NaN for one member",
    "disagreement_rate": (
        "how often two members, drawn with replacement, differ, over the mean member error (DER)"
    ),
    "tandem_loss": "how often two members, drawn with replacement, are both wrong",
    "vote_variance": "mean member error minus tandem_loss: variance of being wrong over members",
    "half_wrong": "fraction of examples on which more than half of the members are wrong",
}

WRITES = {
    "chosen_epoch": CHOSEN_EPOCH,
    **{
        name: Var(dims=LANE_EPOCH_SPLIT, unit=names.FRACTION, meaning=meaning)
        for name, meaning in _FROM_METRICS.items()
    },
    **{
        name: Var(dims=LANE_EPOCH_SPLIT, unit=names.FRACTION, meaning=meaning, from_outputs=True)
        for name, meaning in _FROM_VOTES.items()
    },
    "polarization": Var(
        dims=LANE_EPOCH_SPLIT,
        unit=names.FRACTION,
        meaning="tandem_loss over half_wrong, may exceed 1; NaN where half_wrong is 0",
        from_outputs=True,
    ),
}


def measure(run: Run, options: Options) -> xr.Dataset:
    """Measure mean member and ensemble error by epoch, and from stored outputs what votes give."""
    metrics = run.metrics()
    mean_error = metrics[names.MEMBER_ERROR].mean(names.MEMBER, skipna=False)
    result = xr.Dataset(
        {
            "mean_member_error": mean_error,
            "diversity_effect": mean_error - metrics[names.ENSEMBLE_ERROR],
            "chosen_epoch": chosen_epochs(run, metrics),
        }
    )
    if not options.metrics_only:
        rows: dict[str, tuple[str, ...]] = dict.fromkeys((*_FROM_VOTES, "polarization"), ())
        result = result.merge(over_outputs(run, metrics, rows, _reduce))
    return result.assign_attrs(members=metrics.sizes[names.MEMBER])


def _reduce(
    _lane: Lane, blocks: Iterator[OutputBlock]
) -> Mapping[str, NDArray[np.floating[Any]] | float]:
    """Return the fractions of one lane, epoch and split; NaN where a member has diverged."""
    sums = dict.fromkeys(("wrong", "both", "half", "majority", "differ", "examples"), 0.0)
    members = 1
    for block in blocks:
        members = len(block.logits)
        votes = voting.count_votes(block.logits)
        wrong = voting.wrong_share(votes, block.target)
        known = 1.0 if np.isfinite(block.logits).all() else np.nan
        for name, values in (
            ("wrong", wrong),
            ("both", wrong**2),
            ("half", wrong > 0.5),
            ("majority", voting.majority_wrong(votes, block.target)),
            ("differ", voting.disagreement(votes)),
            ("examples", np.ones(len(wrong))),
        ):
            sums[name] += known * float(values.sum())
    means = {name: total / sums["examples"] for name, total in sums.items()}
    return _fractions(means, members)


def _fractions(means: Mapping[str, float], members: int) -> dict[str, float]:
    """Return the variables of the result from means over examples; NaN where one divides by 0."""
    error, majority = means["wrong"], means["majority"]
    gain = error - majority
    # Two members drawn with replacement are the same one in 1 of M draws, and then agree.
    differ = 0.0 if members == 1 else means["differ"] * (1 - 1 / members)
    return {
        "majority_error": majority,
        "majority_diversity_effect": gain,
        "improvement_rate": gain / error if error > 0 else np.nan,
        "disagreement": means["differ"],
        "disagreement_rate": differ / error if error > 0 else np.nan,
        "tandem_loss": means["both"],
        "vote_variance": error - means["both"],
        "half_wrong": means["half"],
        "polarization": means["both"] / means["half"] if means["half"] > 0 else np.nan,
    }


def judge(result: xr.Dataset) -> list[Finding]:
    """Say for each λ, on test at the chosen epoch, what a vote gives and what logits give."""
    if "majority_error" not in result or result.attrs["members"] < 2:
        return []
    on_test = result.sel({names.SPLIT: names.TEST})
    at = on_test.isel({names.EPOCH: result["chosen_epoch"].clip(min=0)})
    at = at.where(result["chosen_epoch"] >= 0)
    lanes = (at.sel({names.LAM: lam}) for lam in result[names.LAM].values)
    return [_votes(lane) for lane in lanes if lane["majority_error"].notnull().any()]


def _votes(at: xr.Dataset) -> Finding:
    at = at.where(at["majority_error"].notnull())
    lam, number = float(at[names.LAM]), float(at["majority_error"].mean())
    ensemble = at["mean_member_error"] - at["diversity_effect"]
    return Finding(
        probe="votes",
        rule="vote",
        level="info",
        lam=lam,
        number=number,
        sentence=(
            f"λ = {lam:g}: on test, the majority vote errs in {_percent(at['majority_error'])}, "
            f"the ensemble in {_percent(ensemble)}, a member in "
            f"{_percent(at['mean_member_error'])}; two members differ on "
            f"{_percent(at['disagreement'])} (disagreement over error, DER: "
            f"{float(at['disagreement_rate'].mean()):.2f}; improvement over error, EIR: "
            f"{float(at['improvement_rate'].mean()):.2f}).{_advice(at['majority_error'], ensemble)}"
        ),
    )


def _advice(majority: xr.DataArray, ensemble: xr.DataArray) -> str:
    """Warn of voting where it is clearly worse, by two standard errors of the paired difference."""
    lost = majority - ensemble
    se = float(standard_error(lost))
    if not float(lost.mean()) > 2 * se:
        return ""
    points = 100 * float(lost.mean())
    return f" A vote loses {points:.1f} points against averaged logits."


def _percent(over_trials: xr.DataArray) -> str:
    se = 100 * float(standard_error(over_trials))
    return f"{100 * float(over_trials.mean()):.1f}" + (
        f" ± {se:.1f} %" if np.isfinite(se) else " %"
    )


probe = Probe(
    name="votes",
    question="What are the members worth when they vote?",
    writes=WRITES,
    measure=measure,
    judge=judge,
    cost="cheap",
    classes_only=True,
)
