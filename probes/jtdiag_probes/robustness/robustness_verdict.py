"""What the numbers of the robustness probe mean, in sentences."""

from collections.abc import Callable
from typing import Literal

import numpy as np
import xarray as xr
from scipy.stats import t

from jtdiag import names
from jtdiag.probing.findings import Finding
from jtdiag_probes.robustness.removal_summary import POINT
from jtdiag_probes.robustness.variables import REPEATS

EXCESS_LIMIT = 1.1
"""Loss over that predicted from diversity, with half of the members missing, that is a warning."""
BRITTLE = 0.05
"""Accuracy that a missing member may cost on average before that is a warning."""
NOTICED = 0.0005
"""Accuracy below which the fault of a single member is not worth naming."""
RESIDUAL_LIMIT = 1e-3
"""Accuracies from outputs and from the metrics agree to rounding, beyond one example."""


def judge(result: xr.Dataset) -> list[Finding]:
    """Say what each λ's ensemble bears, and whether the numbers hold."""
    members = result.sizes.get(names.DROPPED, 1)
    if "accuracy" not in result:
        return []
    if result["accuracy"].isnull().all():
        return [_nothing_kept()]
    rules: tuple[Callable[[xr.Dataset, float, int], Finding], ...] = (
        _tolerance,
        _codependence,
        _faults,
        _bit_flips,
        _partial,
        _worth,
    )
    findings = []
    for lam in result[names.LAM].values if members > 1 else ():
        at = result.sel({names.LAM: lam})
        findings += [rule(at, float(lam), members) for rule in rules]
    findings += [_self_test(result), _without_bit_flips(result)]
    return [finding for finding in findings if np.isfinite(finding.number)]


def _finding(
    rule: str,
    lam: float | None,
    number: float,
    sentence: str,
    *,
    level: Literal["info", "alert"] = "info",
    limit: float | None = None,
) -> Finding:
    return Finding(
        probe="robustness",
        rule=rule,
        level=level,
        lam=lam,
        number=number,
        limit=limit,
        sentence=f"{'' if lam is None else f'λ = {lam:g}: '}{sentence}",
    )


def _percent(mean: float, error: float = float("nan")) -> str:
    return f"{100 * mean:.3g} %" + (f" ± {100 * error:.1g}" if np.isfinite(error) else "")


def _tolerance(at: xr.Dataset, lam: float, members: int) -> Finding:
    """Say how many members may be missing; warn where a single one is too many."""
    shared = at.sel(subsets="shared")
    number = float(shared["tolerated_fraction_mean"])
    curve = shared["accuracy_mean"].values
    worst = at["accuracy_worst_mean"].values
    if number * members < 1:
        return _brittle(lam, members, curve[0] - curve[1], worst[0] - worst[1])
    fatal = int(np.argmax(np.append(worst, -1) <= worst[0] - POINT))
    error = float(shared["tolerated_fraction_se"])
    random = (
        "and on average not a point less with a single one"
        if curve[-1] > curve[0] - POINT
        else f"and a point less when {_percent(number, error)} of them are missing at random"
    )
    worst_case = f"; in the worst case found, when {fatal} are missing" if fatal < members else ""
    return _finding(
        "tolerance",
        lam,
        number,
        f"test accuracy is {_percent(curve[0])} with all {members} members, {random}{worst_case}.",
    )


def _brittle(lam: float, members: int, fall: float, worst: float) -> Finding:
    """Say what a single missing member costs, where that is a point or more."""
    alert = fall > BRITTLE
    advice = " Use this ensemble whole" + (", or train it with a smaller λ." if lam else ".")
    return _finding(
        "brittle",
        lam,
        fall,
        f"one missing member of {members} costs {_points(fall)} of test accuracy on average, and "
        f"{_points(worst)} if it is the wrong one.{advice if alert else ''}",
        level="alert" if alert else "info",
        limit=BRITTLE,
    )


def _codependence(at: xr.Dataset, lam: float, members: int) -> Finding:
    """Compare the loss of half the members with what diversity alone predicts."""
    half = members // 2
    number = float(at["codependence_excess_mean"].sel({"subsets": "shared", names.DROPPED: half}))
    error = float(at["codependence_excess_se"].sel({"subsets": "shared", names.DROPPED: half}))
    doubt = f" ± {error:.1g}" if np.isfinite(error) else ""
    more = number > EXCESS_LIMIT
    return _finding(
        "codependence",
        lam,
        number,
        f"with {half} of {members} members missing, the test loss is {number:.3f}{doubt} times "
        "what the members' diversity predicts"
        + ("; they depend on each other beyond it." if more else "."),
        limit=EXCESS_LIMIT,
    )


def _faults(at: xr.Dataset, lam: float, members: int) -> Finding:
    """Say which fault of a single member costs most."""
    accuracy = at["fault_accuracy_mean"]
    falls = accuracy.sel({names.FAULTY: 0}) - accuracy.sel({names.FAULTY: 1})
    if not falls.notnull().all():
        return _finding("faults", lam, float("nan"), "")
    worst = str(falls["fault"].values[np.argmax(falls.values)])
    number, missing = float(falls.max()), float(falls.sel(fault="zero"))
    what = {
        "zero": "silent",
        "scaled": "ten times too loud",
        "flipped": "of the wrong sign",
        "stuck": "stuck at one answer",
        "random": "random",
        "noisy": "noisy",
    }
    sentence = (
        f"one faulty member of {members} costs most when its logits are {what[worst]}: "
        f"{_points(number)} of test accuracy; when it is silent, {_points(missing)}."
    )
    if number < NOTICED:
        sentence = (
            f"no fault of a single member of {members} costs {100 * NOTICED:g} points of test "
            "accuracy."
        )
    return _finding("faults", lam, number, sentence)


