"""The probe `combiners`: the same members with averaged logits, probabilities and votes."""

from collections.abc import Iterator, Mapping

import numpy as np
import torch
import xarray as xr

from jtdiag import names, stats
from jtdiag.families import combining
from jtdiag.families.contract import Family
from jtdiag.probing import last_epoch
from jtdiag.probing.contract import Options, Probe, Var
from jtdiag.probing.findings import Finding
from jtdiag.probing.last_epoch import LAST_EPOCH, at_last_epoch
from jtdiag.store.lanes import Lane
from jtdiag.store.run import OutputBlock, Run
from jtdiag_probes.combining import voting, wording
from jtdiag_probes.combining.comparison import compare
from jtdiag_probes.shared import class_logits
from jtdiag_probes.shared.class_logits import ClassLogits
from jtdiag_probes.shared.decomposition import Floats, Target
from jtdiag_probes.shared.outputs import LANE_EPOCH_SPLIT, kept_outputs, over_outputs

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
} | last_epoch.WRITES


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
        sums, examples = dict.fromkeys(_MEANINGS, 0.0), 0
        for block in blocks:
            for name, values in by_combiner(block.logits, block.target, run.family).items():
                scale = run.error_scale if name.endswith("_error") else 1.0
                sums[name] += float(values.sum()) / scale
            examples += len(block.target)
        return {name: total / examples for name, total in sums.items()}

    result = over_outputs(run, metrics, dict.fromkeys(_MEANINGS, ()), reduce)
    return result.assign(last_epoch.variable(run, kept_outputs(run, metrics))).assign_attrs(
        error_measure=run.error_measure,
        combiner=run.recipe.combiner,
        members=run.recipe.members.count,
    )


def judge(result: xr.Dataset) -> list[Finding]:
    """Return the test error of each combiner at each λ, at each trial's last epoch with outputs."""
    if not set(COMBINERS) <= set(result.data_vars) or result.attrs["members"] < 2:
        return []
    on_test = result.sel({names.SPLIT: names.TEST})
    at_end = at_last_epoch(on_test, on_test[LAST_EPOCH])
    at_lams = {float(lam): _with_outputs(at_end.sel({names.LAM: lam})) for lam in at_end[names.LAM]}
    at_lams = {lam: at for lam, at in at_lams.items() if np.isfinite(at["logits_loss"]).any()}
    own = f"{result.attrs['combiner']}_error"
    others = sum(
        int(np.isfinite(at_lam[name]).any())
        for at_lam in at_lams.values()
        for name in COMBINERS
        if name != own
    )
    return [_compared(at_lam, lam, own, others) for lam, at_lam in at_lams.items()]


def _with_outputs(at_lam: xr.Dataset) -> xr.Dataset:
    """Return the trials of a λ that have outputs."""
    return at_lam.dropna(names.TRIAL, subset=["logits_error"])


def _compared(at_lam: xr.Dataset, lam: float, own: str, comparisons: int) -> Finding:
    """Report every combiner, and compare those that the members were not trained for."""
    # Errors count diverged members as wrong; their losses are not finite.
    finite = np.flatnonzero(np.isfinite(at_lam["logits_loss"]))
    trials, at_lam = at_lam.sizes[names.TRIAL], at_lam.isel({names.TRIAL: finite})
    epochs = last_epoch.distinct(at_lam[LAST_EPOCH])
    errors = {name: at_lam[name].values for name in COMBINERS}
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
        epoch=last_epoch.of_finding(epochs),
        number=max(means) - min(means),
        sentence=wording.combiners(
            lam,
            epochs,
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
