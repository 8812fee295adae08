"""Findings of the probe performance: the best λ, and what diversity contributes there."""

import numpy as np
import xarray as xr

from jtdiag import names
from jtdiag.probing.findings import Finding
from jtdiag.stats import Interval
from jtdiag_probes.performance import wording
from jtdiag_probes.performance.wording import Comparison, Percent


def judge(result: xr.Dataset) -> list[Finding]:
    """Report the λ with the lowest test error against all others, and the diversity there."""
    on_test = result.sel({names.SPLIT: names.TEST})
    mean = on_test["ensemble_error_mean"]
    measured = [float(lam) for lam in result[names.LAM].values[np.isfinite(mean.values)]]
    best = float(on_test["optimum"])
    if best not in measured:
        return []
    findings = [_best(on_test, best, [lam for lam in measured if lam != best])]
    return findings + _diversity(on_test.sel({names.LAM: best}), best)


def _best(on_test: xr.Dataset, best: float, others: list[float]) -> Finding:
    error = _percent(on_test.sel({names.LAM: best}), names.ENSEMBLE_ERROR)
    comparisons = [_comparison(on_test, lam, best) for lam in sorted(others)]
    comparisons = [c for c in comparisons if c.trials > 0]
    rates = {
        float(lam): float(on_test["lr"].sel({names.LAM: lam})) for lam in sorted([best, *others])
    }
    return Finding(
        probe="performance",
        rule="best-lambda",
        level="info",
        lam=best,
        number=error.mean / 100,
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


def _comparison(on_test: xr.Dataset, lam: float, best: float) -> Comparison:
    """Return how one λ compares with the best, from the intervals in the result."""
    row = on_test.sel({names.LAM: lam})
    errors = on_test[names.ENSEMBLE_ERROR].sel({names.LAM: [lam, best]})
    return Comparison(
        lam=lam,
        points=Interval(
            *(100 * float(row[f"difference_{end}"]) for end in ("mean", "low", "high"))
        ),
        trials=int(errors.notnull().all(names.LAM).sum()),
    )


def _diversity(row: xr.Dataset, lam: float) -> list[Finding]:
    """Report how much lower the ensemble's loss is than its members', for two members or more."""
    loss, gain = (float(row[f"{name}_mean"]) for name in (names.ENSEMBLE_LOSS, "diversity"))
    if int(row.attrs.get("members", 2)) < 2 or not np.isfinite([loss, gain]).all():
        return []
    ensemble, member = (
        _percent(row, name) for name in (names.ENSEMBLE_ERROR, "median_member_error")
    )
    return [
        Finding(
            probe="performance",
            rule="diversity",
            level="info",
            lam=lam,
            number=gain,
            sentence=wording.diversity(
                lam, loss, gain, float(row["diversity_se"]), ensemble, member
            ),
        )
    ]


def _percent(row: xr.Dataset, name: str) -> Percent:
    return Percent(100 * float(row[f"{name}_mean"]), 100 * float(row[f"{name}_se"]))
