"""The probe `similarity`: how similar layers of a member, members at a layer, and epochs are."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from jtdiag import names
from jtdiag.probing import last_epoch, over_trials
from jtdiag.probing.contract import Options, Probe, Var
from jtdiag.replay import Replay
from jtdiag.store.lanes import Lane
from jtdiag.store.run import Run
from jtdiag_probes.conditioning.weight_conditioning import evenly
from jtdiag_probes.layers.examples import POOLED
from jtdiag_probes.similarity import cka, one_lane
from jtdiag_probes.similarity.one_lane import LaneSimilarity
from jtdiag_probes.similarity.representations import INPUTS, LAYERS, Representations, Units
from jtdiag_probes.similarity.verdict import LAYER, OTHER_EPOCH, OTHER_LAYER, judge

MEMBERS = 8
"""Largest number of members that are measured, evenly spaced."""
EPOCHS = 6
"""Largest number of epochs that are measured, of those that all lanes have kept."""

VECTOR_SECONDS = 0.012
"""Processor time for a layer of a member at an epoch: 256 units on 1,000 examples."""

_LANE = (names.LAM, names.TRIAL)
_OF_LAYERS = (names.EPOCH, LAYER, OTHER_LAYER)
_OF_MEMBERS = (names.EPOCH, LAYER)
_LAYER_MEANING = "CKA of two layers of a member, mean over members"
_MEMBER_MEANING = "CKA of a layer of two members of an ensemble, mean over pairs"
_BY_TRIAL = {
    "layer_similarity": Var(
        dims=(*_LANE, *_OF_LAYERS),
        unit=names.FRACTION,
        meaning=f"{_LAYER_MEANING}; NaN where features do not vary",
        from_outputs=True,
    ),
    "member_similarity": Var(
        dims=(*_LANE, *_OF_MEMBERS),
        unit=names.FRACTION,
        meaning=f"{_MEMBER_MEANING}; NaN for one member, or where features do not vary",
        from_outputs=True,
    ),
}
WRITES = {
    **_BY_TRIAL,
    **last_epoch.WRITES,
    **over_trials.variables(
        "layer_similarity",
        (names.LAM, *_OF_LAYERS),
        names.FRACTION,
        _LAYER_MEANING,
        from_outputs=True,
    ),
    **over_trials.variables(
        "member_similarity",
        (names.LAM, *_OF_MEMBERS),
        names.FRACTION,
        _MEMBER_MEANING,
        from_outputs=True,
    ),
    "epoch_similarity": Var(
        dims=(*_LANE, LAYER, names.EPOCH, OTHER_EPOCH),
        unit=names.FRACTION,
        meaning="CKA of a layer of a member at two epochs, mean over members",
        from_outputs=True,
    ),
    "reference_similarity": Var(
        dims=(*_LANE, LAYER),
        unit=names.FRACTION,
        meaning="CKA of a layer of a member and of one of the next trial at the same λ, each at "
        "its last epoch, mean over pairs; the trial after the last is the first",
        from_outputs=True,
    ),
    "constant_members": Var(
        dims=(*_LANE, *_OF_MEMBERS),
        unit=names.COUNT,
        meaning="measured members whose features do not vary over examples, and have no CKA",
        from_outputs=True,
    ),
}

RAW = (*_BY_TRIAL, "epoch_similarity", "reference_similarity", "constant_members")
"""Variables that are measured; the others are computed from them."""


def measure(run: Run, options: Options) -> xr.Dataset:
    """Measure up to 6 kept epochs of every lane."""
    coords = run.metrics().coords
    if options.metrics_only:
        return xr.Dataset(coords={names.LAM: coords[names.LAM]})
    newest = coords[names.EPOCH].size - 1  # more may have been sealed since
    kept = {lane: [e for e in run.seal(lane).checkpoints if e <= newest] for lane in run.lanes}
    measured = measured_epochs(kept)
    members = evenly(run.recipe.members.count, MEMBERS)
    replay, prepared = None, None
    of_lanes, references = {}, References(run.recipe.trials)
    for lane, epochs in measured.items():
        units = []
        for epoch in epochs:
            replay = Replay.of(run, lane, epoch, beside=replay)
            prepared = prepared or Representations(replay, members)
            units.append(prepared.of(replay))
        if units:
            of_lanes[lane] = one_lane.of_lane(np.stack(units))
            references.add(lane, one_lane.mean(units[-1], 1))
    return _result(run, measured, prepared, of_lanes, references.values)


def seconds(run: Run) -> float:
    """Return a rough estimate of the processor time for a run, in seconds."""
    epochs = sum(min(len(run.seal(lane).checkpoints), EPOCHS) for lane in run.lanes)
    weights = sum(len(shape) > 1 for shape in run.parameters.values())
    members = min(run.recipe.members.count, MEMBERS)
    return VECTOR_SECONDS * epochs * members * min(1 + weights, LAYERS)


def measured_epochs(kept: Mapping[Lane, Sequence[int]]) -> dict[Lane, list[int]]:
    """Return the epochs to measure: some that all lanes have kept, and the last of each lane.

    Lanes that have kept none do not count.
    """
    sets = [set(epochs) for epochs in kept.values() if epochs]
    common = sorted(set.intersection(*sets)) if sets else []
    chosen = [common[i] for i in evenly(len(common), EPOCHS)] if common else []
    return {lane: sorted({*chosen, epochs[-1]}) if epochs else [] for lane, epochs in kept.items()}


class References:
    """Similarity of each trial with the next one at the same λ; lanes come trial by trial."""

    def __init__(self, trials: int) -> None:
        self.values: dict[Lane, NDArray[np.float64]] = {}
        """CKA by layer (L,), for the first of two trials."""
        self._trials = trials
        self._first: dict[int, tuple[Lane, Units]] = {}
        self._previous: dict[int, tuple[Lane, Units]] = {}

    def add(self, lane: Lane, means: Units) -> None:
        """Compare a lane with the previous trial, and the last trial with the first.

        Args:
            lane: Of a later trial than those before at its λ.
            means: (layer, D), means over members of the unit vectors at its last epoch.
        """
        first = self._first.setdefault(lane.lam_index, (lane, means))
        previous = self._previous.get(lane.lam_index)
        self._previous[lane.lam_index] = (lane, means)
        if previous:
            self.values[previous[0]] = one_lane.reference(previous[1], means)
            if lane.trial == self._trials - 1 and previous[0] != first[0]:  # not the same pair
                self.values[lane] = one_lane.reference(means, first[1])


def _result(
    run: Run,
    measured: Mapping[Lane, Sequence[int]],
    prepared: Representations | None,
    of_lanes: Mapping[Lane, LaneSimilarity],
    references: Mapping[Lane, NDArray[np.float64]],
) -> xr.Dataset:
    epochs = sorted({epoch for several in measured.values() for epoch in several})
    layers = np.asarray(prepared.layers if prepared else [INPUTS], np.dtypes.StringDType())
    coords: dict[str, Any] = {
        names.LAM: list(run.recipe.lam),
        names.TRIAL: np.arange(run.recipe.trials),
        names.EPOCH: epochs,
        LAYER: layers,
        OTHER_LAYER: layers,
        OTHER_EPOCH: epochs,
    }
    result = xr.Dataset(coords=coords)
    for name in RAW:
        shape = tuple(len(coords[dim]) for dim in WRITES[name].dims)
        result[name] = (WRITES[name].dims, np.full(shape, np.nan))
    for lane, values in of_lanes.items():
        at = np.searchsorted(epochs, measured[lane])
        place = (lane.lam_index, lane.trial)
        result["layer_similarity"].values[place][at] = values.layers
        result["member_similarity"].values[place][at] = values.members
        result["constant_members"].values[place][at] = values.constant
        result["epoch_similarity"].values[place][:, at[:, None], at] = values.epochs
    for lane, by_layer in references.items():
        result["reference_similarity"].values[lane.lam_index, lane.trial] = by_layer
    result = result.merge(over_trials.summary(result[list(_BY_TRIAL)]))
    return result.assign(last_epoch.variable(run, measured)).assign_attrs(
        examples=len(prepared.x) if prepared else 0,
        members=len(prepared.members) if prepared else 0,
        batch=cka.BATCH,
        pooled=POOLED,
    )


probe = Probe(
    name="similarity",
    question="Do layers, members and epochs represent the same?",
    writes=WRITES,
    measure=measure,
    judge=judge,
    cost="slow",
    seconds=seconds,
    own_weights=True,
    replays=True,
)
