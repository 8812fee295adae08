"""Variables of the robustness probe: dimensions, units and meanings."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import xarray as xr

from jtdiag import names
from jtdiag.probing import over_trials
from jtdiag.probing.contract import Var
from jtdiag.store.run import Run
from jtdiag_probes.robustness.bit_flips import RATES
from jtdiag_probes.robustness.faults import FAULTS, counts_of_faulty
from jtdiag_probes.robustness.removal_summary import probabilities

REPEATS = 20
"""Random orders of the members, as in Webb et al. (2020)."""
LANE = (names.LAM, names.TRIAL)
SHARED, OWN = "shared", "own"
SUBSETS = (SHARED, OWN)
"""One random subset for all examples, or one for each example (see `removal`)."""
BEST_FIRST, LEAST_MOVED_FIRST, GREEDY = "best-first", "least-moved-first", "greedy"
REMOVALS = (BEST_FIRST, LEAST_MOVED_FIRST, GREEDY)
RANDOM, BEST_ALONE_FIRST = "random", "best-alone-first"
EVALUATIONS = (RANDOM, BEST_ALONE_FIRST, GREEDY)

_BY_SUBSETS = (*LANE, "subsets", names.DROPPED)
_BY_MEMBER = (*LANE, names.MEMBER)
_FRACTION, _NAT = names.FRACTION, names.NAT


def _var(dims: tuple[str, ...], unit: str, meaning: str) -> Var:
    return Var(dims=dims, unit=unit, meaning=meaning, from_outputs=True)


OVER_TRIALS = {
    "accuracy": _var(_BY_SUBSETS, _FRACTION, "test accuracy of a random subset, mean over repeats"),
    "loss": _var(_BY_SUBSETS, _NAT, "test loss of a random subset, mean over repeats"),
    "codependence_excess": _var(_BY_SUBSETS, _FRACTION, "loss divided by predicted_loss"),
    "tolerated_fraction": _var(
        (*LANE, "subsets"), _FRACTION, "fraction dropped at which accuracy falls by 1 point"
    ),
    "area_under_curve": _var(
        (*LANE, "subsets"), _FRACTION, "mean accuracy over the fraction dropped"
    ),
    "accuracy_by_probability": _var(
        (*LANE, "probability"),
        _FRACTION,
        "expected accuracy if each member is kept with a probability",
    ),
    "accuracy_ordered": _var(
        (*LANE, "removal", names.DROPPED),
        _FRACTION,
        "accuracy when members are dropped in an order",
    ),
    "accuracy_worst": _var(
        (*LANE, names.DROPPED),
        _FRACTION,
        "lowest accuracy of all shared subsets evaluated",
    ),
    "fault_accuracy": _var(
        (*LANE, "fault", names.FAULTY), _FRACTION, "accuracy with faulty members, mean over repeats"
    ),
    "bit_flip_accuracy": _var(
        (*LANE, "rate"), _FRACTION, "accuracy with bit flips in all weights, mean over draws"
    ),
    "bit_flip_accuracy_guarded": _var(
        (*LANE, "rate"), _FRACTION, "accuracy with bit flips, members with extreme logits excluded"
    ),
    "partial_accuracy": _var(
        (*LANE, "evaluation", names.KEPT),
        _FRACTION,
        "accuracy of the members that come first in an order",
    ),
}
"""Variables by lane; their means and standard errors over trials are written as well."""

REPEATED = ("accuracy", "loss", "fault_accuracy", "bit_flip_accuracy", "bit_flip_accuracy_guarded")
"""Variables with a standard error over the repeats or draws of one lane."""

_ONLY_BY_LANE = {
    "predicted_loss": _var(
        (*LANE, names.DROPPED), _NAT, "ensemble loss + (M−m)/(m(M−1)) · diversity, m members kept"
    ),
    "shapley_accuracy": _var(_BY_MEMBER, _FRACTION, "a member's Shapley value of accuracy"),
    "shapley_accuracy_se": _var(
        _BY_MEMBER, _FRACTION, "standard error of the Shapley value over orders"
    ),
    "shapley_accuracy_se_examples": _var(
        _BY_MEMBER,
        _FRACTION,
        "standard error over test examples of the Shapley value minus the mean of all members; "
        "NaN where values are estimated",
    ),
    "shapley_loss": _var(
        _BY_MEMBER, _NAT, "a member's Shapley value of the loss; negative values lower the loss"
    ),
    "shapley_loss_se": _var(_BY_MEMBER, _NAT, "standard error of the Shapley value over orders"),
    "examples": _var(LANE, names.COUNT, "test examples"),
    "most_frequent_class": _var(LANE, _FRACTION, "test examples of the most frequent class"),
    "residual": _var(
        LANE, _FRACTION, "self-test: |accuracy − accuracy from the metrics| beyond one example"
    ),
}
_OF_THE_RUN = {
    "parameters_per_member": _var((), names.COUNT, "trained parameters of one member"),
    "multiply_adds_per_member": _var(
        (), names.COUNT, "multiply-adds of one member for one example; NaN if not replayed"
    ),
}


def _writes() -> Iterator[tuple[str, Var]]:
    meaning = "measured epoch: the chosen epoch if its outputs are stored, else the last stored"
    yield "measured_epoch", Var(dims=LANE, unit=names.INDEX, meaning=f"{meaning}; -1 for none")
    for name, var in {**OVER_TRIALS, **_ONLY_BY_LANE, **_OF_THE_RUN}.items():
        yield name, var
    for name in REPEATED:
        var = OVER_TRIALS[name]
        yield f"{name}_repeat_se", _var(var.dims, var.unit, f"standard error of {name} in one lane")
    for name, var in OVER_TRIALS.items():
        dims = tuple(dim for dim in var.dims if dim != names.TRIAL)
        for full_name, summary in over_trials.variables(name, dims, var.unit, var.meaning).items():
            yield full_name, replace(summary, from_outputs=True)


WRITES = dict(_writes())


def empty(run: Run) -> xr.Dataset:
    """Return all variables that are measured by lane or once, filled with NaN."""
    members, recipe = run.recipe.members.count, run.recipe
    coordinates: dict[str, Any] = {
        names.LAM: np.asarray(recipe.lam, float),
        names.TRIAL: np.arange(recipe.trials),
        names.MEMBER: np.arange(members),
        names.DROPPED: np.arange(members),
        names.KEPT: np.arange(1, members + 1),
        names.FAULTY: counts_of_faulty(members),
        "subsets": np.array(SUBSETS, np.dtypes.StringDType()),
        "removal": np.array(REMOVALS, np.dtypes.StringDType()),
        "evaluation": np.array(EVALUATIONS, np.dtypes.StringDType()),
        "fault": np.array(FAULTS, np.dtypes.StringDType()),
        "rate": np.array(RATES),
        "probability": probabilities(members, recipe.trials),
    }
    measured = [
        name for name, var in WRITES.items() if names.LAM not in var.dims or var.dims[:2] == LANE
    ]
    sizes = {name: len(values) for name, values in coordinates.items()}
    variables = {
        name: (WRITES[name].dims, np.full([sizes[dim] for dim in WRITES[name].dims], np.nan))
        for name in measured
    }
    return xr.Dataset(variables, coords=coordinates)
