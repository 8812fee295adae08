"""Errors and losses of single test examples, from stored outputs."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from jtdiag import names
from jtdiag.store.lanes import Lane
from jtdiag.store.run import Run

Values = NDArray[np.floating[Any]]


def has_outputs(run: Run, lane: Lane) -> bool:
    """Return whether the test outputs of a lane's selected epoch are stored."""
    kept = run.seal(lane).outputs if names.TEST in run.recipe.keep.splits else ()
    return run.chosen_epoch(lane) in kept


def by_example(run: Run, lane: Lane) -> dict[str, Values]:
    """Return error and loss of the ensemble, mean member loss and diversity by test example, (n,).

    At the epoch selected on validation; outputs are read chunk by chunk.
    """
    import torch  # takes seconds, and runs are compared without outputs as well

    from jtdiag.families import combining

    rows: dict[str, list[Values]] = {}
    for block in run.outputs(lane, run.chosen_epoch(lane), names.TEST):
        eta = torch.from_numpy(block.logits.astype(np.float64))
        target = torch.from_numpy(np.ascontiguousarray(block.target))
        mean = combining.prediction(run.family, eta, run.recipe.combiner)
        loss = combining.ensemble_loss(run.family, eta, target, run.recipe.combiner)
        members = combining.member_losses(run.family, eta, target).mean(-2)
        columns = {
            names.ENSEMBLE_ERROR: run.family.error(mean, target) / run.error_scale,
            names.ENSEMBLE_LOSS: loss,
            "mean_member_loss": members,
            "diversity": members - loss,
        }
        for name, values in columns.items():
            rows.setdefault(name, []).append(values.numpy())
    return {name: np.concatenate(parts) for name, parts in rows.items()}
