"""The probe `modules`: which modules of the members carry the network."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from jtdiag import names
from jtdiag.probing.contract import Options, Probe, Var
from jtdiag.replay import Replay
from jtdiag.store.lanes import Lane
from jtdiag.store.run import Run
from jtdiag_probes.layers.layers import MEMBERS
from jtdiag_probes.modules import batch_statistics, cost
from jtdiag_probes.modules.cuts import modules_of
from jtdiag_probes.modules.one_lane import Measured, OneLane
from jtdiag_probes.modules.prepared import PreparedTrials
from jtdiag_probes.modules.rewinding import Examples
from jtdiag_probes.modules.verdict import ALL, MODULE, REWOUND, judge

EPOCHS = 8
"""Largest number of epochs of a lane to which modules are set back."""
TEST_EXAMPLE = "test_example"

_LANE = (names.LAM, names.TRIAL)
_MOVED = (*_LANE, names.EPOCH, names.MEMBER, MODULE)
_OF_MEMBER = (*_LANE, names.EPOCH, names.MEMBER, REWOUND)
_OF_ENSEMBLE = (*_LANE, names.EPOCH, REWOUND)
_SET_BACK = (
    "test error of {} with one module, or all, as after the epoch and the rest as at the end"
)
_AGAIN = f"{_SET_BACK}, and statistics of BatchNorm estimated again on training examples"

WRITES = {
    name: Var(dims=dims, unit=unit, meaning=meaning, from_outputs=True)
    for name, dims, unit, meaning in (
        ("rewound_member_error", _OF_MEMBER, names.FRACTION, _SET_BACK.format("a member")),
        ("rewound_ensemble_error", _OF_ENSEMBLE, names.FRACTION, _SET_BACK.format("the ensemble")),
        ("reestimated_member_error", _OF_MEMBER, names.FRACTION, _AGAIN.format("a member")),
        (
            "reestimated_ensemble_error",
            _OF_ENSEMBLE,
            names.FRACTION,
            _AGAIN.format("the ensemble"),
        ),
        (
            "displacement",
            _MOVED,
            names.FRACTION,
            "Euclidean distance of a module's parameters from initialization; NaN if not kept",
        ),
        (
            "relative_displacement",
            _MOVED,
            names.FRACTION,
            "the same relative to the norm of these parameters at initialization",
        ),
        (
            "probe_error",
            (*_LANE, names.MEMBER, MODULE),
            names.FRACTION,
            "error of a linear classifier on what the module returns at the end; of the member "
            "itself for the last module",
        ),
        ("inputs_error", _LANE, names.FRACTION, "error of a linear classifier on the inputs"),
        (
            "skill_share",
            (*_LANE, MODULE),
            names.FRACTION,
            "share of the largest skill that is first reached at the module; skill is the error at "
            "chance level minus the mean of probe_error over members",
        ),
        ("inputs_share", _LANE, names.FRACTION, "share of that skill that is reached on inputs"),
        (
            "effective_modules",
            _LANE,
            names.COUNT,
            "1/Σ share² of the modules' shares over their sum; NaN if no module adds skill",
        ),
        (
            TEST_EXAMPLE,
            (names.EXAMPLE,),
            names.INDEX,
            "positions in the test split of the examples on which errors are measured",
        ),
        (
            "last_epoch",
            _LANE,
            names.INDEX,
            "the last epoch with a checkpoint; NaN if none",
        ),
    )
}


def measure(run: Run, options: Options) -> xr.Dataset:
    """Set modules back to earlier epochs, and probe them at the last one that is kept."""
    coords = run.metrics().coords
    if options.metrics_only:
        return xr.Dataset(coords={names.LAM: coords[names.LAM]})
    newest = coords[names.EPOCH].size - 1  # more may have been sealed since
    epochs = {
        lane: spread([e for e in run.seal(lane).checkpoints if e <= newest]) for lane in run.lanes
    }
    end: Replay | None = None
    prepared = PreparedTrials()
    measured: dict[Lane, Measured] = {}
    for lane in (lane for lane in run.lanes if epochs[lane]):
        end = Replay.of(run, lane, epochs[lane][-1], beside=end)
        with end.threads():
            trial = prepared.of(end)
            measured[lane] = OneLane(run=run, end=end, epochs=epochs[lane], trial=trial).measure()
    modules = [module.name for module in modules_of(run, end)] if end else []
    result = _result(run, epochs, modules, measured)
    return _with_examples(result, prepared.of(end).examples if end else None).assign_attrs(
        chance_error=run.chance_error,
        batch_norm=int(end is not None and bool(batch_statistics.names_of(end.weights))),
    )


def _with_examples(result: xr.Dataset, examples: Examples | None) -> xr.Dataset:
    """Return a result with the examples on which it was measured; all trials have the same."""
    positions = np.array([], int) if examples is None else examples.positions
    training = 0 if examples is None else len(examples.training)
    return result.assign({TEST_EXAMPLE: (names.EXAMPLE, positions)}).assign_attrs(
        test_examples=len(positions), statistics_examples=training
    )


def spread(kept: list[int], most: int = EPOCHS) -> list[int]:
    """Return some of the kept epochs: the first, the last, and between them in equal ratios.

    Most of what training changes, it changes early.
    """
    if len(kept) <= most:
        return kept
    wanted = np.geomspace(kept[0] + 1, kept[-1] + 1, most) - 1
    nearest = np.abs(np.subtract.outer(wanted, kept)).argmin(1)
    return [kept[i] for i in sorted({0, len(kept) - 1, *nearest.tolist()})]


def _result(
    run: Run,
    by_lane: Mapping[Lane, list[int]],
    modules: list[str],
    measured: Mapping[Lane, Measured],
) -> xr.Dataset:
    epochs = sorted({epoch for several in by_lane.values() for epoch in several})
    text = np.dtypes.StringDType()
    coords = {
        names.LAM: np.array(run.recipe.lam),
        names.TRIAL: np.arange(run.recipe.trials),
        names.EPOCH: np.array(epochs, int),
        names.MEMBER: np.arange(run.recipe.members.count),
        MODULE: np.array(modules, text),
        REWOUND: np.array([*modules, ALL], text),
    }
    arrays = {
        name: np.full([len(coords[dim]) for dim in var.dims], np.nan)
        for name, var in WRITES.items()
        if name != TEST_EXAMPLE
    }
    for lane, values in measured.items():
        rows = [epochs.index(epoch) for epoch in by_lane[lane]]
        for name, value in values.items():
            index: tuple[Any, ...] = (lane.lam_index, lane.trial)
            by_epoch = names.EPOCH in WRITES[name].dims
            arrays[name][(*index, rows) if by_epoch else index] = value
    return xr.Dataset(
        {name: (WRITES[name].dims, array) for name, array in arrays.items()}, coords=coords
    )


def seconds(run: Run) -> float:
    """Return a rough estimate of the processor time, in seconds."""
    return cost.seconds(run, EPOCHS, MEMBERS)


probe = Probe(
    name="modules",
    question="Which modules carry the network?",
    writes=WRITES,
    measure=measure,
    judge=judge,
    cost="slow",
    seconds=seconds,
    classes_only=True,
    own_weights=True,
    needs_skill=True,
    replays=True,
)
