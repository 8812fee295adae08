"""Turn the numbers of the conditioning probe into findings."""

import numpy as np
import xarray as xr

from jtdiag import names
from jtdiag.probing.findings import Finding
from jtdiag_probes.conditioning import wording

SLOW = 20.0
"""Ratio of curvature along consensus to that along disagreement from which plain gradient descent
is slow to correct disagreement; for squared error, 1/(1−λ) is 20 at λ = 0.95."""


def judge(result: xr.Dataset) -> list[Finding]:
    """Return the conditioning at every λ, and how it grows with λ."""
    if "anisotropy" not in result:
        return []
    findings = []
    for lam in sorted(float(value) for value in result[names.LAM].values):
        of_lam = result.sel({names.LAM: [lam]})
        findings += _by_outputs(of_lam, lam) + _by_weights(of_lam, lam)
    return findings + _growth(result)


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
        return []
    examples, growth = int(of_lam["kappa_lower_examples"]), _median(of_lam, "kappa_lower_growth")
    finite = bool(np.isfinite(kappa))
    sentence = wording.weights(
        lam,
        kappa=kappa if finite else None,
        examples=examples,
        growth=growth if np.isfinite(growth) and growth > 0 else None,
        hessian_min=_median(of_lam, "hessian_min"),
        hessian_max=_median(of_lam, "hessian_max"),
        redundancy=_median(of_lam, "tangent_redundancy"),
    )
    # A singular matrix has no κ, and JSON has no infinity.
    rule, number = ("weights", kappa) if finite else ("weights-singular", float(examples))
    return [_finding(rule, lam, number, sentence)]


def _growth(result: xr.Dataset) -> list[Finding]:
    """Return the exponents that could be fitted."""
    findings = []
    for name in wording.GROWTH:
        fit = result.sel(quantity=name)
        exponent = float(fit["exponent"])
        if np.isfinite(exponent):
            low, high = float(fit["exponent_low"]), float(fit["exponent_high"])
            sentence = wording.growth(name, exponent, low, high)
            findings.append(_finding(f"exponent-{name}", None, exponent, sentence))
    return findings


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
