"""Variance: what of the ensemble's loss is bias, variance and diversity over trials."""

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
from jtdiag_probes.diversity.bias_variance import MEANS, TERMS, Sums, jackknife, residual
from jtdiag_probes.shared.outputs import chosen_epochs

RESIDUAL_LIMIT = 1e-12
"""The sums of terms agree to rounding in float64; relative to losses above 1 nat."""

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
        meaning="trials whose outputs on test are kept at the chosen epoch and are numbers",
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
        meaning="largest miss of the sums of terms over examples, relative to losses above 1",
        from_outputs=True,
    ),
}

Floats = NDArray[np.floating[Any]]


def measure(run: Run, options: Options) -> xr.Dataset:
    """Measure the terms of each λ over its trials; nothing can be measured from metrics alone."""
    metrics = run.metrics()
    result = xr.Dataset(coords={names.LAM: metrics[names.LAM]})
    if options.metrics_only:
        return result
    chosen = chosen_epochs(run, metrics)
    loss = metrics[names.ENSEMBLE_LOSS].sel({names.SPLIT: names.TEST})
    # A member that has diverged takes the ensemble with it; the other trials stand.
    sound = np.isfinite(loss.isel({names.EPOCH: chosen.clip(min=0)}).values)
    epochs = np.where(sound, chosen.values, -1)
    rows = [
        _of_lambda(run, [lane for lane in run.lanes if lane.lam_index == i], epochs[i])
        for i in range(metrics.sizes[names.LAM])
    ]
    return result.assign({name: ((names.LAM,), [row[name] for row in rows]) for name in WRITES})


def _of_lambda(run: Run, lanes: list[Lane], epochs: NDArray[np.int64]) -> dict[str, float]:
    """Return every variable for one λ; epochs (trial,) are -1 for trials without numbers."""
    tested = names.TEST in run.recipe.keep.splits
    kept = {
        lane: int(epochs[lane.trial])
        for lane in lanes
        if tested and epochs[lane.trial] in run.seal(lane).outputs
    }
    found = dict.fromkeys(WRITES, np.nan) | {"trials": float(len(kept))}
    return found | _over_trials(run, kept) if len(kept) > 1 else found


def _over_trials(run: Run, kept: dict[Lane, int]) -> dict[str, float]:
    """Return the terms of trials with outputs, their standard errors and the residual.

    The trials are read side by side, one block of one trial at a time, and twice: for the sums,
    and to take each trial out of them.
    """
    first, second = (
        {lane: _log_probabilities(run, lane, epoch) for lane, epoch in kept.items()}
        for _ in range(2)
    )
    target = run.target(names.TEST, next(iter(kept)))
    whole, without = np.zeros(len(TERMS)), np.zeros((len(kept), len(TERMS)))
    worst, start = 0.0, 0
    while start < len(target):
        sums = _total(first)
        at = target[start : start + sums.log_q.shape[1]]
        terms = sums.terms(at)
        whole += [terms[name].sum() for name in TERMS]
        worst = max(worst, float(residual(terms).max()))
        for t, blocks in enumerate(second.values()):
            rest = (sums - Sums.of(next(blocks))).terms(at)
            without[t] += [rest[name].sum() for name in TERMS]
        start += len(at)
    means = dict(zip(TERMS, whole / len(target), strict=True))
    errors = {
        f"{name}_se": float(se)
        for name, se in zip(TERMS, jackknife(without / len(target)), strict=True)
        if len(kept) > 2 or name in MEANS
    }
    return means | errors | {"residual": worst}


def _total(trials: dict[Lane, Iterator[Floats]]) -> Sums:
    blocks = iter(trials.values())
    sums = Sums.of(next(next(blocks)))
    for one in blocks:
        sums = sums + Sums.of(next(one))
    return sums


def _log_probabilities(run: Run, lane: Lane, epoch: int) -> Iterator[Floats]:
    """Yield log-probabilities (M, n, K) on test, block by block, in float64."""
    for block in run.outputs(lane, epoch, names.TEST):
        with np.errstate(invalid="ignore", over="ignore"):  # what is no number stays so
            yield np.asarray(log_softmax(block.logits.astype(np.float64), axis=-1))


def judge(result: xr.Dataset) -> list[Finding]:
    """Say the terms of each λ, what the best λ changes against the smallest, and self-tests."""
    if "expected_loss" not in result:
        return []
    known = result.dropna(names.LAM, subset=["expected_loss"])
    if known.sizes[names.LAM] == 0:
        return []
    found = [_terms(known.sel({names.LAM: lam})) for lam in known[names.LAM].values]
    return found + _change(known) + _self_test(known)


def _terms(at: xr.Dataset) -> Finding:
    lam = float(at[names.LAM])
    return Finding(
        probe="variance",
        rule="terms",
        level="info",
        lam=lam,
        number=float(at["expected_loss"]),
        sentence=(
            f"λ = {lam:g}: over {int(at['trials'])} trials on test, the ensemble's loss "
            f"{_nats(at, 'expected_loss')} nats is the members' bias {_nats(at, 'average_bias')} "
            f"plus their variance {_nats(at, 'average_variance')} minus their diversity "
            f"{_nats(at, 'diversity')}."
        ),
    )


def _nats(at: xr.Dataset, name: str) -> str:
    se = float(at[f"{name}_se"])
    return f"{float(at[name]):.3g}" + (f" ± {se:.2g}" if np.isfinite(se) else "")


def _change(known: xr.Dataset) -> list[Finding]:
    """Say by which terms the λ with the lowest loss differs from the smallest λ."""
    if known.sizes[names.LAM] < 2:
        return []
    known = known.sortby(names.LAM)
    base = known.isel({names.LAM: 0})
    best = known.isel({names.LAM: int(np.argmin(known["expected_loss"].values))})
    lam, lowest = float(best[names.LAM]), float(base[names.LAM])
    if lam == lowest:
        return []
    change = {name: float(best[name]) - float(base[name]) for name in TERMS}
    se = (float(best["expected_loss_se"]) ** 2 + float(base["expected_loss_se"]) ** 2) ** 0.5
    unclear = " (no clear difference)" if abs(change["expected_loss"]) <= 2 * se else ""
    return [
        Finding(
            probe="variance",
            rule="change",
            level="info",
            lam=lam,
            number=change["expected_loss"],
            sentence=(
                f"λ = {lam:g} has the lowest loss. Against λ = {lowest:g} it changes by "
                f"{change['expected_loss']:+.3g} nats{unclear}: bias "
                f"{change['average_bias']:+.3g}, variance {change['average_variance']:+.3g}, "
                f"diversity {change['diversity']:+.3g}, which is subtracted."
            ),
        )
    ]


def _self_test(known: xr.Dataset) -> list[Finding]:
    worst = float(known["residual"].max())
    if not worst > RESIDUAL_LIMIT:
        return []
    return [
        Finding(
            probe="variance",
            rule="residual",
            level="alert",
            number=worst,
            limit=RESIDUAL_LIMIT,
            sentence=(
                "Self-test failed: bias, variance and diversity miss the loss by "
                f"{worst:.2g} nats (limit {RESIDUAL_LIMIT:.0g}); do not trust these terms."
            ),
        )
    ]


probe = Probe(
    name="variance",
    question="What of the ensemble's loss is bias, variance and diversity?",
    writes=WRITES,
    measure=measure,
    judge=judge,
    cost="slow",
    classes_only=True,
)
