"""The probe `credit`: the gradients that a credit gives modules, and those of backpropagation."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray
from torch import Tensor

from jtdiag import names
from jtdiag.credit_replay import CreditReplay, Gradients
from jtdiag.probing.checkpoints import Checkpoint, of_checkpoints
from jtdiag.probing.contract import Options, Probe, Var
from jtdiag.recipe.modules import Modules
from jtdiag.store.run import Run
from jtdiag_probes.conditioning.weight_conditioning import evenly
from jtdiag_probes.credit.agreement import agreement, relative_to_first
from jtdiag_probes.credit.verdict import judge

EXAMPLES = 1000
"""Number of training examples, in whole batches; more if a batch has more."""
EPOCHS = 8
"""Largest number of kept epochs of a lane that are measured, evenly spaced."""

_DIMS = (names.LAM, names.TRIAL, names.EPOCH, names.MEMBER, names.MODULE)
_MEANINGS = {
    "cosine": (
        "1",
        "cosine between the gradient of a module's parameters that the credit gives and the "
        "end-to-end gradient of the loss L_λ; NaN where a module is given none or one of 0",
    ),
    "norm_ratio": ("1", "norm of the gradient that the credit gives over the end-to-end one"),
    "end_to_end_norm": (names.NAT, "norm of the end-to-end gradient of a module's parameters"),
    "neighbour_cosine": (
        "1",
        "cosine between the gradient of a module's parameters by its own loss and that by the "
        "loss of the next module; NaN for the head, and where modules have no losses",
    ),
    "gradient_left": (
        names.FRACTION,
        "that norm relative to epoch 0; NaN if the checkpoint of epoch 0 is not kept",
    ),
}
WRITES = {
    name: Var(dims=_DIMS, unit=unit, meaning=meaning, from_outputs=True)
    for name, (unit, meaning) in _MEANINGS.items()
}
MEASURED = ("cosine", "norm_ratio", "end_to_end_norm", "neighbour_cosine")
"""Variables that are measured epoch by epoch; the last follows from them."""

Values = NDArray[np.float64]
"""`MEASURED` of a lane and epoch, (4, member, module)."""


def measure(run: Run, options: Options) -> xr.Dataset:
    """Compare both gradients at some of the epochs whose checkpoints are kept."""
    coords = run.metrics().coords
    if options.metrics_only:
        return xr.Dataset(coords={names.LAM: coords[names.LAM]})
    newest = coords[names.EPOCH].size - 1  # more may have been sealed since
    epochs = {}
    for lane in run.lanes:
        kept = [e for e in run.seal(lane).checkpoints if e <= newest]
        epochs[lane] = measured_epochs(kept, run.recipe.modules)
    of_each = of_checkpoints(run, epochs, _of_checkpoint, options.client)
    measured = {(k.lam_index, k.trial, e): values for (k, e), (values, _) in of_each.items()}
    counts = [count for _, count in of_each.values()]
    return _result(run, measured).assign_attrs(
        training_examples=counts[-1] if counts else 0,
        credit=run.recipe.modules.credit,
        one_by_one=int(run.recipe.modules.record.one_by_one),
    )


def _of_checkpoint(checkpoint: Checkpoint) -> tuple[Values, int]:
    """Return what `compared` returns, and the number of examples."""
    step = CreditReplay.of(checkpoint.run, checkpoint.replay, checkpoint.epoch)
    batches = step.batches(EXAMPLES)
    return compared(step, batches), sum(map(len, batches))


def measured_epochs(kept: Sequence[int], modules: Modules) -> list[int]:
    """Return some of the kept epochs: the first, the last, evenly spaced ones between them.

    Of modules that are trained one after the other, the last kept epoch of each.
    """
    spread = {kept[i] for i in evenly(len(kept), EPOCHS)} if kept else set()
    if modules.record.one_by_one:
        spread |= set({modules.phase(max(1, epoch))[0]: epoch for epoch in kept}.values())
    return sorted(spread)


def compared(step: CreditReplay, batches: Sequence[Tensor]) -> Values:
    """Return `MEASURED` of the mean gradients over some batches, (4, member, module)."""
    given = _mean([step.credited(positions) for positions in batches])
    wanted = _mean([step.end_to_end(positions) for positions in batches])
    members = step.replay.session.recipe.members.count
    columns = [
        agreement(
            _vectors(given, own, members) if set(own) <= set(given) else None,
            _vectors(wanted, own, members),
        )
        for own in step.modules.values()
    ]
    return np.concatenate([np.stack(columns, -1), [_of_neighbours(step, batches, members)]])


def _of_neighbours(
    step: CreditReplay, batches: Sequence[Tensor], members: int
) -> NDArray[np.float64]:
    """Return the cosines (member, module) of gradients by a module's loss and by the next one's."""
    cosines = np.full((members, len(step.modules)), np.nan)
    if not step.has_own_losses:
        return cosines
    own, following = (
        _mean([gradients_of(positions) for positions in batches])
        for gradients_of in (step.by_own_loss, step.by_next_loss)
    )
    for i, parameters in enumerate([*step.modules.values()][:-1]):
        vectors = [_vectors(each, parameters, members) for each in (own, following)]
        cosines[:, i] = agreement(*vectors).cosine
    return cosines


def _mean(steps: Sequence[Gradients]) -> Gradients:
    return {name: torch.stack([step[name] for step in steps]).double().mean(0) for name in steps[0]}


def _vectors(gradients: Gradients, parameters: Sequence[str], members: int) -> NDArray[np.float64]:
    """Return the gradients of some parameters as vectors (M, D) of the M members."""
    every = [gradients[name].flatten(1) for name in parameters]
    return torch.cat([torch.empty(members, 0, dtype=torch.float64), *every], 1).numpy()


def _result(run: Run, measured: Mapping[tuple[int, int, int], Values]) -> xr.Dataset:
    epochs = sorted({epoch for *_, epoch in measured})
    members, modules = run.recipe.members.count, list(run.modules)
    shape = (len(run.recipe.lam), run.recipe.trials, len(epochs), members, len(modules))
    arrays = {name: np.full(shape, np.nan) for name in MEASURED}
    for (lam_index, trial, epoch), values in measured.items():
        for array, own in zip(arrays.values(), values, strict=True):
            array[lam_index, trial, epochs.index(epoch)] = own
    norms = arrays["end_to_end_norm"]
    from_start = bool(epochs) and epochs[0] == 0
    left = relative_to_first(norms, 2) if from_start else np.full_like(norms, np.nan)
    return xr.Dataset(
        {name: (_DIMS, array) for name, array in (arrays | {"gradient_left": left}).items()},
        coords={
            names.LAM: list(run.recipe.lam),
            names.TRIAL: np.arange(run.recipe.trials),
            names.EPOCH: epochs,
            names.MEMBER: np.arange(members),
            names.MODULE: np.asarray(modules, dtype=np.dtypes.StringDType()),
        },
    )


probe = Probe(
    name="credit",
    question="Is a module given the gradient that backpropagation would have given it?",
    writes=WRITES,
    measure=measure,
    judge=judge,
    cost="slow",
    by_lane=True,
    modules_only=True,
    replays=True,
)
