"""Turn the numbers of the robustness probe into findings."""

from collections.abc import Callable
from dataclasses import replace
from typing import Literal

import numpy as np
import xarray as xr
from scipy.stats import t as student

from jtdiag import names
from jtdiag.probing.findings import Finding
from jtdiag.stats import best_set, mean_interval
from jtdiag_probes.robustness import wording
from jtdiag_probes.robustness.removal_summary import POINT
from jtdiag_probes.robustness.trials import Trials, first_above, last_below, trials_of
from jtdiag_probes.robustness.variables import REPEATS, SHARED

EXCESS_LIMIT = 1.1
"""Limit on the loss relative to that predicted from diversity, with half of the members missing."""
BRITTLE = 0.05
"""Limit on the accuracy that a trained ensemble loses, on average, with one missing member."""
NOTICED = 0.0005
"""A fault of one member that costs less accuracy than this is not named."""
RESIDUAL_LIMIT = 1e-3
"""Accuracies from outputs and from metrics agree up to rounding, beyond one example."""


def judge(result: xr.Dataset) -> list[Finding]:
    """Return findings for every λ, and self-tests of the whole result."""
    if "accuracy" not in result:
        return []
    if result["accuracy"].isnull().all():
        return [_finding("nothing-kept", None, 0.0, wording.nothing_kept())]
    members = result.sizes[names.DROPPED]
    exact = bool(result.attrs.get("exact", 0))
    findings: list[Finding | None] = []
    if members == 1:
        findings.append(_finding("single-member", None, 1.0, wording.single_member()))
    for lam in result[names.LAM].values:
        findings += _of_lam(trials_of(result.sel({names.LAM: lam}), members, exact=exact))
    findings += [_self_test(result), _without_bit_flips(result)]
    return [finding for finding in findings if finding is not None]


def _of_lam(trials: Trials) -> list[Finding | None]:
    """Return the findings on one λ; only the reason where no trial can be judged."""
    if trials.count == 0:
        return [_not_judged(trials)]
    if trials.members == 1:
        return [_bit_flips(trials)]
    rules: tuple[Callable[[Trials], Finding | None], ...] = (
        _tolerance,
        _brittle,
        _codependence,
        _faults,
        _bit_flips,
        _partial,
        _worth,
    )
    return [rule(trials) for rule in rules]


def _not_judged(trials: Trials) -> Finding | None:
    if trials.at_chance:
        sentence = wording.nothing_learned(trials.lam, trials.accuracy, trials.most_frequent)
        headline = wording.nothing_learned_headline(trials.lam)
        return _finding("nothing-learned", trials.lam, trials.accuracy, sentence, headline=headline)
    if trials.diverged:
        sentence = wording.all_diverged(trials.lam, trials.diverged)
        return _finding("nothing-learned", trials.lam, 0.0, sentence)
    return None


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


def _tolerance(trials: Trials) -> Finding | None:
    """Judge how many members can be missing before accuracy drops by a point."""
    lam, members = trials.lam, trials.members
    falls = trials.falls("accuracy", subsets=SHARED)
    tolerated = last_below(falls[:, 1:], POINT) + 1
    fall_of_one = mean_interval(falls[:, 1])
    missing, worst = _worst(trials)
    left_out = wording.left_out(trials.diverged, trials.at_chance, trials.measured)
    if tolerated:
        sentence = wording.tolerance(
            lam,
            members,
            tolerated,
            accuracy=mean_interval(trials.result["accuracy"].sel(subsets=SHARED)[:, 0]),
            fall=mean_interval(falls[:, tolerated]),
            worst=worst,
            trials=trials.count,
        )
        headline = wording.tolerance_headline(
            lam, members, tolerated, worst=missing - 1, exact=trials.exact, trials=trials.count
        )
    elif trials.count == 1 or fall_of_one.low > POINT:
        sentence = wording.no_tolerance(
            lam, members, fall=fall_of_one, worst=worst, trials=trials.count
        )
        headline = wording.no_tolerance_headline(lam, members, fall_of_one.mean)
    else:
        sentence = wording.untested_tolerance(
            lam,
            members,
            fall=fall_of_one,
            above=int((falls[:, 1] > POINT).sum()),
            worst=worst,
            trials=trials.count,
        )
        headline = wording.untested_tolerance_headline(lam, members, trials.count)
    fraction = float(trials.result["tolerated_fraction"].sel(subsets=SHARED).mean())
    return _finding("tolerance", lam, fraction, sentence + left_out, headline=headline)


def _worst(trials: Trials) -> tuple[int, str]:
    """Return how many missing members cost a point in the worst case, M if none do, in words."""
    falls = trials.falls("accuracy_worst")
    costly = np.flatnonzero(falls.mean(0) >= POINT)
    if not costly.size:
        return trials.members, wording.no_worst_case(trials.members - 1, exact=trials.exact)
    missing = int(costly[0])
    fall = mean_interval(falls[:, missing])
    return missing, wording.worst_case(missing, fall, exact=trials.exact)


def _brittle(trials: Trials) -> Finding | None:
    """Name the trials in which one missing member costs more than the limit.

    This is a finding on the trained ensembles, not on a mean over trials.
    """
    falls = trials.falls("accuracy", subsets=SHARED)[:, 1]
    above = np.flatnonzero(falls > BRITTLE)
    if not above.size:
        return None
    fall = float(falls[above].mean())
    sentence = wording.brittle(
        trials.lam, trials.members, fall=fall, limit=BRITTLE, count=above.size, trials=trials.count
    )
    finding = _finding("brittle", trials.lam, fall, sentence, level="alert", limit=BRITTLE)
    return replace(finding, trials=trials.numbers(above))


