"""The probe `variance`: the bias-variance-diversity decomposition of the ensemble's loss."""

import functools
import operator
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from jtdiag import names, stats
from jtdiag.probing.contract import Options, Probe, Var
from jtdiag.probing.findings import Finding
from jtdiag.stats import Interval
from jtdiag.stats.intervals import NO_SPREAD, quantile
from jtdiag.store.lanes import Lane
from jtdiag.store.run import Run
from jtdiag_probes.diversity import wording
from jtdiag_probes.diversity.bias_variance import MEANS, TERMS, Sums, jackknife, residual
from jtdiag_probes.shared.measured_epoch import chosen_epochs
from jtdiag_probes.shared.outputs import pieces

RESIDUAL_LIMIT = 1e-12
"""The terms sum to the loss to rounding in float64; relative to losses above 1 nat."""

_MEANINGS = {
    "expected_loss": "loss of the ensemble, mean over trials",
    "average_bias": "mean over members of the loss of a member's centroid over trials",
    "average_variance": "mean over members of KL(centroid over trials ‖ member), mean over trials",
    "diversity": "KL(ensemble ‖ member), mean over members and trials",
    "ensemble_bias": "loss of the ensemble's centroid over trials",
    "ensemble_variance": "KL(centroid over trials ‖ ensemble), mean over trials",
    "disparity": "KL(the ensemble's centroid ‖ a member's), mean over members",
}
_WHERE = "on test, at each trial's chosen epoch"

WRITES = {
    "trials": Var(
        dims=(names.LAM,),
        unit=names.COUNT,
        meaning="trials whose outputs on test are kept at the chosen epoch and are finite",
        from_outputs=True,
    ),
    "ensemble_loss": Var(
        dims=(names.LAM, names.TRIAL),
        unit=names.NAT,
        meaning=f"loss of the ensemble {_WHERE}, from the metrics; NaN for unused trials",
        from_outputs=True,
    ),
    **{
        name: Var(
            dims=(names.LAM,),
            unit=names.NAT,
            meaning=f"{_MEANINGS[name]}, {_WHERE}; NaN for fewer than two trials",
            from_outputs=True,
        )
        for name in TERMS
    },
    **{
        f"{name}_se": Var(
            dims=(names.LAM,),
            unit=names.NAT,
            meaning=(
                f"standard error of {name} over trials (jackknife); NaN for fewer than "
                f"{2 if name in MEANS else 3}"
            ),
            from_outputs=True,
        )
        for name in TERMS
    },
    "residual": Var(
        dims=(names.LAM,),
        unit=names.NAT,
        meaning="largest error of the sums of terms over examples, relative to losses above 1",
        from_outputs=True,
    ),
}

_BY_LAM = tuple(name for name, var in WRITES.items() if names.TRIAL not in var.dims)

Floats = NDArray[np.floating[Any]]


def measure(run: Run, options: Options) -> xr.Dataset:
    """Measure the terms of each λ over its trials; empty if only metrics are read."""
    metrics = run.metrics()
    result = xr.Dataset(coords={names.LAM: metrics[names.LAM]})
    if options.metrics_only:
        return result
    chosen = chosen_epochs(run, metrics)
    loss = metrics[names.ENSEMBLE_LOSS].sel({names.SPLIT: names.TEST})
    # A diverged member makes the ensemble's loss NaN; the other trials are still used.
    loss = loss.isel({names.EPOCH: chosen.clip(min=0)}).transpose(names.LAM, names.TRIAL)
    losses = np.full(loss.shape, np.nan)
    rows = []
    for i in range(metrics.sizes[names.LAM]):
        epochs = np.where(np.isfinite(loss.values[i]), chosen.values[i], -1)
        kept = _kept(run, [lane for lane in run.lanes if lane.lam_index == i], epochs)
        for lane in kept:
            losses[i, lane.trial] = loss.values[i, lane.trial]
        row = dict.fromkeys(_BY_LAM, np.nan) | {"trials": float(len(kept))}
        rows.append(row | _over_trials(run, kept) if len(kept) > 1 else row)
    result = result.assign({name: ((names.LAM,), [row[name] for row in rows]) for name in _BY_LAM})
    return result.assign(ensemble_loss=((names.LAM, names.TRIAL), losses))


def _kept(run: Run, lanes: list[Lane], epochs: NDArray[np.int64]) -> dict[Lane, int]:
    """Return the epoch of each lane whose test outputs are kept there; -1 is none."""
    if names.TEST not in run.recipe.keep.splits:
        return {}
    return {
        lane: int(epochs[lane.trial])
        for lane in lanes
        if epochs[lane.trial] in run.seal(lane).outputs
    }


