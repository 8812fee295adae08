"""Turn the numbers of the robustness probe into findings."""

import math
from collections.abc import Callable
from typing import Literal

import numpy as np
import xarray as xr
from scipy.stats import t as student

from jtdiag import names
from jtdiag.probing.findings import Finding
from jtdiag_probes.robustness import wording
from jtdiag_probes.robustness.removal_summary import POINT
from jtdiag_probes.robustness.variables import REPEATS

EXCESS_LIMIT = 1.1
"""Limit on the loss relative to that predicted from diversity, with half of the members missing."""
BRITTLE = 0.05
"""Limit on the accuracy lost on average with one missing member; more is an alert."""
NOTICED = 0.0005
"""A fault of one member that costs less accuracy than this is not named."""
RESIDUAL_LIMIT = 1e-3
"""Accuracies from outputs and from metrics agree up to rounding, beyond one example."""


def judge(result: xr.Dataset) -> list[Finding]:
    """Return findings for every λ, and self-tests of the whole result."""
    members = result.sizes.get(names.DROPPED, 1)
    if "accuracy" not in result:
        return []
    if result["accuracy"].isnull().all():
        return [_finding("nothing-kept", None, 0.0, wording.nothing_kept())]
    rules: tuple[Callable[[xr.Dataset, float, int], Finding | None], ...] = (
        _tolerance,
        _brittle,
        _codependence,
        _faults,
        _bit_flips,
        _partial,
        _worth,
    )
    findings = []
    for lam in result[names.LAM].values if members > 1 else ():
        of_lam = result.sel({names.LAM: lam})
        findings += [rule(of_lam, float(lam), members) for rule in rules]
    findings += [_self_test(result), _without_bit_flips(result)]
    return [finding for finding in findings if finding is not None]


def _finding(
    rule: str,
    lam: float | None,
    number: float,
    sentence: str,
    *,
    level: Literal["info", "alert"] = "info",
    limit: float | None = None,
    headline: str = "",
) -> Finding:
    return Finding(
        probe="robustness",
        rule=rule,
        level=level,
        lam=lam,
        number=number,
        limit=limit,
        sentence=sentence,
        headline=headline,
    )


def tolerated_members(fraction: float, members: int) -> int:
    """Return the number of complete members in a tolerated fraction of them."""
    return math.floor(fraction * members + 1e-9)


def _tolerance(of_lam: xr.Dataset, lam: float, members: int) -> Finding | None:
    """Judge how many members can be missing before accuracy drops by a point."""
    shared = of_lam.sel(subsets="shared")
    fraction = float(shared["tolerated_fraction_mean"])
    if not np.isfinite(fraction):
        return None
    tolerated = tolerated_members(fraction, members)
    if tolerated < 1:
        fall = _fall(shared["accuracy_mean"])
        sentence = wording.no_tolerance(lam, members, fall)
        headline = wording.no_tolerance_headline(lam, members, fall)
        return _finding("tolerance", lam, fraction, sentence, headline=headline)
    worst = of_lam["accuracy_worst_mean"]
    fallen = np.flatnonzero(worst.values <= worst.values[0] - POINT)
    sentence = wording.tolerance(
        lam,
        members,
        tolerated,
        accuracy=float(shared["accuracy_mean"][0]),
        accuracy_se=float(shared["accuracy_se"][0]),
        fraction=fraction,
        fraction_se=float(shared["tolerated_fraction_se"]),
        worst=int(worst[names.DROPPED].values[fallen[0]]) if fallen.size else None,
    )
    headline = wording.tolerance_headline(lam, members, tolerated)
    return _finding("tolerance", lam, fraction, sentence, headline=headline)


def _brittle(of_lam: xr.Dataset, lam: float, members: int) -> Finding | None:
    """Judge what one missing member costs, where that is a point or more."""
    shared = of_lam.sel(subsets="shared")
    fraction = float(shared["tolerated_fraction_mean"])
    if not np.isfinite(fraction) or tolerated_members(fraction, members) >= 1:
        return None
    fall = _fall(shared["accuracy_mean"])
    alert = fall > BRITTLE
    return _finding(
        "brittle",
        lam,
        fall,
        wording.brittle(
            lam, members, fall=fall, worst=_fall(of_lam["accuracy_worst_mean"]), alert=alert
        ),
        level="alert" if alert else "info",
        limit=BRITTLE,
    )


def _fall(accuracy: xr.DataArray) -> float:
    """Return the accuracy lost with one missing member."""
    return float(accuracy[0] - accuracy[1])


