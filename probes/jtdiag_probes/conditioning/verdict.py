"""Turn the numbers of the conditioning probe into findings."""

import numpy as np
import xarray as xr

from jtdiag import names, stats
from jtdiag.probing.findings import Finding
from jtdiag_probes.conditioning import cost, wording
from jtdiag_probes.conditioning.exponent import FEWEST_LAMBDAS
from jtdiag_probes.linalg import derivative_check

SLOW = 20.0
"""Ratio of curvature along consensus to that along disagreement from which plain gradient descent
is slow to correct disagreement; for squared error, 1/(1−λ) is 20 at λ = 0.95."""


def judge(result: xr.Dataset) -> list[Finding]:
    """Return the conditioning at every λ, and how it grows with λ."""
    if "anisotropy" not in result:
        return []
    findings = _too_large(result)
    for lam in sorted(float(value) for value in result[names.LAM].values):
        of_lam = result.sel({names.LAM: [lam]})
        findings += _by_outputs(of_lam, lam) + _by_weights(of_lam, lam)
    return findings + _growth(result)


def _too_large(result: xr.Dataset) -> list[Finding]:
    """Return what was not measured because there are too many classes and members."""
    measured = bool(result["anisotropy"].notnull().any())
    if "classes" not in result.attrs or int(result["kappa_examples"]) or not measured:
        return []  # older results did not leave it out
    members, classes = result.sizes[names.MEMBER], int(result.attrs["classes"])
    amount = cost.work(members, classes)
    sentence = wording.too_large(members, classes, exact=amount <= cost.LARGEST_EXACT)
    return [_finding("too-large", None, float(amount), sentence, float(cost.LARGEST))]


def at_the_end(values: xr.DataArray) -> xr.DataArray:
    """Return the last value of every lane, (lam, trial), over epochs and splits.

    NaN counts as missing; infinity does not.
    """
    dims = [names.LAM, names.TRIAL]
    further = [dim for dim in values.dims if dim not in dims]
    rows = values.transpose(*dims, *further).values.reshape(*(values.sizes[d] for d in dims), -1)
    last = np.full(rows.shape[:2], np.nan)
    for index in np.ndindex(last.shape):
        measured = rows[index][~np.isnan(rows[index])]
        last[index] = measured[-1] if measured.size else np.nan
    coords = {dim: values[dim] for dim in dims if dim in values.coords}
    return xr.DataArray(last, dims=dims, coords=coords)


def _median(of_lam: xr.Dataset, name: str) -> float:
    """Return the median over trials at the end; NaN if no trial was measured."""
    values = at_the_end(of_lam[name]).values.ravel()
    values = values[~np.isnan(values)]
    return float(np.median(values)) if values.size else np.nan


def _by_outputs(of_lam: xr.Dataset, lam: float) -> list[Finding]:
    kappa, anisotropy = _median(of_lam, "kappa"), _median(of_lam, "anisotropy")
    if np.isnan(kappa):
        return []
    if lam == 1:
        count = int(of_lam["null_directions"].values[0])
        return [_finding("null-directions", lam, count, wording.null_directions(count, kappa))]
    growth = _median(of_lam, "kappa_growth")
    sentence = wording.outputs(
        lam,
        kappa=kappa,
        growth=growth if np.isfinite(kappa) and np.isfinite(growth) else None,
        anisotropy=anisotropy,
        limit=SLOW,
    )
    return [_finding("outputs", lam, anisotropy, sentence, SLOW)]


def _by_weights(of_lam: xr.Dataset, lam: float) -> list[Finding]:
    kappa = _median(of_lam, "kappa_lower")
    if np.isnan(kappa):
        return _not_twice_differentiable(of_lam, lam)
    examples, growth = int(of_lam["kappa_lower_examples"]), _median(of_lam, "kappa_lower_growth")
    finite = bool(np.isfinite(kappa))
    sentence = wording.weights(
        lam,
        kappa=kappa if finite else None,
        examples=examples,
        growth=growth if np.isfinite(growth) and growth > 0 else None,
        hessian_min=_median(of_lam, "hessian_min"),
        hessian_max=_median(of_lam, "hessian_max"),
        redundancy=_redundancy(of_lam),
    )
    # A singular matrix has no κ, and JSON has no infinity.
    rule, number = ("weights", kappa) if finite else ("weights-singular", float(examples))
    return [_finding(rule, lam, number, sentence)]


def _not_twice_differentiable(of_lam: xr.Dataset, lam: float) -> list[Finding]:
    """Return why nothing was measured with respect to the weights, if that is the reason."""
    if "derivative_error" not in of_lam:
        return []
    error = _median(of_lam, "derivative_error")
    if not error > derivative_check.TOLERANCE:
        return []
    finite = bool(np.isfinite(error))
    sentence = wording.not_twice_differentiable(lam, 100 * error if finite else None)
    # JSON has no infinity.
    return [_finding("second-derivative", lam, error if finite else 1.0, sentence)]


def _growth(result: xr.Dataset) -> list[Finding]:
    """Return the exponents that could be fitted, or that there are too few λs."""
    findings = []
    for name in wording.GROWTH:
        fit = result.sel(quantity=name)
        exponent = float(fit["exponent"])
        if np.isfinite(exponent):
            p = stats.Interval(exponent, float(fit["exponent_low"]), float(fit["exponent_high"]))
            sentence = (
                wording.growth_at_fixed_outputs(exponent)
                if name == "grid_kappa"
                else wording.growth(name, p)
            )
            findings.append(_finding(f"exponent-{name}", None, exponent, sentence))
    below = int((result[names.LAM] < 1).sum())
    if below < FEWEST_LAMBDAS and at_the_end(result["kappa"]).notnull().any():
        sentence = wording.too_few_lambdas(below, FEWEST_LAMBDAS)
        findings.append(_finding("exponent-unknown", None, float(below), sentence))
    return findings


def _redundancy(of_lam: xr.Dataset) -> stats.Interval:
    """Return R in percent: the mean over trials, or that of one trial with its own interval."""
    values = 100 * of_lam["tangent_redundancy"].values.ravel()
    over_trials = stats.mean_interval(values)
    if np.isfinite(values).sum() != 1 or "tangent_redundancy_low" not in of_lam:
        return over_trials
    low, high = (100 * float(of_lam[f"tangent_redundancy_{end}"].max()) for end in ("low", "high"))
    exact = low == high
    return over_trials if exact else stats.Interval(over_trials.mean, low, high)


def _finding(
    rule: str, lam: float | None, number: float, sentence: str, limit: float | None = None
) -> Finding:
    return Finding(
        probe="conditioning",
        rule=rule,
        level="info",
        lam=lam,
        number=number,
        limit=limit,
        sentence=sentence,
    )
