"""The probe `votes`: the error of a majority vote, and how often members disagree."""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray

from jtdiag import names, stats
from jtdiag.families import combining
from jtdiag.probing.contract import Options, Probe, Var
from jtdiag.probing.findings import Finding
from jtdiag.store.lanes import Lane
from jtdiag.store.run import OutputBlock, Run
from jtdiag_probes.combining import voting, wording
from jtdiag_probes.combining.comparison import compare
from jtdiag_probes.shared import class_logits
from jtdiag_probes.shared.class_logits import ClassLogits
from jtdiag_probes.shared.measured_epoch import CHOSEN_EPOCH, chosen_epochs
from jtdiag_probes.shared.outputs import LANE_EPOCH_SPLIT, over_outputs

_FROM_METRICS = {
    "mean_member_error": "mean error of the members",
    "diversity_effect": "mean member error minus the ensemble's error; may be negative",
}
_FROM_VOTES = {
    "majority_error": "error of the majority vote; ties are broken at random",
    "majority_diversity_effect": "mean member error minus the majority vote's; may be negative",
    "improvement_rate": "majority_diversity_effect over the mean member error (EIR)",
    "disagreement": "how often two different members disagree; NaN for one member",
    "disagreement_rate": (
        "disagreement of two members drawn with replacement, over the mean member error (DER)"
    ),
    "tandem_loss": "how often two members, drawn with replacement, are both wrong",
    "vote_variance": "mean member error minus tandem_loss: variance over members of being wrong",
    "half_wrong": "fraction of examples on which more than half of the members are wrong",
}
_COUNTS = {
    "vote_only_wrong": "examples on which only the vote is wrong; ties are drawn",
    "ensemble_only_wrong": "examples on which only the ensemble is wrong; ties are drawn",
}
STREAM = 0x7075
"""Separates the random numbers of this probe from others with the same seed."""

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
    **{
        name: Var(dims=LANE_EPOCH_SPLIT, unit=names.COUNT, meaning=meaning, from_outputs=True)
        for name, meaning in _COUNTS.items()
    },
    "polarization": Var(
        dims=LANE_EPOCH_SPLIT,
        unit=names.FRACTION,
        meaning="tandem_loss over half_wrong, may exceed 1; NaN if half_wrong is 0",
        from_outputs=True,
    ),
}


def measure(run: Run, options: Options) -> xr.Dataset:
    """Measure mean member and ensemble errors by epoch, and from stored outputs the votes."""
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
        reduce = partial(_reduce, run)
        measured = (*_FROM_VOTES, *_COUNTS, "polarization")
        rows: dict[str, tuple[str, ...]] = dict.fromkeys(measured, ())
        result = result.merge(over_outputs(run, metrics, rows, reduce))
    return result.assign_attrs(members=metrics.sizes[names.MEMBER])


def _reduce(
    run: Run, lane: Lane, blocks: Iterator[OutputBlock]
) -> Mapping[str, NDArray[np.floating[Any]] | float]:
    """Return the numbers of one lane, epoch and split; NaN if a member has diverged."""
    sums = dict.fromkeys(("wrong", "both", "half", "majority", "differ", "examples", *_COUNTS), 0.0)
    members = 1
    random = np.random.default_rng([run.recipe.seed, lane.trial, STREAM])
    for block in blocks:
        members, logits = len(block.logits), ClassLogits(block.logits, block.target)
        votes = logits.votes()
        wrong = voting.wrong_share(votes, block.target)
        vote = voting.drawn_majority(votes, random) != block.target
        ensemble = _ensemble_wrong(run, block, logits)
        factor = 1.0 if np.isfinite(block.logits).all() else np.nan
        for name, values in (
            ("wrong", wrong),
            ("both", wrong**2),
            ("half", wrong > 0.5),
            ("majority", voting.majority_wrong(votes, block.target)),
            ("differ", voting.disagreement(votes)),
            ("examples", np.ones(len(wrong))),
            ("vote_only_wrong", vote & ~ensemble),
            ("ensemble_only_wrong", ensemble & ~vote),
        ):
            sums[name] += factor * float(values.sum())
    counts = {name: sums.pop(name) for name in _COUNTS}
    means = {name: total / sums["examples"] for name, total in sums.items()}
    return _fractions(means, members) | counts


def _ensemble_wrong(run: Run, block: OutputBlock, logits: ClassLogits) -> NDArray[np.bool_]:
    """Return on which examples (n,) the ensemble is wrong, with the combiner of the recipe."""
    combiner = run.recipe.combiner
    if class_logits.is_for(run.family):
        return logits.is_wrong(logits.averaged(combiner))
    eta, target = torch.from_numpy(block.logits.astype(np.float64)), torch.from_numpy(block.target)
    mean = combining.prediction(run.family, eta, combiner)
    return np.asarray(run.family.error(mean, target) > 0)


def _fractions(means: Mapping[str, float], members: int) -> dict[str, float]:
    """Return the variables of the result from means over examples; NaN for a division by 0."""
    error, majority = means["wrong"], means["majority"]
    gain = error - majority
    # With replacement, both draws are the same member with probability 1/M, and then agree.
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
    """Compare vote, ensemble and members for each λ, on test at the chosen epoch."""
    if "majority_error" not in result or result.attrs["members"] < 2:
        return []
    on_test = result.sel({names.SPLIT: names.TEST})
    chosen = on_test.isel({names.EPOCH: result["chosen_epoch"].clip(min=0)})
    chosen = chosen.where(result["chosen_epoch"] >= 0)
    started = (result["chosen_epoch"] >= 0).sum(names.TRIAL)
    measured = chosen["majority_error"].notnull().any(names.TRIAL)
    family = int(measured.sum())
    return [
        _vote(chosen.sel({names.LAM: lam}), family, int(started.sel({names.LAM: lam})))
        for lam in result[names.LAM].values[measured.values]
    ]


def _vote(at_lam: xr.Dataset, comparisons: int, trials: int) -> Finding:
    lam = float(at_lam[names.LAM])
    at_lam = at_lam.dropna(names.TRIAL, subset=["majority_error"])
    ensemble = at_lam["mean_member_error"] - at_lam["diversity_effect"]
    majority = at_lam["majority_error"]
    counts = [at_lam[name].values for name in _COUNTS if name in at_lam]
    compared = compare((majority - ensemble).values, comparisons, *counts)
    return Finding(
        probe="votes",
        rule="vote",
        level="info",
        lam=lam,
        number=float(majority.mean()),
        sentence=wording.vote(
            lam,
            majority=stats.mean_interval(majority),
            ensemble=stats.mean_interval(ensemble),
            member=stats.mean_interval(at_lam["mean_member_error"]),
            disagreement=stats.mean_interval(at_lam["disagreement"]),
            compared=compared,
            disagreement_ratio=float(at_lam["disagreement_rate"].mean()),
            improvement_rate=float(at_lam["improvement_rate"].mean()),
            trials=trials,
        ),
    )


probe = Probe(
    name="votes",
    question="How well does a majority vote of the members do?",
    writes=WRITES,
    measure=measure,
    judge=judge,
    cost="cheap",
    needs_skill=True,
    classes_only=True,
    compares_members=True,
)
