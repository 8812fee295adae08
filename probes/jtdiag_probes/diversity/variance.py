"""The probe `variance`: the bias-variance-diversity decomposition of the ensemble's loss."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.special import log_softmax

from jtdiag import names
from jtdiag.probing.contract import Options, Probe, Var
from jtdiag.probing.findings import Finding
from jtdiag.store.lanes import Lane
from jtdiag.store.run import Run
from jtdiag_probes.diversity import wording
from jtdiag_probes.diversity.bias_variance import MEANS, TERMS, Sums, jackknife, residual
from jtdiag_probes.diversity.wording import MeanSE
from jtdiag_probes.shared.measured_epoch import chosen_epochs

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
    sound = np.isfinite(loss.isel({names.EPOCH: chosen.clip(min=0)}).values)
    epochs = np.where(sound, chosen.values, -1)
    rows = [
        _of_lambda(run, [lane for lane in run.lanes if lane.lam_index == i], epochs[i])
        for i in range(metrics.sizes[names.LAM])
    ]
    return result.assign({name: ((names.LAM,), [row[name] for row in rows]) for name in WRITES})


def _of_lambda(run: Run, lanes: list[Lane], epochs: NDArray[np.int64]) -> dict[str, float]:
    """Return all variables of one λ; epochs (trial,) are -1 for trials without finite losses."""
    test_kept = names.TEST in run.recipe.keep.splits
    kept = {
        lane: int(epochs[lane.trial])
        for lane in lanes
        if test_kept and epochs[lane.trial] in run.seal(lane).outputs
    }
    row = dict.fromkeys(WRITES, np.nan) | {"trials": float(len(kept))}
    return row | _over_trials(run, kept) if len(kept) > 1 else row


def _over_trials(run: Run, kept: dict[Lane, int]) -> dict[str, float]:
    """Return the terms, their standard errors and the residual, from trials with outputs.

    Trials are read in parallel, block by block, and twice: once for the sums, and once more to
    remove each trial from them.
    """
    first, second = (
        {lane: _log_probabilities(run, lane, epoch) for lane, epoch in kept.items()}
        for _ in range(2)
    )
    target = run.target(names.TEST, next(iter(kept)))
    total, without = np.zeros(len(TERMS)), np.zeros((len(kept), len(TERMS)))
    worst, start = 0.0, 0
    while start < len(target):
        sums = _total(first)
        labels = target[start : start + sums.log_q.shape[1]]
        terms = sums.terms(labels)
        total += [terms[name].sum() for name in TERMS]
        worst = max(worst, float(residual(terms).max()))
        for t, blocks in enumerate(second.values()):
            rest = (sums - Sums.of(next(blocks))).terms(labels)
            without[t] += [rest[name].sum() for name in TERMS]
        start += len(labels)
    means = dict(zip(TERMS, total / len(target), strict=True))
    errors = {
        f"{name}_se": float(se)
        for name, se in zip(TERMS, jackknife(without / len(target)), strict=True)
        if len(kept) > 2 or name in MEANS
    }
    return means | errors | {"residual": worst}


def _total(trials: dict[Lane, Iterator[Floats]]) -> Sums:
    """Return the sums over all trials for the next block."""
    iterators = iter(trials.values())
    sums = Sums.of(next(next(iterators)))
    for blocks in iterators:
        sums = sums + Sums.of(next(blocks))
    return sums


def _log_probabilities(run: Run, lane: Lane, epoch: int) -> Iterator[Floats]:
    """Yield log-probabilities (M, n, K) on test, block by block, in float64."""
    for block in run.outputs(lane, epoch, names.TEST):
        with np.errstate(invalid="ignore", over="ignore"):  # NaN stays NaN
            yield np.asarray(log_softmax(block.logits.astype(np.float64), axis=-1))


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
            loss=_mean_se(at_lam, "expected_loss"),
            bias=_mean_se(at_lam, "average_bias"),
            variance=_mean_se(at_lam, "average_variance"),
            diversity=_mean_se(at_lam, "diversity"),
        ),
    )


def _mean_se(at_lam: xr.Dataset, name: str) -> MeanSE:
    return MeanSE(float(at_lam[name]), float(at_lam[f"{name}_se"]))


def _change(measured: xr.Dataset) -> list[Finding]:
    """Report the changes of the terms from the smallest λ to the λ with the lowest loss."""
    if measured.sizes[names.LAM] < 2:
        return []
    measured = measured.sortby(names.LAM)
    base = measured.isel({names.LAM: 0})
    best = measured.isel({names.LAM: int(np.argmin(measured["expected_loss"].values))})
    lam, reference = float(best[names.LAM]), float(base[names.LAM])
    if lam == reference:
        return []
    change = {name: float(best[name]) - float(base[name]) for name in TERMS}
    se = (float(best["expected_loss_se"]) ** 2 + float(base["expected_loss_se"]) ** 2) ** 0.5
    return [
        Finding(
            probe="variance",
            rule="change",
            level="info",
            lam=lam,
            number=change["expected_loss"],
            sentence=wording.terms_change(
                lam,
                reference,
                loss=change["expected_loss"],
                bias=change["average_bias"],
                variance=change["average_variance"],
                diversity=change["diversity"],
                significant=abs(change["expected_loss"]) > 2 * se,
            ),
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
)
