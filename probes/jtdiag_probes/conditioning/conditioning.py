"""Conditioning: condition of the joint loss with respect to the outputs and to the weights."""

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from torch.nn.attention import SDPBackend, sdpa_kernel

from jtdiag import names
from jtdiag.probing.checkpoints import Checkpoint, of_checkpoints
from jtdiag.probing.contract import Options, Probe, Var
from jtdiag.store.run import Run
from jtdiag_probes.conditioning import cost, exponent, output_conditioning, weight_conditioning
from jtdiag_probes.conditioning.verdict import at_the_end, judge
from jtdiag_probes.conditioning.weight_conditioning import (
    EIGENVALUE,
    EXACT,
    EXACT_EXAMPLES,
    EXAMPLES,
    POINTS,
    WeightCurvature,
)
from jtdiag_probes.linalg import density

if TYPE_CHECKING:
    from distributed import Client

QUANTITY = "quantity"
FITTED = ("grid_kappa", "kappa", "kappa_lower", "weight_anisotropy")
"""Condition numbers whose growth with λ is fitted."""
GRID_FROM = 0.9
"""λ from which the grid is fitted; below, the spread of the members dominates."""

_EXPONENTS = {
    "exponent": (
        "1",
        "p of κ ~ (1−λ)^−p, over the λ of the grid, or over the run's λ below 1 at the end as a "
        "mean over trials; NaN for fewer than 3 λ",
    ),
    "exponent_low": ("1", "lower end of the 95 % interval of p over trials; NaN for one trial"),
    "exponent_high": ("1", "upper end of the 95 % interval of p over trials; NaN for one trial"),
    "exponent_lambdas": (names.COUNT, "λ below 1 at which κ is finite in every trial"),
    "exponent_trials": (names.COUNT, "trials to which p is fitted"),
}

WRITES = {
    **output_conditioning.WRITES,
    **weight_conditioning.WRITES,
    "kappa_lower": Var(
        dims=(names.LAM, names.TRIAL),
        unit="1",
        meaning=(
            "kappa_exact on the most examples for which it is finite in every lane: a lower bound "
            "on κ on all examples"
        ),
        from_outputs=True,
    ),
    "kappa_lower_growth": Var(
        dims=(names.LAM, names.TRIAL),
        unit="1",
        meaning="kappa_lower divided by its value at λ = 0 for the same weights",
        from_outputs=True,
    ),
    "kappa_lower_examples": Var(
        dims=(), unit=names.COUNT, meaning="number of examples of kappa_lower", from_outputs=True
    ),
    "weight_anisotropy": Var(
        dims=(names.LAM, names.TRIAL),
        unit="1",
        meaning="consensus_max divided by disagreement_max; infinite at λ = 1",
        from_outputs=True,
    ),
    **{
        name: Var(dims=(QUANTITY,), unit=unit, meaning=meaning, from_outputs=True)
        for name, (unit, meaning) in _EXPONENTS.items()
    },
}


def measure(run: Run, options: Options) -> xr.Dataset:
    """Measure curvature from stored outputs at every epoch, and from the last checkpoint."""
    metrics = run.metrics()
    result = xr.Dataset(output_conditioning.from_recipe(run), coords=metrics.coords)
    if options.metrics_only:
        return result.drop_vars(names.MEMBER)
    result = result.merge(output_conditioning.from_outputs(run, metrics))
    result = result.assign(_from_checkpoints(run, options.client)).assign_coords(
        {EIGENVALUE: density.axis(POINTS), EXACT_EXAMPLES: list(EXACT)}
    )
    result = result.assign(lower_bound(result["kappa_exact"], result["kappa_exact_alone"]))
    result["weight_anisotropy"] = weight_anisotropy(result)
    return result.merge(_exponents(result)).assign_attrs(classes=run.outputs_per_member)


def seconds(run: Run) -> float:
    """Return a rough estimate of the processor time, in seconds."""
    examples = output_conditioning.examples_of(run)
    return cost.seconds(run, examples, len(output_conditioning.GRID_LAM), EXAMPLES)