def _codependence(of_lam: xr.Dataset, lam: float, members: int) -> Finding | None:
    """Compare the loss with half of the members missing with that predicted from diversity."""
    missing = members // 2
    half = of_lam.sel({"subsets": "shared", names.DROPPED: missing})
    ratio, se = float(half["codependence_excess_mean"]), float(half["codependence_excess_se"])
    if not np.isfinite(ratio):
        return None
    sentence = wording.codependence(lam, members, missing, ratio=ratio, se=se, limit=EXCESS_LIMIT)
    return _finding("excess-loss", lam, ratio, sentence, limit=EXCESS_LIMIT)


def _faults(of_lam: xr.Dataset, lam: float, members: int) -> Finding | None:
    """Find the fault of a single member that costs most."""
    accuracy = of_lam["fault_accuracy_mean"]
    falls = accuracy.sel({names.FAULTY: 0}) - accuracy.sel({names.FAULTY: 1})
    if not falls.notnull().all():
        return None
    worst = str(falls["fault"].values[np.argmax(falls.values)])
    fall, zero = float(falls.max()), float(falls.sel(fault="zero"))
    sentence = (
        wording.no_fault(lam, members, NOTICED)
        if fall < NOTICED
        else wording.faults(lam, members, worst, fall=fall, zero=zero)
    )
    return _finding("faults", lam, fall, sentence)


def _bit_flips(of_lam: xr.Dataset, lam: float, members: int) -> Finding | None:
    """Find the rate of bit flips that costs a point, with and without excluding members."""
    rates = of_lam["rate"].values
    rate = _first_fall(rates, of_lam["bit_flip_accuracy_mean"].values)
    guarded = _first_fall(rates, of_lam["bit_flip_accuracy_guarded_mean"].values)
    if np.isnan(rate):
        return None
    sentence = wording.bit_flips(lam, rate if rate < 1 else None, guarded if guarded < 1 else None)
    return _finding("bit-flips", lam, rate, sentence)


def _first_fall(rates: np.ndarray, accuracy: np.ndarray) -> float:
    """Return the lowest rate at which accuracy is a point lower; 1 for none, NaN if unknown."""
    if not np.isfinite(accuracy).all():
        return float("nan")
    fallen = np.flatnonzero(accuracy <= accuracy[0] - POINT)
    return float(rates[fallen[0]]) if fallen.size else 1.0


def _partial(of_lam: xr.Dataset, lam: float, members: int) -> Finding | None:
    """Find the fewest members, in the best order known, that come within a point of all."""
    enough = {
        str(curve["evaluation"].values): int(np.argmax(curve.values >= curve.values[-1] - POINT))
        for curve in of_lam["partial_accuracy_mean"]
        if curve.notnull().all()
    }
    if not enough:
        return None
    order = min(enough, key=lambda name: enough[name])
    count = enough[order] + 1
    size = float(of_lam["parameters_per_member"])
    sentence = wording.partial(
        lam, members, count, order=order, parameters=size if np.isfinite(size) else None
    )
    return _finding("partial", lam, count / members, sentence)


def _worth(of_lam: xr.Dataset, lam: float, members: int) -> Finding | None:
    """Test whether the highest Shapley value is above an equal share."""
    measured = of_lam[["shapley_accuracy", "shapley_accuracy_se"]].dropna(names.TRIAL, how="all")
    values = measured["shapley_accuracy"].values
    if values.size == 0:
        return None
    best = values.argmax(1)[:, None]
    top = np.take_along_axis(values, best, 1)[:, 0]
    se = np.take_along_axis(measured["shapley_accuracy_se"].values, best, 1)[:, 0]
    share, equal = float((top / values.sum(1)).mean()), values.mean(1)
    if not np.isfinite(share):
        return None
    # The highest of M values is tested, hence Bonferroni's correction for M tests.
    significant = (top - equal > student.ppf(1 - 0.05 / members, REPEATS - 1) * se).all()
    trials = len(values)
    sentence = (
        wording.worth(
            lam,
            members,
            value=float(top.mean()),
            se=float(se.mean()),
            share=share,
            trials=trials,
        )
        if significant
        else wording.no_worth(lam, members, trials)
    )
    return _finding("worth", lam, share, sentence)


def _self_test(result: xr.Dataset) -> Finding | None:
    difference = float(result["residual"].max())
    if not difference > RESIDUAL_LIMIT:
        return None
    return _finding(
        "residual",
        None,
        difference,
        wording.residual(difference, RESIDUAL_LIMIT),
        level="alert",
        limit=RESIDUAL_LIMIT,
    )


def _without_bit_flips(result: xr.Dataset) -> Finding | None:
    reason = str(result.attrs.get("without_bit_flips", ""))
    if not reason:
        return None
    return _finding("without-bit-flips", None, 0.0, wording.without_bit_flips(reason))
