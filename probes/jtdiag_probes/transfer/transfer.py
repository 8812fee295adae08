"""The probe `transfer`: which features a new task does best on, and whether scores would tell."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from jtdiag import names, stats
from jtdiag.compare import sources
from jtdiag.compare.sources import LAYER, SCORE, TARGET
from jtdiag.errors import ProbeError
from jtdiag.probing.contract import Options, Probe
from jtdiag.recipe.class_groups import class_groups
from jtdiag.replay import Replay
from jtdiag.store.run import Run
from jtdiag_probes.conditioning.weight_conditioning import evenly
from jtdiag_probes.layers.examples import POOLED
from jtdiag_probes.layers.layers import measured_epochs
from jtdiag_probes.transfer import heads, tasks
from jtdiag_probes.transfer.heads import SCORES
from jtdiag_probes.transfer.one_trial import Measured, OneTrial
from jtdiag_probes.transfer.tasks import Targets, Tasks
from jtdiag_probes.transfer.variables import WRITES
from jtdiag_probes.transfer.verdict import judge

MEMBERS = 4
"""Largest number of members that are sources, evenly spaced."""
LAYERS = 4
"""Largest number of hidden layers that are sources, evenly spaced."""
TASK_SECONDS = 0.03
"""Processor time for a source and a task: 500 examples with 64 features."""

Position = tuple[int, int, int]
"""λ, trial and epoch by their numbers in the result."""


def to(classes: Iterable[object] = (), data: str = "", root: str = "") -> Probe:
    """Return the probe for other target tasks than pairs of the run's own classes.

    Its result is stored under the same name, `transfer`, instead of the other.

    Args:
        classes: Groups of classes of which all pairs are tasks, as in data.classes; by default
            those of the run, or all of the other data set.
        data: Name or path of another data set whose inputs have the shape of the run's.
        root: Its folder; by default data.root of the run.

    Raises:
        RecipeError: if the groups are not groups of classes.
        ProbeError: if a folder is given without a data set.
    """
    if root and not data:
        raise ProbeError("root is the folder of another data set; name it as data.")
    listed = tuple(classes)
    groups = class_groups("classes", listed) if listed else ()
    targets = Targets(classes=groups, data=data, root=root)

    def measure(run: Run, options: Options) -> xr.Dataset:
        return _measure(run, options, targets)

    return replace(
        probe, measure=measure, seconds=lambda run: _seconds(run, targets), settings=repr(targets)
    )


def measure(run: Run, options: Options) -> xr.Dataset:
    """Measure with pairs of the run's own classes as target tasks."""
    return _measure(run, options, Targets())


def seconds(run: Run) -> float:
    """Return a rough estimate of the processor time for a run, in seconds."""
    return _seconds(run, Targets())


def _measure(run: Run, options: Options, targets: Targets) -> xr.Dataset:
    """Measure hidden layers of members at the first, the early and the last kept epoch.

    Before training they are a control.
    """
    coords = run.metrics().coords
    if options.metrics_only:
        return xr.Dataset(coords={names.LAM: coords[names.LAM]})
    newest = coords[names.EPOCH].size - 1  # more may have been sealed since
    by_lane = {
        lane: measured_epochs([e for e in run.seal(lane).checkpoints if e <= newest])
        for lane in run.lanes
    }
    epochs = sorted({epoch for several in by_lane.values() for epoch in several})
    members = evenly(run.recipe.members.count, MEMBERS)
    measured: dict[Position, Measured] = {}
    trials: dict[int, OneTrial] = {}
    replay, other = None, targets.of_run(run)
    layers: tuple[str, ...] = ()
    for lane, several in by_lane.items():
        for epoch in several:
            replay = Replay.of(run, lane, epoch, beside=replay)
            hidden = replay.layers[:-1]
            layers = tuple(hidden[i] for i in evenly(len(hidden), LAYERS)) if hidden else ()
            with replay.threads():
                if lane.trial not in trials:
                    # Other examples than those of the run are the same for all trials.
                    same = next(iter(trials.values())).tasks if other and trials else None
                    trials[lane.trial] = OneTrial(replay, same or Tasks.of(replay, other))
                own = trials[lane.trial].measure(replay, members, layers, scored=epoch > 0)
            measured[lane.lam_index, lane.trial, epochs.index(epoch)] = own
    return _result(run, epochs, members, layers, trials, measured)


def _seconds(run: Run, targets: Targets) -> float:
    weights = sum(len(shape) > 1 for shape in run.parameters.values()) - 1
    kept = [measured_epochs(list(run.seal(lane).checkpoints)) for lane in run.lanes]
    epochs = sum(epoch > 0 for several in kept for epoch in several)
    classes = min(tasks.CLASSES, len(targets.classes) or len(run.output_names))
    measured = epochs * min(run.recipe.members.count, MEMBERS) * min(max(weights, 0), LAYERS)
    return TASK_SECONDS * measured * classes * (classes - 1) / 2


def _result(
    run: Run,
    epochs: list[int],
    members: NDArray[np.intp],
    layers: tuple[str, ...],
    trials: Mapping[int, OneTrial],
    measured: Mapping[Position, Measured],
) -> xr.Dataset:
    of_any = next(iter(trials.values())).tasks if trials else None
    coords: dict[str, Any] = {
        names.LAM: list(run.recipe.lam),
        names.TRIAL: np.arange(run.recipe.trials),
        names.EPOCH: epochs,
        names.MEMBER: members,
        LAYER: np.asarray(layers, np.dtypes.StringDType()),
        TARGET: np.asarray(of_any.names if of_any else (), np.dtypes.StringDType()),
        SCORE: np.asarray(SCORES, np.dtypes.StringDType()),
    }
    result = xr.Dataset(coords=coords)
    for name in ("head_error", "head_loss", "score_value", "input_error"):
        shape = tuple(len(coords[dim]) for dim in WRITES[name].dims)
        result[name] = (WRITES[name].dims, np.full(shape, np.nan))
    for (lam, trial, epoch), values in measured.items():
        result["head_error"].values[lam, trial, epoch] = values.error
        result["head_loss"].values[lam, trial, epoch] = values.loss
        result["score_value"].values[lam, trial, epoch] = values.scores
    for trial, prepared in trials.items():
        result["input_error"].values[trial] = prepared.input_error
    result["own_task"] = (TARGET, of_any.own.astype(int) if of_any else np.zeros(0, int))
    result = result.merge(sources.of_run(result))
    return result.assign_attrs(
        strength=heads.STRENGTH,
        shots=heads.SHOTS,
        draws=heads.DRAWS,
        resamples=stats.RESAMPLES,
        pooled=POOLED,
        **_counts(trials),
    )


def _counts(trials: Mapping[int, OneTrial]) -> dict[str, int]:
    """Return the largest numbers of examples of a task in any trial."""
    pairs = [(each.tasks, pair) for each in trials.values() for pair in each.tasks.pairs]
    train = [sum(len(own.train[c]) for c in pair) for own, pair in pairs]
    held_out = [sum(len(own.held_out[c]) for c in pair) for own, pair in pairs]
    return {
        "training_examples": max(train, default=0),
        "held_out_examples": max(held_out, default=0),
    }


probe = Probe(
    name="transfer",
    question="For which new tasks are the features good, and do scores predict it?",
    writes=WRITES,
    measure=measure,
    judge=judge,
    cost="slow",
    seconds=seconds,
    classes_only=True,
    own_weights=True,
    replays=True,
)