def _from_checkpoints(run: Run, client: "Client | None") -> dict[str, Any]:
    """Return the variables with respect to the weights.

    NaN for lanes without a checkpoint, for branches of one network, which share weights, and for
    runs recorded from a user's training loop, whose members cannot be rebuilt.
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
    variables = {
        name: (var.dims, np.full([sizes[dim] for dim in var.dims], np.nan))
        for name, var in writes.items()
    }
    epochs = np.full((sizes[names.LAM], sizes[names.TRIAL]), -1)
    can_replay = not recipe.members.branched and not run.recorded
    last = {lane: run.seal(lane).checkpoints[-1:] for lane in run.lanes if can_replay}
    for (lane, epoch), numbers in of_checkpoints(run, last, _numbers, client).items():
        epochs[lane.lam_index, lane.trial] = epoch
        for name, value in numbers.items():
            variables[name][1][lane.lam_index, lane.trial] = value
    return {**variables, "checkpoint": (writes["checkpoint"].dims, epochs)}


def _numbers(checkpoint: Checkpoint) -> dict[str, float | NDArray[np.floating[Any]]]:
    """Return the numbers of one lane; none if its members have diverged."""
    replay = checkpoint.replay
    if not all(bool(weight.isfinite().all()) for weight in replay.trained.values()):
        return {}
    # Fused attention kernels have no second derivative; the plain one has.
    with sdpa_kernel(SDPBackend.MATH):
        return WeightCurvature(replay).numbers()


def lower_bound(kappa: xr.DataArray, at_zero: xr.DataArray) -> dict[str, Any]:
    """Return κ on the most examples for which no lane is singular, so that lanes are comparable.

    κ on fewer examples is a lower bound on κ on more examples.
    """
    measured = kappa.notnull()
    finite = (xr.ufuncs.isfinite(kappa) | ~measured).all([names.LAM, names.TRIAL])
    usable = finite & measured.any([names.LAM, names.TRIAL])
    index = int(np.flatnonzero(usable.values)[-1]) if bool(usable.any()) else 0
    return {
        "kappa_lower": kappa.isel({EXACT_EXAMPLES: index}, drop=True),
        "kappa_lower_growth": (kappa / at_zero).isel({EXACT_EXAMPLES: index}, drop=True),
        "kappa_lower_examples": ((), int(kappa[EXACT_EXAMPLES].values[index])),
    }


def weight_anisotropy(result: xr.Dataset) -> xr.DataArray:
    """Return the largest curvature along consensus over that along disagreement, (lam, trial)."""
    ratio = result["consensus_max"] / result["disagreement_max"]
    end_to_end = (result[names.LAM] == 1) & result["consensus_max"].notnull()
    return ratio.where(~end_to_end, np.inf).transpose(names.LAM, names.TRIAL)


def _exponents(result: xr.Dataset) -> xr.Dataset:
    """Fit the growth of each condition number with λ.

    The points of the grid come from the same outputs and do not scatter: that fit has no interval.
    """
    late = result["grid_lam"].values >= GRID_FROM
    curve = (result["grid_lam"].values[late], result["grid_kappa"].values[late, None])
    lam = result[names.LAM].values
    ends = (at_the_end(result[name]).values for name in FITTED[1:])
    fits = [exponent.fit(*curve), *(exponent.fit(lam, end) for end in ends)]
    return xr.Dataset(
        {
            "exponent": (QUANTITY, [fit.value for fit in fits]),
            "exponent_low": (QUANTITY, [fit.low for fit in fits]),
            "exponent_high": (QUANTITY, [fit.high for fit in fits]),
            "exponent_lambdas": (QUANTITY, [fit.lambdas for fit in fits]),
            "exponent_trials": (QUANTITY, [fit.trials for fit in fits]),
        },
        coords={QUANTITY: np.array(FITTED, dtype=object)},
    )


probe = Probe(
    name="conditioning",
    question="How ill-conditioned is the joint loss?",
    writes=WRITES,
    measure=measure,
    judge=judge,
    cost="slow",
    by_lane=True,
    seconds=seconds,
    classes_only=True,
)
