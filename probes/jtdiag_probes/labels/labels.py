"""The probe `labels`: how many labels a new head on the members' features needs."""

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from jtdiag import names
from jtdiag.probing import over_trials
from jtdiag.probing.contract import Options, Probe, Var
from jtdiag.replay import Replay
from jtdiag.store.lanes import Lane
from jtdiag.store.run import Run
from jtdiag_probes.conditioning.weight_conditioning import evenly
from jtdiag_probes.labels import draws
from jtdiag_probes.labels.one_trial import FEW, STRENGTH, Errors, OneTrial
from jtdiag_probes.labels.verdict import INPUTS, LABELS, LAYER, judge
from jtdiag_probes.labels.wording import ALL
from jtdiag_probes.layers.examples import POOLED
from jtdiag_probes.layers.layers import MEMBERS
from jtdiag_probes.shared.measured_epoch import measured_epoch

LAYER_SECONDS = 0.1
"""Processor time for a layer of a member with few features: 40 heads of ten classes."""
FEATURE_SECONDS = 4e-4
"""Processor time for each of its features, mostly of the head on all labels."""

_BY_TRIAL = (names.LAM, names.TRIAL, LAYER, LABELS)
_OF_MEMBERS = (names.LAM, names.TRIAL, names.MEMBER, LAYER, LABELS)
_ERROR = "test error of a new head on a layer's features, mean over draws"
_MEANINGS = {
    "label_error": f"{_ERROR} and members, at the chosen epoch",
    "untrained_label_error": f"{_ERROR} and members, at epoch 0; NaN if it is not kept",
}
WRITES = {
    "member_label_error": Var(
        dims=_OF_MEMBERS,
        unit=names.FRACTION,
        meaning=f"{_ERROR}, at the chosen epoch; NaN if a class has fewer examples",
        from_outputs=True,
    ),
    **{
        name: Var(dims=_BY_TRIAL, unit=names.FRACTION, meaning=meaning, from_outputs=True)
        for name, meaning in _MEANINGS.items()
    },
    **{
        key: var
        for name, meaning in _MEANINGS.items()
        for key, var in over_trials.variables(
            name, (names.LAM, LAYER, LABELS), names.FRACTION, meaning, from_outputs=True
        ).items()
    },
    "labeled_examples": Var(
        dims=(names.TRIAL, LABELS),
        unit=names.COUNT,
        meaning="labeled examples of all classes to which a head is fitted",
        from_outputs=True,
    ),
    "measured_epoch": Var(
        dims=(names.LAM, names.TRIAL),
        unit=names.INDEX,
        meaning="chosen epoch, or the last with a checkpoint if that has none; -1 for none",
        from_outputs=True,
    ),
    "measured_trials": Var(
        dims=(names.LAM,),
        unit=names.COUNT,
        meaning="trials with an error, n of the means over trials",
        from_outputs=True,
    ),
}


def measure(run: Run, options: Options) -> xr.Dataset:
    """Measure every lane at its chosen epoch, and at epoch 0 if it is kept."""
    coords = run.metrics().coords
    if options.metrics_only:
        return xr.Dataset(coords={names.LAM: coords[names.LAM]})
    newest = coords[names.EPOCH].size - 1  # more may have been sealed since
    members = evenly(run.recipe.members.count, MEMBERS)
    replay = None
    layers: tuple[str, ...] = (INPUTS,)
    trials: dict[int, OneTrial] = {}
    epochs: dict[Lane, int] = {}
    measured: dict[tuple[Lane, str], Errors] = {}
    for lane in run.lanes:
        kept = tuple(epoch for epoch in run.seal(lane).checkpoints if epoch <= newest)
        epochs[lane] = measured_epoch(run, lane, kept)
        of_epoch = {"label_error": epochs[lane], "untrained_label_error": 0}
        for name, epoch in of_epoch.items():
            if epoch in kept:
                replay = Replay.of(run, lane, epoch, beside=replay)
                layers = (INPUTS, *replay.layers[:-1])
                with replay.threads():
                    if lane.trial not in trials:
                        trials[lane.trial] = OneTrial(replay)
                    measured[lane, name] = trials[lane.trial].measure(replay, members)
    return _result(run, layers, members, trials, epochs, measured)


def seconds(run: Run) -> float:
    """Return a rough estimate of the processor time for a run, in seconds."""
    weights = [shape for shape in run.parameters.values() if len(shape) > 1][:-1]
    features = sum(shape[0] * (1 if len(shape) == 2 else POOLED**2) for shape in weights)
    lanes = {lane: run.seal(lane).checkpoints for lane in run.lanes}
    passes = sum(map(bool, lanes.values())) + len(
        {lane.trial for lane, k in lanes.items() if 0 in k}
    )
    members = min(run.recipe.members.count, MEMBERS)
    return passes * members * (LAYER_SECONDS * len(weights) + FEATURE_SECONDS * features)


def _result(
    run: Run,
    layers: tuple[str, ...],
    members: NDArray[np.intp],
    trials: dict[int, OneTrial],
    epochs: dict[Lane, int],
    measured: dict[tuple[Lane, str], Errors],
) -> xr.Dataset:
    coords: dict[str, Any] = {
        names.LAM: list(run.recipe.lam),
        names.TRIAL: np.arange(run.recipe.trials),
        names.MEMBER: members,
        LAYER: np.asarray(layers, np.dtypes.StringDType()),
        LABELS: np.asarray([*map(str, FEW), ALL], np.dtypes.StringDType()),
    }
    result = xr.Dataset(coords=coords)
    for name in ("member_label_error", *_MEANINGS, "labeled_examples", "measured_epoch"):
        shape = tuple(len(coords[dim]) for dim in WRITES[name].dims)
        result[name] = (WRITES[name].dims, np.full(shape, np.nan))
    for (lane, name), errors in measured.items():
        result[name].values[lane.lam_index, lane.trial] = errors.mean(0)
        if name == "label_error":
            result["member_label_error"].values[lane.lam_index, lane.trial] = errors
    for trial, prepared in trials.items():
        result["labeled_examples"].values[trial] = prepared.labeled
    for lane, epoch in epochs.items():
        result["measured_epoch"].values[lane.lam_index, lane.trial] = epoch
    result["measured_epoch"] = result["measured_epoch"].fillna(-1).astype(int)
    trained = result["label_error"].notnull().any((LAYER, LABELS))
    result["measured_trials"] = trained.sum(names.TRIAL)
    result = result.merge(over_trials.summary(result[list(_MEANINGS)]))
    return result.assign_attrs(draws=draws.DRAWS, strength=STRENGTH, **_counts(run, trials))


def _counts(run: Run, trials: dict[int, OneTrial]) -> dict[str, int]:
    """Return the number of classes, and the largest numbers of examples of any trial."""
    sizes = [[len(part.target) for part in each.parts] for each in trials.values()]
    train, _, held_out = np.max(sizes, 0).tolist() if sizes else (0, 0, 0)
    return {
        "classes": len(run.output_names),
        "training_examples": train,
        "held_out_examples": held_out,
        "pooled": POOLED,
    }


probe = Probe(
    name="labels",
    question="How many labels does a new head need?",
    writes=WRITES,
    measure=measure,
    judge=judge,
    cost="slow",
    seconds=seconds,
    classes_only=True,
    own_weights=True,
    replays=True,
)