def _codependence(trials: Trials) -> Finding | None:
    """Compare the loss with half of the members missing with that predicted from diversity.

    Of two members, one is left, for which the prediction is an identity.
    """
    missing = trials.members // 2
    half = trials.result["codependence_excess"].sel({"subsets": SHARED, names.DROPPED: missing})
    ratio = mean_interval(half.values)
    if trials.members < 3 or not np.isfinite(ratio.mean):
        return None
    sentence = wording.codependence(
        trials.lam,
        trials.members,
        missing,
        ratio=ratio,
        limit=EXCESS_LIMIT,
        trials=trials.count,
    )
    return _finding("excess-loss", trials.lam, ratio.mean, sentence, limit=EXCESS_LIMIT)


def _faults(trials: Trials) -> Finding | None:
    """Find the fault of a single member that costs most, and those that may cost as much."""
    accuracy = trials.result["fault_accuracy"].transpose("fault", names.TRIAL, names.FAULTY)
    faulty = accuracy.sel({names.FAULTY: 1}).values
    falls = accuracy.sel({names.FAULTY: 0}).values - faulty
    if not np.isfinite(falls).all():
        return None
    kinds = [str(kind) for kind in accuracy["fault"].values]
    worst = int(falls.mean(1).argmax())
    fall = mean_interval(falls[worst])
    if fall.mean < NOTICED:
        sentence = wording.no_fault(trials.lam, trials.members, NOTICED)
    else:
        similar = best_set(faulty)
        sentence = wording.faults(
            trials.lam,
            trials.members,
            kinds[worst],
            fall=fall,
            similar=[kind for i, kind in enumerate(kinds) if similar[i] and i != worst],
            trials=trials.count,
        )
    return _finding("faults", trials.lam, fall.mean, sentence)


def _bit_flips(trials: Trials) -> Finding | None:
    """Find the rate of bit flips that costs a point, with and without excluding members."""
    rates = trials.result["rate"].values
    variables = ("bit_flip_accuracy", "bit_flip_accuracy_guarded")
    curves = [trials.result[name].transpose(names.TRIAL, "rate").values for name in variables]
    if not np.isfinite(curves).all():
        return None
    rate, guarded = (_costly_rate(rates[1:], curve[:, :1] - curve[:, 1:]) for curve in curves)
    sentence = wording.bit_flips(trials.lam, rate, guarded, trials.count)
    return _finding("bit-flips", trials.lam, 1.0 if rate is None else rate, sentence)


def _costly_rate(rates: np.ndarray, falls: np.ndarray) -> float | None:
    first = first_above(falls, POINT)
    return float(rates[first]) if first < len(rates) else None


def _partial(trials: Trials) -> Finding | None:
    """Find the fewest members, in the best order known, that come within a point of all."""
    curves = trials.result["partial_accuracy"].transpose("evaluation", names.TRIAL, names.KEPT)
    curves = curves.isel(evaluation=curves.notnull().all((names.TRIAL, names.KEPT)).values)
    orders = [str(order) for order in curves["evaluation"].values]
    members = trials.members
    # One order is selected, hence Bonferroni's correction for all orders.
    falls = (curves[:, :, -1:].values - curves.values)[:, :, -2::-1]
    dropped = [last_below(fall, POINT, len(orders)) + 1 for fall in falls]
    best = int(np.argmax(dropped))
    count = members - dropped[best]
    needed = [first_above(fall[:, :1], POINT) == 0 for fall in falls]
    if count == members and not all(needed):
        sentence = wording.untested_partial(trials.lam, members, trials.count)
        return _finding("partial", trials.lam, 1.0, sentence)
    size = float(trials.result["parameters_per_member"])
    sentence = wording.partial(
        trials.lam,
        members,
        count,
        order=orders[best],
        parameters=size if np.isfinite(size) else None,
        trials=trials.count,
    )
    return _finding("partial", trials.lam, count / members, sentence)


def _worth(trials: Trials) -> Finding | None:
    """Test whether the highest Shapley value is above an equal share."""
    members, exact = trials.members, trials.exact
    error = "shapley_accuracy_se_examples" if exact else "shapley_accuracy_se"
    both = trials.result[["shapley_accuracy", error]].transpose(names.TRIAL, names.MEMBER)
    values, errors = both["shapley_accuracy"].values, both[error].values
    best = values.argmax(1)[:, None]
    top = np.take_along_axis(values, best, 1)[:, 0]
    above, se = top - values.mean(1), np.take_along_axis(errors, best, 1)[:, 0]
    total = float(values.sum(1).mean())
    if not (np.isfinite(top).all() and total > 0):
        return None
    # The highest of M values is tested, hence Bonferroni's correction for M tests.
    draws = trials.result["examples"].values if exact else REPEATS
    significant = (above > student.ppf(1 - 0.05 / members, draws - 1) * se).all()
    sentence = (
        wording.worth(
            trials.lam,
            members,
            value=mean_interval(top),
            total=total,
            exact=exact,
            trials=trials.count,
        )
        if significant
        else wording.no_worth(trials.lam, members, exact=exact, trials=trials.count)
    )
    return _finding("worth", trials.lam, float(top.mean()) / total, sentence)


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
