"""Losses and errors of every epoch that another program saved, in the order of its columns."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from jtdiag import names
from jtdiag.errors import DataError
from jtdiag.monitor import batch_sums, wording
from jtdiag.monitor.batch_sums import Metrics

OF_ENSEMBLE: Final = 3
"""Columns before those of the members: ensemble loss, mean member loss, ensemble error."""
OF_MEMBER: Final = 3
"""Columns of each member: loss, error, mean entropy."""
TOLERANCE: Final = 1e-3
"""Greatest relative deviation of the column of mean member losses from their mean."""


def by_epoch(
    metrics: Mapping[str, Any], splits: Mapping[str, object], members: int, epochs: int
) -> dict[str, list[Metrics]]:
    """Return losses and errors by split, for each epoch from 1 on.

    Args:
        metrics: (epochs, 3 + 3M) by split: loss of the ensemble, mean loss of its members, error of
            the ensemble, then M losses, M errors and M mean entropies of members. Errors are
            fractions. Entropies are not used.
        splits: Splits that have logits; others than these and "train" are refused.
        members: M.
        epochs: Number of epochs of training.

    Raises:
        DataError: if they cannot be losses and errors of these members and epochs.
    """
    for split in metrics:
        if split not in {names.TRAIN, *splits}:
            raise DataError(wording.metrics_of_other_split(split))
    return {
        split: _of_split(split, np.asarray(values), members, epochs)
        for split, values in metrics.items()
    }


def _of_split(split: str, values: NDArray[Any], members: int, epochs: int) -> list[Metrics]:
    expected = (epochs, OF_ENSEMBLE + OF_MEMBER * members)
    if values.shape != expected or values.dtype.kind not in "fiu":
        raise DataError(wording.metrics_shape(split, values.shape, expected))
    rows = values.astype(np.float64)
    loss, mean_loss, error = rows[:, :OF_ENSEMBLE].T
    losses, errors, _ = np.split(rows[:, OF_ENSEMBLE:], OF_MEMBER, axis=1)
    mean_differs = ~np.isclose(mean_loss, losses.mean(1), rtol=TOLERANCE, equal_nan=True)
    if mean_differs.any():
        raise DataError(wording.metrics_order(split, int(mean_differs.argmax()) + 1))
    all_errors = np.column_stack([error, errors])
    if not ((all_errors >= 0) & (all_errors <= 1)).all():
        raise DataError(wording.metrics_no_fractions(split))
    means = np.concatenate([losses, errors, loss[:, None], error[:, None]], axis=1)
    return [batch_sums.by_name(row) for row in means]
