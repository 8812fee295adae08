"""What the probe `layers` costs, known before it is measured."""

import math
from collections.abc import Mapping, Sequence
from contextlib import suppress

from jtdiag.errors import JtdiagError
from jtdiag.recipe import budget
from jtdiag.store.lanes import Lane
from jtdiag.store.run import Run
from jtdiag_probes.layers.examples import POOLED

LINEAR_PROBE = 1.2e-3
"""Seconds for each feature of a linear probe on 2,000 examples, on one processor of 2024."""
KERNELS = 0.15
"""Seconds for the kernel matrices of one layer, of 500 examples."""
DEEPEST = 8
"""Layers that are counted at most: those of the larger architectures have several weights."""


def seconds(run: Run, epochs: Mapping[Lane, Sequence[int]], members: int) -> float:
    """Return a rough estimate of the processor time for a run, in seconds.

    Args:
        run: The run.
        epochs: Epochs that are measured, by lane.
        members: Largest number of members.
    """
    weights = [shape for shape in run.parameters.values() if len(shape) > 1][:DEEPEST]
    features = sum(shape[0] * (1 if len(shape) == 2 else POOLED**2) for shape in weights[:-1])
    of_member = LINEAR_PROBE * features + KERNELS * len(weights)
    of_inputs = LINEAR_PROBE * _inputs(run) + KERNELS
    passes = sum(map(len, epochs.values())) * min(members, run.recipe.members.count)
    trials = {lane.trial for lane, several in epochs.items() if several}
    return passes * of_member + len(trials) * of_inputs


def _inputs(run: Run) -> int:
    with suppress(JtdiagError):  # data of unknown shape
        data = run.recipe.data
        return math.prod(budget.data_shape(data.name, data.layout, data.keys).input_shape)
    return 0
