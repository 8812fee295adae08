"""Conditioning: how ill-conditioned the joint loss is, by the outputs and by the weights."""

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from jtdiag import names
from jtdiag.probing.contract import Options, Probe, Var
from jtdiag.replay import Replay
from jtdiag.store.run import Run
from jtdiag_probes.conditioning import exponent, output_conditioning, weight_conditioning
from jtdiag_probes.conditioning.verdict import at_the_end, judge
from jtdiag_probes.conditioning.weight_conditioning import (
    EIGENVALUE,
    EXACT,
    EXACT_EXAMPLES,
    POINTS,
    WeightCurvature,
)
from jtdiag_probes.linalg import density

QUANTITY = "quantity"
FITTED = ("grid_kappa", "kappa", "kappa_lower", "weight_anisotropy")
"""Condition numbers whose growth with λ is fitted."""
GRID_FROM = 0.9
"""λ from which that of the grid is fitted: below, the members' own spread still decides."""

_EXPONENTS = {
    "exponent": "p of κ ~ (1−λ)^−p: over the curve's λ, or over the run's λ below 1 at the end",
    "exponent_low": "lower end of p's interval at 95 %, over the points of the fit",
    "exponent_high": "upper end of p's interval at 95 %",
}

WRITES = {
    **output_conditioning.WRITES,
    **weight_conditioning.WRITES,
    "kappa_lower": Var(
        dims=(names.LAM, names.TRIAL),
        unit="1",
        meaning=(
            "kappa_exact on as many examples as leave it finite in every lane: a lower bound of κ "
            "on all examples"
        ),
        from_outputs=True,
    ),
    "kappa_lower_growth": Var(
        dims=(names.LAM, names.TRIAL),
        unit="1",
        meaning="kappa_lower over what it were at λ = 0 with the same weights",
        from_outputs=True,
    ),
    "kappa_lower_examples": Var(
        dims=(), unit=names.COUNT, meaning="examples of kappa_lower", from_outputs=True
    ),
    "weight_anisotropy": Var(
        dims=(names.LAM, names.TRIAL),
        unit="1",
        meaning="consensus_max over disagreement_max; infinite at λ = 1",
        from_outputs=True,
    ),
    **{
        name: Var(dims=(QUANTITY,), unit="1", meaning=meaning, from_outputs=True)
        for name, meaning in _EXPONENTS.items()
    },
}


def measure(run: Run, options: Options) -> xr.Dataset:
    """Measure curvature from kept outputs at every epoch, from kept checkpoints at the last."""
    metrics = run.metrics()
    result = xr.Dataset(output_conditioning.from_recipe(run), coords=metrics.coords)
    if options.metrics_only:
        return result.drop_vars(names.MEMBER)
    result = result.merge(output_conditioning.from_outputs(run, metrics))
    result = result.assign(_from_checkpoints(run)).assign_coords(
        {EIGENVALUE: density.axis(POINTS), EXACT_EXAMPLES: list(EXACT)}
    )
    result = result.assign(lower_bound(result["kappa_exact"], result["kappa_exact_alone"]))
    result["weight_anisotropy"] = weight_anisotropy(result)
    return result.merge(_exponents(result))


def _from_checkpoints(run: Run) -> dict[str, Any]:
    """Return the variables by weights, NaN for lanes that keep no checkpoint.

    And for branches of one network, which have no weights of their own to tell apart, and for a
    run recorded from somebody's loop, whose members cannot be rebuilt.
    """
    recipe = run.recipe
    sizes = {
        names.LAM: len(recipe.lam),
        names.TRIAL: recipe.trials,
        names.MEMBER: recipe.members.count,
        EIGENVALUE: POINTS,
        EXACT_EXAMPLES: len(EXACT),
    }
    writes = weight_conditioning.WRITES
    found = {
        name: (var.dims, np.full([sizes[dim] for dim in var.dims], np.nan))
        for name, var in writes.items()
    }
    epochs = np.full((sizes[names.LAM], sizes[names.TRIAL]), -1)
    replay = None
    for lane in run.lanes:
        kept = run.seal(lane).checkpoints
        if kept and not recipe.members.branched and not run.recorded:
            replay = Replay.of(run, lane, kept[-1], beside=replay)
            epochs[lane.lam_index, lane.trial] = kept[-1]
            for name, value in _numbers(replay).items():
                found[name][1][lane.lam_index, lane.trial] = value
    return {**found, "checkpoint": (writes["checkpoint"].dims, epochs)}


def _numbers(replay: Replay) -> dict[str, float | NDArray[np.floating[Any]]]:
    """Return one lane's numbers; none where its members have diverged."""
    if not all(bool(weight.isfinite().all()) for weight in replay.trained.values()):
        return {}
    with replay.threads():
        return WeightCurvature(replay).numbers()


def lower_bound(kappa: xr.DataArray, alone: xr.DataArray) -> dict[str, Any]:
    """Return κ on the most examples at which no lane is singular, so that lanes compare.

    κ on fewer examples bounds κ on more from below.
    """
    measured = kappa.notnull()
    finite = (xr.ufuncs.isfinite(kappa) | ~measured).all([names.LAM, names.TRIAL])
    usable = finite & measured.any([names.LAM, names.TRIAL])
    at = int(np.flatnonzero(usable.values)[-1]) if bool(usable.any()) else 0
    return {
        "kappa_lower": kappa.isel({EXACT_EXAMPLES: at}, drop=True),
        "kappa_lower_growth": (kappa / alone).isel({EXACT_EXAMPLES: at}, drop=True),
        "kappa_lower_examples": ((), int(kappa[EXACT_EXAMPLES].values[at])),
    }


def weight_anisotropy(result: xr.Dataset) -> xr.DataArray:
    """Return how much steeper the steepest direction is in which members agree, (lam, trial)."""
    ratio = result["consensus_max"] / result["disagreement_max"]
    at_end = (result[names.LAM] == 1) & result["consensus_max"].notnull()
    return ratio.where(~at_end, np.inf).transpose(names.LAM, names.TRIAL)


def _exponents(result: xr.Dataset) -> xr.Dataset:
    """Fit the growth of each condition number with λ."""
    late = result["grid_lam"].values >= GRID_FROM
    curve = (result["grid_lam"].values[late], result["grid_kappa"].values[late])
    fits = [exponent.fit(*curve), *(exponent.fit(*_points(result, name)) for name in FITTED[1:])]
    return xr.Dataset(
        {
            "exponent": (QUANTITY, [one.value for one in fits]),
            "exponent_low": (QUANTITY, [one.low for one in fits]),
            "exponent_high": (QUANTITY, [one.high for one in fits]),
        },
        coords={QUANTITY: np.array(FITTED, dtype=object)},
    )


def _points(
    result: xr.Dataset, name: str
) -> tuple[NDArray[np.floating[Any]], NDArray[np.floating[Any]]]:
    """Return λ and κ of every lane, at its end."""
    kappa = at_the_end(result[name])
    return result[names.LAM].broadcast_like(kappa).values.ravel(), kappa.values.ravel()


probe = Probe(
    name="conditioning",
    question="How ill-conditioned is the joint loss?",
    writes=WRITES,
    measure=measure,
    judge=judge,
    cost="slow",
    classes_only=True,
)