def _points(fall: float) -> str:
    return f"{round(100 * fall, 2) + 0.0:.2f} points"


def _bit_flips(at: xr.Dataset, lam: float, members: int) -> Finding:
    """Say at which rate of flipped bits accuracy has fallen by a point, with and without guard."""
    rates = at["rate"].values
    number = _first_fall(rates, at["bit_flip_accuracy_mean"].values)
    guarded = _first_fall(rates, at["bit_flip_accuracy_guarded_mean"].values)
    if np.isnan(number):
        return _finding("bit-flips", lam, number, "")
    return _finding(
        "bit-flips",
        lam,
        number,
        f"when bits of all weights flip, test accuracy has fallen by a point at {_rate(number)}; "
        f"if members with absurd logits are left out, at {_rate(guarded)}.",
    )


def _first_fall(rates: np.ndarray, accuracy: np.ndarray) -> float:
    """Return the lowest rate at which accuracy is a point lower; 1 for none, NaN if unknown."""
    if not np.isfinite(accuracy).all():
        return float("nan")
    fallen = np.flatnonzero(accuracy <= accuracy[0] - POINT)
    return float(rates[fallen[0]]) if fallen.size else 1.0


def _rate(rate: float) -> str:
    return f"a rate of {rate:.0e}" if rate < 1 else "none of the rates tried"


def _partial(at: xr.Dataset, lam: float, members: int) -> Finding:
    """Say how many members must be asked, in the best order known, for a point less than all."""
    curves = at["partial_accuracy_mean"]
    enough = {
        str(curve["evaluation"].values): int(np.argmax(curve.values >= curve.values[-1] - POINT))
        for curve in curves
        if curve.notnull().all()
    }
    if not enough:
        return _finding("partial", lam, float("nan"), "")
    best = min(enough, key=lambda name: enough[name])
    count = enough[best] + 1
    orders = {
        "random": "in any order",
        "best-alone-first": "the best on validation first",
        "greedy": "in the order of a greedy search on validation",
    }
    size = float(at["parameters_per_member"])
    cost = f" ({count * size:.3g} of {members * size:.3g} parameters)" if size == size else ""
    return _finding(
        "partial",
        lam,
        count / members,
        f"{count} of {members} members{cost}, asked {orders[best]}, come within a point of the "
        "test accuracy of all.",
    )


def _worth(at: xr.Dataset, lam: float, members: int) -> Finding:
    """Say how unequal the members' Shapley values are."""
    known = at[["shapley_accuracy", "shapley_accuracy_se"]].dropna(names.TRIAL, how="all")
    values = known["shapley_accuracy"].values
    if values.size == 0:
        return _finding("worth", lam, float("nan"), "")
    best = values.argmax(1)[:, None]
    top = np.take_along_axis(values, best, 1)[:, 0]
    error = np.take_along_axis(known["shapley_accuracy_se"].values, best, 1)[:, 0]
    share, equal = float((top / values.sum(1)).mean()), values.mean(1)
    # The highest of M: told apart from an equal share with all M in mind (Bonferroni).
    clear = (top - equal > t.ppf(1 - 0.05 / members, REPEATS - 1) * error).all()
    sentence = (
        f"the most useful member is worth {_points(top.mean())} of test accuracy "
        f"(Shapley value, ± {100 * error.mean():.1g}), {100 * share:.2g} % of what all {members} "
        f"are worth; an equal share is {100 / members:.2g} %."
    )
    if not clear:
        sentence = (
            f"by Shapley values, no member is clearly worth more than an equal share, "
            f"{100 / members:.2g} % of what all {members} are worth."
        )
    return _finding("worth", lam, share, sentence)


def _self_test(result: xr.Dataset) -> Finding:
    worst = float(result["residual"].max())
    return _finding(
        "residual",
        None,
        worst if worst > RESIDUAL_LIMIT else float("nan"),
        f"Self-test failed: accuracies from stored outputs and from the metrics differ by "
        f"{worst:.2g} (limit {RESIDUAL_LIMIT:.0g}); do not trust this run's numbers, check its "
        "store.",
        level="alert",
        limit=RESIDUAL_LIMIT,
    )


def _nothing_kept() -> Finding:
    return _finding(
        "nothing-kept",
        None,
        0.0,
        "Robustness was not measured: the run has kept no outputs on test (see keep.outputs and "
        "keep.splits of its recipe).",
    )


def _without_bit_flips(result: xr.Dataset) -> Finding:
    reason = str(result.attrs.get("without_bit_flips", "")).rstrip(".")
    return _finding(
        "without-bit-flips",
        None,
        0.0 if reason else float("nan"),
        f"Flipped bits and the cost of a member were not measured: {reason}.",
    )
