"""What the numbers of the calibration probe mean: too sure, not sure enough, and what helps."""

import numpy as np
import xarray as xr

from jtdiag import names
from jtdiag.probing.findings import Finding

CLEARLY = 2.0
"""Times the error by chance from which a calibration error counts."""


def judge(result: xr.Dataset) -> list[Finding]:
    """Say for each λ how far confidence is off on test, and what a temperature does for it."""
    if "ensemble_ece" not in result:
        return []
    on_test = result.sel({names.SPLIT: names.TEST})
    findings = []
    for lam in result[names.LAM].values:
        at = on_test.sel({names.LAM: lam}).dropna(names.TRIAL, subset=["ensemble_ece"])
        if at.sizes[names.TRIAL]:
            findings.append(_off(at, float(lam)))
    return findings


def _off(at: xr.Dataset, lam: float) -> Finding:
    error, chance = float(at["ensemble_ece"].mean()), float(at["ensemble_ece_by_chance"].mean())
    count = at["ensemble_bin_count"]
    gap = at["ensemble_bin_confidence"] - at["ensemble_bin_accuracy"]
    too_sure = float((count * gap).sum() / count.sum()) > 0
    members = float(at["member_ece"].median(names.MEMBER).mean())
    clear = error > CLEARLY * chance
    what = (
        f"the ensemble is {'too sure' if too_sure else 'not sure enough'}"
        if clear
        else "the ensemble's confidence can be believed"
    )
    return Finding(
        probe="calibration",
        rule="calibration-error",
        level="info",
        lam=lam,
        number=error,
        limit=CLEARLY * chance,
        trials=tuple(int(t) for t in at[names.TRIAL].values),
        sentence=(
            f"λ = {lam:g}: {what}: on test, its calibration error is {100 * error:.1f} %"
            f"{_doubt(at['ensemble_ece'])} (by chance {100 * chance:.1f} %), the median member's "
            f"{100 * members:.1f} %.{_advice(at, clear)}"
        ),
    )


def _advice(at: xr.Dataset, clear: bool) -> str:
    heat = at["ensemble_temperature"]
    if not clear:
        return ""
    if heat.isnull().all():
        return ' Keep the outputs of val (keep.splits = ["val", "test"]) to fit a temperature.'
    scaled = float(at["ensemble_ece_scaled"].mean())
    return (
        f" Dividing its logits by {float(heat.mean()):.2f}, fitted on val, "
        f"makes that {100 * scaled:.1f} %."
    )


def _doubt(over_trials: xr.DataArray) -> str:
    count = over_trials.sizes[names.TRIAL]
    if count < 2:
        return ""
    return f" ± {100 * float(over_trials.std(ddof=1)) / np.sqrt(count):.1f}"
