"""What the numbers of the collusion probe mean: what diversity has bought, how much is hollow."""

import numpy as np
import xarray as xr

from jtdiag import names
from jtdiag.probing.findings import Finding

PURE = 0.05
"""Share of the added diversity that must have become gain; below it, members collude."""
DROPPED_TOLD = 0.4


def judge(result: xr.Dataset) -> list[Finding]:
    """Say for each λ what its diversity has bought, how hollow it is, and how it generalises."""
    findings = []
    for lam in result[names.LAM].values:
        at = result.sel({names.LAM: lam}).dropna(names.TRIAL, subset=["diversity"], how="all")
        if at.sizes[names.TRIAL]:
            findings += _signature(at, float(lam))
            findings += _hollow(at, float(lam))
            findings += _gap(result, at, float(lam))
    return findings


def _signature(at: xr.Dataset, lam: float) -> list[Finding]:
    """Compare with λ = 0 in the same trials, on test."""
    on_test = at.sel({names.SPLIT: names.TEST}).dropna(names.TRIAL, subset=["diversity_change"])
    if lam == 0 or on_test.sizes[names.TRIAL] == 0:
        return []
    more = float(on_test["diversity_change"].mean())
    gain = -float(on_test["ensemble_loss_change"].mean())
    doubt = _se(on_test["ensemble_loss_change"])
    share = gain / more if more > 0 else np.nan
    if not share < PURE:
        return []
    nothing = gain <= (2 * doubt if np.isfinite(doubt) else 0)
    within = f" ± {doubt:.2g}" if np.isfinite(doubt) else ""
    change = "lower" if gain >= 0 else "higher"
    what = "members collude" if nothing else "most of the diversity is collusion"
    return [
        Finding(
            probe="collusion",
            rule="pure-collusion",
            level="info",
            lam=lam,
            number=share,
            limit=PURE,
            trials=tuple(int(t) for t in on_test[names.TRIAL].values),
            sentence=(
                f"λ = {lam:g}: {what}: on test there are {more:.3g} nats more diversity "
                f"than at λ = 0, and the ensemble's loss is {change} by {abs(gain):.2g}{within}; "
                f"{'nothing' if nothing else f'{100 * share:.0f} %'} of the diversity has become "
                "gain, the rest was paid with worse members. Use the ensemble whole, or a smaller "
                "λ."
            ),
        )
    ]


def _hollow(at: xr.Dataset, lam: float) -> list[Finding]:
    """Say how much of the diversity is constant offsets, and what dropping members costs."""
    if "bias_share" not in at:
        return []
    on_test = at.sel({names.SPLIT: names.TEST}).dropna(names.TRIAL, subset=["bias_share"])
    if on_test.sizes[names.TRIAL] == 0:
        return []
    dropped = on_test.sel(dropped=DROPPED_TOLD).mean(names.TRIAL)
    rise, predicted = float(dropped["drop_rise"]), float(dropped["predicted_rise"])
    share = float(on_test["bias_share"].mean())
    return [
        Finding(
            probe="collusion",
            rule="hollow-diversity",
            level="info",
            lam=lam,
            number=share,
            sentence=(
                f"λ = {lam:g}: {_inflation(share)}; with {100 * DROPPED_TOLD:.0f} % of the "
                f"members dropped for each example the loss rises by {rise:.3g} nats "
                f"({predicted:.3g} by the diversity alone)."
            ),
        )
    ]


def _inflation(share: float) -> str:
    if share > 0:
        return f"{100 * share:.0f} % of the diversity on test is constant offsets that cancel"
    return "the diversity on test is not inflated by constant offsets"


def _gap(result: xr.Dataset, at: xr.Dataset, lam: float) -> list[Finding]:
    gap = float(at["generalisation_gap"].mean())
    if not np.isfinite(gap):
        return []
    ratio = float(at["diversity_ratio"].mean())
    running = bool((at["train_is_running"] == 1).any())
    against = ""
    if lam > 0 and 0.0 in result[names.LAM].values:
        alone = float(result["generalisation_gap"].sel({names.LAM: 0.0}).mean())
        against = f" (at λ = 0 by {alone:.3g})" if np.isfinite(alone) else ""
    return [
        Finding(
            probe="collusion",
            rule="generalisation-gap",
            level="info",
            lam=lam,
            number=gap,
            sentence=(
                f"λ = {lam:g}: the ensemble's loss on test is above that in training by {gap:.3g} "
                f"nats{against}{_kept(ratio)}{' (training by running means)' if running else ''}."
            ),
        )
    ]


def _kept(ratio: float) -> str:
    """Say how the diversity of training compares, where there is any."""
    return f"; diversity in training is {ratio:.2f} times that on test" if ratio == ratio else ""


def _se(over_trials: xr.DataArray) -> float:
    count = over_trials.sizes[names.TRIAL]
    return float(over_trials.std(ddof=1)) / np.sqrt(count) if count > 1 else np.nan