def _over_trials(run: Run, kept: dict[Lane, int]) -> dict[str, float]:
    """Return the terms, their standard errors and the residual, from trials with outputs.

    Trials are read in parallel, a few examples at a time. Each is removed from their sums once.
    """
    trials = [pieces(run.outputs(lane, epoch, names.TEST)) for lane, epoch in kept.items()]
    total, without = np.zeros(len(TERMS)), np.zeros((len(kept), len(TERMS)))
    worst, examples = 0.0, 0
    for blocks in zip(*trials, strict=True):
        with np.errstate(invalid="ignore", over="ignore"):  # NaN stays NaN
            of_trials = [Sums.of(block.logits) for block in blocks]
        target, sums = blocks[0].target, functools.reduce(operator.add, of_trials)
        terms = sums.terms(target)
        total += [terms[name].sum() for name in TERMS]
        worst = max(worst, float(residual(terms).max()))
        for t, own in enumerate(of_trials):
            rest = (sums - own).terms(target)
            without[t] += [rest[name].sum() for name in TERMS]
        examples += len(target)
    means = dict(zip(TERMS, total / examples, strict=True))
    errors = {
        f"{name}_se": float(se)
        for name, se in zip(TERMS, jackknife(without / examples), strict=True)
        if len(kept) > 2 or name in MEANS
    }
    return means | errors | {"residual": worst}


def judge(result: xr.Dataset) -> list[Finding]:
    """Return the terms of each λ, the change from the smallest to the best λ, and the self-test."""
    if "expected_loss" not in result:
        return []
    measured = result.dropna(names.LAM, subset=["expected_loss"])
    if measured.sizes[names.LAM] == 0:
        return []
    findings = [_terms(measured.sel({names.LAM: lam})) for lam in measured[names.LAM].values]
    return findings + _change(measured) + _self_test(measured)


def _terms(at_lam: xr.Dataset) -> Finding:
    lam = float(at_lam[names.LAM])
    return Finding(
        probe="variance",
        rule="terms",
        level="info",
        lam=lam,
        number=float(at_lam["expected_loss"]),
        sentence=wording.terms(
            lam,
            int(at_lam["trials"]),
            loss=_student(at_lam, "expected_loss"),
            diversity=_student(at_lam, "diversity"),
            bias=float(at_lam["average_bias"]),
            variance=float(at_lam["average_variance"]),
            bias_se=float(at_lam["average_bias_se"]),
            variance_se=float(at_lam["average_variance_se"]),
        ),
    )


def _student(at_lam: xr.Dataset, name: str) -> Interval:
    """Return Student's interval of a term that is a mean over trials; none without spread."""
    mean, se = float(at_lam[name]), float(at_lam[f"{name}_se"])
    if not se > NO_SPREAD * abs(mean):
        return Interval(mean, np.nan, np.nan)
    reach = quantile((1 - stats.LEVEL) / 2, float(at_lam["trials"]) - 1) * se
    return Interval(mean, mean - reach, mean + reach).within(0, np.inf)


def _change(measured: xr.Dataset) -> list[Finding]:
    """Report the changes of the terms from the smallest λ to the λ with the lowest loss.

    The latter is selected by the same trials, so the interval holds for all pairs of λs.
    """
    measured = measured.sortby(names.LAM)
    losses = measured["ensemble_loss"].transpose(names.LAM, names.TRIAL).values
    lowest, above = stats.against_lowest(losses)
    if lowest <= 0:
        return []
    best, base = measured.isel({names.LAM: lowest}), measured.isel({names.LAM: 0})
    lam, reference = float(best[names.LAM]), float(base[names.LAM])
    loss = Interval(-above[0].mean, -above[0].high, -above[0].low)
    if loss.significant:
        changes = {name: float(best[name]) - float(base[name]) for name in TERMS}
        sentence = wording.terms_change(
            lam,
            reference,
            loss,
            bias=changes["average_bias"],
            variance=changes["average_variance"],
            diversity=changes["diversity"],
        )
    else:
        pairs = len(losses) * (len(losses) - 1) // 2
        detectable = stats.smallest_detectable(losses[0] - losses[lowest], pairs)
        sentence = wording.no_change(lam, reference, loss, detectable)
    return [
        Finding(
            probe="variance",
            rule="change",
            level="info",
            lam=lam,
            number=loss.mean,
            sentence=sentence,
        )
    ]


def _self_test(measured: xr.Dataset) -> list[Finding]:
    worst = float(measured["residual"].max())
    if not worst > RESIDUAL_LIMIT:
        return []
    return [
        Finding(
            probe="variance",
            rule="residual",
            level="alert",
            number=worst,
            limit=RESIDUAL_LIMIT,
            sentence=wording.terms_differ(worst, RESIDUAL_LIMIT),
        )
    ]


probe = Probe(
    name="variance",
    question="How much of the ensemble's loss is bias, variance and diversity?",
    writes=WRITES,
    measure=measure,
    judge=judge,
    cost="slow",
    classes_only=True,
    compares_members=True,
)
