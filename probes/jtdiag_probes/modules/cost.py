"""What the probe `modules` costs, known before it is measured."""

import math
from contextlib import suppress

from jtdiag.errors import JtdiagError
from jtdiag.recipe import budget
from jtdiag.store.run import Run
from jtdiag_probes.layers.cost import DEEPEST, LINEAR_PROBE
from jtdiag_probes.layers.examples import POOLED
from jtdiag_probes.modules import batch_statistics
from jtdiag_probes.modules.prepared import STATISTICS_EXAMPLES, TEST_EXAMPLES

PRODUCT = 3e-11
"""Seconds for each multiply-add of a forward pass, on one processor of 2024."""


def seconds(run: Run, epochs: int, members: int) -> float:
    """Return a rough estimate of the processor time for a run, in seconds.

    Args:
        run: The run.
        epochs: Largest number of epochs of a lane.
        members: Largest number of members with linear probes.
    """
    weights = [shape for shape in run.parameters.values() if len(shape) > 1][:DEEPEST]
    modules = len(weights)
    features = sum(shape[0] * (1 if len(shape) == 2 else POOLED**2) for shape in weights[:-1])
    lanes = [min(len(run.seal(lane).checkpoints), epochs) for lane in run.lanes]
    rewound = sum(lanes) * (modules + 1)
    passes = rewound * run.recipe.members.count * _examples(run) * _products(run)
    probes = sum(map(bool, lanes)) * min(members, run.recipe.members.count)
    return PRODUCT * passes + LINEAR_PROBE * probes * features


def _examples(run: Run) -> int:
    """Return the examples of one error: with BatchNorm twice, and two steps in float64 between."""
    if not batch_statistics.names_of(run.checkpointed):
        return TEST_EXAMPLES
    return 2 * TEST_EXAMPLES + 4 * STATISTICS_EXAMPLES


def _products(run: Run) -> int:
    """Return the multiply-adds of an example, as if kernels saw images of the size of inputs."""
    pixels = 1
    with suppress(JtdiagError):  # data of unknown shape
        data = run.recipe.data
        pixels = math.prod(budget.data_shape(data.name, data.layout, data.keys).input_shape[1:])
    shapes = run.parameters.values()
    return sum(math.prod(shape) * (pixels if len(shape) > 2 else 1) for shape in shapes)
