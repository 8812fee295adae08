"""Turn the numbers of the calibration probe into findings."""

import numpy as np
import xarray as xr
from scipy.stats import norm

from jtdiag import names, stats
from jtdiag.probing.findings import Finding
from jtdiag.stats import Interval
from jtdiag_probes.calibration import wording
from jtdiag_probes.calibration.wording import Chance, Gap, Verdict


def judge(result: xr.Dataset) -> list[Finding]:
    """Return for every λ whether the ensemble is miscalibrated on test, and what cures it."""
    if "gap_low" not in result:
        return []
    findings = []
    for lam in result[names.LAM].values:
        of_lam = result.sel({names.LAM: lam})
        of_lam = of_lam.isel({names.TRIAL: np.flatnonzero(of_lam["measured_epoch"] >= 0)})
        measured = of_lam["ensemble_ece"].sel({names.SPLIT: names.TEST}).notnull()
        if measured.any():
            diverged = int((~measured).sum())
            of_lam = of_lam.isel({names.TRIAL: np.flatnonzero(measured)})
            findings.append(_finding(of_lam, float(lam), int(result.attrs["tests"]), diverged))
    return findings


def _finding(of_lam: xr.Dataset, lam: float, tests: int, diverged: int) -> Finding:
    on_test = of_lam.sel({names.SPLIT: names.TEST})
    gap, chance = _gap(on_test, tests), _chance(on_test, tests)
    verdict = _verdict(gap.over_examples, chance.p)
    members = on_test["member_ece"].median(names.MEMBER)
    several = members.size > 0 and on_test.sizes[names.MEMBER] > 1
    member_error = float(members.mean()) if several else np.nan
    sentences = [
        wording.calibration(lam, verdict, gap, diverged=diverged),
        wording.calibration_error(chance, member_error),
    ]
    if verdict:
        sentences.append(_advice(of_lam))
    return Finding(
        probe="calibration",
        rule="calibration-error",
        level="info",
        lam=lam,
        number=gap.over_examples.mean,
        trials=tuple(int(trial) for trial in of_lam[names.TRIAL].values),
        sentence=" ".join(sentences),
        headline=wording.headline(lam, verdict),
    )


def _gap(on_test: xr.Dataset, tests: int) -> Gap:
    """Return mean confidence minus accuracy with its intervals.

    That over examples and trials adds the squared distances of both ends from the mean (Zou and
    Donner 2008). It is conservative, since trials differ also by their test examples.
    """
    by_trial = Interval(*stats.mean_interval(on_test["ensemble_gap"].values))
    mean = by_trial.mean
    examples = Interval(mean, float(on_test["gap_low"]), float(on_test["gap_high"]))
    below = np.hypot(mean - examples.low, mean - by_trial.low)
    above = np.hypot(examples.high - mean, by_trial.high - mean)
    return Gap(
        over_examples=examples,
        over_trials=Interval(mean, mean - float(below), mean + float(above)).within(-1, 1),
        trials=on_test.sizes[names.TRIAL],
        detectable=_detectable(examples, tests),
    )


def _detectable(gap: Interval, tests: int) -> float:
    """Return the gap that the test detects with a probability of 80 %, if errors are normal."""
    limit = norm.isf((1 - stats.LEVEL) / 2 / tests)
    return float((gap.high - gap.low) / 2 * (1 + norm.ppf(stats.POWER) / limit))


def _chance(on_test: xr.Dataset, tests: int) -> Chance:
    """Return the calibration error and its p value, corrected for all tests.

    Trials have the same test examples: twice the mean of their p values is valid nevertheless.
    """
    p = on_test["ensemble_ece_p"].values
    return Chance(
        error=stats.mean_interval(on_test["ensemble_ece"].values),
        if_calibrated=float(on_test["ensemble_ece_by_chance"].mean()),
        p=float(min(1.0, p.mean() * min(2, p.size) * tests)),
    )


def _verdict(gap: Interval, p: float) -> Verdict | None:
    if gap.significant:
        return "overconfident" if gap.low > 0 else "underconfident"
    return "miscalibrated" if p <= 1 - stats.LEVEL else None


def _advice(of_lam: xr.Dataset) -> str:
    val = of_lam["ensemble_loss"].where(of_lam[names.SPLIT] == names.VAL, drop=True)
    if val.isnull().all():  # also without a validation split
        return wording.keep_val()
    temperature = of_lam["ensemble_temperature"]
    scaled = of_lam["ensemble_ece_scaled"].sel({names.SPLIT: names.TEST})
    return wording.temperature_scaling(
        float(temperature.mean()),
        scaled=float(scaled.mean()),
        fitted=int(temperature.notnull().sum()),
        trials=temperature.size,
    )
