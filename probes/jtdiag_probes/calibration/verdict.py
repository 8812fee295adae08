"""Turn the numbers of the calibration probe into findings."""

import numpy as np
import xarray as xr

from jtdiag import names, stats
from jtdiag.probing.findings import Finding
from jtdiag_probes.calibration import wording

TIMES_CHANCE = 2.0
"""Multiple of the calibration error by chance above which a calibration error counts."""


def judge(result: xr.Dataset) -> list[Finding]:
    """Return the calibration error of every λ on test, and the effect of a temperature."""
    if "ensemble_ece" not in result:
        return []
    on_test = result.sel({names.SPLIT: names.TEST})
    findings = []
    for lam in result[names.LAM].values:
        of_lam = on_test.sel({names.LAM: lam}).dropna(names.TRIAL, subset=["ensemble_ece"])
        if of_lam.sizes[names.TRIAL]:
            findings.append(_calibration_error(of_lam, float(lam)))
    return findings


def _calibration_error(of_lam: xr.Dataset, lam: float) -> Finding:
    error = float(of_lam["ensemble_ece"].mean())
    chance = float(of_lam["ensemble_ece_by_chance"].mean())
    counts = error > TIMES_CHANCE * chance
    direction = _direction(of_lam) if counts else None
    sentences = [
        wording.calibration_error(
            lam,
            direction,
            error=error,
            se=float(stats.standard_error(of_lam["ensemble_ece"].values)),
            chance=chance,
            limit=TIMES_CHANCE,
            member_error=float(of_lam["member_ece"].median(names.MEMBER).mean()),
        )
    ]
    if counts:
        sentences.append(_advice(of_lam, error))
    return Finding(
        probe="calibration",
        rule="calibration-error",
        level="info",
        lam=lam,
        number=error,
        limit=TIMES_CHANCE * chance,
        trials=tuple(int(trial) for trial in of_lam[names.TRIAL].values),
        sentence=" ".join(sentences),
        headline=wording.headline(lam, direction),
    )


def _direction(of_lam: xr.Dataset) -> wording.Direction:
    count = of_lam["ensemble_bin_count"]
    gap = of_lam["ensemble_bin_confidence"] - of_lam["ensemble_bin_accuracy"]
    excess = float((count * gap).sum() / count.sum())
    return "overconfident" if excess > 0 else "underconfident"


def _advice(of_lam: xr.Dataset, error: float) -> str:
    temperature = float(of_lam["ensemble_temperature"].mean())
    if not np.isfinite(temperature):
        return wording.keep_val()
    scaled = float(of_lam["ensemble_ece_scaled"].mean())
    return wording.temperature_scaling(temperature, error=error, scaled=scaled)
