"""The probe `specialisation`: which members carry which modes of the ensemble's outputs."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from jtdiag import names
from jtdiag.probing import last_epoch
from jtdiag.probing.contract import Options, Probe, Var
from jtdiag.store.lanes import Lane
from jtdiag.store.run import OutputBlock, Run
from jtdiag_probes.shared.class_logits import ClassLogits
from jtdiag_probes.shared.outputs import LANE_EPOCH_SPLIT, kept_outputs, over_outputs
from jtdiag_probes.specialisation import learning, modes, summary
from jtdiag_probes.specialisation.verdict import judge

STORED_MODES = 32
"""Largest number of modes that are stored one by one; numbers over all modes include the rest."""

_BY_MODE = (*LANE_EPOCH_SPLIT, names.MODE)
_BY_MEMBER = (*LANE_EPOCH_SPLIT, names.MEMBER)

_MEANINGS: dict[str, tuple[tuple[str, ...], str, str]] = {
    "singular_value": (
        _BY_MODE,
        names.NAT,
        "singular value of the ensemble's centered logits over examples, in descending order",
    ),
    "mode_weight": (
        _BY_MODE,
        names.FRACTION,
        "squared singular value over the sum of all: a mode's part of the ensemble's logits",
    ),
    "mode_share": (
        (*_BY_MODE, names.MEMBER),
        names.FRACTION,
        "a member's share of a mode; the shares of a mode sum to 1",
    ),
    "mode_effective_members": (
        _BY_MODE,
        names.COUNT,
        "1/Σ share² of a mode, negative shares set to 0: M if all are equal",
    ),
    "effective_members_per_mode": (
        LANE_EPOCH_SPLIT,
        names.COUNT,
        "effective members of a mode, mean over all modes by weight",
    ),
    "modes_won": (
        _BY_MEMBER,
        names.COUNT,
        "modes, of all, in which the member has the largest share",
    ),
    "weight_won": (
        _BY_MEMBER,
        names.FRACTION,
        "total weight of the modes in which the member has the largest share; sums to 1",
    ),
    "class_share": (
        (*LANE_EPOCH_SPLIT, names.OUTPUT, names.MEMBER),
        names.FRACTION,
        "a member's share of the ensemble's centered logits on examples of a class; else NaN",
    ),
    "identity_residual": (
        LANE_EPOCH_SPLIT,
        names.FRACTION,
        "largest |logit share − weighted mean of mode shares| over members: a self-test",
    ),
    "learned": (
        LANE_EPOCH_SPLIT,
        names.FRACTION,
        "1 if the ensemble's error is below chance level by more than its sampling error, else 0",
    ),
}
WRITES = {
    name: Var(dims=dims, unit=unit, meaning=meaning, from_outputs=True)
    for name, (dims, unit, meaning) in _MEANINGS.items()
} | last_epoch.WRITES


def measure(run: Run, options: Options) -> xr.Dataset:
    """Measure the modes at every epoch and split whose outputs are kept."""
    metrics = run.metrics()
    if options.metrics_only:
        return xr.Dataset(coords={names.LAM: metrics.coords[names.LAM]})
    count = number_of_modes(run)
    rows = {
        name: dims[len(LANE_EPOCH_SPLIT) :]
        for name, (dims, _, _) in _MEANINGS.items()
        if name != "learned"
    }

    def reduce(
        lane: Lane, blocks: Iterator[OutputBlock]
    ) -> Mapping[str, NDArray[np.floating[Any]] | float]:
        sums = _Sums(run)
        for block in blocks:
            sums.add(block)
        return {**sums.results(count), "examples": float(sums.examples)}

    result = over_outputs(run, metrics, {**rows, "examples": ()}, reduce, {names.MODE: count})
    learned = learning.beyond_noise(
        metrics[names.ENSEMBLE_ERROR], result["examples"], run.chance_error, run.family.classes
    )
    result = result.drop_vars("examples").assign(learned=learned)
    result = result.assign(last_epoch.variable(run, kept_outputs(run, metrics)))
    return result.assign_coords({names.MODE: np.arange(count) + 1})


def number_of_modes(run: Run) -> int:
    """Return the number of modes that are stored: K − 1 of centered logits, else K; at most 32."""
    outputs = run.outputs_per_member
    return min(STORED_MODES, max(1, outputs - 1 if run.family.classes else outputs))


class _Sums:
    """Products of the outputs of one lane, epoch and split, accumulated block by block."""

    def __init__(self, run: Run) -> None:
        members, outputs = run.recipe.members.count, run.outputs_per_member
        self.family = run.family
        self.cross = np.zeros((members, outputs, outputs))
        self.by_class = np.zeros((outputs, members))
        self.precision = 0.0
        self.examples = 0

    def add(self, block: OutputBlock) -> None:
        if self.family.classes:
            logits = ClassLogits(block.logits, block.target)
            self.by_class += logits.projections_by_class()
            self.cross += logits.products()
        else:
            self.cross += modes.products(block.logits.astype(np.float64))
        self.precision = float(np.finfo(block.logits.dtype).eps)
        self.examples += len(block.target)

    def results(self, count: int) -> dict[str, NDArray[np.floating[Any]] | float]:
        """Return every variable of one epoch and split, with `count` modes one by one."""
        outputs = len(self.by_class)
        of_all = modes.of_products(self.cross, outputs, max(modes.SMALLEST, self.precision))
        result = summary.of_modes(of_all)
        share = modes.logit_share(self.cross)
        weighted = np.nansum(of_all.weight[:, None] * of_all.share, 0)
        first = {name: result[name][:count] for name in summary.BY_MODE}
        totals = self.by_class.sum(1, keepdims=True)
        return {
            **result,
            **first,
            "class_share": np.where(totals > 0, self.by_class / totals, np.nan),
            "identity_residual": float(np.abs(weighted - share).max()),
        }


probe = Probe(
    name="specialisation",
    question="Which members carry which modes of the ensemble's outputs?",
    writes=WRITES,
    measure=measure,
    judge=judge,
    cost="cheap",
    compares_members=True,
)
