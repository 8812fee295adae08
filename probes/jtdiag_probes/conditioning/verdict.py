"""What the numbers of the conditioning probe mean: how slowly λ lets members correct themselves."""

import numpy as np
import xarray as xr

from jtdiag import names
from jtdiag.probing.findings import Finding

SLOW = 20.0
"""Curvature along consensus over that along disagreement from which the finding says that plain
gradient descent leaves the members behind; 1/(1−λ) is 20 at λ = 0.95 for squared error."""


def judge(result: xr.Dataset) -> list[Finding]:
    """Say at each λ how uneven the curvature is, and how that grows with λ."""
    if "anisotropy" not in result:
        return []
    findings = []
    for lam in sorted(float(value) for value in result[names.LAM].values):
        at = result.sel({names.LAM: [lam]})
        findings += _by_outputs(at, lam) + _by_weights(at, lam)
    return findings + _growth(result)


def at_the_end(values: xr.DataArray) -> xr.DataArray:
    """Return a variable by lam and trial: at each lane's last epoch, and last split, with numbers.

    Infinite is a number here; NaN is none.
    """
    dims = [names.LAM, names.TRIAL]
    further = [dim for dim in values.dims if dim not in dims]
    rows = values.transpose(*dims, *further).values.reshape(*(values.sizes[d] for d in dims), -1)
    found = np.full(rows.shape[:2], np.nan)
    for at in np.ndindex(found.shape):
        known = rows[at][~np.isnan(rows[at])]
        found[at] = known[-1] if known.size else np.nan
    coords = {dim: values[dim] for dim in dims if dim in values.coords}
    return xr.DataArray(found, dims=dims, coords=coords)


def _over_trials(at: xr.Dataset, name: str) -> float:
    """Return the median over trials at the end; NaN where no trial has numbers."""
    known = at_the_end(at[name]).values.ravel()
    known = known[~np.isnan(known)]
    return float(np.median(known)) if known.size else np.nan


def _by_outputs(at: xr.Dataset, lam: float) -> list[Finding]:
    kappa, uneven = _over_trials(at, "kappa"), _over_trials(at, "anisotropy")
    if np.isnan(kappa):
        return []
    if lam == 1:
        nulls = int(at["null_directions"].values[0])
        sentence = (
            f"λ = 1: the loss is singular by the outputs, {nulls} directions of an example have "
            f"no curvature; without them κ⁺ is {_size(kappa)}. What members say against each other "
            "is not trained at all."
        )
        return [_finding("null-directions", lam, nulls, sentence)]
    growth = _over_trials(at, "kappa_growth")
    size = f"{_size(kappa)} (median example)"
    slow = ": plain gradient descent leaves the members' own errors behind"
    known = np.isfinite(kappa) and np.isfinite(growth)
    times = f", {growth:.2g} times what it were at λ = 0 with the same outputs" if known else ""
    sentence = (
        f"λ = {lam:g}: by the outputs κ⁺ is {size}{times}; "
        f"curvature along consensus is {uneven:.3g} times that along "
        f"disagreement{slow if uneven >= SLOW else ''}."
    )
    return [_finding("outputs", lam, uneven, sentence, SLOW)]


def _size(kappa: float) -> str:
    return f"{kappa:.2g}" if np.isfinite(kappa) else "beyond float64"


def _by_weights(at: xr.Dataset, lam: float) -> list[Finding]:
    kappa = _over_trials(at, "kappa_lower")
    if np.isnan(kappa):
        return []
    examples = int(at["kappa_lower_examples"])
    counted = f"{examples} example{'s' if examples > 1 else ''}"
    least, most = _over_trials(at, "hessian_min"), _over_trials(at, "hessian_max")
    redundancy = _over_trials(at, "tangent_redundancy")
    growth = _over_trials(at, "kappa_lower_growth")
    without = (
        ", the null space of λ = 1 left out"
        if lam == 1
        else f", {growth:.2g} times what it were at λ = 0 with the same weights"
    )
    bound = (
        f"κ of the Gauss-Newton matrix is {kappa:.2g} or more ({counted}{without})"
        if np.isfinite(kappa)
        else f"the Gauss-Newton matrix of {counted} is singular in float64"
    )
    return [
        _finding(
            # Of a singular matrix there is no κ, and no number that JSON knows.
            "weights" if np.isfinite(kappa) else "weights-singular",
            lam,
            kappa if np.isfinite(kappa) else examples,
            f"λ = {lam:g}: by the weights {bound}; the Hessian reaches from {least:.2g} to "
            f"{most:.2g} nats, and {100 * redundancy:.0f} % of what the members can do to the "
            "outputs is redundant.",
        )
    ]


def _growth(result: xr.Dataset) -> list[Finding]:
    """Report the exponents that could be fitted."""
    spoken = {
        "grid_kappa": "at the same outputs, from λ = 0.9 on, κ⁺ by the outputs",
        "kappa": "after training at each λ, κ⁺ by the outputs",
        "kappa_lower": "after training at each λ, the bound on κ by the weights",
        "weight_anisotropy": "after training at each λ, the curvature by the weights along "
        "consensus over that along disagreement",
    }
    findings = []
    for name, what in spoken.items():
        one = result.sel(quantity=name)
        value, low, high = (
            float(one[key]) for key in ("exponent", "exponent_low", "exponent_high")
        )
        if not np.isfinite(value):
            continue
        power = f"{-value:.2f}".replace("-", "−")
        interval = f"95 %: {low:.2f} to {high:.2f}" if np.isfinite(low) else "no interval"
        holds = _meaning(low, high)
        sentence = f"{what[0].upper()}{what[1:]} grows as (1−λ)^{power} ({interval}), {holds}."
        findings.append(_finding(f"exponent-{name}", None, value, sentence))
    return findings


def _meaning(low: float, high: float) -> str:
    """Say what an interval of p tells, where λ's own part is 1 by theory.

    Lanes differ in their outputs as well, so a p above 1 is not λ's doing alone.
    """
    if not low > 0:
        return "which may be no growth"
    if low > 1:
        return "more than λ's own part, which is 1: the members have also become more certain"
    if high < 1:
        return "less than the 1 that theory has for λ near 1 at the same outputs"
    if high - low > 1:
        return "an interval too wide to say more than that it grows"
    return "as theory has it for λ near 1, where p is 1"


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
