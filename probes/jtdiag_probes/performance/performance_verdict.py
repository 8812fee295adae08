"""Findings of performance: the best λs, end-to-end training, and what diversity contributes."""

import numpy as np
import xarray as xr

from jtdiag import names
from jtdiag.probing import credit_facts
from jtdiag.probing.findings import Finding
from jtdiag.stats import Interval
from jtdiag_probes.performance import wording
from jtdiag_probes.performance.wording import Comparison, EndToEnd, Error

_ENDS = ("mean", "low", "high")


def judge(result: xr.Dataset) -> list[Finding]:
    """Report the best λs on test, end-to-end against independent training, and the diversity."""
    on_test = result.sel({names.SPLIT: names.TEST})
    mean = on_test["ensemble_error_mean"]
    measured = [float(lam) for lam in result[names.LAM].values[np.isfinite(mean.values)]]
    best = float(on_test["optimum"])
    if best not in measured:
        return []
    if _nothing_learned(on_test, best):
        return [_no_skill(on_test, best)]
    findings = [_best(on_test, best, [lam for lam in measured if lam != best])]
    findings += _end_to_end(on_test)
    return findings + _diversity(on_test.sel({names.LAM: best}), best)


def _nothing_learned(on_test: xr.Dataset, best: float) -> bool:
    """Return whether the ensemble is not better than chance level, even at the best λ."""
    error = float(on_test["ensemble_error_mean"].sel({names.LAM: best}))
    unlearned = np.atleast_1d(on_test.attrs.get("unlearned", []))
    return best in unlearned or error >= float(on_test.attrs.get("chance_error", np.inf))


def _no_skill(on_test: xr.Dataset, best: float) -> Finding:
    """Report that no λ is compared with another, since nothing was learned."""
    error = _error(on_test.sel({names.LAM: best}))
    return Finding(
        probe="performance",
        rule="nothing-learned",
        level="info",
        number=error.over_trials.mean / 100,
        limit=float(on_test.attrs["chance_error"]),
        sentence=wording.nothing_learned(
            error, 100 * float(on_test.attrs["chance_error"]), measure=_error_measure(on_test)
        ),
        headline=wording.NOTHING_LEARNED,
    )


def _best(on_test: xr.Dataset, best: float, others: list[float]) -> Finding:
    error = _error(on_test.sel({names.LAM: best}))
    comparisons = [_comparison(on_test, lam) for lam in sorted(others)]
    comparisons = [comparison for comparison in comparisons if comparison.trials > 0]
    rates = _learning_rates(on_test, [best, *others])
    return Finding(
        probe="performance",
        rule="best-lambda",
        level="info",
        lam=best,
        number=error.over_trials.mean / 100,
        sentence=wording.best_lambda(
            best,
            error,
            comparisons,
            measure=_error_measure(on_test),
            learning_rates=rates,
        ),
        headline=wording.best_lambda_headline(best, error, comparisons),
    )


def _error_measure(result: xr.Dataset) -> str:
    """Return what an error of the ensemble is a fraction of; "" for examples that are wrong."""
    measure = str(result.attrs.get("error_measure", ""))
    return "" if measure == "fraction wrong" else measure


def _comparison(on_test: xr.Dataset, lam: float) -> Comparison:
    """Return how one λ compares with the best, from the intervals in the result."""
    row = on_test.sel({names.LAM: lam})
    return Comparison(
        lam=lam,
        points=Interval(*(float(row[f"difference_{end}"]) for end in _ENDS)).scaled(100),
        trials=int(row["paired_trials"]),
        worse=not bool(row["best_set"]),
        detectable=100 * float(row["difference_detectable"]),
        layers_end_to_end=not credit_facts.not_end_to_end(on_test.attrs),
    )


def _end_to_end(on_test: xr.Dataset) -> list[Finding]:
    """Report whether the test errors at λ = 1 and λ = 0 differ, where both are measured."""
    trials = int(on_test["end_to_end_trials"])
    if trials == 0:
        return []
    comparison = EndToEnd(
        points=Interval(*(float(on_test[f"end_to_end_{end}"]) for end in _ENDS)).scaled(100),
        trials=trials,
        detectable=100 * float(on_test["end_to_end_detectable"]),
        wins=float(on_test["end_to_end_wins"]),
        losses=float(on_test["end_to_end_losses"]),
        credit=credit_facts.not_end_to_end(on_test.attrs),
    )
    return [
        Finding(
            probe="performance",
            rule="end-to-end",
            level="info",
            lam=1.0,
            number=comparison.points.mean / 100,
            sentence=wording.end_to_end(
                comparison,
                measure=_error_measure(on_test),
                learning_rates=_learning_rates(on_test, [0.0, 1.0]),
            ),
            headline=wording.end_to_end_headline(comparison),
        )
    ]


def _learning_rates(on_test: xr.Dataset, lams: list[float]) -> dict[float, float]:
    return {lam: float(on_test["lr"].sel({names.LAM: lam})) for lam in sorted(lams)}


def _diversity(row: xr.Dataset, lam: float) -> list[Finding]:
    """Report how much lower the ensemble's loss is than its members', for two members or more."""
    loss, gain = float(row[f"{names.ENSEMBLE_LOSS}_mean"]), _interval(row, "diversity")
    if int(row.attrs.get("members", 2)) < 2 or not np.isfinite([loss, gain.mean]).all():
        return []
    ensemble, member = (
        _interval(row, name).scaled(100).within(0, np.inf)
        for name in (names.ENSEMBLE_ERROR, "median_member_error")
    )
    return [
        Finding(
            probe="performance",
            rule="diversity",
            level="info",
            lam=lam,
            number=gain.mean,
            sentence=wording.diversity(lam, loss, gain, ensemble, member),
        )
    ]


def _error(row: xr.Dataset) -> Error:
    """Return the ensemble's test error at one λ, in percent, with its intervals."""
    over_trials = _interval(row, names.ENSEMBLE_ERROR)
    ends = (float(row[f"population_{end}"]) for end in ("low", "high"))
    largest = np.inf if _error_measure(row) else 100.0  # a fraction of wrong predictions
    return Error(
        over_trials=over_trials.scaled(100).within(0, largest),
        population=Interval(over_trials.mean, *ends).scaled(100),
    )


def _interval(row: xr.Dataset, name: str) -> Interval:
    return Interval(*(float(row[f"{name}_{end}"]) for end in _ENDS))
