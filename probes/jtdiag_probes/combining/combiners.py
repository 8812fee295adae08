"""The probe `combiners`: the same members with averaged logits, probabilities and votes."""

from collections.abc import Iterator, Mapping

import numpy as np
import torch
import xarray as xr

from jtdiag import names, stats
from jtdiag.families import combining
from jtdiag.families.contract import Family
from jtdiag.probing.contract import Options, Probe, Var
from jtdiag.probing.findings import Finding
from jtdiag.store.lanes import Lane
from jtdiag.store.run import OutputBlock, Run
from jtdiag_probes.combining import voting, wording
from jtdiag_probes.combining.comparison import compare
from jtdiag_probes.shared import class_logits
from jtdiag_probes.shared.class_logits import ClassLogits
from jtdiag_probes.shared.decomposition import Floats, Target
from jtdiag_probes.shared.outputs import LANE_EPOCH_SPLIT, over_outputs

COMBINERS = {
    "logits_error": "averaged logits",
    "probabilities_error": "averaged probabilities",
    "vote_error": "a majority vote",
}
"""Variables with the errors of the ensemble, and the names of the combiners."""

_MEANINGS = {
    "logits_error": (names.FRACTION, "error of the ensemble of averaged logits"),
    "probabilities_error": (names.FRACTION, "error of the ensemble of averaged probabilities"),
    "vote_error": (
        names.FRACTION,
        "error of the majority vote, ties broken at random; NaN for families without votes",
    ),
    "logits_loss": (names.NAT, "loss of the ensemble of averaged logits"),
    "probabilities_loss": (names.NAT, "loss of the ensemble of averaged probabilities"),
    "label_term": (
        names.NAT,
        "part of the diversity of averaged probabilities that depends on the target; NaN "
        "without classes",
    ),
}

WRITES = {
    name: Var(dims=LANE_EPOCH_SPLIT, unit=unit, meaning=meaning, from_outputs=True)
    for name, (unit, meaning) in _MEANINGS.items()
}


def by_combiner(logits: Floats, target: Target, family: Family) -> dict[str, Floats]:
    """Compute each variable of the probe for every example, (n,); errors in the family's measure.

    Args:
        logits: (M, n, K) canonical parameters.
        target: (n,) classes, or (n, K) regression targets.
        family: The likelihood.
    """
    if class_logits.is_for(family):
        return _of_classes(ClassLogits(logits, target))
    eta, y = torch.from_numpy(logits.astype(np.float64)), torch.from_numpy(target)
    undefined = torch.full(logits.shape[1:2], torch.nan, dtype=torch.float64)
    votes = family.vote_error(family.mean(eta), y)
    by_example = {
        "vote_error": undefined if votes is None else votes,
        "label_term": undefined
        if not family.classes
        else combining.label_term(torch.log_softmax(eta, -1), y),
    }
    for combiner in ("logits", "probabilities"):
        mean = combining.prediction(family, eta, combiner)
        by_example[f"{combiner}_error"] = family.error(mean, y)
        by_example[f"{combiner}_loss"] = combining.ensemble_loss(family, eta, y, combiner)
    return {name: values.numpy() for name, values in by_example.items()}


def _of_classes(logits: ClassLogits) -> dict[str, Floats]:
    """Return the same as `by_combiner`, for predictions of classes."""
    votes = logits.votes()
    return {
        "logits_error": logits.is_wrong(logits.log_ensemble).astype(np.float64),
        "probabilities_error": logits.is_wrong(logits.log_mixture).astype(np.float64),
        "vote_error": voting.majority_wrong(votes, logits.target),
        "logits_loss": logits.of_target(logits.log_ensemble),
        "probabilities_loss": logits.of_target(logits.log_mixture),
        "label_term": logits.mixture_terms()[1],
    }


def measure(run: Run, options: Options) -> xr.Dataset:
    """Measure every combiner on the stored outputs, by lane, epoch and split."""
    metrics = run.metrics()
    if options.metrics_only:
        return xr.Dataset(coords=metrics.coords)

    def reduce(lane: Lane, blocks: Iterator[OutputBlock]) -> Mapping[str, float]:
        sums, examples = dict.fromkeys(WRITES, 0.0), 0
        for block in blocks:
            for name, values in by_combiner(block.logits, block.target, run.family).items():
                scale = run.error_scale if name.endswith("_error") else 1.0
                sums[name] += float(values.sum()) / scale
            examples += len(block.target)
        return {name: total / examples for name, total in sums.items()}

    result = over_outputs(run, metrics, dict.fromkeys(WRITES, ()), reduce)
    return result.assign_attrs(
        error_measure=run.error_measure,
        combiner=run.recipe.combiner,
        members=run.recipe.members.count,
    )


def judge(result: xr.Dataset) -> list[Finding]:
    """Return the test error of each combiner at each λ, at the last epoch with outputs."""
    if not set(COMBINERS) <= set(result.data_vars) or result.attrs["members"] < 2:
        return []
    at_lams = [
        (float(lam), *last)
        for lam in result[names.LAM].values
        if (last := _last_epoch(result.sel({names.LAM: lam, names.SPLIT: names.TEST})))
    ]
    own = f"{result.attrs['combiner']}_error"
    others = sum(
        int(np.isfinite(at_epoch[name]).any())
        for _, _, at_epoch in at_lams
        for name in COMBINERS
        if name != own
    )
    return [_compared(at_epoch, lam, epoch, own, others) for lam, epoch, at_epoch in at_lams]


def _last_epoch(on_test: xr.Dataset) -> tuple[int, xr.Dataset] | None:
    """Return the last epoch with outputs, and the trials that have any there.

    None without outputs, or if a member has diverged in all trials.
    """
    kept = on_test["logits_error"].dropna(names.EPOCH, how="all")[names.EPOCH].values
    if not kept.size:
        return None
    at_epoch = on_test.sel({names.EPOCH: kept[-1]}).dropna(names.TRIAL, subset=["logits_error"])
    return (int(kept[-1]), at_epoch) if np.isfinite(at_epoch["logits_loss"]).any() else None


def _compared(at_epoch: xr.Dataset, lam: float, epoch: int, own: str, comparisons: int) -> Finding:
    """Report every combiner, and compare those that the members were not trained for."""
    # Errors count diverged members as wrong; their losses are not finite.
    finite = np.flatnonzero(np.isfinite(at_epoch["logits_loss"]))
    trials, at_epoch = at_epoch.sizes[names.TRIAL], at_epoch.isel({names.TRIAL: finite})
    errors = {name: at_epoch[name].values for name in COMBINERS}
    errors = {name: values for name, values in errors.items() if np.isfinite(values).any()}
    intervals = {COMBINERS[name]: stats.mean_interval(e) for name, e in errors.items()}
    differences = {
        COMBINERS[name]: compare(values - errors[own], comparisons)
        for name, values in errors.items()
        if name != own
    }
    means = [interval.mean for interval in intervals.values()]
    return Finding(
        probe="combiners",
        rule="compared",
        level="info",
        lam=lam,
        epoch=epoch,
        number=max(means) - min(means),
        sentence=wording.combiners(
            lam,
            epoch,
            intervals,
            differences,
            own=COMBINERS[own],
            used=finite.size,
            trials=trials,
        ),
    )


probe = Probe(
    name="combiners",
    question="Would a different combiner of the same members do better?",
    writes=WRITES,
    measure=measure,
    judge=judge,
    cost="slow",
    needs_skill=True,
    compares_members=True,
)
