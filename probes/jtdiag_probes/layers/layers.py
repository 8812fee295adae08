"""The probe `layers`: what each layer of the members knows about labels and inputs."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from jtdiag import names
from jtdiag.probing import last_epoch
from jtdiag.probing.checkpoints import Checkpoint, of_checkpoints
from jtdiag.probing.contract import Options, Probe, Var
from jtdiag.replay import Replay
from jtdiag.rules.limits import EARLY_EPOCH
from jtdiag.store.lanes import Lane
from jtdiag.store.run import Run
from jtdiag_probes.conditioning.weight_conditioning import evenly
from jtdiag_probes.layers import cost, information, linear_probe
from jtdiag_probes.layers.examples import (
    HELD_OUT_EXAMPLES,
    POOLED,
    TRAINING_EXAMPLES,
    of_split,
    pooled,
    train_and_validation,
)
from jtdiag_probes.layers.verdict import INPUTS, LAYER, judge

KERNEL_EXAMPLES = 500
"""Largest number of test examples in a kernel matrix; time grows with its cube."""
MEMBERS = 8
"""Largest number of members that are measured, evenly spaced."""

_DIMS = (names.LAM, names.TRIAL, names.EPOCH, names.MEMBER, LAYER)
_MEANINGS = {
    "probe_error": (
        names.FRACTION,
        "error of a linear classifier on the layer's features; of the member itself for the head",
    ),
    "probe_loss": (
        names.NAT,
        "mean negative log-likelihood of that classifier; NaN if it has not seen a class",
    ),
    "label_information": (
        names.FRACTION,
        "normalized HSIC of features and labels, relative to that of the labels with themselves",
    ),
    "label_information_null": (
        names.FRACTION,
        "the same for randomly permuted labels, the value of features that know nothing",
    ),
    "input_information": (
        names.FRACTION,
        "normalized HSIC of features and inputs, relative to that of the inputs with themselves",
    ),
    "within_over_between": (
        "1",
        "variance of the features within classes over the variance between class means",
    ),
    "effective_rank": (names.COUNT, "participation ratio of the features' covariance"),
    "dead_units": (names.FRACTION, "fraction of features that are the same for all examples"),
    "dead_rows": (names.FRACTION, "fraction of examples whose features are all 0"),
}
WRITES = {
    name: Var(dims=_DIMS, unit=unit, meaning=meaning, from_outputs=True)
    for name, (unit, meaning) in _MEANINGS.items()
} | last_epoch.WRITES


def measure(run: Run, options: Options) -> xr.Dataset:
    """Measure all layers at the first, the early and the last epoch whose checkpoints are kept."""
    coords = run.metrics().coords
    if options.metrics_only:
        return xr.Dataset(coords={names.LAM: coords[names.LAM]})
    by_lane = _epochs(run, coords[names.EPOCH].size - 1)  # more may have been sealed since
    epochs = sorted({epoch for several in by_lane.values() for epoch in several})
    members = evenly(run.recipe.members.count, MEMBERS)
    of_each = of_checkpoints(run, by_lane, _of_checkpoint, options.client)
    layers = next((layers for layers, _ in of_each.values()), (INPUTS,))
    measured = {
        (lane.lam_index, lane.trial, epochs.index(epoch)): numbers
        for (lane, epoch), (_, numbers) in of_each.items()
    }
    result = _result(run, epochs, members, layers, measured)
    return result.assign(last_epoch.variable(run, by_lane))


def _of_checkpoint(
    checkpoint: Checkpoint,
) -> tuple[tuple[str, ...], Mapping[str, NDArray[np.float64]]]:
    """Return the names of the layers and what is measured of them."""
    replay = checkpoint.replay
    prepared = checkpoint.shared.setdefault("prepared", _PreparedTrials())
    members = evenly(checkpoint.run.recipe.members.count, MEMBERS)
    return (INPUTS, *replay.layers), prepared.of(replay).measure(replay, members)


def seconds(run: Run) -> float:
    """Return a rough estimate of the processor time for a run, in seconds."""
    return cost.seconds(run, _epochs(run, run.recipe.train.epochs), MEMBERS)


def _epochs(run: Run, newest: int) -> dict[Lane, list[int]]:
    """Return the epochs of each lane that are measured, none after the newest."""
    return {
        lane: measured_epochs([e for e in run.seal(lane).checkpoints if e <= newest])
        for lane in run.lanes
    }


def measured_epochs(kept: list[int]) -> list[int]:
    """Return the first and the last of the kept epochs, and the early epoch of the rules."""
    return sorted({kept[0], kept[-1], *({EARLY_EPOCH} & set(kept))}) if kept else []


def _result(
    run: Run,
    epochs: list[int],
    members: NDArray[np.intp],
    layers: tuple[str, ...],
    measured: Mapping[tuple[int, int, int], Mapping[str, NDArray[np.float64]]],
) -> xr.Dataset:
    shape = (len(run.recipe.lam), run.recipe.trials, len(epochs), len(members), len(layers))
    arrays = {name: np.full(shape, np.nan) for name in _MEANINGS}
    for position, values in measured.items():
        for name, array in arrays.items():
            array[position] = values[name]
    result = xr.Dataset(
        {name: (_DIMS, array) for name, array in arrays.items()},
        coords={
            names.LAM: list(run.recipe.lam),
            names.TRIAL: np.arange(run.recipe.trials),
            names.EPOCH: epochs,
            names.MEMBER: members,
            LAYER: np.asarray(layers, dtype=np.dtypes.StringDType()),
        },
    )
    return result.assign_attrs(
        training_examples=TRAINING_EXAMPLES,
        held_out_examples=HELD_OUT_EXAMPLES,
        kernel_examples=KERNEL_EXAMPLES,
        epsilon=information.EPSILON,
        pooled=POOLED,
    )


class _PreparedTrials:
    """What the lanes of a trial share: examples, and what is measured on the inputs."""

    def __init__(self) -> None:
        self._by_trial: dict[int, _PreparedTrial] = {}

    def of(self, replay: Replay) -> "_PreparedTrial":
        trial = replay.lane.trial
        if trial not in self._by_trial:
            self._by_trial[trial] = _PreparedTrial(replay)
        return self._by_trial[trial]


class _PreparedTrial:
    def __init__(self, replay: Replay) -> None:
        train, validation = train_and_validation(replay)
        held_out = of_split(replay, names.TEST, HELD_OUT_EXAMPLES)
        self.parts = (train, validation, held_out)
        self.few = evenly(len(held_out.target), KERNEL_EXAMPLES)
        self.labels = information.of_classes(held_out.target[self.few])
        self.permuted = information.permutations(self.labels)
        inputs = [part.x.flatten(1).double().numpy() for part in self.parts]
        self.input_kernel = information.of_features(inputs[2][self.few])
        self.on_inputs = self._of_features(inputs)

    def measure(self, replay: Replay, members: NDArray[np.intp]) -> dict[str, NDArray[np.float64]]:
        """Return every variable of one lane and epoch, (member, layer)."""
        columns = [[self.on_inputs] * len(members)]
        for layer in replay.layers[:-1]:
            parts = [pooled(replay.features(part.x, layer)) for part in self.parts]
            columns.append(
                [self._of_features([part[j].numpy() for part in parts]) for j in members]
            )
        logits = replay.logits(self.parts[2].x)
        columns.append([self._of_head(logits[j]) for j in members])
        return {
            name: np.array([[row[name] for row in column] for column in columns]).T
            for name in _MEANINGS
        }

    def _of_features(self, features: list[NDArray[np.floating[Any]]]) -> dict[str, float]:
        """Return every variable of the features of training, validation and test examples."""
        examples = [(z, part.target) for z, part in zip(features, self.parts, strict=True)]
        probed = linear_probe.evaluate(*examples)
        return {
            "probe_error": probed.error,
            "probe_loss": probed.loss,
            **self._information(features[2]),
        }

    def _of_head(self, logits: Tensor) -> dict[str, float]:
        target = torch.as_tensor(self.parts[2].target)
        return {
            "probe_error": float((logits.argmax(-1) != target).double().mean()),
            "probe_loss": float(functional.cross_entropy(logits.double(), target)),
            **self._information(logits.double().numpy()),
        }

    def _information(self, held_out: NDArray[np.floating[Any]]) -> dict[str, float]:
        """Return what does not need a classifier; NaN where features are not finite."""
        if not np.isfinite(held_out).all():
            return dict.fromkeys(list(_MEANINGS)[2:], float("nan"))
        kernel = information.of_features(held_out[self.few])
        return {
            "label_information": information.nhsic(kernel, self.labels),
            "label_information_null": information.permuted(kernel, self.permuted),
            "input_information": information.nhsic(kernel, self.input_kernel),
            "within_over_between": information.within_over_between(held_out, self.parts[2].target),
            "effective_rank": information.effective_rank(held_out),
            "dead_units": information.dead_units(held_out),
            "dead_rows": information.dead_rows(held_out),
        }


probe = Probe(
    name="layers",
    question="What does each layer know, and where is it lost?",
    writes=WRITES,
    measure=measure,
    judge=judge,
    cost="slow",
    by_lane=True,
    seconds=seconds,
    classes_only=True,
    own_weights=True,
    replays=True,
)
