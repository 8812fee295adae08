"""What conditioning costs, known before it is measured, and where it is too much."""

from jtdiag.store.run import Run

LARGEST = 100_000_000
"""M·d³ of one example, with d = K−1, up to which its spectrum with respect to the outputs is
computed at every epoch: a few seconds for the fewest examples. Memory is 10 M·d² numbers."""
LARGEST_EXACT = 10_000_000_000
"""The same for the exact κ with respect to the weights, computed once for a lane."""
CUBIC, SQUARE = 8e-9, 1.4e-6
"""Seconds for each M·d³ and M·d² of an example: eigenvalues and their bisection, on one processor
of 2024."""
EXACT, REDUNDANCY, LANE = 1.4e-9, 1.1e-5, 2.0
"""Seconds with respect to the weights: for each M·d³ of the exact κ, for each output of the
examples of tangent redundancy, and for the rest of a lane, without the members' own products."""


def work(members: int, classes: int) -> int:
    """Return M·d³, to which the time of one example is proportional if there are many classes."""
    return members * (classes - 1) ** 3


def seconds(run: Run, examples: int, grid: int, weight_examples: int) -> float:
    """Return a rough estimate of the processor time for a run, in seconds.

    Args:
        run: The run.
        examples: Whose spectra with respect to the outputs are computed at each epoch.
        grid: λs at which they are evaluated once more, for one lane and epoch.
        weight_examples: Training examples with respect to the weights.
    """
    members, size = run.recipe.members.count, run.outputs_per_member - 1
    seals = [run.seal(lane) for lane in run.lanes]
    spectra = sum(len(seal.outputs) for seal in seals) + grid
    each = members * (CUBIC * size**3 + SQUARE * size**2)
    amount = work(members, size + 1)
    exact = EXACT * amount if amount <= LARGEST_EXACT else 0.0
    trained_on = run.training_examples or weight_examples
    outputs = members * (size + 1) * min(weight_examples, trained_on)
    replayed = sum(bool(seal.checkpoints) for seal in seals)
    return spectra * examples * each + replayed * (exact + REDUNDANCY * outputs + LANE)
