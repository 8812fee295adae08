"""Combiners: what the same members would give by averaged logits, averaged probabilities, votes."""

from collections.abc import Iterator, Mapping

import numpy as np
import torch
import xarray as xr

from jtdiag import names
from jtdiag.families import combining
from jtdiag.families.contract import Family
from jtdiag.probing.contract import Options, Probe, Var
from jtdiag.probing.findings import Finding
from jtdiag.store.lanes import Lane
from jtdiag.store.run import OutputBlock, Run
from jtdiag_probes.shared.decomposition import Floats, Target
from jtdiag_probes.shared.outputs import LANE_EPOCH_SPLIT, over_outputs

WAYS = {
    "logits_error": "averaged logits",
    "probabilities_error": "averaged probabilities",
    "vote_error": "majority vote",
}
"""Variables with errors of the ensemble, and how it combines its members there."""

_MEANINGS = {
    "logits_error": (names.FRACTION, "error of the ensemble of averaged logits"),
    "probabilities_error": (names.FRACTION, "error of the ensemble of averaged probabilities"),
    "vote_error": (
        names.FRACTION,
        "error of the majority vote, ties by a fair draw; NaN for families without votes",
    ),
    "logits_loss": (names.NAT, "loss of the ensemble of averaged logits"),
    "probabilities_loss": (names.NAT, "loss of the ensemble of averaged probabilities"),
    "label_term": (
        names.NAT,
        "part of the diversity of averaged probabilities that hangs on the target; NaN without "
        "classes",
    ),
}

WRITES = {
    name: Var(dims=LANE_EPOCH_SPLIT, unit=unit, meaning=meaning, from_outputs=True)
    for name, (unit, meaning) in _MEANINGS.items()
}


def by_combiner(logits: Floats, target: Target, family: Family) -> dict[str, Floats]:
    """Return each variable of the probe for every example, (n,), errors in the family's measure.

    Args:
        logits: (M, n, K) canonical parameters.
        target: (n,) classes, or (n, K) numbers.
        family: The likelihood.
    """
    eta, y = torch.from_numpy(logits), torch.from_numpy(target)
    nowhere = torch.full(logits.shape[1:2], torch.nan, dtype=torch.float64)
    votes = family.vote_error(family.mean(eta), y)
    found = {
        "vote_error": nowhere if votes is None else votes,
        "label_term": nowhere
        if not family.classes
        else combining.label_term(torch.log_softmax(eta, -1), y),
    }
    for combiner in ("logits", "probabilities"):
        mean = combining.prediction(family, eta, combiner)
        found[f"{combiner}_error"] = family.error(mean, y)
        found[f"{combiner}_loss"] = combining.ensemble_loss(family, eta, y, combiner)
    return {name: values.numpy() for name, values in found.items()}


def measure(run: Run, options: Options) -> xr.Dataset:
    """Measure every combiner on the stored outputs, by epoch, split and lane."""
    metrics = run.metrics()
    if options.metrics_only:
        return xr.Dataset(coords=metrics.coords)

    def reduce(lane: Lane, blocks: Iterator[OutputBlock]) -> Mapping[str, float]:
        sums, examples = dict.fromkeys(WRITES, 0.0), 0
        for block in blocks:
            logits = block.logits.astype(np.float64)
            for name, values in by_combiner(logits, block.target, run.family).items():
                scale = run.error_scale if name.endswith("_error") else 1.0
                sums[name] += float(values.sum()) / scale
            examples += len(block.target)
        return {name: total / examples for name, total in sums.items()}

    found = over_outputs(run, metrics, dict.fromkeys(WRITES, ()), reduce)
    return found.assign_attrs(error_measure=run.error_measure, combiner=run.recipe.combiner)


def judge(result: xr.Dataset) -> list[Finding]:
    """Say at each λ what the ways to combine would give, at the last epoch with outputs."""
    if not set(WAYS) <= set(result.data_vars):
        return []
    findings = []
    for lam in result[names.LAM].values:
        at = result.sel({names.LAM: lam, names.SPLIT: names.TEST})
        kept = at["logits_error"].dropna(names.EPOCH, how="all")[names.EPOCH].values
        if kept.size:
            findings.append(_compared(at.sel({names.EPOCH: kept[-1]}), float(lam), int(kept[-1])))
    return findings


def _compared(at: xr.Dataset, lam: float, epoch: int) -> Finding:
    errors = {name: float(at[name].mean()) for name in WAYS}
    known = {name: error for name, error in errors.items() if np.isfinite(error)}
    said = ", ".join(f"{100 * error:.1f} % by {WAYS[name]}" for name, error in known.items())
    return Finding(
        probe="combiners",
        rule="compared",
        level="info",
        lam=lam,
        epoch=epoch,
        number=max(known.values()) - min(known.values()),
        sentence=f"λ = {lam:g}: the same members have a test error of {said}.",
    )


probe = Probe(
    name="combiners",
    question="Would another way of combining the same members do better?",
    writes=WRITES,
    measure=measure,
    judge=judge,
    cost="slow",
)
